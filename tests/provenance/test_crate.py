"""The description of a capsule has what RO-Crate 1.1 asks for."""

from lightune.provenance.crate import FILE_NAME, crate


def test_a_crate_has_its_root_its_files_and_its_action():
    files = {"content/result.json": 10, "data/0/a.csv": 20, "content/x.ckpt": 30}
    made = crate(
        "a", files, version="0.1", ended="2026-01-31T12:00:00+00:00", results=["content/result.json"],
        inputs=["data/0/a.csv"], figures={"val/accuracy": 0.5},
    )  # fmt: skip
    assert made["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {each["@id"]: each for each in made["@graph"]}
    assert entities[FILE_NAME]["about"] == {"@id": "./"}
    root, action = entities["./"], entities["#training"]
    assert {"name", "description", "datePublished"} <= root.keys()
    assert [each["@id"] for each in root["hasPart"]] == list(files)
    assert action["@type"] == "CreateAction"
    references = [action["instrument"], *action["object"], *action["result"], *root["hasPart"], root["mentions"]]
    assert {each["@id"] for each in references} <= entities.keys()
    assert entities["content/result.json"]["encodingFormat"] == "application/json"
    assert entities["content/x.ckpt"]["contentSize"] == "30"
    assert "encodingFormat" not in entities["content/x.ckpt"]
