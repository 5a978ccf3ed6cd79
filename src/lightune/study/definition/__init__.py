"""What a study is: its settings, its name, its snapshot of the configuration, `study.json`."""
