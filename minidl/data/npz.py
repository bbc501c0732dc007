"""Arrays from an ``.npz`` file, a zip of ``.npy`` files, without pickle and without trust.

NumPy's own reader allocates what a header announces. Here a header must first agree with the
size that the zip's directory gives, and that with what the compressed bytes can hold. See NumPy's
"NEP 1, A simple file format for NumPy arrays", and PKWARE's APPNOTE for zip.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import numpy as np

from minidl.data.streams import read_up_to
from minidl.types import Array, Shape

if TYPE_CHECKING:
    import zipfile

_MAGIC: Final = b"\x93NUMPY"
_RATIO: Final = 1032  # deflate's best: 258 bytes from 2 bits (zlib, "Maximum Compression Factor")
_LONGEST_END: Final = 2**16 + 22  # bytes: the end of the directory, and a comment
_MAX_HEADER: Final = 10_000  # characters, as in NumPy
_MAX_DIMENSIONS: Final = 32  # of an array, in NumPy 1
_MAX_BYTES: Final = 2**63 - 1

# {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, and 2L where Python 2 wrote it.
# Of what re calls space, Python's own grammar, by which NumPy reads, knows less.
_GAP: Final = r"[ \t\n]*"
_ENTRY: Final = rf"'(descr|fortran_order|shape)'{_GAP}:{_GAP}"
_ITEM: Final = rf"{_ENTRY}('[^']*'|True|False|\([\dL, \t\n]*\)){_GAP}"
_ITEMS: Final = rf"{_ITEM},{_GAP}{_ITEM},{_GAP}{_ITEM},?"
_HEADER: Final = re.compile(rf"{_GAP}\{{{_GAP}{_ITEMS}{_GAP}\}}{_GAP}", re.ASCII)
_DTYPE: Final = re.compile(r"'[<>|=]?[biufcSU][1-9]\d{0,9}'", re.ASCII)
_SIZE: Final = re.compile(r"0{1,19}|[1-9]\d{0,18}", re.ASCII)  # 04 is no number in Python
# What zipfile raises for damage, besides its own: a bad offset is an OSError, a bad flag a
# RuntimeError.
_DAMAGE: Final = (
    *(zlib.error, struct.error, EOFError, NotImplementedError),
    *(OSError, OverflowError, RuntimeError, ValueError),
)


class _Header(NamedTuple):
    """What an ``.npy`` file says of its array."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: Shape


def read_npz(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read every array of an ``.npz`` file that ``np.savez`` or ``np.savez_compressed`` wrote.

    Nothing in the file can run, and it never takes more memory than its bytes can hold.

    Parameters
    ----------
    path
        The file to read.

    Returns
    -------
    dict
        The arrays by name, in the file's order: booleans, integers, floats, complex numbers and
        text, in the byte order of this machine.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is damaged, cut short, or no ``.npz``, and for arrays of objects, records
        or times; the message names the file and the array.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/two.npz", images=np.zeros((2, 8, 8), np.uint8), labels=["a", "b"])
    ...     read_npz(f"{folder}/two.npz")["labels"]
    array(['a', 'b'], dtype='<U1')
    """
    name = os.fspath(path)
    with open(name, "rb") as file, _opened(file, name) as archive:
        members = archive.infolist()
        _check_count(file, len(members), name)
        _check_members(members, os.fstat(file.fileno()).st_size, name)
        return {info.filename[:-4]: _read_member(archive, info, name) for info in members}


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Turn what zipfile raises for damaged files into a ``ValueError`` that names the place."""
    import zipfile  # here, so that importing minidl is quick

    try:
        yield
    except (zipfile.BadZipFile, *_DAMAGE) as error:
        why = str(error) or "cut short"
        raise ValueError(f"{place}: damaged .npz file ({why}): fetch it again") from error


def _opened(file: BinaryIO, name: str) -> zipfile.ZipFile:
    import zipfile

    start = file.read(6)
    if start == _MAGIC:
        raise ValueError(
            f"{name}: a single array (.npy), expected an .npz of named arrays: "
            "np.savez(path, inputs=..., labels=...) makes one"
        )
    with _named(name):
        if zipfile.is_zipfile(file):
            return zipfile.ZipFile(file)
    came = f"it starts with {start!r}" if start else "it is empty"
    raise ValueError(
        f"{name}: not an .npz file, or cut short ({came}): write it with np.savez, or fetch it "
        "again"
    )


def _check_count(file: BinaryIO, count: int, name: str) -> None:
    """Refuse a directory of another length than the end of the zip says: some entry is damaged."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_END))
    end = file.read()
    announced = int.from_bytes(end[end.rfind(b"PK\5\6") :][10:12], "little")
    if announced not in (count, 0xFFFF):  # which stands for more, in zip64
        raise ValueError(
            f"{name}: its end announces {announced} members, its directory holds {count}: it is"
            " damaged, fetch it again"
        )


def _check_members(members: list[zipfile.ZipInfo], size: int, name: str) -> None:
    """Refuse what no ``np.savez`` writes, and sizes that the file cannot hold."""
    if not members:
        raise ValueError(f"{name}: holds no arrays: give np.savez at least one")
    seen: set[str] = set()
    for info in members:
        if fault := _fault(info, seen):
            raise ValueError(f"{name}: member {info.filename!r} {fault}")
        seen.add(info.filename)
    if sum(info.compress_size for info in members) > size:
        raise ValueError(
            f"{name}: its members announce more bytes than the {size} of the file, so they "
            "overlap: it is damaged or made to harm, fetch it again"
        )


def _fault(info: zipfile.ZipInfo, seen: set[str]) -> str:
    import zipfile

    if not info.filename.endswith(".npy"):
        return "is no array (.npy): write the file with np.savez"
    if info.filename in seen:
        return "is there twice: give each array its own name"
    if info.flag_bits & 1:
        return "is encrypted: write it without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return (
            f"is compressed by method {info.compress_type}, expected 0 (stored) or 8 (deflate): "
            "write it with np.savez_compressed"
        )
    ratio = 1 if info.compress_type == zipfile.ZIP_STORED else _RATIO
    if info.file_size > ratio * info.compress_size:
        return (
            f"announces {info.file_size} bytes, more than its {info.compress_size} bytes in the "
            "file can hold: it is damaged or made to harm, fetch it again"
        )
    return ""


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array:
    place = f"{name}: member {info.filename!r}"
    with _named(place):
        stream = archive.open(info)
    with stream:
        header, start = _read_header(stream, place)
        _check_size(header, info.file_size - start, place)
        content = _read(stream, info.file_size - start, place)
    return _checked(_array(header, content), place)


def _read_header(stream: IO[bytes], place: str) -> tuple[_Header, int]:
    """Return the header, and its length in bytes."""
    magic = bytes(_read(stream, 8, place))
    if magic[:6] != _MAGIC or magic[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError(
            f"{place}: expected an array, \\x93NUMPY and version 1, 2 or 3 at byte 0, "
            f"got {magic!r}: write it with np.savez"
        )
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(_read(stream, width, place), "little")
    if length > _MAX_HEADER:
        raise ValueError(
            f"{place}: a header of {length} bytes, expected at most {_MAX_HEADER}: "
            "save plain arrays, of numbers or text"
        )
    header = _parse(_read(stream, length, place).decode("latin1"), place)
    return header, 8 + width + length


def _parse(text: str, place: str) -> _Header:
    found = _HEADER.fullmatch(text.replace('"', "'"))
    items = dict(zip(found.groups()[::2], found.groups()[1::2])) if found else {}
    descr, order, shape = map(items.get, ("descr", "fortran_order", "shape"))
    if descr is None and re.search(r"['\"]descr['\"]\s*:\s*[\[(]", text):
        raise ValueError(f"{place}: an array of records: save each field as an array of its own")
    if not descr or order not in ("True", "False") or not shape or shape[0] != "(":
        raise ValueError(f"{place}: a damaged header, {text[:100]!r}: fetch the file again")
    sizes = [size.strip().removesuffix("L") for size in shape.strip("()").split(",")]
    if not sizes[-1]:
        del sizes[-1]  # (), (3,)
    if not all(map(_SIZE.fullmatch, sizes)):
        raise ValueError(f"{place}: a damaged shape, {shape[:100]}: fetch the file again")
    return _Header(_dtype(descr, place), order == "True", tuple(map(int, sizes)))


def _dtype(descr: str, place: str) -> np.dtype[Any]:
    """Return the dtype of a description in quotes, if its values are numbers or text."""
    if descr.strip("'<>|=").startswith("O"):
        raise ValueError(
            f"{place}: an array of Python objects, which are not read, as they can run code: save "
            "it as numbers, or as text with np.asarray(labels, dtype=str)"
        )
    try:
        if _DTYPE.fullmatch(descr):
            return np.dtype(descr.strip("'"))
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(
        f"{place}: values of type {descr[:40]}, expected numbers or text: convert them"
    )


def _check_size(header: _Header, size: int, place: str) -> None:
    dtype, _, shape = header
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError(
            f"{place}: {len(shape)} dimensions, expected at most {_MAX_DIMENSIONS}: reshape it"
        )
    # NumPy counts an axis of length 0 as 1 when it asks whether a shape is possible.
    possible = prod(max(length, 1) for length in shape) * dtype.itemsize <= _MAX_BYTES
    if not possible or prod(shape) * dtype.itemsize != size:
        raise ValueError(
            f"{place}: the header announces {dtype} of shape {shape}, "
            f"{prod(shape) * dtype.itemsize} bytes, the file {size}: it is damaged, fetch it again"
        )


def _read(stream: IO[bytes], size: int, place: str) -> bytearray:
    """Return the next ``size`` bytes."""
    with _named(place):
        content = read_up_to(stream, size)
        if len(content) < size:
            raise EOFError(f"it ends {size - len(content)} bytes early")
    return content


def _array(header: _Header, content: bytearray) -> Array:
    values = np.frombuffer(content, header.dtype)
    values = values.astype(header.dtype.newbyteorder("="), copy=False)
    array = values.reshape(header.shape, order="F" if header.fortran else "C")
    return np.ascontiguousarray(array).reshape(header.shape)  # the former makes () into (1,)


def _checked(array: Array, place: str) -> Array:
    """Return an array whose booleans and characters are some; other bytes are always numbers."""
    if array.dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise ValueError(f"{place}: booleans other than 0 and 1: it is damaged, fetch it again")
    if array.dtype.kind == "U":
        points = array.reshape(-1).view(np.uint32)
        if ((points > 0x10FFFF) | (points >> 11 == 0xD800 >> 11)).any():
            raise ValueError(f"{place}: text that is not Unicode: it is damaged, fetch it again")
    return array
