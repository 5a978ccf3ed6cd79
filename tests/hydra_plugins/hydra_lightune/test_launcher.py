from executor_contexts import context_of

from hydra_plugins.hydra_lightune.launcher import LocalLauncher, LocalLauncherConf
from lightune.study.executors.local import open as opening


def test_its_executor_is_that_of_worker_processes(monkeypatch):
    made = []
    monkeypatch.setattr(
        opening, "open_executor", lambda context, *, n_jobs: made.append((context, n_jobs)) or "it"
    )
    context = context_of()
    assert LocalLauncher(n_jobs=3).make_executor(context) == "it"
    assert made == [(context, 3)]


def test_hydra_finds_it_by_its_path():
    assert LocalLauncherConf()._target_ == f"{LocalLauncher.__module__}.{LocalLauncher.__name__}"
    assert LocalLauncherConf().n_jobs == LocalLauncher().n_jobs
