"""Files as people have them: each is read as the guide says, or refused in one line before anything is written."""

import os
import re
import wave
from pathlib import Path

import numpy as np
import pytest
from media import write_picture, write_pictures, write_sound, write_sounds
from PIL import Image
from scipy.io import wavfile

pytestmark = pytest.mark.long

TABLE = ("data=csv", "data.path=t.csv", "data.target=c", "model.units=4")
VALUES = ("data=csv_regression", *TABLE[1:])
TEXTS = ("data=text_csv", "data.path=t.csv", "data.text=b", "data.target=c", "model.embedding=4", "model.units=4")
PICTURES = ("data=image_folder", "data.path=p", "data.image_size=8", "model.channels=[4]")
SOUNDS = ("data=audio_folder", "data.path=p", "data.seconds=0.1", "data.mels=8", "model.channels=[4]")
SHORT = ("trainer=cpu", "trainer.max_epochs=1", "logger=none", "metrics.bootstrap=0")

PARTS = ("train", "val", "test")
HEADER = "a,b,c\n"
ROWS = "".join(f"{n},{'pq'[n % 2]}{n % 3},{'xyz'[n % 3]}\n" for n in range(60))
FLOATS = "".join(f"{n},{'pq'[n % 2]},{n}.5\n" for n in range(40))


def text(content, encoding="utf-8"):
    """Return what writes a table."""
    return lambda: Path("t.csv").write_bytes(content if isinstance(content, bytes) else content.encode(encoding))


def pictures(*more):
    """Return what writes a folder a class, and then more."""
    return lambda: [write_pictures(Path("p"), 10), *(each() for each in more)]


def sounds(*more):
    return lambda: [write_sounds(Path("p"), 10), *(each() for each in more)]


def put(name, content):
    return lambda: Path(name).write_bytes(content)


def cut_off(name, size):
    return lambda: Path(name).write_bytes(Path(name).read_bytes()[:size])


def masks():
    for folder, first in (("images", 0), ("masks", 50)):
        for number in range(4):
            write_picture(Path("p", folder, f"{number}.png"), first + number)


REFUSED = {
    "infinite": (TABLE, text(HEADER + ROWS + "inf,p,x\n"), "data.path a has 1 infinite value ('inf')"),
    "infinite for a float": (
        TABLE,
        text(HEADER + ROWS + "1e400,p,x\n"),
        "data.path a has 1 infinite value ('1e400')",
    ),
    "too large": (
        TABLE,
        text(HEADER + ROWS + "1e39,p,x\n"),
        "data.path a has numbers beyond 3.4e+38, which float32",
    ),
    "infinite value": (VALUES, text(HEADER + FLOATS + "1,p,inf\n"), "data.target c has 1 infinite value ('inf')"),
    "too large value": (VALUES, text(HEADER + FLOATS + "1,p,1e39\n"), "data.target c has numbers beyond 3.4e+38"),
    "one class": (TABLE, text(HEADER + "1,p,x\n2,q,x\n3,p,x\n"), "data.target c has one class only, 'x'"),
    "one class of texts": (TEXTS, text(HEADER + "1,p,x\n2,q,x\n"), "data.target c has one class only, 'x'"),
    "one row": (TABLE, text(HEADER + "1,p,x\n"), "data.path t.csv has one row to learn from"),
    "one text": (TEXTS, text(HEADER + "1,p,x\n"), "data.target c has one class only, 'x'"),
    "one row a class": (
        TABLE,
        text(HEADER + "1,p,x\n2,q,y\n3,q,y\n4,p,y\n"),
        "(1 of 2 classes has a single sample: x; ",
    ),
    "empty": (TABLE, text(""), "data.path t.csv is empty"),
    "empty lines": (TABLE, text("\n\r\n\n"), "data.path t.csv is empty"),
    "header only": (TABLE, text(HEADER), "data.path t.csv has a header only, no rows"),
    "header of texts only": (TEXTS, text(HEADER), "data.path t.csv has a header only, no rows"),
    "ragged": (
        TABLE,
        text(HEADER + ROWS + "1,2\n"),
        "data.path t.csv, line 62: has 2 cells where the header has 3",
    ),
    "mixed delimiters": (TABLE, text(HEADER + ROWS + ROWS.replace(",", ";")), "t.csv, line 62: has 1 cell where"),
    "another header": (
        TABLE,
        text(HEADER.replace(",", ";") + ROWS),
        "t.csv, line 2: has 1 cell where the header has 3",
    ),
    "open quotation": (
        TABLE,
        text(HEADER + ROWS + '"1,p,x\n' + ROWS),
        "a quotation mark before it may never be closed",
    ),
    "utf-16 without a mark": (TABLE, text(HEADER + ROWS, "utf-16-le"), "data.path t.csv holds NUL characters"),
    "latin-1": (TABLE, text(HEADER + ROWS + "1,é,x\n", "latin-1"), "t.csv is not utf-8"),
    "noise": (TABLE, text(bytes(range(200, 0, -1)) * 9), "data.path t.csv is not utf-8"),
    "column twice": (TABLE, text("a,a,c\n" + ROWS), "data.path t.csv: the header names a column twice: a"),
    "target missing": (TABLE, text(HEADER + "1,p,\n2,q,NA\n"), "data.target c is missing in every row"),
    "classes in two cases": (TABLE, text(HEADER + ROWS + "1,p,X\n"), "written in several ways: 'X' and 'x'"),
    "classes of texts in two cases": (TEXTS, text(HEADER + ROWS + "1,p,X\n"), "differ in case only: 'X' and 'x'"),
    "no target": (
        TABLE[:2],
        text(HEADER + ROWS),
        "data.target must name the column to predict; the columns are a, b, c",
    ),
    "no target of texts": (
        TEXTS[:2],
        text(HEADER + ROWS),
        "data.target there is no column 'label'; the columns are a, b, c",
    ),
    "several labels": (
        TABLE,
        text(HEADER + ROWS + "1,p,x;y\n2,p,x;z\n"),
        "data.target c lists several classes at once",
    ),
    "several labels of texts": (
        TEXTS,
        text(HEADER + ROWS + "1,p,x|y\n"),
        "c lists several classes at once, as in 'x|y'",
    ),
    "several targets": (
        (*TABLE[:2], "data.target=[b,c]"),
        text(HEADER + ROWS),
        "data.target must be text or null",
    ),
    "s3": (
        (TABLE[0], "data.path=s3://b/t.csv", TABLE[2]),
        text(""),
        "got the address s3://b/t.csv; copy it here first",
    ),
    "https": (
        (*TEXTS[:1], "data.path=https://x.org/t.csv"),
        text(""),
        "got the address https://x.org/t.csv; copy it",
    ),
    "gs": ((*PICTURES[:1], "data.path=gs://b/p"), text(""), "got the address gs://b/p; copy it here first"),
    "http": ((*SOUNDS[:1], "data.path=http://x.org/p"), text(""), "got the address http://x.org/p; copy it here"),
    "address of a manifest": (
        (*PICTURES, "data.labels=s3://b/l.csv"),
        pictures(),
        "data.labels must be a file or folder",
    ),
    "no folder": (PICTURES, text(""), "data.path there is no file or folder"),
    "empty folder": (PICTURES, lambda: Path("p").mkdir(), "has no folder a class with bmp, gif"),
    "files in no folder": (
        SOUNDS,
        lambda: write_sound(Path("p/1.wav")),
        "has no folder a class with flac, mp3, ogg, wav files",
    ),
    "one folder": (PICTURES, lambda: write_picture(Path("p/a/1.png")), "has one class only: a"),
    "folders in two cases": (
        PICTURES,
        pictures(lambda: write_picture(Path("p/Cat/1.png"))),
        "differ in case only: 'Cat' and 'cat'",
    ),
    "cut off picture": (
        PICTURES,
        pictures(cut_off("p/cat/01.png", 60)),
        "1 file cannot be read (p/cat/01.png: cannot be decoded",
    ),
    "no picture": (
        PICTURES,
        pictures(put("p/cat/a.png", b"hello")),
        "1 file cannot be read (p/cat/a.png: is no picture)",
    ),
    "empty picture": (
        PICTURES,
        pictures(put("p/cat/a.jpg", b"")),
        "1 file cannot be read (p/cat/a.jpg: is empty)",
    ),
    "link to nothing": (
        PICTURES,
        pictures(lambda: os.symlink("no", "p/cat/a.png")),
        "(p/cat/a.png: No such file or directory)",
    ),
    "masks": (PICTURES, masks, "has in masks a file for each in images, as masks for segmentation are"),
    "two targets a file": (
        (*PICTURES, "data.labels=l.csv"),
        pictures(put("l.csv", b"path,target\ncat/01.png,a\ncat/01.png,b\ndog/01.png,b\n")),
        "data.labels names 1 file more than once, such as cat/01.png; a file has one target",
    ),
    "several labels a file": (
        (*PICTURES, "data.labels=l.csv"),
        pictures(put("l.csv", b"path,target\ncat/01.png,a\ncat/02.png,a;b\ndog/01.png,b\n")),
        "data.labels lists several classes at once, as in 'a;b'",
    ),
    "sound without samples": (
        SOUNDS,
        sounds(lambda: wavfile.write("p/cat/z.wav", 8000, np.zeros(0, np.int16))),
        "1 file cannot be read (p/cat/z.wav: has no samples)",
    ),
    "empty sound": (SOUNDS, sounds(put("p/cat/z.wav", b"")), "(p/cat/z.wav: is empty)"),
    "cut off sound": (
        SOUNDS,
        sounds(cut_off("p/cat/01.wav", 300)),
        "(p/cat/01.wav: is cut off: its sound lacks 1,344 bytes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_one_line_before_anything_is_written(case, cli):
    words, write, said = REFUSED[case]
    write()
    before = sorted(Path().rglob("*"))
    code, out, err = cli(*SHORT, *words)
    assert (code, out) == (2, "")
    lines = [re.sub(" +", " ", line).strip() for line in err.splitlines()]
    count = 2 if case == "no target of texts" else 1
    assert lines[0] == f"lightune: {count} problem{'s' * (count > 1)}, nothing was started"
    assert len(lines) == 1 + count, err
    assert said in lines[-1]
    assert sorted(Path().rglob("*")) == before


def odd_pictures():
    colours = np.random.default_rng(9).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    picture, grey = Image.fromarray(colours), colours[..., 0]
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.convert("CMYK").save("p/cat/cmyk.jpg")
    Image.fromarray(grey.astype(np.uint16) * 256).save("p/cat/sixteen.png")
    picture.convert("P").save("p/cat/palette.png")
    Image.fromarray(np.dstack([colours, grey])).save("p/cat/alpha.png")
    picture.save("p/dog/turned.jpg", exif=exif)
    picture.save("p/dog/moving.gif", save_all=True, append_images=[Image.fromarray(255 - colours)])
    os.symlink(Path("p").absolute(), "p/dog/loop")


def odd_sounds():
    wave_of_two = np.random.default_rng(1).normal(size=(900, 2)) / 9
    wavfile.write("p/cat/stereo.wav", 44_100, np.round(wave_of_two * 2**15).astype(np.int16))
    wavfile.write("p/cat/float.wav", 16_000, wave_of_two[:, 0].astype(np.float32))
    wavfile.write("p/dog/eight.wav", 11_025, np.round(wave_of_two[:, 0] * 99 + 128).astype(np.uint8))
    with wave.open("p/dog/deep.wav", "wb") as file:
        file.setparams((1, 3, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(250)) * 12)


READ = {
    "mark and line ends": (TABLE, text("\ufeff" + (HEADER + ROWS).replace("\n", "\r\n")), ["rows 60"]),
    "utf-16": (TABLE, text(HEADER + ROWS, "utf-16"), ["rows 60"]),
    "old line ends": (TABLE, text((HEADER + ROWS).replace("\n", "\r")), ["rows 60"]),
    "missing everywhere": (
        TABLE,
        text(HEADER + ROWS + "nan,,x\n1,?,\nNA,p1,y\n"),
        ["rows 62", "target 1 row without a c is left out", "missing a 2, b 1"],
    ),
    "class in the test part only": (
        (*TABLE, "data.split=s"),
        text("a,b,c,s\n" + "".join(f"{n},p,{'xy'[n % 2]},{PARTS[n % 3]}\n" for n in range(60)) + "3,q,new,test\n"),
        ["rows 61", "classes no row to train on is of new"],
    ),
    "text of a class in the test part only": (
        (*TEXTS, "data.split=a"),
        text(HEADER + "".join(f"{PARTS[n % 3]},p{n},{'xy'[n % 2]}\n" for n in range(60)) + "test,q,new\n"),
        ["rows 61", "classes no text to train on is of new"],
    ),
    "odd pictures": (PICTURES, pictures(odd_pictures), ["files 26 of 2 classes"]),
    "damaged pictures left out": (
        (*PICTURES, "data.on_unreadable=skip"),
        pictures(put("p/cat/a.png", b"hello")),
        ["unreadable 1 of these files left out: p/cat/a.png: is no picture"],
    ),
    "odd sounds": (SOUNDS, sounds(odd_sounds), ["files 24 of 2 classes"]),
}


@pytest.mark.parametrize("case", READ)
def test_it_is_read_and_told_and_trained_on(case, cli):
    words, write, said = READ[case]
    write()
    code, out, err = cli(*SHORT, *words)
    assert code == 0, err
    assert err == ""
    lines = [re.sub(" +", " ", line).strip() for line in out.splitlines()]
    assert not set(said) - set(lines), out


def test_addresses_are_refused_for_predictions_too(class_run, tool):
    for command in ("predict", "evaluate"):
        code, out, err = tool(command, class_run.folder, "--input", "s3://bucket/new.csv")
        assert (code, out) == (2, "")
        assert "got the address s3:/" in err
        assert "copy it here first" in err
