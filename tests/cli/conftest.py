"""Studies as their folders show them, without the trials that made them."""

from dataclasses import replace

import pytest

from lightune.study.definition.settings import Objective, Settings
from lightune.study.definition.spec import Spec, write_spec
from lightune.study.space.space import Space


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Write what the tool reads of a study: its spec and the rows of its table; return its folder."""
    monkeypatch.chdir(tmp_path)

    def write(*rows, name="s", objectives=(("val/accuracy", "max"),), **about):
        folder = tmp_path / "outputs" / "studies" / name
        (folder / "trials" / "0").mkdir(parents=True)
        settings = Settings(objectives=tuple(Objective(*pair) for pair in objectives))
        spec = Spec.of(
            name,
            {},
            overrides=[],
            space=Space(()),
            settings=settings,
            storage="journal",
            config="conf",
            files={},
        )
        write_spec(folder, replace(spec, **about))
        columns = ",".join(metric for metric, _ in objectives)
        lines = [f"{number},{row},1.0,trials/{number}," for number, row in enumerate(rows)]
        header = f"number,state,{columns},optimizer.lr,seconds,folder,error"
        (folder / "trials.csv").write_text("\n".join([header, *lines]) + "\n")
        return folder

    return write
