"""The one reader of what runs leave for TensorBoard."""

from pathlib import Path
from typing import Any

Curve = list[tuple[int, float]]


def events(folder: Path) -> Any:
    """Return everything in the event files of a folder, as TensorBoard reads it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def curves(folder: Path) -> dict[str, Curve]:
    """Return the curves of a folder: tag → (step, value) of each point."""
    read = events(folder)
    return {tag: [(each.step, each.value) for each in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def curves_below(folder: Path) -> dict[tuple[str, str], Curve]:
    """Return the curves of a folder and of all below it: (folder, tag) → points."""
    places = sorted({path.parent for path in folder.rglob("events.out.tfevents.*")})
    named = {str(place.relative_to(folder)): curves(place) for place in places}
    return {(place, tag): curve for place, by_tag in named.items() for tag, curve in by_tag.items()}


def hparams_records(folder: Path) -> dict[str, Any]:
    """Return the records of a folder for the HParams page: tag → record."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    content = events(folder).PluginTagToContent("hparams")
    return {tag: plugin_data_pb2.HParamsPluginData.FromString(data) for tag, data in content.items()}


def session_start(folder: Path) -> Any:
    """Return the beginning of a trial's row on the HParams page."""
    from tensorboard.plugins.hparams import metadata

    return hparams_records(folder)[metadata.SESSION_START_INFO_TAG].session_start_info
