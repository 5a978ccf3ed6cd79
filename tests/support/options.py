"""The options below conf/, and what each needs to be trained."""

from lightune.paths import conf_dir

__all__ = ["NEEDS_GPU", "OPTIONS", "TRACKERS", "overrides_for"]

OPTIONS = sorted(
    str(file.relative_to(conf_dir()).with_suffix(""))
    for file in conf_dir().rglob("*.yaml")
    if file.parent != conf_dir() and "local" not in file.parts
)
TRACKERS = ("mlflow", "wandb")
"""Loggers whose packages are extras, by their names."""

NEEDS_GPU = {"trainer/gpu", "trainer/ddp", "trainer/fsdp"}


def overrides_for(option):
    """Return what it takes to train an option: some need data that they fit."""
    group, _, name = option.replace("/after_experiment", "").rpartition("/")
    extra = {
        "logger": {"wandb": ["logger.wandb.mode=offline"]},
        "augmentation": {"audio": ["data=audio_folder"]},
        "loss": {"mse": ["data=diabetes"], "mae": ["data=diabetes"], "huber": ["data=diabetes"]},
        "model": {
            "audio_cnn": ["data=audio_folder"],
            "ft_transformer": ["data=csv", "data.categories=embedding"],
            "tabular_resnet": ["data=csv", "data.categories=embedding"],
            "text_lstm": ["data=text_csv"],
            "text_mean": ["data=text_csv"],
            "text_transformer": ["data=text_csv"],
        },
    }
    if option == "model/vgg16":  # whose weights nobody has at hand
        small = ["data.image_size=32", "model.image_size=32", "data.batch_size=16"]
        return ["data=image_folder", "model=vgg16", "model.weights=null", *small]
    if option in ("experiment/vgg16_transfer", "experiment/transfer_heads"):
        return [f"{group}={name}", "model.weights=null", "data.scaling=standard", "data.batch_size=16"]
    needed = extra.get(group, {}).get(name, ["data=diabetes"] if option == "metrics/regression" else [])
    return [*needed, f"{group}={name}"]
