"""The stacked program: data, steps, updates, metrics of several members. Tensors and plain values only."""
