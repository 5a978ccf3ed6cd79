"""The worker process: its main loop, its channel to the driver, its isolation between trials."""
