"""Pictures of one's own: a folder with a subfolder a class becomes a Dataset.

::

    pets/
        cat/  1.png  2.jpg  more/3.png
        dog/  a.png  b.png
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from minidl.data.dataset import Dataset
from minidl.data.picture import checked_shape, image_shape, read_image, shown
from minidl.types import Shape

Folder = str | os.PathLike[str]
Identity = tuple[int, int]
Result = TypeVar("Result")

READ: Final = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
)
"""Endings of the files that are read; others are left alone, except for these pictures:"""
_FOREIGN: Final = (
    ".heic",
    ".heif",
    ".avif",
    ".jxl",
    ".jp2",
    ".svg",
    ".psd",
    ".tga",
    ".dng",
    ".cr2",
    ".nef",
    ".arw",
)
_LITTER: Final = "__MACOSX"  # what macOS adds to zip archives
_PARTS: Final = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
_NAMED: Final = 5  # broken files that a message lists


def read_images(
    folder: Folder, shape: Shape | None = None, classes: Sequence[str] | None = None
) -> Dataset:
    """Read a folder of pictures, with a subfolder a class, into a Dataset.

    Each picture is read as by ``read_image``. Classes and, within them, files come in sorted
    order of their names; folders inside a class's folder belong to it. Hidden files, files whose
    ending is no picture's, and files beside the class folders are left alone.

    Parameters
    ----------
    folder
        The folder that holds the class folders; its name becomes the dataset's.
    shape
        The (H, W, C) that pictures are stretched and converted to, C being 1 or 3. By default
        all must have one size, and C is 1 if all are grey, else 3.
    classes
        The names that a model knows, in its order, for labels by that order; some may have no
        folder here. By default the subfolders' names, sorted, of which there must be two.

    Returns
    -------
    Dataset
        Inputs uint8 (N, H, W, C), targets int64 (N,), class names.

    Raises
    ------
    ValueError
        Naming the files that are broken (up to five of them, and how many there are), two that
        differ in size, a class folder without pictures or with an unknown name.
    OSError
        Where the folder is missing, or is no folder.
    ImportError
        Where Pillow is not installed: ``pip install 'minidl[images]'``.

    Examples
    --------
    >>> read_images("pets", shape=(32, 32, 3))  # doctest: +SKIP
    Dataset('pets', 250 samples, inputs uint8 (32, 32, 3), targets int64 (), 2 classes)
    """
    wanted = None if shape is None else checked_shape(shape)
    names, files = image_files(folder, classes)
    paths = [path for path, _ in files]
    wanted = _common_shape(paths) if wanted is None else wanted
    images = np.empty((len(paths), *wanted), np.uint8)  # (N, H, W, C)

    def fill(place: int) -> None:
        images[place] = read_image(paths[place], wanted)

    _each(paths, fill)
    return Dataset(images, [label for _, label in files], names, Path(folder).resolve().name)


def image_files(
    folder: Folder, classes: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[tuple[Path, int]]]:
    """Return the class names, and every picture file with its label, without opening any.

    It takes and raises what ``read_images`` does, the damage inside files excepted.

    >>> names, files = image_files("pets")  # doctest: +SKIP
    >>> names, files[0]  # doctest: +SKIP
    (('cat', 'dog'), (PosixPath('pets/cat/1.png'), 0))
    """
    found = _class_folders(Path(folder))
    around = Path(folder).resolve()
    above = {_identity(path) for path in (around, *around.parents)}
    names = _checked_names(found, classes, shown(folder))
    files = [
        (path, names.index(name))
        for name, inner in found.items()
        for path in _pictures(inner, above)
    ]
    return names, files


def image_shapes(folder: Folder, classes: Sequence[str] | None = None) -> list[Shape]:
    """Return every picture's own (H, W, C), in the order of ``image_files``, from headers alone.

    >>> set(image_shapes("pets"))  # doctest: +SKIP
    {(480, 640, 3), (32, 32, 1)}
    """
    paths = [path for path, _ in image_files(folder, classes)[1]]
    return _shapes(paths)


def _shapes(paths: list[Path]) -> list[Shape]:
    return _each(paths, lambda place: image_shape(paths[place]))


def picture_files(path: str | os.PathLike[str]) -> list[Path]:
    """Return the picture files below a folder, sorted; of a file, the file itself.

    Raises ``ValueError`` for a folder without pictures, ``FileNotFoundError`` for nothing at all.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"no file or folder {shown(path)}: name a picture")
    return _pictures(place, set()) if place.is_dir() else [place]


def _common_shape(paths: list[Path]) -> Shape:
    """Return the size that all pictures have, with one channel if all are grey."""
    shapes = _shapes(paths)
    for path, shape in zip(paths, shapes, strict=True):
        if shape[:2] != shapes[0][:2]:
            raise ValueError(
                f"pictures of different size: {shown(paths[0])} has {_size(shapes[0])} pixels, "
                f"{shown(path)} {_size(shape)}: pass a shape such as shape=(32, 32, 3)"
            )
    return *shapes[0][:2], max(shape[2] for shape in shapes)


def _size(shape: Shape) -> str:
    return f"{shape[1]}x{shape[0]}"


def _each(paths: list[Path], work: Callable[[int], Result]) -> list[Result]:
    """Return ``work(place)`` for the place of every path; name those that cannot be read."""
    results, broken = [], []
    for place in range(len(paths)):
        try:
            results.append(work(place))
        except (ValueError, OSError) as error:
            broken.append(error)
    if broken:
        told = [_told(error) for error in broken[:_NAMED]] + ["..."] * (len(broken) > _NAMED)
        raise ValueError(
            f"{len(broken)} of {len(paths)} pictures cannot be read: {'; '.join(told)}"
        )
    return results


def _told(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{shown(error.filename)}: {error.strerror}"
    return str(error)


def _class_folders(folder: Path) -> dict[str, Path]:
    """Return the subfolders by name, sorted; refuse what is no folder of class folders."""
    if not folder.is_dir():
        kind = NotADirectoryError if folder.exists() else FileNotFoundError
        raise kind(f"no folder {shown(folder)}: expected one with a subfolder of pictures a class")
    inner = [path for path in _sorted(folder) if path.is_dir() and not is_hidden(path.name)]
    found = {path.name: path for path in inner}
    if not found:
        raise ValueError(
            f"{shown(folder)} has no subfolders: put the pictures of each class into a folder of "
            f"the class's name, {shown(folder / 'cat' / '1.png')} and so on"
        )
    if {name.casefold() for name in found} <= _PARTS:
        raise ValueError(
            f"{shown(folder)} holds {', '.join(found)}, parts rather than classes: read each by "
            f"itself, {shown(inner[0])} first"
        )
    return found


def _checked_names(
    found: dict[str, Path], classes: Sequence[str] | None, folder: str
) -> tuple[str, ...]:
    """Return the class names in the order of their labels."""
    for path in found.values():
        if shown(path.name) != path.name:
            raise ValueError(f"{shown(path)}: the name of a class must be UTF-8 text: rename it")
    if classes is not None:
        unknown = [name for name in found if name not in classes]
        if unknown:
            raise ValueError(
                f"{folder} has a folder {unknown[0]!r}, which is none of the classes "
                f"{', '.join(classes)}: rename or remove it"
            )
        return tuple(classes)
    if len(found) == 1:
        raise ValueError(
            f"{folder} has only one class, {next(iter(found))!r}: add a folder for another, there "
            "is nothing to tell it from"
        )
    return tuple(found)


def _pictures(folder: Path, above: set[Identity]) -> list[Path]:
    """Return the picture files of a class, sorted by name; refuse a class without any."""
    found = [path for path in _files(folder, set(above)) if path.suffix.lower() in READ + _FOREIGN]
    foreign = next((path for path in found if path.suffix.lower() in _FOREIGN), None)
    if foreign is not None:
        raise ValueError(
            f"{shown(foreign)}: {foreign.suffix} is not read: convert it to JPEG or PNG"
        )
    if not found:
        raise ValueError(
            f"no pictures in {shown(folder)}: files ending in {' '.join(READ)} are read; add some, "
            "or remove the folder"
        )
    return found


def _sorted(folder: Path) -> list[Path]:
    """Return what is in a folder by name; paths themselves sort by platform."""
    return sorted(folder.iterdir(), key=lambda path: path.name)


def _files(folder: Path, seen: set[Identity]) -> Iterator[Path]:
    """Walk the files below a folder by name; links are followed, but each folder entered once."""
    if _identity(folder) in seen:
        return
    seen.add(_identity(folder))
    for path in _sorted(folder):
        if is_hidden(path.name):
            continue
        if path.is_dir():
            yield from _files(path, seen)
        elif path.is_file():
            yield path


def _identity(folder: Path) -> Identity:
    """Return what a folder and the links to it have in common."""
    place = folder.stat()
    return place.st_dev, place.st_ino


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is left alone for its name.

    >>> is_hidden(".thumbnails"), is_hidden("cat")
    (True, False)
    """
    return name.startswith(".") or name == _LITTER
