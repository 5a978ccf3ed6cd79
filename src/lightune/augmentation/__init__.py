"""Random variation of training samples: pure functions of (seed, epoch, row) on whole batches."""
