"""Lines of a text file: numbered, of bounded length, and surely text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

Line: TypeAlias = tuple[int, str]
"""Its number in the file, from 1, and its text without the end."""

_LONGEST: Final = 2**24  # bytes in a line: a colour picture of 1100 x 1100 pixels fits
_BLOCK: Final = 2**22  # characters of lines that are parsed together


def lines_of(stream: io.BufferedIOBase, name: str) -> Iterator[Line]:
    """Yield the lines that are not blank; none is longer than ``_LONGEST``."""
    number = 0
    while line := stream.readline(_LONGEST + 1):
        number += 1
        text = _decoded(line, number, f"{name}: line {number}")
        if text.strip(" "):
            yield number, text


def _decoded(line: bytes, number: int, place: str) -> str:
    if len(line) > _LONGEST:
        raise ValueError(f"{place} is longer than {_LONGEST} bytes: write one row a line")
    if b"\0" in line:
        raise ValueError(f"{place} has NUL bytes: save the table as CSV in UTF-8")
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place}, byte {error.start}, is not UTF-8 ({line[error.start]:#04x}): save the table "
            "as CSV in UTF-8"
        ) from None
    if "\r" in text:
        raise ValueError(f"{place} has a carriage return in it: end lines with LF or CR LF")
    if text.count('"') % 2:
        raise ValueError(f"{place} has a quote that is not closed: write every row on one line")
    return text


def blocks_of(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield runs of lines of about ``_BLOCK`` characters."""
    block, size = [], 0
    for line in lines:
        block.append(line)
        size += len(line[1])
        if size > _BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block
