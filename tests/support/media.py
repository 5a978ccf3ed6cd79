"""Small pictures, sounds, texts and tables, made up: what shows two classes, and is another in each file."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from lightune.errors import ConfigError

CLASSES = ("cat", "dog")
WORDS = {"cat": "purr meow whiskers", "dog": "bark woof fetch"}


def write_picture(file: Path, number: int = 0, *, size: tuple[int, int] = (12, 10), bright: bool = False) -> Path:
    """Write a picture of noise, (width, height), dark or bright."""
    noise = np.random.default_rng(number).integers(0, 100, (size[1], size[0], 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise + np.uint8(150 * bright)).save(file)
    return file


def write_sound(
    file: Path, number: int = 0, *, high: bool = False, rate: int = 8000, seconds: float = 0.1
) -> Path:
    """Write a WAV of 16 bits: a low or a high tone, and some noise."""
    time = np.arange(int(rate * seconds)) / rate
    noise = np.random.default_rng(number).normal(size=len(time)) / 100
    wave = 0.5 * np.sin(2 * np.pi * (1500 if high else 300) * time) + noise
    file.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(file, rate, np.round(wave * 2**15).astype(np.int16))
    return file


def write_pictures(folder: Path, each: int = 20, suffix: str = ".png") -> Path:
    """Write a folder a class, and so many pictures into each."""
    for place, name in enumerate(CLASSES):
        for number in range(each):
            write_picture(folder / name / f"{number:02}{suffix}", each * place + number, bright=bool(place))
    return folder


def write_sounds(folder: Path, each: int = 20) -> Path:
    """Write a folder a class, and so many sounds into each."""
    for place, name in enumerate(CLASSES):
        for number in range(each):
            write_sound(folder / name / f"{number:02}.wav", each * place + number, high=bool(place))
    return folder


def write_values(folder: Path, kind: str, each: int = 20) -> Path:
    """Write pictures or sounds below a folder, and beside it `labels.csv` with their values; return that.

    The value is a thousand for a bright picture or a high tone, else a hundred, and a little more for each file.
    """
    files = {"image": write_pictures, "audio": write_sounds}[kind](folder, each)
    lines = ["path,target"]
    for place, name in enumerate(CLASSES):
        paths = sorted((files / name).iterdir())
        lines += [f"{name}/{path.name},{1000 if place else 100}.{number}" for number, path in enumerate(paths)]
    manifest = folder.parent / "labels.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def write_texts(file: Path, rows: int = 60) -> Path:
    """Write a table with the columns text and label."""
    chance = random.Random(0)
    lines = ["text,label"]
    for number in range(rows):
        name = CLASSES[number % 2]
        words = [f"n{number}", *chance.sample(WORDS[name].split(), 2), chance.choice(["the", "a"])]
        chance.shuffle(words)
        lines.append(f"{' '.join(words)},{name}")
    file.write_text("\n".join(lines) + "\n")
    return file


def write_table(file: Path, rows: int = 80) -> Path:
    """Write a table with two numbers, one missing now and then, a category, a class, and a value."""
    chance = random.Random(0)
    lines = ["age,height,city,class,value"]
    for _ in range(rows):
        age, height = chance.randint(20, 60), chance.choice(["", f"{chance.uniform(150, 200):.1f}"])
        city = chance.choice(["Rome", "Oslo", "Bonn"])
        lines.append(f"{age},{height},{city},{'old' if age > 40 else 'young'},{age * 2 + 0.5}")
    file.write_text("\n".join(lines) + "\n")
    return file


def small_folder(kind: type[Any], root: Path, **said: Any) -> Any:
    """Return the data of a folder, of small pictures or short sounds.

    Args:
        kind: a class of `lightune.data`.
        root: the folder.
        said: further arguments.
    """
    size = {"image_size": 6} if kind.kind == "image" else {"seconds": 0.1, "mels": 8}
    return kind(**{"path": str(root), "num_workers": 0, **size, **said})


def problems_of(data: Any) -> list[str]:
    """Return what is wrong with data when they are read."""
    with pytest.raises(ConfigError) as refused:
        data.load()
    return [str(problem) for problem in refused.value.problems]
