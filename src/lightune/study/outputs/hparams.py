"""The record of a study on TensorBoard's HParams page: one row per trial, with the swept keys only.

This module must not import torch or Lightning.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.study.definition.settings import Objective
from lightune.study.space.dimensions import Interval, Steps
from lightune.study.space.space import Space

__all__ = ["FOLDER", "complete_row", "write_experiment"]

FOLDER = "_sweep"
_LOGGER = "lightune.reporting.tensorboard.TensorBoard"


def write_experiment(folder: Path, config: DictConfig, space: Space, objectives: Sequence[Objective]) -> None:
    """Write the one experiment record of a study, if its trials log to TensorBoard.

    Args:
        folder: the study's.
        config: of the multirun.
        space: its keys become the columns.
        objectives: their metrics stand first.
    """
    loggers = OmegaConf.to_container(OmegaConf.select(config, "logger") or OmegaConf.create({}), resolve=False)
    if _LOGGER not in str(loggers) or (folder / FOLDER).exists():
        return
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    experiment = api_pb2.Experiment(
        description=f"study {folder.name}",
        time_created_secs=time.time(),
        hparam_infos=[_column(api_pb2, dimension) for dimension in space.dimensions],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=tag) for tag in _metrics(objectives)
        ],
    )
    summary = _record(metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))
    writer = EventFileWriter(str(folder / FOLDER))
    writer.add_event(Event(wall_time=time.time(), summary=summary))
    writer.close()


def complete_row(folder: Path, hparams: Mapping[str, float | str], name: str) -> None:
    """Give a failed trial the row that it did not open, or the end that it did not live to write.

    Args:
        folder: the trial's.
        hparams: swept key → value.
        name: of the row, as the trial calls it.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    written = b"".join(file.read_bytes() for file in sorted(folder.glob("events.out.tfevents.*")))
    missing = []
    if metadata.SESSION_START_INFO_TAG.encode() not in written:
        missing.append(summary_v2.hparams_pb(dict(hparams), trial_id=name))
    if metadata.SESSION_END_INFO_TAG.encode() not in written:
        end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_FAILURE, end_time_secs=time.time())
        missing.append(
            _record(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end))
        )
    if missing:
        writer = EventFileWriter(str(folder))
        for summary in missing:
            writer.add_event(Event(wall_time=time.time(), summary=summary))
        writer.close()


def _record(tag: str, content: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    about = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


def _metrics(objectives: Sequence[Objective]) -> list[str]:
    named = [objective.metric for objective in objectives if objective.metric]
    return list(dict.fromkeys(["objective", *named, "val/loss"]))


def _column(api: Any, dimension: Any) -> Any:
    name = dimension.key.lstrip("+")
    column = api.HParamInfo(name=name, display_name=name, differs=True)
    if isinstance(dimension, Interval) and not dimension.when:
        column.type = api.DATA_TYPE_FLOAT64
        column.domain_interval.min_value, column.domain_interval.max_value = dimension.low, dimension.high
    elif isinstance(dimension, Steps) and not dimension.when:
        column.type = api.DATA_TYPE_FLOAT64
        column.domain_discrete.extend(map(float, dimension.numbers))
    else:
        column.type = api.DATA_TYPE_STRING
        if not isinstance(dimension, Interval):
            column.domain_discrete.extend([*dimension.grid(), *(["-"] if dimension.when else [])])
    return column
