"""Runs in MLflow: an experiment a study, a run a trial."""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock

from lightune.reporting.tracker import Tracker

_STATUS = {"failed": "FAILED", "interrupted": "KILLED"}  # any other has finished
_MOST_PARAMETERS = 100  # that MLflow takes at once
_LONGEST = 6000  # text of a parameter
_RETRIES = "2"  # of a request


class MLflow(Tracker):
    """Send curves, parameters and figures to an MLflow server, or into a database in the output root.

    Args:
        save_dir: the run's folder.
        output_root: holds the database, where no server is named.
        tracking_uri: of the server; null takes that of MLFLOW_TRACKING_URI or, without it, the database.
        experiment: its name; null takes that of the study or, without one, of the run.

    Raises:
        ValueError: if MLflow is not installed.
    """

    package: ClassVar[str] = "mlflow"

    def __init__(
        self, save_dir: str, output_root: str, tracking_uri: str | None = None, experiment: str | None = None
    ) -> None:
        super().__init__(save_dir)
        self._root, self._uri, self._experiment = Path(output_root), tracking_uri, experiment
        self._client: Any = None
        self._run_id = ""

    @property
    def experiment(self) -> Any:
        """MLflow's client."""
        return self._client

    def _open(self, kept: Mapping[str, str], above: Mapping[str, str]) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)  # MLflow's own number takes minutes
        from mlflow.environment_variables import MLFLOW_TRACKING_URI
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._root.mkdir(parents=True, exist_ok=True)
        named = self._uri or MLFLOW_TRACKING_URI.get()
        place = None if named else (self._root.absolute() / "mlartifacts").as_uri()
        with FileLock(self._root / "mlflow.lock"):  # a database is made once, and an experiment
            self._client = MlflowClient(named or f"sqlite:///{self._root.absolute() / 'mlflow.db'}")
            if kept:
                self._run_id = kept["run_id"]
                self._client.update_run(self._run_id, status="RUNNING")
                return
            experiment = above.get("experiment_id") or self._experiment_id(place)
        self._create(experiment, above)

    def _experiment_id(self, place: str | None) -> str:
        name = self._experiment or (self._session.group if self._session else "") or "lightune"
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "active":
            return str(found.experiment_id)
        return str(self._client.create_experiment(name, artifact_location=place))

    def _create(self, experiment: str, above: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        session = self._session
        tags = {"mlflow.parentRunId": above["run_id"]} if above else {}
        if session is not None:
            words = dict.fromkeys(session.tags, "true")
            tags |= words | {"lightune.folder": session.row}
            tags |= {"mlflow.note.content": session.note} if session.note else {}
        run = self._client.create_run(experiment, run_name=self._title(), tags=tags)
        self._run_id = run.info.run_id
        self._keep({"run_id": self._run_id, "experiment_id": experiment})
        shown = {} if session is None else {**session.parameters, **session.hparams}
        parameters = [Param(key, str(value)[:_LONGEST]) for key, value in shown.items()]
        for first in range(0, len(parameters), _MOST_PARAMETERS):
            self._client.log_batch(self._run_id, params=parameters[first : first + _MOST_PARAMETERS])

    def _send(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._run_id, [Metric(name, value, now, step) for name, value in values.items()])

    def _end(self, status: str) -> None:
        self._client.set_tag(self._run_id, "lightune.status", status)
        self._client.set_terminated(self._run_id, _STATUS.get(status, "FINISHED"))
