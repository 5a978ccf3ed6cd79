"""How steps are taken: many trainings as one stacked program, and one training with little overhead."""
