"""What a run leaves for people and programs: its result, its curves, its summary, where it came from."""
