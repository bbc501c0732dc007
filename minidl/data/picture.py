"""One picture as an array: what may be opened, and which pixels it means.

Only this file imports Pillow, and only when a picture is read. What Pillow would do wrongly or
differently from version to version is done here: 16-bit grey is scaled rather than clipped,
transparency lies on white, cameras' turns are undone, and damage that can be seen is told. (Of the
formats only PNG has checksums: a changed byte in the middle of a JPEG is just another picture.)
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import numpy as np

from minidl.checks import integer
from minidl.data.png import check_png
from minidl.types import Array, Shape

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Result = TypeVar("Result")

# Few on purpose: Pillow knows others, some of which start programs (EPS) or guess the depth.
FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MOST_PIXELS: Final = 64_000_000

_SMALL: Final = 4_000_000  # pixels that any file may announce: 16 MB
_DENSEST: Final = 10_000  # pixels a byte; the best that PNG can do is 8256
_DEEP: Final = frozenset({"I;16", "I;16L", "I;16B"})
_GREY: Final = frozenset({"1", "L", "LA", "La"}) | _DEEP
_COLOUR: Final = frozenset({"P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "CMYK", "YCbCr"})
_SEE_THROUGH: Final = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_ORIENTATION, _BITS, _PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF
_LEVELS: Final = MappingProxyType({"L;2": 85, "L;4": 17})  # from one grey to the next
_TURNS: Final = MappingProxyType(
    {
        2: "FLIP_LEFT_RIGHT",
        3: "ROTATE_180",
        4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE",
        6: "ROTATE_270",
        7: "TRANSVERSE",
        8: "ROTATE_90",
    }
)
"""What undoes each value of EXIF's orientation; source: TIFF 6.0, section 8, Orientation."""


def read_image(path: str | os.PathLike[str], shape: Shape | None = None) -> Array:
    """Read a picture into an array (H, W, C) of uint8, upright and without transparency.

    PNG, JPEG, BMP, GIF, TIFF, WEBP and PPM are read; of several frames or pages, the first. The
    turn that a camera noted (EXIF) is applied, transparent places show white, 16-bit grey is
    divided by 257. Colour becomes grey as ITU-R 601 luma, 0.299 R + 0.587 G + 0.114 B.

    Parameters
    ----------
    path
        The file. What it holds decides the format, not its name.
    shape
        The (H, W, C) that a model reads, C being 1 (grey) or 3 (RGB): the picture is converted
        and stretched to H x W pixels, with a bilinear filter that averages where it shrinks.
        By default the picture's own size, and 1 channel if the file stores grey, 3 if it stores
        colours or a palette.

    Raises
    ------
    ValueError
        For a file that is no such picture, is damaged, has over 64 million pixels, or whose
        numbers have no known range (floats, 32-bit integers); for a shape of another form.
    OSError
        Where the file is missing or may not be read.
    ImportError
        Where Pillow is not installed: ``pip install 'minidl[images]'``.

    Examples
    --------
    >>> read_image("cat.jpg", shape=(32, 32, 3)).shape  # doctest: +SKIP
    (32, 32, 3)
    """
    wanted = None if shape is None else checked_shape(shape)
    return _read(path, lambda stream: _pixels(_verified(stream), wanted))


def image_shape(path: str | os.PathLike[str]) -> Shape:
    """Return the (H, W, C) that ``read_image`` would give, from the file's header.

    It raises what ``read_image`` raises, except where only the pixels are damaged.
    """
    return _read(path, _announced)


def checked_shape(shape: Shape) -> Shape:
    """Return an (H, W, C) that pictures can have as plain integers, or say what is wrong.

    >>> checked_shape((28, 28))
    Traceback (most recent call last):
    ValueError: shape must be (height, width, channels) such as (32, 32, 3), got (28, 28)
    """
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise ValueError(
            f"shape must be (height, width, channels) such as (32, 32, 3), got {shape!r}"
        )
    height, width = integer("height", shape[0], low=1), integer("width", shape[1], low=1)
    if shape[2] not in (1, 3):
        raise ValueError(f"a picture has 1 (grey) or 3 (RGB) channels, got shape {shape!r}")
    if height * width > MOST_PIXELS:
        raise ValueError(f"shape {shape!r} has over {MOST_PIXELS // 10**6} million pixels")
    return height, width, int(shape[2])


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be printed and stored, whatever bytes its name is made of.

    >>> shown("cats/1.png")
    'cats/1.png'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class _RefusedError(ValueError):
    """What this file says about a picture, told from what Pillow raises."""


def _read(path: str | os.PathLike[str], work: Callable[[BinaryIO], Result]) -> Result:
    """Return what ``work`` makes of an open file; every error names the file."""
    _need_pillow()
    if not os.path.isfile(path) and os.path.exists(path):
        raise ValueError(f"{shown(path)}: expected a picture file, this is something else")
    # Pillow warns of pixels that are refused here anyway, and of metadata that is not used.
    with open(path, "rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return work(stream)
        except _RefusedError as refused:
            raise ValueError(f"{shown(path)}: {refused}") from None
        except MemoryError:
            raise
        except Exception as error:  # a damaged file makes Pillow raise nearly anything
            reason = str(error) or type(error).__name__
            raise ValueError(
                f"{shown(path)}: damaged picture ({reason}): fetch or save it again, or remove it"
            ) from error


def _need_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError("reading pictures needs Pillow: pip install 'minidl[images]'") from error


def _opened(stream: BinaryIO) -> ImageFile:
    """Read the header and judge it, before any memory is taken for pixels."""
    from PIL import Image, UnidentifiedImageError

    size = os.fstat(stream.fileno()).st_size
    if size == 0:
        raise _RefusedError("empty file of 0 bytes: fetch or save it again, or remove it")
    try:
        image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise _RefusedError(
            f"no whole picture of a format that is read ({', '.join(FORMATS)}): convert it to PNG "
            "or JPEG, or remove it"
        ) from None
    except Image.DecompressionBombError:
        raise _RefusedError(_TOO_LARGE) from None
    _check_size(image.width, image.height, size)
    return image


_TOO_LARGE: Final = f"over {MOST_PIXELS // 10**6} million pixels: make the picture smaller first"


def _check_size(width: int, height: int, size: int) -> None:
    if width < 1 or height < 1:
        raise _RefusedError(f"a picture of {width}x{height} pixels: remove it")
    if width * height > MOST_PIXELS:
        raise _RefusedError(f"{width}x{height} pixels, {_TOO_LARGE}")
    if width * height > max(_SMALL, _DENSEST * size):
        raise _RefusedError(
            f"announces {width}x{height} pixels in {size} bytes, no picture is that dense: fetch "
            "it again, or make it smaller"
        )


def _verified(stream: BinaryIO) -> ImageFile:
    image = _opened(stream)
    if image.format == "PNG":
        check_png(_content(stream))
    return image


def _announced(stream: BinaryIO) -> Shape:
    image = _opened(stream)
    # Asked for the EXIF of a PNG, Pillow decodes the pixels, after which it may stand.
    plain = image.format == "PNG" and not re.search(rb"(?i)exif|xmp", _content(stream))
    turned = not plain and _orientation(image) >= 5
    width, height = image.size[::-1] if turned else image.size
    return height, width, 1 if _is_grey(image) else 3


def _content(stream: BinaryIO) -> bytes:
    place = stream.tell()
    stream.seek(0)
    content = stream.read()
    stream.seek(place)
    return content


def _pixels(image: ImageFile, wanted: Shape | None) -> Array:
    """Decode a picture into (H, W, C)."""
    if wanted is not None:
        side = 2 * max(wanted[:2])  # a JPEG may be decoded at 1/2, 1/4 or 1/8: twice what is needed
        image.draft(None, (side, side))
    _mend_transparency(image)
    image.load()
    upright = _upright(_opaque(image), _orientation(image))
    if wanted is not None:
        upright = _fitted(upright, wanted)
    return np.array(upright).reshape(upright.height, upright.width, -1)  # (H, W, C)


def _mend_transparency(image: ImageFile) -> None:
    """Bring a PNG's transparent colour from the depth of the file to the 8 bits of the pixels."""
    clear = image.info.get("transparency")
    depth = str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""
    if isinstance(clear, int) and depth in _LEVELS:
        image.info["transparency"] = clear * _LEVELS[depth]
    elif isinstance(clear, tuple) and depth == "RGB;16B":
        image.info["transparency"] = tuple(level >> 8 for level in clear)


def _is_grey(image: ImageFile) -> bool:
    """Tell grey from colour by what the file stores; refuse what has no known range."""
    deep = image.mode in _DEEP
    if deep and image.format == "TIFF":
        deep = _tags(image) == ((16,), 1)  # else 12 bits, or white as 0: Pillow does not say
        known = deep
    elif image.mode == "I":
        known = image.format in ("PNG", "PPM")  # 16 bits in as many as 32
    else:
        known = image.mode in _GREY | _COLOUR
    if not known:
        raise _RefusedError(
            f"pixels of mode {image.mode!r}, whose range is unknown or not read: save the picture "
            "as PNG or JPEG with 8 bits a channel"
        )
    return image.mode in _GREY or image.mode == "I"


def _tags(image: ImageFile) -> tuple[object, object]:
    from PIL.TiffImagePlugin import TiffImageFile

    if not isinstance(image, TiffImageFile):
        return None, None
    return image.tag_v2.get(_BITS), image.tag_v2.get(_PHOTOMETRIC)


def _opaque(image: ImageFile) -> Image:
    """Return the picture in mode L or RGB, laid on white where it is transparent."""
    from PIL import Image

    mode = "L" if _is_grey(image) else "RGB"
    if image.mode in _DEEP or image.mode == "I":
        return _shallow(image)
    if image.mode not in _SEE_THROUGH and "transparency" not in image.info:
        return image.convert(mode)
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert(mode)


def _shallow(image: ImageFile) -> Image:
    """Return 16-bit grey as 8 bits, 65535 as 255."""
    from PIL import Image

    deep = np.asarray(image)  # (H, W) of uint16, or of int32 in older versions of Pillow
    grey = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    clear = image.info.get("transparency")
    if clear is not None:
        grey[deep == clear] = 255
    return Image.fromarray(grey)


def _orientation(image: ImageFile) -> int:
    if image.format == "TIFF":  # Pillow turns it when it loads, and only some versions say so
        image.load()
        return 1
    found = image.getexif().get(_ORIENTATION, 1)
    return found if found in _TURNS else 1


def _upright(image: Image, orientation: int) -> Image:
    from PIL import Image

    if orientation == 1:
        return image
    return image.transpose(Image.Transpose[_TURNS[orientation]])


def _fitted(image: Image, wanted: Shape) -> Image:
    from PIL import Image

    height, width, channels = wanted
    converted = image.convert("L" if channels == 1 else "RGB")
    return converted.resize((width, height), Image.Resampling.BILINEAR)
