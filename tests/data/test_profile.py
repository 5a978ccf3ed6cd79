import numpy as np
import pytest
import torch
from torch import nn

from lightune.data.columns import Column
from lightune.data.profile import Drift, is_profiled, profile_of
from lightune.data.text_tokens import TextPreparation

CHANCE = torch.Generator().manual_seed(0)
COLUMNS = [Column("size", "numeric"), Column("city", "categorical", categories=("a", "b", "c"))]
TABLE = {"columns": [column.plain() for column in COLUMNS]}


def table(rows=500, *, shift=0.0, cities=3, missing=0.1):
    sizes = torch.randn(rows, 1, generator=CHANCE, dtype=torch.float64) + shift
    sizes[torch.rand(rows, generator=CHANCE) < missing] = torch.nan
    return torch.cat([sizes, torch.randint(0, cities, (rows, 1), generator=CHANCE).double()], dim=1)


def drift_of(profile, raw, schema=TABLE, preparation=None):
    drift = Drift(profile, schema, preparation or nn.Identity())
    for part in torch.split(raw, 70):
        drift.add(part)
    return drift


def test_a_profile_is_plain_values_and_counts_every_row():
    size, city = profile_of(TABLE, table(), nn.Identity())
    assert [size["name"], city["name"]] == ["size", "city"]
    assert (len(size["edges"]), len(size["counts"]), len(city["counts"])) == (9, 11, 5)
    assert sum(size["counts"]) == sum(city["counts"]) == 500
    assert 20 < size["counts"][0] < 80  # missing
    assert city["counts"][:2] == [0, 0]  # unknown, missing
    assert all(type(value) in (int, float) for value in (*size["counts"], *size["edges"]))


@pytest.mark.parametrize("rows", [100, 300, 3000])
def test_samples_of_the_same_kind_do_not_drift(rows):
    for _ in range(20):
        profile = profile_of(TABLE, table(rows), nn.Identity())
        assert drift_of(profile, table(rows)).line() == ""


@pytest.mark.parametrize(
    ("other", "name"),
    [({"shift": 1.0}, "size"), ({"missing": 0.6}, "size"), ({"cities": 1}, "city")],
)
def test_what_differs_is_named(other, name):
    drift = drift_of(profile_of(TABLE, table(), nn.Identity()), table(**other))
    assert list(drift.indices()) == [name]
    assert drift.line().startswith(f"drift: not as in training (population stability index): {name} (")
    assert drift.line(besides=[name]) == ""


def test_unknown_categories_drift():
    raw = table()
    raw[:250, 1] = -2
    assert list(drift_of(profile_of(TABLE, table(), nn.Identity()), raw).indices()) == ["city"]


def test_a_handful_of_rows_says_nothing():
    profile = profile_of(TABLE, table(), nn.Identity())
    assert drift_of(profile, table(99, shift=9.0)).line() == ""
    assert drift_of(profile, table(100, shift=9.0)).line() != ""


def test_the_index_is_that_of_the_literature():
    profile = [{"name": "city", "edges": [], "categories": 2, "counts": [0, 0, 50_000, 50_000]}]
    schema = {"columns": [Column("city", "categorical", categories=("a", "b")).plain()]}
    raw = torch.tensor([0.0] * 8000 + [1.0] * 2000, dtype=torch.float64).unsqueeze(1)
    assert drift_of(profile, raw, schema).indices()["city"] == pytest.approx(0.3 * np.log(4), abs=2e-3)


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_pictures_and_sounds_are_looked_at_by_their_level_and_contrast(kind):
    schema = {"files": {"kind": kind}}
    raw = torch.rand(300, 1, 4, 4, generator=CHANCE)
    profile = profile_of(schema, raw, nn.Identity())
    assert [each["name"] for each in profile] == ["brightness" if kind == "image" else "loudness", "contrast"]
    assert drift_of(profile, raw.flip(0), schema).line() == ""
    assert list(drift_of(profile, raw + 1, schema).indices()) == [profile[0]["name"]]
    assert next(iter(drift_of(profile, (raw - 0.5) * 3 + 0.5, schema).indices())) == "contrast"


def test_texts_are_looked_at_by_unknown_tokens_and_length():
    schema = {"text": "text"}
    raw = torch.randint(0, 50, (300, 20), generator=CHANCE).int()
    preparation = TextPreparation(torch.cat([torch.arange(40) + 2, torch.ones(10).long()]))
    profile = profile_of(schema, raw, preparation)
    assert drift_of(profile, raw.flip(0), schema, preparation).line() == ""
    strange, short = raw.clone(), raw.clone()
    strange[:, :10], short[:, 10:] = -2, -1
    assert list(drift_of(profile, strange, schema, preparation).indices()) == ["unknown tokens"]
    assert next(iter(drift_of(profile, short, schema, preparation).indices())) == "length"


def test_only_samples_from_files_of_ones_own_have_a_profile():
    assert is_profiled(TABLE)
    assert not is_profiled({"classes": ["a"]})
    assert profile_of(TABLE, table(0), nn.Identity()) == []
