import pytest

from lightune import compose
from lightune.config.suggestions import SYNONYMS, leaves_of, similar_keys


@pytest.fixture(scope="module")
def keys():
    return list(leaves_of(compose()))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lr", "optimizer.lr"),
        ("epochs", "trainer.max_epochs"),
        ("optimizer.learning_rate", "optimizer.lr"),
        ("model.hidden", "model.units"),
        ("optimzer.lr", "optimizer.lr"),
        ("optimzer", "optimizer"),
        ("model.unis", "model.units"),
        ("patience", "callbacks.early_stopping.patience"),
        ("callbacks.earlystopping.patience", "callbacks.early_stopping.patience"),
        ("data.batchsize", "data.batch_size"),
        ("batch-size", "data.batch_size"),
        ("Epochs", "trainer.max_epochs"),
        ("regularization.L2", "regularization.l2"),
    ],
)
def test_the_likeliest_key_comes_first(keys, typed, meant):
    assert similar_keys(typed, keys)[0] == meant


def test_nothing_is_suggested_where_nothing_is_near(keys):
    assert list(similar_keys("xyzzy", keys)) == []


def test_no_more_than_three_are_suggested(keys):
    assert all(len(similar_keys(word, keys)) <= 3 for word in SYNONYMS)


def test_every_word_of_another_tool_leads_to_a_key_of_ours():
    known = {
        key
        for options in ("model=mlp", "model=cnn validation=kfold")
        for key in leaves_of(compose(options.split()))
    }
    assert {key for keys in SYNONYMS.values() for key in keys} <= known


def test_all_keys_of_a_configuration_are_listed_once(keys):
    assert len(keys) == len(set(keys))
    assert {"optimizer", "optimizer.lr", "callbacks.early_stopping.patience"} <= set(keys)
    assert "optimizer._target_" not in keys
