"""Bytes of files that may be packed with gzip, read without trust in what they announce."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

_CHUNK: Final = 2**20  # bytes read together


def read_up_to(stream: IO[bytes] | io.BufferedIOBase, size: int) -> bytearray:
    """Return the next ``size`` bytes, or fewer at the end of the file; grows as bytes come.

    >>> read_up_to(io.BytesIO(b"abc"), 2**60)
    bytearray(b'abc')
    """
    content = bytearray()
    while chunk := stream.read(min(_CHUNK, size - len(content))):
        content += chunk
    return content


@contextmanager
def unpacked(file: io.BufferedReader, name: str) -> Iterator[io.BufferedIOBase]:
    """Give the content of an open file, packed with gzip or not, whatever its name.

    Damage that is met while reading becomes a ``ValueError`` that names the file.
    """
    import gzip
    import zlib

    if file.peek(2)[:2] != b"\x1f\x8b":
        yield file
        return
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{name}: damaged gzip file ({error}): fetch it again") from error
