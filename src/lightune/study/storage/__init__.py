"""What a study remembers: trials, samplers, storage backends, leases and locks."""
