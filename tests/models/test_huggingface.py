"""Networks of transformers, tiny and made here: nothing is downloaded."""

import pytest
import torch
from refusals import problem_of

from lightune import compose, load, train
from lightune.config.validate import find_problems
from lightune.models import HuggingFace
from lightune.run import prepare

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.long

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
KNOWN = ["purr", "meow", "whiskers", "bark", "woof", "fetch", "the", "a", "n"]
WORDS = [*SPECIAL, *KNOWN, *(f"##{digit}" for digit in range(10))]
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    """A tiny BERT with its tokenizer, as safetensors."""
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **SMALL)
    torch.manual_seed(0)
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    """A tiny ViT with its processor."""
    folder = tmp_path_factory.mktemp("vit")
    config = transformers.ViTConfig(image_size=16, patch_size=8, **SMALL)
    torch.manual_seed(0)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    processor = transformers.ViTImageProcessor(
        image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6], size={"height": 16, "width": 16}
    )
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def texts(text_folder, text_run, tmp_path):
    words = ["data=text_csv", f"data.path={text_run.source}", "data.tokens=model", "model=huggingface"]
    shared = [f"model.name={text_folder}", "trainer=cpu", "logger=none", f"output_root={tmp_path}"]
    return [*words, *shared, "metrics.bootstrap=10", "optimizer.lr=0.01", "trainer.max_epochs=8"]


def test_texts_are_cut_numbered_and_learnt_as_the_network_wants_them(texts, text_run, text_folder):
    parts = prepare(compose(texts))
    tokenizer = transformers.AutoTokenizer.from_pretrained(text_folder)
    lines = text_run.source.read_text().splitlines()[1:4]
    wanted = [tokenizer(line.rpartition(",")[0])["input_ids"] for line in lines]
    served = {tuple(x[x != 0].tolist()) for x in parts.data.scaled("train")}
    served |= {tuple(x[x != 0].tolist()) for part in ("val", "test") for x in parts.data.scaled(part)}
    assert set(map(tuple, wanted)) <= served
    run = train(compose(texts))
    assert run.objective.value > 0.9
    predictor = load(run.run_dir)
    new = ["purr whiskers a meow", "woof the fetch bark"]  # in an order that training had not
    assert predictor.predict(new).tolist() == ["cat", "dog"]
    network, prepared = predictor.network.network, tokenizer(new, return_tensors="pt", padding=True)
    with torch.no_grad():
        logits = network.network(**{key: prepared[key] for key in ("input_ids", "attention_mask")}).logits
    assert predictor.predict_proba(new) == pytest.approx(logits.softmax(dim=1).numpy(), abs=1e-5)


def test_weights_are_the_folders_or_drawn(text_folder):
    from safetensors.torch import load_file

    saved = load_file(text_folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    of_file, drawn = (HuggingFace((8,), 2, str(text_folder), weights=which) for which in ("DEFAULT", None))
    assert torch.equal(of_file.network.bert.embeddings.word_embeddings.weight, saved)
    assert not torch.equal(drawn.network.bert.embeddings.word_embeddings.weight, saved)


def test_what_is_frozen_stays(texts):
    parts = prepare(compose([*texts, "model.freeze=features"]))
    model = parts.task.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not model.network.bert.training
    run = train(compose([*texts, "model.freeze=features", "trainer.max_epochs=2"]))
    after = torch.load(run.run_dir / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    moved = {name for name, value in before.items() if not torch.equal(after[f"model.{name}"], value)}
    assert moved == {"network.classifier.weight", "network.classifier.bias"}


def test_images_are_scaled_and_resized_as_the_processor_does(image_folder, picture_run, tmp_path):
    words = ["data=image_folder", f"data.path={picture_run.source}", "data.image_size=8", "data.scaling=weights"]
    words += [
        "model=huggingface",
        f"model.name={image_folder}",
        "trainer=cpu",
        "logger=none",
        f"output_root={tmp_path}",
    ]
    parts = prepare(compose(words))
    raw = parts.data.samples.inputs[:4].float()
    wanted = (raw / 255 - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.4, 0.5, 0.6]).view(
        3, 1, 1
    )
    assert torch.allclose(parts.data.preparation(raw), wanted, atol=1e-5)
    run = train(compose([*words, "trainer.max_epochs=10", "optimizer.lr=0.01", "metrics.bootstrap=10"]))
    assert run.objective.value > 0.9
    assert load(run.run_dir).predict([str(next((picture_run.source / "dog").iterdir()))]).tolist() == ["dog"]


def test_what_does_not_fit_is_refused_in_a_line(texts, text_folder, tmp_path):
    def said(*words):
        return [str(problem) for problem in find_problems(compose([*texts, *words]))]

    assert said() == []
    assert said("data.tokens=word") == [
        "data.tokens: must be model: HuggingFace reads texts as its own tokenizer cuts them, got word"
    ]
    others = ["data=text_csv", "data.tokens=model", "model=text_mean"]
    (other,) = find_problems(compose(others))
    assert "which TextMean has not; choose model=huggingface" in other.message
    (sounds,) = find_problems(compose(["data=audio_folder", "model=huggingface", "model.name=a"]))
    assert "HuggingFace takes texts or images, but AudioFolder is a sound" in sounds.message
    (images,) = find_problems(compose(["data=image_folder", "model=huggingface", "model.name=a"]))
    assert images.key == "data.scaling"
    assert "must be weights: HuggingFace reads images as its own processor scales them" in images.message
    key, message = problem_of(prepare, compose([*texts, f"model.name={tmp_path}"]))
    assert key == "model.name"
    assert message.startswith(f"its tokenizer could not be had from the folder {tmp_path}")


def test_a_network_reads_so_many_tokens(text_folder):
    with pytest.raises(ValueError, match="reads at most 32 tokens, got 33; shorten texts"):
        HuggingFace((33,), 2, str(text_folder))


def test_weights_of_another_network_are_refused(text_folder, tmp_path):
    import shutil

    folder = tmp_path / "other"
    shutil.copytree(text_folder, folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=32, **{**SMALL, "hidden_size": 32}
    )
    config.save_pretrained(folder)
    with pytest.raises(ValueError, match="they are another network's"):
        HuggingFace((8,), 2, str(folder))


def test_pickled_weights_are_not_read(text_folder, tmp_path):
    import shutil

    from safetensors.torch import load_file

    folder = tmp_path / "pickled"
    shutil.copytree(text_folder, folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="it could not be had from the folder"):
        HuggingFace((8,), 2, str(folder))


def test_code_of_a_folder_is_not_run(text_folder, tmp_path):
    import json
    import shutil

    folder = tmp_path / "code"
    shutil.copytree(text_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "own.Own", "AutoConfig": "own.Config"}
    config["model_type"] = "own"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ValueError, match="it could not be had"):
        HuggingFace((8,), 2, str(folder))
    assert not (tmp_path / "ran").exists()
