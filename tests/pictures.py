"""Pictures that tests draw themselves, in every mode and format that people have."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Color = tuple[int, int, int]

SHAPES = ("circle", "cross", "square")  # the classes of draw_folder, sorted as folders are


def draw_folder(path: Path, per_class: int = 40, seed: int = 0) -> Path:
    """Draw circles, crosses and squares into a subfolder each; return ``path``.

    Bright shapes on a dark ground, of any place and colour, in pictures of 20 to 60 pixels a
    side: all of ``KINDS`` take turns, so that every class has PNG and JPEG, grey, colour,
    palettes, 16 bits, transparency and turned cameras.
    """
    random = np.random.default_rng(seed)
    for name in SHAPES:
        (path / name).mkdir(parents=True)
        for number in range(per_class):
            kind = list(KINDS)[number % len(KINDS)]
            height, width = random.integers(20, 61, 2)
            ink = shape_mask(name, int(height), int(width), random)
            KINDS[kind](path / name / f"{number:03d}-{kind}", ink, random)
    return path


def shape_mask(name: str, height: int, width: int, random: Generator) -> Mask:
    """Return where a shape is, (H, W); it is stretched as the picture is."""
    y = np.linspace(-1, 1, height)[:, None] - random.uniform(-0.2, 0.2)  # (H, 1)
    x = np.linspace(-1, 1, width) - random.uniform(-0.2, 0.2)  # (W,)
    y, x = np.abs(y), np.abs(x)
    size = random.uniform(0.5, 0.75)
    if name == "circle":
        return np.asarray(np.hypot(y, x) < size)
    if name == "square":
        return np.asarray(np.maximum(y, x) < size)
    return np.asarray((np.minimum(y, x) < size / 3) & (np.maximum(y, x) < size))


def colored(ink: Mask, random: Generator) -> Pixels:
    """Return a picture (H, W, 3) of a bright shape on a dark ground."""
    bright, dark = random.integers(160, 256, 3), random.integers(0, 64, 3)
    return np.where(ink[..., None], bright, dark).astype(np.uint8)


def grey(ink: Mask, random: Generator) -> Pixels:
    """Return a picture (H, W) of a bright shape on a dark ground."""
    return colored(ink, random)[..., 0]


def _rgb(path: Path, ink: Mask, random: Generator) -> None:
    Image.fromarray(colored(ink, random)).save(f"{path}.png")


def _grey(path: Path, ink: Mask, random: Generator) -> None:
    Image.fromarray(grey(ink, random)).save(f"{path}.png")


def _jpeg(path: Path, ink: Mask, random: Generator) -> None:
    Image.fromarray(colored(ink, random)).save(f"{path}.jpg", quality=90)


def _grey_jpeg(path: Path, ink: Mask, random: Generator) -> None:
    Image.fromarray(grey(ink, random)).save(f"{path}.jpg", quality=90)


def _see_through(path: Path, ink: Mask, random: Generator) -> None:
    """White shapes cut out of a dark sheet."""
    hidden = np.where(ink, 0, 255).astype(np.uint8)[..., None]
    Image.fromarray(np.concatenate([colored(~ink, random) // 4, hidden], 2)).save(f"{path}.png")


def _grey_see_through(path: Path, ink: Mask, random: Generator) -> None:
    hidden = np.where(ink, 0, 255).astype(np.uint8)
    Image.fromarray(np.stack([grey(~ink, random) // 4, hidden], 2)).save(f"{path}.png")


def _palette(path: Path, ink: Mask, random: Generator) -> None:
    palette_image(ink, [(20, 40, 60), (250, 200, 180)]).save(f"{path}.png")


def _clear_palette(path: Path, ink: Mask, random: Generator) -> None:
    image = palette_image(ink, [(20, 40, 60), (0, 0, 0)])
    image.save(f"{path}.png", transparency=1)


def _one_bit(path: Path, ink: Mask, random: Generator) -> None:
    Image.fromarray(ink).save(f"{path}.png")


def _deep(path: Path, ink: Mask, random: Generator) -> None:
    Image.fromarray(np.where(ink, 60_000, 9_000).astype(np.uint16)).save(f"{path}.png")


def _cmyk(path: Path, ink: Mask, random: Generator) -> None:
    full = np.where(ink, 20, 220).astype(np.uint8)
    cmyk_image(np.stack([full, full // 2, full * 0, full], 2)).save(f"{path}.jpg", quality=90)


def _turned(path: Path, ink: Mask, random: Generator) -> None:
    turned(colored(ink, random), int(random.integers(1, 9))).save(f"{path}.jpg", quality=90)


KINDS: dict[str, Callable[[Path, Mask, Generator], None]] = {
    "rgb": _rgb,
    "jpeg": _jpeg,
    "grey": _grey,
    "grey-jpeg": _grey_jpeg,
    "rgba": _see_through,
    "la": _grey_see_through,
    "palette": _palette,
    "clear-palette": _clear_palette,
    "one-bit": _one_bit,
    "16-bit": _deep,
    "cmyk": _cmyk,
    "turned": _turned,
}
"""Ways to store a shape: each writes one file, whose ending it adds to the path."""


def palette_image(indices: NDArray[np.generic], colors: list[Color]) -> Image.Image:
    """Return a picture of mode P from indices (H, W) into a list of colours."""
    height, width = indices.shape
    image = Image.frombytes("P", (width, height), indices.astype(np.uint8).tobytes())
    image.putpalette([value for color in colors for value in color])
    return image


def cmyk_image(ink: Pixels) -> Image.Image:
    """Return a picture of mode CMYK from the ink (H, W, 4), 255 being full."""
    height, width = ink.shape[:2]
    return Image.frombytes("CMYK", (width, height), ink.tobytes())


STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.swapaxes(0, 1),
    6: lambda seen: seen.swapaxes(0, 1)[::-1],
    7: lambda seen: seen[::-1, ::-1].swapaxes(0, 1),
    8: lambda seen: seen.swapaxes(0, 1)[:, ::-1],
}
"""How a camera that notes this EXIF orientation stores what is seen. For 6: "the 0th row is the
visual right-hand side, the 0th column is the visual top"."""


class Turned(NamedTuple):
    """A picture as a camera stores it, and what it notes about it."""

    image: Image.Image
    exif: bytes

    def save(self, path: str | Path, **options: Any) -> None:
        self.image.save(path, exif=self.exif, **options)


def turned(seen: Pixels, orientation: int) -> Turned:
    """Return a picture to be seen as ``seen``, stored as a camera that was held otherwise does."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](seen))
    return Turned(Image.fromarray(stored), exif.tobytes())


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file; source: PNG specification, 5.3."""
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def png(
    width: int,
    height: int,
    depth: int,
    color: int,
    rows: bytes,
    more: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """Return a PNG file by hand; ``rows`` with a filter byte each, ``more`` chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
