"""What changes over the epochs beside the learning rate: batch size and strengths of regularization."""
