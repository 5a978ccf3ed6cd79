"""Which key may have been meant: the nearest of all that exist, and the common words of other tools.

This module must not import torch or Lightning.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

__all__ = ["leaves_of", "similar_keys", "synonymous_keys"]

_MOST = 3
_CUTOFF = 0.75

# Words of Keras, scikit-learn, Hugging Face, Lightning templates and papers → our last words of a key.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "lr": ("optimizer.lr",),
    "learning_rate": ("optimizer.lr",),
    "learningrate": ("optimizer.lr",),
    "eta": ("optimizer.lr",),
    "wd": ("optimizer.weight_decay",),
    "decay": ("optimizer.weight_decay", "regularization.l2"),
    "weight_decay": ("optimizer.weight_decay",),
    "beta1": ("optimizer.betas",),
    "beta2": ("optimizer.betas",),
    "epochs": ("trainer.max_epochs",),
    "epoch": ("trainer.max_epochs",),
    "n_epochs": ("trainer.max_epochs",),
    "num_epochs": ("trainer.max_epochs",),
    "nb_epochs": ("trainer.max_epochs",),
    "num_train_epochs": ("trainer.max_epochs",),
    "iterations": ("trainer.max_epochs",),
    "max_iter": ("trainer.max_epochs",),
    "bs": ("data.batch_size",),
    "batch": ("data.batch_size",),
    "batch_size": ("data.batch_size",),
    "batchsize": ("data.batch_size",),
    "minibatch_size": ("data.batch_size",),
    "per_device_train_batch_size": ("data.batch_size",),
    "workers": ("data.num_workers",),
    "dataset": ("data",),
    "task": ("data",),
    "augment": ("augmentation",),
    "batch_size_schedule": ("schedule.batch_growth",),
    "label_smoothing": ("regularization.label_smoothing",),
    "ema_decay": ("regularization.ema",),
    "ema": ("regularization.ema",),
    "swa": ("regularization.swa",),
    "mixup_alpha": ("regularization.mixup",),
    "mixup": ("regularization.mixup",),
    "cutmix_alpha": ("regularization.cutmix",),
    "cutmix": ("regularization.cutmix",),
    "smoothing": ("regularization.label_smoothing",),
    "batch_growth": ("schedule.batch_growth",),
    "regularization_growth": ("schedule.regularization_growth",),
    "augmentations": ("augmentation",),
    "transforms": ("augmentation",),
    "horizontal_flip": ("augmentation.flip",),
    "hflip": ("augmentation.flip",),
    "rotation": ("augmentation.rotate",),
    "degrees": ("augmentation.rotate",),
    "net": ("model",),
    "network": ("model",),
    "arch": ("model",),
    "architecture": ("model",),
    "hidden": ("model.units", "model.channels"),
    "hidden_dim": ("model.units", "model.channels"),
    "hidden_size": ("model.units", "model.channels"),
    "hidden_units": ("model.units", "model.channels"),
    "hidden_layer_sizes": ("model.units", "model.channels"),
    "width": ("model.units", "model.channels"),
    "neurons": ("model.units",),
    "filters": ("model.channels",),
    "depth": ("model.layers",),
    "n_layers": ("model.layers",),
    "num_layers": ("model.layers",),
    "act": ("model.activation",),
    "nonlinearity": ("model.activation",),
    "batchnorm": ("model.batch_norm",),
    "bn": ("model.batch_norm",),
    "p": ("model.dropout", "regularization.dropout"),
    "drop": ("model.dropout", "regularization.dropout"),
    "drop_rate": ("model.dropout", "regularization.dropout"),
    "dropout_rate": ("model.dropout", "regularization.dropout"),
    "criterion": ("loss",),
    "loss_fn": ("loss",),
    "class_weight": ("loss.class_weights",),
    "pos_weight": ("loss.class_weights",),
    "optim": ("optimizer",),
    "opt": ("optimizer",),
    "sched": ("scheduler",),
    "lr_scheduler": ("scheduler",),
    "lr_schedule": ("scheduler",),
    "patience": ("callbacks.early_stopping.patience",),
    "early_stopping": ("callbacks.early_stopping",),
    "metric": ("monitor.metric",),
    "clip": ("regularization.gradient_clip",),
    "grad_clip": ("regularization.gradient_clip",),
    "gradient_clip_val": ("regularization.gradient_clip",),
    "max_grad_norm": ("regularization.gradient_clip",),
    "clipnorm": ("regularization.gradient_clip",),
    "gpus": ("trainer.devices",),
    "n_gpus": ("trainer.devices",),
    "device": ("trainer.accelerator",),
    "fp16": ("trainer.precision",),
    "amp": ("trainer.precision",),
    "random_state": ("seed",),
    "random_seed": ("seed",),
    "out": ("output_root",),
    "output_dir": ("output_root",),
    "logdir": ("output_root",),
    "log_dir": ("output_root",),
    "save_dir": ("output_root",),
    "exp_name": ("name",),
    "run_name": ("name",),
    "n_trials": ("search.n_trials",),
    "trials": ("search.n_trials",),
    "max_evals": ("search.n_trials",),
    "num_samples": ("search.n_trials",),
    "n_jobs": ("search.n_jobs",),
    "jobs": ("search.n_jobs",),
    "sampler": ("search",),
    "study": ("search.study",),
    "study_name": ("search.study",),
    "k": ("validation.k",),
    "folds": ("validation.k",),
    "n_folds": ("validation.k",),
    "n_splits": ("validation.k",),
    "cv": ("validation",),
    "checkpoint": ("resume",),
    "resume_from_checkpoint": ("resume",),
    "ckpt": ("resume",),
}


def leaves_of(cfg: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield the dotted key of every node of a configuration, groups and values alike."""
    for key in map(str, cfg):
        if not key.startswith("_"):
            yield f"{prefix}{key}"
        if OmegaConf.is_missing(cfg, key) or OmegaConf.is_interpolation(cfg, key):
            continue
        value: Any = cfg[key]
        if isinstance(value, DictConfig):
            yield from leaves_of(value, f"{prefix}{key}.")


def synonymous_keys(key: str, keys: Iterable[str]) -> list[str]:
    """Return those keys that other tools name by the last word of a key, or by all of it."""
    known, (_, _, last) = set(keys), _parted(key)
    words = (*SYNONYMS.get(last, ()), *SYNONYMS.get(key.lower(), ()))
    return [candidate for candidate in words if candidate in known]


def _parted(key: str) -> tuple[str, str, str]:
    return key.lower().replace("-", "_").rpartition(".")


def similar_keys(key: str, keys: Iterable[str]) -> Sequence[str]:
    """Return the keys that may have been meant by one that does not exist, the likeliest first; at most three.

    Args:
        key: dotted, as typed.
        keys: those that exist.
    """
    known = list(dict.fromkeys(keys))
    parent, _, last = _parted(key)
    found = synonymous_keys(key, known)
    found.sort(key=lambda candidate: not (parent and candidate.startswith(f"{parent}.")))
    siblings = {path.rpartition(".")[2]: path for path in known if path.rpartition(".")[0] == parent}
    found += [siblings[word] for word in difflib.get_close_matches(last, list(siblings), n=1, cutoff=0.6)]
    found += [path for path in known if path.rpartition(".")[2] == last]
    found += difflib.get_close_matches(key, known, n=1, cutoff=_CUTOFF)
    lasts: dict[str, list[str]] = {}
    for path in known:
        lasts.setdefault(path.rpartition(".")[2], []).append(path)
    if not found:
        near = difflib.get_close_matches(last, list(lasts), n=1, cutoff=_CUTOFF)
        found += [path for word in near for path in lasts[word]]
    chosen = list(dict.fromkeys(found))
    if any(candidate.startswith(f"{parent}.") for candidate in chosen) and parent:
        chosen = [candidate for candidate in chosen if candidate.startswith(f"{parent}.")]
    return chosen[:_MOST]
