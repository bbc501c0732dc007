"""Tables: numbers and labels from csv files, and the cell that is wrong where one is."""

from __future__ import annotations

import gzip
import re
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl.data import read_csv
from minidl.types import Array

PETS = "label,weight,height\ncat,4.5,25\ndog,20,60\n"


def file_with(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def check(path: Path, inputs: Any, targets: Any, classes: tuple[str, ...], **how: Any) -> None:
    """Compare what is read, dtypes of inputs and targets included."""
    data = read_csv(path, **how)
    np.testing.assert_array_equal(data.inputs, inputs)
    assert data.inputs.dtype == np.asarray(inputs).dtype
    np.testing.assert_array_equal(data.targets, targets)
    assert data.targets.dtype == (np.int64 if classes else np.float32)
    assert data.classes == classes
    assert data.name == path.name


def floats(*rows: Sequence[float]) -> Array:
    return np.array(rows, np.float32)


CAT_DOG = ("cat", "dog")
TABLES: dict[str, tuple[str | bytes, Any, list[float], tuple[str, ...]]] = {
    "mnist": ("7,0,255\n2,1,0\n", floats([0, 255], [1, 0]), [1, 0], ("2", "7")),
    "header": (PETS, floats([4.5, 25], [20, 60]), [0, 1], CAT_DOG),
    "counted header": ("label,0,1,2\n3,7,8,9\n", floats([7, 8, 9]), [0], ("3",)),
    "counted from 1": ("kind,1,2,3\na,7,8,9\n", floats([7, 8, 9]), [0], ("a",)),
    "one header cell": ("label,px\n3,7\n", floats([7]), [0], ("3",)),
    "text, no header": ("dog,0,1,3\ncat,2,3,4\n", floats([0, 1, 3], [2, 3, 4]), [1, 0], CAT_DOG),
    "counting, two cells": ("cat,0,1\ndog,5,6\n", floats([0, 1], [5, 6]), [0, 1], CAT_DOG),
    "class y": ("y,0\nn,1\n", floats([0], [1]), [1, 0], ("n", "y")),
    "named": ("a,CLASS,b\n1,3,2\n4,5,6\n", floats([1, 2], [4, 6]), [0, 1], ("3", "5")),
    "two names": ("y,label\n1,3\n", floats([1]), [0], ("3",)),
    "semicolons": ("dog;1;2\n", floats([1, 2]), [0], ("dog",)),
    "tabs": ("a;b, c\t1\t2\n", floats([1, 2]), [0], ("a;b, c",)),
    "quoted": ('"label","a ""b"""\n"x,;\ty","5"\n', floats([5]), [0], ("x,;\ty",)),
    "spaces": (" cat , 1 , 2\n", floats([1, 2]), [0], ("cat",)),
    "bom": (b"\xef\xbb\xbf3,1\n", floats([1]), [0], ("3",)),
    "unicode": ("é,1\nz,2\n", floats([1], [2]), [1, 0], ("z", "é")),
    "crlf": ("3,1\r\n4,2\r\n", floats([1], [2]), [0, 1], ("3", "4")),
    "no last end": ("3,1\n4,2", floats([1], [2]), [0, 1], ("3", "4")),
    "blank lines": ("\n3,1\n\n  \n4,2\n\n", floats([1], [2]), [0, 1], ("3", "4")),
    "by value": ("10,1\n9,2\n", floats([1], [2]), [1, 0], ("9", "10")),
    "whole floats": ("1.0,1\n1,2\n0,3\n", floats([1], [2], [3]), [1, 1, 0], ("0", "1")),
    "regression": ("0.5,1\n2,2\n", floats([1], [2]), [0.5, 2], ()),
    "negative": ("3,-1\n3,255\n", floats([-1], [255]), [0, 0], ("3",)),
    "above": ("3,256\n", floats([256]), [0], ("3",)),
    "with a point": ("3,1.0,0\n", floats([1, 0]), [0], ("3",)),
    "point in a label": ("st. x,1,0\n", floats([1, 0]), [0], ("st. x",)),
    "point in both": ("st. x,1.0,0\n", floats([1, 0]), [0], ("st. x",)),
    "exponents": ("3,1e2,-2E-1,+.5,6.\n", floats([100, -0.2, 0.5, 6]), [0], ("3",)),
    "long integers": (f"3,{10**25},{10**18}\n", floats([1e25, 1e18]), [0], ("3",)),
    "leading zeros": (f"3,{'0' * 30}7\n", floats([7]), [0], ("3",)),
    "fraction": ("a,0\nb,128.5\n", floats([0], [128.5]), [0, 1], ("a", "b")),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", TABLES)
def test_tables(tmp_path: Path, case: str, packed: bool) -> None:
    content, inputs, targets, classes = TABLES[case]
    raw = content.encode() if isinstance(content, str) else content
    path = file_with(tmp_path, gzip.compress(raw) if packed else raw)
    check(path, inputs, targets, classes)


@pytest.mark.parametrize("label", [2, -1, "kind"])
def test_the_label_column_is_named_or_counted(tmp_path: Path, label: str | int) -> None:
    path = file_with(tmp_path, "label,w,kind\n1,2,dog\n3,4,cat\n")
    check(path, floats([1, 2], [3, 4]), [1, 0], CAT_DOG, label=label)


def test_a_label_at_the_end_without_a_header(tmp_path: Path) -> None:
    path = file_with(tmp_path, "5.1,3.5,setosa\n7,3.2,virginica\n")
    check(path, floats([5.1, 3.5], [7, 3.2]), [0, 1], ("setosa", "virginica"), label=-1)


def test_a_header_of_numbers_can_be_named(tmp_path: Path) -> None:
    check(file_with(tmp_path, "5,6\n1,2\n"), floats([1]), [0], ("2",), label="6")


def test_given_classes(tmp_path: Path) -> None:
    data = read_csv(file_with(tmp_path, "dog,1\ndog,2\n"), classes=CAT_DOG)
    assert data.targets.tolist() == [1, 1]
    assert data.classes == CAT_DOG
    data = read_csv(file_with(tmp_path, "3.0,1\n1,2\n"), classes=["1", "2", "3"])
    assert data.targets.tolist() == [2, 0]
    with pytest.raises(ValueError, match=r"table.csv: column 1: unknown label 'cow' in sample 2, "):
        read_csv(file_with(tmp_path, "cat,1\ndog,1\ncow,2\n"), classes=CAT_DOG)
    with pytest.raises(ValueError, match=r"column 1: label 0.5 of sample 1 has a fraction"):
        read_csv(file_with(tmp_path, "1,1\n0.5,1\n"), classes=("1", "2"))


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", r"the table is empty"),
    "blank": ("\n \n", r"the table is empty"),
    "header only": ("label,a,b\n", r"the table has a header and no rows"),
    "one column": ("1\n2\n", r"line 1: only one column, .*comma, semicolon or tab"),
    "quoted separator": ('"a,b"\n', r"line 1: only one column"),
    "short": ("3,1,2\n\n4,1\n", r"line 3: 2 cells, expected 3 as in the first row"),
    "long": ("3,1\n4,1,2\n", r"line 2: 3 cells, expected 2"),
    "all ragged": ("label,a\n4,1,2\n5,1,2\n", r"line 2: 3 cells, expected 2"),
    "text": (
        PETS + "cow,1,tall\n",
        r"line 4, column 3 \('height'\): expected a number with a decimal point, .*'tall'",
    ),
    "no label column": (
        "5,4,setosa\n",
        r"line 1, column 3: .*'setosa': .*with label= \(--label\) which",
    ),
    "decimal comma": (
        "3;1,5;2\n",
        r"line 1, column 2: expected a number with a decimal point, got '1,5'",
    ),
    "underscore": ("3,1_0\n", r"column 2: expected a number with a decimal point, got '1_0'"),
    "two numbers": ("3,1 2\n", r"column 2: expected a number with a decimal point, got '1 2'"),
    "sign": ("3,-\n", r"column 2: expected a number with a decimal point, got '-'"),
    "missing": ("3,1\n3,\n", r"line 2, column 2: no number: fill the gap"),
    "missing label": ("a,1\n,2\n", r"line 2, column 1: the label is missing"),
    "missing later": ("3,1\n ,2\n", r"line 2, column 1: the label is missing"),
    "nan": ("3,1\n3,nan\n", r"line 2, column 2: expected a finite number .* got 'nan'"),
    "inf": ("3,-Infinity\n", r"line 1, column 2: expected a finite number .* got '-Infinity'"),
    "large": ("3,1e39\n", r"expected a finite number that fits into float32, got '1e39'"),
    "nan label": ("3,1\nnan,2\n", r"column 1: label nan of sample 1 is no finite number"),
    "inf label": ("0.5,1\ninf,2\n", r"column 1: label inf of sample 1 is no finite number"),
    "large target": ("0.5,1\n1e300,2\n", r"column 1: targets must be finite, .* in sample 1"),
    "large label": (f"{2**60},1\n", r"column 1: label .* of sample 0 is too large"),
    "nul": (b"3,1\n4,\0\n", r"line 2 has NUL bytes: save the table as CSV in UTF-8"),
    "utf-16": ("3,1\n".encode("utf-16"), r"line 1 has NUL bytes"),
    "latin1": (b"3,1\nna\xefve,2\n", r"line 2, byte 2, is not UTF-8 \(0xef\): save the table"),
    "old mac": ("3,1\r4,2\r", r"line 1 has a carriage return in it: end lines"),
    "open quote": ('"a\nb",1\n', r"line 1 has a quote that is not closed"),
    "long cell": (f"a,1\n{'x' * 200_000},z\n", r"line 2: field larger than field limit"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_tables(tmp_path: Path, case: str, packed: bool) -> None:
    content, message = BROKEN[case]
    raw = content.encode() if isinstance(content, str) else content
    path = file_with(tmp_path, gzip.compress(raw) if packed else raw)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_csv(path)


@pytest.mark.parametrize(
    ("label", "kind", "message"),
    [
        ("kind", ValueError, r"no column 'kind', the first line has 'label', 'weight', 'height': "),
        (3, ValueError, r"no column of index 3, the table has 3: 'label', 'weight'"),
        (-4, ValueError, r"no column of index -4, the table has 3"),
        (True, TypeError, r"label must be an integer"),
    ],
)
def test_a_label_column_that_is_not_there(
    tmp_path: Path, label: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        read_csv(file_with(tmp_path, PETS), label)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.csv"):
        read_csv(tmp_path / "missing.csv")


PACKED = gzip.compress(PETS.encode(), mtime=0)


@pytest.mark.parametrize(
    "content",
    [
        PACKED[:7],
        PACKED[:30],
        PACKED[:-5],
        PACKED[:-1] + b"\1",
        PACKED[:10] + b"\xff" + PACKED[11:],
    ],
)
def test_damaged_compression(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"table.csv: damaged gzip file \(.+\): fetch it again"):
        read_csv(file_with(tmp_path, content))


@pytest.mark.parametrize(
    ("columns", "form", "dtype"),
    [
        (64, "{}", np.uint8),
        (784, "{}", np.uint8),
        (64, "{}.0", np.uint8),  # the same picture, however it is written
        (63, "{}", np.float32),  # no square
        (49, "{}", np.float32),  # too few: a table of features
    ],
)
def test_whole_numbers_are_pixels_where_they_make_a_picture(
    tmp_path: Path, columns: int, form: str, dtype: type
) -> None:
    row = [n % 256 for n in range(columns)]
    text = ",".join(["7", *map(form.format, row)])
    data = read_csv(file_with(tmp_path, f"{text}\n{text}\n"))
    assert data.inputs.dtype == dtype
    assert data.inputs.tolist() == [row, row]


@pytest.mark.parametrize("change", ["256", "-1", "0.5"])
def test_a_picture_of_other_numbers_stays_one_of_floats(tmp_path: Path, change: str) -> None:
    row = ["7", *["200"] * 63, change]
    data = read_csv(file_with(tmp_path, ",".join(row) + "\n"))
    assert data.inputs.dtype == np.float32
    assert data.inputs[0, -1] == float(change)


def test_a_picture_of_0_and_1_is_of_floats_if_it_is_written_so(tmp_path: Path) -> None:
    for form, dtype in (("{}.0", np.float32), ("{}", np.uint8)):
        text = ",".join(["7", *[form.format(n % 2) for n in range(64)]])
        assert read_csv(file_with(tmp_path, text)).inputs.dtype == dtype


def test_a_header_that_names_no_labels_is_asked_about(tmp_path: Path) -> None:
    path = file_with(tmp_path, "age,income,quality\n20,1,3\n21,2,4\n")
    with pytest.raises(ValueError, match=r"table.csv: which column holds the labels\? .*'age'"):
        read_csv(path)
    assert read_csv(path, "quality").classes == ("3", "4")


def test_blocks_make_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels keep their numbers, and lines theirs, from block to block."""
    monkeypatch.setattr("minidl.data.lines._BLOCK", 20)
    rows = [(f"c{n % 7}", n % 256, n % 11) for n in range(400)]
    text = "".join(f"{label},{a},{b}\n\n" for label, a, b in rows)
    inputs = floats(*([a, b] for _, a, b in rows))
    targets = [n % 7 for n in range(400)]
    classes = tuple(f"c{n}" for n in range(7))
    check(file_with(tmp_path, text), inputs, targets, classes)
    later = inputs.astype(np.float32)
    later[-1, 1] = 0.5
    half = text[: text.rindex(",")] + ",0.5\n"
    check(file_with(tmp_path, half), later, targets, classes)
    with pytest.raises(ValueError, match="line 801: 2 cells, expected 3"):
        read_csv(file_with(tmp_path, text + "c1,1\n"))


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=4).filter(
                lambda text: text.lower() not in ("nan", "inf", "+inf", "-inf", "+nan", "-nan")
            ),
            st.lists(
                st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3
            ),
        ),
        min_size=1,
        max_size=6,
    ),
    separator=st.sampled_from(",;\t"),
)
def test_written_numbers_and_labels_come_back(
    folder: Path, rows: list[tuple[str, list[float]]], separator: str
) -> None:
    text = "label,a,b,c\n".replace(",", separator)
    for label, numbers in rows:
        cells = ['"' + label.replace('"', '""') + '"', *map(repr, numbers)]
        text += separator.join(cells) + "\n"
    data = read_csv(file_with(folder, text), "label")
    np.testing.assert_array_equal(data.inputs, np.array([row for _, row in rows], np.float32))
    if data.classes:
        named = [data.classes[target] for target in data.targets]
        written = [label for label, _ in rows]
        assert named == written or list(map(float, named)) == list(map(float, written))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_tables_are_read_or_refused(folder: Path, data: st.DataObject) -> None:
    """Whatever is read has a number for each cell, as Python reads it."""
    packed = data.draw(st.booleans())
    text = data.draw(st.sampled_from([PETS, "3,1,2\n4,5,6\n7,8,9\n", '"a";1.5;2\n"b";3;4\n']))
    content = bytearray(gzip.compress(text.encode(), mtime=0) if packed else text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(st.one_of(st.sampled_from(list(b',;\t\n\r" .-e09')), st.integers(0, 255)))
        content[at : at + data.draw(st.integers(0, 2))] = bytes([new])
    path = file_with(folder, bytes(content))
    try:
        table = read_csv(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
        return
    plain = gzip.decompress(content) if packed else bytes(content)
    lines = [line for line in plain.decode("utf-8-sig").split("\n") if line.strip(" \r")]
    unquoted = re.sub(r'"[^"]*"', "", lines[0])  # whose mark is that of all lines
    separator = next(mark for mark in "\t;," if mark in unquoted)
    assert len(lines) - len(table) in (0, 1)
    last = [cell.strip(' "') for cell in lines[-1].split(separator)]
    if len(last) == 1 + table.inputs.shape[1]:
        wanted = np.array([float(cell.strip()) for cell in last[1:]], np.float32)
        np.testing.assert_array_equal(table.inputs[-1], wanted)


def peak_of_refused(path: Path, message: str) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            read_csv(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gigantic_line_is_not_read(tmp_path: Path) -> None:
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(b"3,1\n3,"), *(packer.compress(b"1" * 2**20) for _ in range(80))]
    path = file_with(tmp_path, b"".join(parts) + packer.flush())
    assert peak_of_refused(path, "line 2 is longer than 16777216 bytes: write one row a") < 60e6


def test_blank_lines_take_no_memory(tmp_path: Path) -> None:
    path = file_with(tmp_path, gzip.compress(b"3,1\n" + b" " * 10**6 + b"\n" * 10**5 + b"3\n"))
    assert peak_of_refused(path, "line 100002: 1 cells, expected 2") < 10e6


def test_long_labels_take_their_own_length_only(tmp_path: Path) -> None:
    """An array of text would take the longest for every label."""
    text = "x" * 100_000 + ",1\n" + "".join(f"c{n},1\n" for n in range(2000))
    tracemalloc.start()
    try:
        assert len(read_csv(file_with(tmp_path, text)).classes) == 2001
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
