"""Pages and tables made from the files that runs and studies leave, and from nothing else."""
