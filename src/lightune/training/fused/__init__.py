"""Several trainings as one program: what may be combined, and what each run leaves in its folder."""
