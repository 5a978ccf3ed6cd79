import gzip

import pytest

from lightune.data.delimited import Dialect, find_dialect, read_rows
from lightune.data.table_files import read_table

TABLE = "name,age\nAda,36\nAlan,41\n"


def written(tmp_path, content, name="t.csv"):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_found_by_the_columns_that_it_makes(tmp_path, delimiter):
    others = "".join(set(",;\t|") - {delimiter})
    rows = ["name", "age", "note"], ["Ada", "36", others[:1]], ["Alan", "41", f"x{others[1:]}y"]
    file = written(tmp_path, "\n".join(map(delimiter.join, rows)))
    assert find_dialect(file) == Dialect(delimiter, "utf-8")
    assert list(read_table(file, delimiter=delimiter)) == ["name", "age", "note"]


def test_a_file_of_one_column_is_a_table(tmp_path):
    file = written(tmp_path, "text\nhello there\ngood bye\n")
    assert read_table(file) == {"text": ("hello there", "good bye")}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_and_line_ends_make_no_difference(tmp_path, encoding, end):
    text = "näme,age\nAda,36\n\nAlan,41\n".replace("\n", end)
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    file = written(tmp_path, mark + text.encode(encoding))
    assert read_table(file) == {"näme": ("Ada", "Alan"), "age": ("36", "41")}


def test_a_compressed_file_is_read(tmp_path):
    file = written(tmp_path, gzip.compress(TABLE.encode()), "t.csv.gz")
    assert read_table(file) == {"name": ("Ada", "Alan"), "age": ("36", "41")}


def test_cells_may_hold_delimiters_quotes_and_line_ends(tmp_path):
    file = written(tmp_path, 'a,b\n"x, ""y""\nz",1\n')
    assert list(read_rows(file, find_dialect(file))) == [["a", "b"], ['x, "y"\nz', "1"]]


def test_the_index_that_others_write_has_a_name(tmp_path):
    file = written(tmp_path, ",a\n0,x\n1,y\n")
    assert list(read_table(file)) == ["unnamed", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "has a header only"),
        ("a,b\n1,2\n3\n", r"line 3: has 1 cell where the header has 2 \(3\)"),
        ("a,b\n1,2\n3,4,5\n", "line 3: has 3 cells where the header has 2"),
        ("a,a\n1,2\n", "names a column twice: a"),
        ("a,,c\n1,2,3\n", "has no name for column 2"),
        ("a,b\n1,2\n1,\0\n", r"holds NUL characters.*set encoding to utf-16-le"),
        ("a,b\n1,2\n".encode("utf-16-le"), r"set encoding to utf-16-le"),
        ('a,b\n1,2\n"3,4\n5,6\n', r"line 4: has 1 cell .* has 2; a quotation mark .* never be closed \(3,4 5,6\)"),
        ("näme,b\n1,2\n".encode("latin-1"), r"is not utf-8 .*set encoding"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no table: it holds bytes that no text has"),
        ("näme,b\n1,2\n".encode("utf-16-le"), r"is not utf-8 .*set encoding"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path, content, message):
    file = written(tmp_path, content)
    with pytest.raises(ValueError, match=message):
        read_table(file, delimiter="," if content else "auto")


SOUND = gzip.compress(TABLE.encode() * 100, mtime=0)


@pytest.mark.parametrize(
    "content",
    [SOUND[:-20], SOUND[:10] + b"\xff" * 50, TABLE.encode()],
    ids=["cut off", "overwritten", "no archive"],
)
def test_a_damaged_archive_is_refused(tmp_path, content):
    file = written(tmp_path, content, "t.csv.gz")
    with pytest.raises(ValueError, match=r"t.csv.gz is damaged"):
        read_table(file)


def test_an_encoding_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="knows no encoding 'utf-9'"):
        find_dialect(written(tmp_path, TABLE), encoding="utf-9")
