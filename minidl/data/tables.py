"""Tables of numbers with a column of labels: ``.csv``, also with semicolons, tabs, or gzip.

Numbers are parsed by NumPy, in C, a few megabytes of lines at a time. Only where that fails are
the lines looked at cell by cell, to say which cell is wrong.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from minidl.checks import integer
from minidl.data.dataset import Dataset
from minidl.data.labels import encode_labels, number_kinds, shown
from minidl.data.lines import Line, blocks_of, lines_of
from minidl.data.streams import unpacked
from minidl.types import Array

_SMALLEST: Final = 64  # pixels of a picture: 8 x 8
_SEPARATORS: Final = "\t;,"  # where a first line has several: commas are in decimals and text too
_NAMES: Final = ("label", "class", "target", "y")
_NUMBER: Final = re.compile(
    r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_NINES: Final = bytes.maketrans(b"012345678", b"999999999")
_LARGEST: Final = float(np.finfo(np.float32).max)


class _Layout(NamedTuple):
    """How a table is laid out: what separates its cells, its columns, which holds the labels."""

    separator: str
    names: tuple[str, ...]
    label: int
    header: bool

    def column(self, number: int) -> str:
        """Return what messages call a column."""
        return f"column {number + 1}" + (f" ({self.names[number]!r})" if self.header else "")


def read_csv(
    path: str | os.PathLike[str],
    label: str | int | None = None,
    *,
    classes: Sequence[str] | None = None,
) -> Dataset:
    r"""Read a table, a sample a row, of numbers and one column of labels, as a Dataset.

    Cells are separated by commas, semicolons or tabs and may be quoted; the text is UTF-8, and
    may be compressed with gzip, whatever the file's name. The first row is a header where its
    label cell is text and another cell is too, or the others just count 0, 1, ... or 1, 2, ...

    Parameters
    ----------
    path
        The file to read.
    label
        The column of labels, by its name in the header or its index from 0 (-1 is the last). By
        default the one that the header calls label, class, target or y, else the first.
    classes
        The names of the classes that a model knows, in order; see ``encode_labels``.

    Returns
    -------
    Dataset
        Inputs (N, columns - 1) of float32; or, where the columns are as many as a square
        picture has pixels (64 or more) and all values are whole numbers from 0 to 255, of uint8,
        which a model takes as 0..1. Targets (N,): int64 with class names, or float32 without
        where labels are numbers with a fraction (regression).

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is no such table; the message names the file, the line and the column.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "pets.csv")
    ...     _ = path.write_text("weight,height,class\n4.1,25,cat\n20,60.5,dog\n")
    ...     pets = read_csv(path)
    >>> pets
    Dataset('pets.csv', 2 samples, inputs float32 (2,), targets int64 (), 2 classes)
    >>> pets.classes
    ('cat', 'dog')
    """
    name = os.fspath(path)
    with open(name, "rb") as file, unpacked(file, name) as stream:
        return _read_table(stream, name, label, classes)


def _read_table(
    stream: io.BufferedIOBase, name: str, label: str | int | None, classes: Sequence[str] | None
) -> Dataset:
    lines = lines_of(stream, name)
    first = next(lines, None)
    if first is None:
        raise ValueError(f"{name}: the table is empty, expected a row for each sample")
    layout = _layout(first, label, name)
    lines = lines if layout.header else chain([first], lines)
    kinds: dict[str, int] = {}  # labels as written, numbered as they come
    blocks = [_parse(block, layout, kinds, name) for block in blocks_of(lines)]
    if not blocks:
        raise ValueError(f"{name}: the table has a header and no rows, expected one a sample")
    inputs = np.concatenate([values for values, _ in blocks])  # uint8 and float32 make float32
    codes = np.concatenate([codes for _, codes in blocks])
    try:
        targets, names = _targets(codes, list(kinds), classes)
        return Dataset(inputs, targets, names, os.path.basename(name))
    except ValueError as error:
        raise ValueError(f"{name}: {layout.column(layout.label)}: {error}") from None


def _layout(first: Line, label: str | int | None, name: str) -> _Layout:
    unquoted = re.sub('"[^"]*"', "", first[1])
    separator = next((mark for mark in _SEPARATORS if mark in unquoted), None)
    if separator is None:
        raise ValueError(
            f"{name}: line {first[0]}: only one column, expected a label and at least one number, "
            "separated by comma, semicolon or tab"
        )
    cells = tuple(_cells(first, separator, name))
    column = _label_column(cells, label, name)
    header = isinstance(label, str) or _is_header(cells, column)
    return _Layout(separator, cells, column, header)


def _label_column(cells: tuple[str, ...], label: str | int | None, name: str) -> int:
    if label is None:
        return _usual_column(cells, name)
    if isinstance(label, str):
        if label not in cells:
            raise ValueError(
                f"{name}: no column {label!r}, the first line has {shown(cells)}: name one of "
                "them, or give its index"
            )
        return cells.index(label)
    number, count = integer("label", label, low=-(2**31)), len(cells)
    if not -count <= number < count:
        raise ValueError(
            f"{name}: no column of index {number}, the table has {count}: {shown(cells)}"
        )
    return number % count


def _usual_column(cells: tuple[str, ...], name: str) -> int:
    """Return the column that a header calls the labels, or the first where there is no header."""
    lower = [cell.lower() for cell in cells]
    known = [lower.index(one) for one in _NAMES if one in lower]
    if not known and not any(map(_NUMBER.fullmatch, cells)):
        raise ValueError(
            f"{name}: which column holds the labels? The header has {shown(cells)}, none of them"
            f" {', '.join(_NAMES)}: name it with label= (--label)"
        )
    return known[0] if known else 0


def _is_header(cells: tuple[str, ...], label: int) -> bool:
    if _NUMBER.fullmatch(cells[label]):
        return False
    others = [cell for number, cell in enumerate(cells) if number != label]
    counted = any(others == [str(n + start) for n in range(len(others))] for start in (0, 1))
    return (counted and len(others) > 2) or not all(map(_NUMBER.fullmatch, others))


def _parse(
    block: list[Line], layout: _Layout, kinds: dict[str, int], name: str
) -> tuple[Array, Array]:
    """Return the numbers (n, columns - 1) of lines, uint8 or float32, and the codes of labels.

    A label that comes for the first time is added to ``kinds``.
    """
    text = "\n".join(line for _, line in block)
    points = 0  # in labels

    def code(cell: str) -> int:
        nonlocal points
        points += cell.count(".")
        return kinds.setdefault(cell.strip(), len(kinds))

    try:
        values = np.loadtxt(
            [line for _, line in block],
            np.int64 if _only_integers(text) else np.float64,
            comments=None,
            delimiter=layout.separator,
            converters={layout.label: code},
            ndmin=2,
            encoding="utf-8",
            quotechar='"',
        )
    except ValueError as error:
        raise _fault(block, layout, name, str(error)) from None
    complete = values.shape == (len(block), len(layout.names)) and "" not in kinds
    if not complete or not (np.abs(values) <= _LARGEST).all():
        raise _fault(block, layout, name, "missing or infinite cells")
    numbers = np.delete(values, layout.label, axis=1)
    codes = values[:, layout.label].astype(np.int64)
    decimal = text.count(".") > points
    return _pixels(numbers, decimal), codes


def _only_integers(text: str) -> bool:
    """Return whether there are no characters but those of integers that fit into int64.

    NumPy parses such text five times as fast, but would take others for integers as well.
    """
    nines = text.encode().translate(_NINES)
    return not nines.translate(None, b'9+-,;\t\n "') and b"9" * 19 not in nines


def is_picture(columns: int) -> bool:
    """Whether so many numbers may be the pixels of a square picture, of 8 x 8 or more.

    >>> is_picture(784), is_picture(16)
    (True, False)
    """
    return columns >= _SMALLEST and math.isqrt(columns) ** 2 == columns


def _pixels(values: Array, decimal: bool) -> Array:
    """Return the bytes of pictures as uint8; one written as 0.0 and 1.0 stays one of floats."""
    low, high = values.min(), values.max()
    if is_picture(values.shape[1]) and low >= 0 and high <= 255 and (high > 1 or not decimal):
        pixels = values.astype(np.uint8)
        if (pixels == values).all():
            return pixels
    return values.astype(np.float32)


def _fault(block: list[Line], layout: _Layout, name: str, why: str) -> ValueError:
    """Return the error that names the first wrong cell of some lines."""
    for line in block:
        cells = _cells(line, layout.separator, name)
        place = f"{name}: line {line[0]}"
        if len(cells) != len(layout.names):
            return ValueError(
                f"{place}: {len(cells)} cells, expected {len(layout.names)} as in the first row: "
                "give every row the same columns"
            )
        for number, cell in enumerate(cells):
            if wrong := _wrong(cell, number == layout.label):
                return ValueError(f"{place}, {layout.column(number)}: {wrong}")
    return ValueError(f"{name}: lines {block[0][0]} to {block[-1][0]} are no table: {why}")


def _wrong(cell: str, label: bool) -> str:
    """Return what is wrong with a cell, nothing if it is as it should be."""
    if not cell:
        return "the label is missing: name its class" if label else "no number: fill the gap"
    if label:
        return ""
    if not _NUMBER.fullmatch(cell):
        return (
            f"expected a number with a decimal point, got {cell[:40]!r}: correct it, or say with "
            "label= (--label) which column holds the labels"
        )
    if not abs(float(cell)) <= _LARGEST:
        return f"expected a finite number that fits into float32, got {cell[:40]!r}: fill the gap"
    return ""


def _cells(line: Line, separator: str, name: str) -> list[str]:
    import csv  # here, so that importing minidl is quick

    try:
        return [cell.strip() for cell in next(csv.reader([line[1]], delimiter=separator))]
    except csv.Error as error:
        raise ValueError(f"{name}: line {line[0]}: {error}: correct the row") from None


def _targets(
    codes: Array, kinds: list[str], classes: Sequence[str] | None
) -> tuple[Array, tuple[str, ...]]:
    """Return targets, and class names, of labels given as codes of the kinds there are."""
    samples = np.unique(codes, return_index=True)[1].tolist()
    if not all(map(_NUMBER.fullmatch, kinds)):
        numbers, names = number_kinds(kinds, samples, classes)
        return numbers[codes], names
    values = np.array([float(kind) for kind in kinds])[codes]
    fractions = bool(np.isfinite(values).all() and (np.trunc(values) != values).any())
    if classes or not fractions:
        return encode_labels(values, classes)
    with np.errstate(over="ignore"):  # a Dataset refuses infinity
        return values.astype(np.float32), ()
