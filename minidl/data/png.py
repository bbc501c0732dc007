"""Whether a PNG file is whole. Pillow shows missing rows as black, and passes over checksums."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

_SIGNATURE: Final = 8  # bytes before the first chunk
_CHANNELS: Final = MappingProxyType({0: 1, 2: 3, 3: 1, 4: 2, 6: 4})  # by colour type
_PASSES: Final = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
"""Adam7: first row and column of each pass, and the steps to the next."""


def check_png(content: bytes) -> None:
    """Raise ``ValueError`` unless every chunk of a PNG file is whole, and every row is there.

    Source: Portable Network Graphics specification (second edition), sections 5.3 and 8.2.

    >>> check_png(bytes.fromhex("89504e470d0a1a0a 00000008 49444154 0000"))
    Traceback (most recent call last):
    ValueError: the chunk at byte 8 is cut off or does not fit its checksum
    """
    header, rows = b"", list[memoryview]()
    for name, body in _chunks(content):
        if name == b"IHDR":
            header = bytes(body)
        elif name == b"IDAT":
            rows.append(body)
    expected = _row_bytes(header)
    found = len(zlib.decompressobj().decompress(b"".join(rows), expected))
    if found < expected:
        raise ValueError(f"{found} of {expected} bytes of pixels")


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the name and the body of each chunk, up to the one that ends the file."""
    name, place, view = b"", _SIGNATURE, memoryview(content)
    while name != b"IEND":
        size = int.from_bytes(view[place : place + 4], "big")
        end = place + 8 + size
        check = view[end : end + 4]
        if len(check) < 4 or zlib.crc32(view[place + 4 : end]) != int.from_bytes(check, "big"):
            raise ValueError(f"the chunk at byte {place} is cut off or does not fit its checksum")
        name = bytes(view[place + 4 : place + 8])
        yield name, view[place + 8 : end]
        place = end + 4


def _row_bytes(header: bytes) -> int:
    """Return how many bytes all rows have before they are compressed, filter bytes included."""
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS[color]
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for row, column, row_step, column_step in passes:
        rows = -(-(height - row) // row_step)
        columns = -(-(width - column) // column_step)
        if columns > 0:
            total += max(rows, 0) * (1 + -(-columns * bits // 8))
    return total
