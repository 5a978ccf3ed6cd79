"""The pages of the Python interface: which names they show. What they say of them are the docstrings."""

from lightune import _HOMES

__all__ = ["api_pages", "documented"]

_RETURNED = [
    "lightune.reporting.result.Result",
    "lightune.reporting.result.Objective",
    "lightune.reporting.result.Interval",
    "lightune.report.loading.Study",
    "lightune.report.study_data.TrialData",
    "lightune.inference.predictor.Predictor",
]
_BESIDE = [
    "lightune.exporting.export",
    "lightune.study.current_trial",
    "lightune.study.Trial",
    "lightune.study.PrunedError",
]
_MEMBERS = {
    "lightune.data.InMemoryData": ["load", "input_shape", "num_classes", "num_targets", "sizes", "rows"],
    "lightune.models.TransferNetwork": ["make_body", "statistics_of"],
    "lightune.callbacks.BestAndLast": [],
    "lightune.losses.CrossEntropy": ["num_outputs", "predict", "forward", "of_each"],
    "lightune.errors": [
        "LightuneError",
        "ConfigError",
        "Problem",
        "StorageError",
        "TrialError",
        "StudyFailedError",
        "TrainingError",
        "UnwritableError",
        "CheckpointError",
        "InterruptedRun",
        "InterruptedStudy",
    ],
}
"""What is shown of those that have members which no caller and no subclass needs."""
_INTERFACES = {
    "Data": (
        "A subclass of `InMemoryData` says how samples are read; division, preparation, seeds and "
        "batches are then lightune's "
        "([guide](../your_own_code.md#data-that-fit-in-memory)). Any `LightningDataModule` may stand in its place "
        "([guide](../your_own_code.md#any-other-data)).",
        ["lightune.data.InMemoryData", "lightune.data.Samples"],
    ),
    "Networks": (
        "Any `torch.nn.Module` ([guide](../your_own_code.md#a-model)). One that puts a new head on the "
        "body of others is a `TransferNetwork`.",
        ["lightune.models.TransferNetwork"],
    ),
    "Losses": (
        "A module that maps outputs and targets to one number; `problem`, `num_outputs` and `predict` "
        "are optional "
        "([guide](../your_own_code.md#a-loss)). The base of those that ship:",
        ["lightune.losses.CrossEntropy"],
    ),
    "Metrics": ("A set of metrics is any class with these members.", ["lightune.metrics.meter.MetricSet"]),
    "Callbacks": (
        "Any callback of Lightning, named in `callbacks` by its `_target_`. One with hooks for single "
        "batches ends training in chunks, unless its class says "
        "`takes_chunks = True` ([Performance](../performance.md#on-by-itself)). The one that keeps checkpoints:",
        ["lightune.callbacks.BestAndLast"],
    ),
    "Launchers": (
        "A launcher of Hydra is driven in batches. One that makes an executor of its own takes a trial "
        "whenever there is room "
        "([where to add](../architecture.md#where-to-add)).",
        [
            "lightune.study.executors.launcher.ExecutorLauncher",
            "lightune.study.executors.executor.Executor",
            "lightune.study.executors.executor.Job",
            "lightune.study.executors.executor.Started",
            "lightune.study.executors.executor.Report",
            "lightune.study.executors.executor.Done",
            "lightune.study.executors.executor.Message",
            "lightune.study.executors.context.ExecutorContext",
        ],
    ),
    "Ranges": (
        "Annotations of arguments, by which a value is judged before anything is imported.",
        ["lightune.ranges"],
    ),
}


def api_pages() -> dict[str, str]:
    """Return the pages, by their path below the site's root."""
    return {"reference/python.md": _python_page(), "reference/interfaces.md": _interfaces_page()}


def documented() -> list[str]:
    """Return the dotted path of everything that the pages show."""
    public = [f"{home}.{name}" for name, home in _HOMES.items()]
    return [
        *public,
        *_RETURNED,
        *_BESIDE,
        "lightune.errors",
        *(name for _, names in _INTERFACES.values() for name in names),
    ]


def _python_page() -> str:
    public = "\n\n".join(_shown(f"{home}.{name}", f"lightune.{name}") for name, home in _HOMES.items())
    return f"""# Python

What `import lightune` gives, and what it returns and raises. The guide: [Python](../python.md).

## Functions

{public}

{_all_of(_BESIDE)}

## What they return

{_all_of(_RETURNED)}

## What they raise

{_shown("lightune.errors", "lightune.errors")}
"""


def _interfaces_page() -> str:
    sections = [
        "# Interfaces\n\nWhat parts of your own are to be. How a part is named in a configuration, and "
        "trusted, is told in [Your own code](../your_own_code.md)."
    ]
    sections += [f"## {title}\n\n{said}\n\n{_all_of(names)}" for title, (said, names) in _INTERFACES.items()]
    return "\n\n".join(sections) + "\n"


def _all_of(names: list[str]) -> str:
    return "\n\n".join(_shown(name, name) for name in names)


def _shown(path: str, title: str) -> str:
    options = {"heading": title, "toc_label": title.rpartition(".")[2]}
    if path in _MEMBERS:
        options["members"] = str(_MEMBERS[path])
    return "\n      ".join([f"::: {path}\n    options:", *(f"{key}: {value}" for key, value in options.items())])
