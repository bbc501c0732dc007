"""IDX, the file format of MNIST: a header with type and shape, then the values.

``00 00 type dimensions``, then one big-endian uint32 for each dimension, then the values, big
endian, last axis fastest (Y. LeCun, C. Cortes, C. Burges, *The MNIST database*, "The IDX file
format"). Often the whole file is compressed with gzip.
"""

from __future__ import annotations

import io
import os
from math import prod
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from minidl.data.streams import read_up_to, unpacked
from minidl.types import Array, Shape

_DTYPES: Final = MappingProxyType(
    {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
)
_MAX_DIMENSIONS: Final = 32  # of an array, in NumPy 1; the format would allow 255
_MAX_BYTES: Final = 2**63 - 1


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read an IDX file, compressed with gzip or not, whatever its name.

    Never takes more memory than the file holds, nor more than its header announces.

    Parameters
    ----------
    path
        The file to read.

    Returns
    -------
    Array
        uint8, int8, int16, int32, float32 or float64 in the byte order of this machine.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is damaged, cut short, too long, or not IDX; the message names the place.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/labels.gz", np.array([7, 2, 1], np.uint8))
    ...     read_idx(f"{folder}/labels.gz")
    array([7, 2, 1], dtype=uint8)
    """
    name = os.fspath(path)
    with _opened(name) as file, unpacked(file, name) as stream:
        return _read_content(stream, name)


def write_idx(path: str | os.PathLike[str], array: Array) -> None:
    """Write an array as an IDX file, compressed with gzip if the name ends in ``.gz``.

    The same array always gives the same bytes: no name and no time go into the file.

    Parameters
    ----------
    path
        The file to write; one that exists is replaced.
    array
        1 to 32 dimensions of uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    TypeError
        For another dtype.
    ValueError
        For no dimension, or one of 2**32 or more.

    Examples
    --------
    See ``read_idx``.
    """
    values = np.asarray(array)
    content = _header(values) + values.astype(values.dtype.newbyteorder(">")).tobytes()
    name = os.fspath(path)
    with open(name, "wb") as file:
        if not name.endswith(".gz"):
            file.write(content)
            return
        import gzip

        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream:
            stream.write(content)


def _opened(name: str) -> io.BufferedReader:
    try:
        return open(name, "rb")
    except FileNotFoundError:
        other = name[:-3] if name.endswith(".gz") else f"{name}.gz"
        hint = f"there is {other}" if os.path.exists(other) else "check the path"
        raise FileNotFoundError(f"no file {name}: {hint}") from None


def _read_content(stream: io.BufferedIOBase, name: str) -> Array:
    dtype, dimensions = _read_magic(stream, name)
    shape = _read_shape(stream, name, dimensions)
    size = _byte_size(shape, dtype, name)
    values = read_up_to(stream, size + 1)  # one more, to see that the file ends there
    if len(values) != size:
        came = "more" if len(values) > size else f"only {len(values)}"
        raise ValueError(
            f"{name}: the header announces {dtype.name} of shape {shape}, {size} bytes from byte "
            f"{4 + 4 * dimensions} on, the file holds {came}: it is damaged, fetch it again"
        )
    return np.frombuffer(values, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _read_magic(stream: io.BufferedIOBase, name: str) -> tuple[np.dtype[Any], int]:
    magic = bytes(read_up_to(stream, 4))
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise ValueError(
            f"{name}: not an IDX file: expected two zero bytes, a type and a number of dimensions "
            f"at byte 0, got {magic!r}: give a file such as train-images-idx3-ubyte.gz"
        )
    if magic[2] not in _DTYPES:
        known = ", ".join(f"0x{code:02x}" for code in _DTYPES)
        raise ValueError(
            f"{name}: unknown type code 0x{magic[2]:02x} at byte 2, expected one of {known}: "
            "it is damaged or not an IDX file, fetch it again"
        )
    if not 1 <= magic[3] <= _MAX_DIMENSIONS:
        raise ValueError(
            f"{name}: {magic[3]} dimensions at byte 3, expected 1 to {_MAX_DIMENSIONS}: "
            "it is damaged or not an IDX file, fetch it again"
        )
    return np.dtype(_DTYPES[magic[2]]), magic[3]


def _read_shape(stream: io.BufferedIOBase, name: str, dimensions: int) -> Shape:
    sizes = read_up_to(stream, 4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(
            f"{name}: the header of {dimensions} dimensions needs {4 + 4 * dimensions} bytes, "
            f"the file ends after {4 + len(sizes)}: it is cut short, fetch it again"
        )
    return tuple(np.frombuffer(sizes, ">u4").tolist())


def _byte_size(shape: Shape, dtype: np.dtype[Any], name: str) -> int:
    # NumPy counts an axis of length 0 as 1 when it asks whether a shape is possible.
    if prod(max(size, 1) for size in shape) * dtype.itemsize > _MAX_BYTES:
        raise ValueError(
            f"{name}: the header announces {dtype.name} of shape {shape}, more than any array "
            "can hold: it is damaged or not an IDX file, fetch it again"
        )
    return prod(shape) * dtype.itemsize


def _header(array: Array) -> bytes:
    codes = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder(">"))
    if code is None:
        known = ", ".join(dtype.name for dtype in codes)
        raise TypeError(f"an IDX file holds {known}, got {array.dtype}: convert it with .astype()")
    if not 1 <= array.ndim <= _MAX_DIMENSIONS or max(array.shape) >= 2**32:
        raise ValueError(
            f"an IDX file holds 1 to {_MAX_DIMENSIONS} dimensions below 2**32, "
            f"got shape {array.shape}: reshape it"
        )
    return bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
