"""Optuna's own figures of a study, as one page that needs nothing else; plotly draws them.

This module must not import torch or Lightning, nor Optuna or plotly at its top.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from lightune.errors import ConfigError, Problem
from lightune.reporting.notebook import in_html

if TYPE_CHECKING:
    import optuna

__all__ = ["plotly_page", "require_plotly"]

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
_OF_ONE = ("optimization_history", "param_importances", "parallel_coordinate", "slice", "contour", "rank", "edf")
"""Figures of one objective."""


def require_plotly() -> None:
    """See to it that plotly is there.

    Raises:
        ConfigError: with what to install.
    """
    from optuna.visualization import is_available

    if not is_available():
        rule = "needs plotly, which is not installed; install it with: pip install 'lightune[plots]'"
        raise ConfigError([Problem("--plotly", rule)])


def plotly_page(study: "optuna.Study", names: list[str]) -> str:
    """Return the page; a figure that Optuna cannot draw of this study is left out, with its reason.

    Args:
        study: as Optuna has it.
        names: of its objectives.
    """
    from plotly.offline import get_plotlyjs

    title = in_html(study.study_name)
    body = "".join(_sections(study, names))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{title}</title>'
        f"<script>{get_plotlyjs()}</script></head><body><h1>{title}</h1>{body}</body></html>\n"
    )


def _sections(study: "optuna.Study", names: list[str]) -> Iterator[str]:
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        for title, draw in _figures(study, names):
            yield f"<section><h2>{in_html(title)}</h2>{_drawn(draw)}</section>"
    finally:
        optuna.logging.set_verbosity(before)


def _drawn(draw: Callable[[], Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what is experimental, and on trials without a value
        try:
            return str(draw().to_html(full_html=False, include_plotlyjs=False))
        except (ValueError, RuntimeError, ImportError) as error:
            return f"<p>{in_html(str(error) or type(error).__name__)}</p>"


def _figures(study: "optuna.Study", names: list[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    from optuna import visualization

    several = len(names) > 1
    if several:
        yield "pareto front", partial(visualization.plot_pareto_front, study, target_names=names)
    for place, name in enumerate(names):
        about: dict[str, Any] = {"target_name": name}
        if several:
            about["target"] = partial(_value_of, place)
        for kind in _OF_ONE:
            title = kind.replace("_", " ") + (f" of {name}" if several else "")
            yield title, partial(getattr(visualization, f"plot_{kind}"), study, **about)
    if not several:
        yield "intermediate values", partial(visualization.plot_intermediate_values, study)
    yield "timeline", partial(visualization.plot_timeline, study)


def _value_of(place: int, trial: "optuna.trial.FrozenTrial") -> float:
    return float(trial.values[place])
