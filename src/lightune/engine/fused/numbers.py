"""The numbers of torch's optimizers in which members of a group may differ; this module must not import torch."""

__all__ = ["NUMBERS"]

NUMBERS: dict[str, tuple[str, ...]] = {
    "SGD": ("lr", "momentum", "dampening", "weight_decay"),
    "Adam": ("lr", "betas", "eps", "weight_decay"),
    "AdamW": ("lr", "betas", "eps", "weight_decay"),
    "RMSprop": ("lr", "alpha", "eps", "momentum", "weight_decay"),
    "Adagrad": ("lr", "lr_decay", "weight_decay", "eps", "initial_accumulator_value"),
}
"""Name of the class in `torch.optim` → its numbers. All else in a parameter group is a switch, and must agree."""
