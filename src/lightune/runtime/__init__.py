"""Files, signals, hardware, the end of a process. Nothing here knows of configurations, runs or studies."""
