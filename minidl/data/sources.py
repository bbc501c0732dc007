"""Datasets by name, and the folder that holds their files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from minidl.checks import perhaps
from minidl.data.dataset import Dataset
from minidl.data.idx import read_idx
from minidl.data.resizing import fit_images
from minidl.types import Array, Shape

if TYPE_CHECKING:
    from pathlib import Path

DIGITS: Final = tuple("0123456789")
CLOTHES: Final = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# The collections that come as MNIST's four IDX files, and their class names.
_IDX: Final = MappingProxyType({"mnist": DIGITS, "fashion-mnist": CLOTHES})
KNOWN: Final = ("digits", *_IDX)
_STEMS: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def load(
    name: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    download: bool = False,
    shape: Shape | None = None,
    classes: Sequence[str] | None = None,
    label: str | int | None = None,
) -> tuple[Dataset, Dataset]:
    """Return a data set as (training, test): one that is known by name, or one of your own.

    Parameters
    ----------
    name
        "digits" (drawn by minidl itself, needs no files), "mnist" or "fashion-mnist"; or the path
        of your own:

        - a folder with a subfolder of pictures for each class (needs Pillow), or with such folders
          in ``train`` and ``test`` (or ``val``);
        - a folder with IDX files named as MNIST's are;
        - an ``.npz`` file with arrays ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_test``,
          ``y_test``;
        - a ``.csv`` file as ``read_csv`` takes it.

        Where it has no test part, a fifth of each class is held out, always the same.
    folder
        The folder in which ``mnist/train-images-idx3-ubyte.gz`` and the like are; by default
        what ``data_folder()`` says. Only "mnist" and "fashion-mnist" look there.
    download
        Fetch the files of those two if some are missing; see ``fetch``.
    shape
        The shape of one input that a model reads: images (H, W, C) are stretched to it, and made
        grey or colour. By default they keep their own, but pictures of more than 64 pixels a side
        or of different sizes become 32 x 32. In a file of arrays or a table, rows of whole
        numbers from 0 to 255 whose count is a square, 64 or more, are images.
    classes
        The class names in the order that a model knows them; by default those found, sorted. Of
        the named data sets the names are known.
    label
        The column of a table that holds the labels, by name or index; see ``read_csv``.

    Returns
    -------
    tuple of Dataset
        Inputs, targets int64 (N,), class names. The three named ones have inputs uint8
        (N, 28, 28, 1) and ten classes.

    Raises
    ------
    FileNotFoundError
        Where files are missing; the message says which, and where to put them.
    ConnectionError, OSError
        Where they are missing and cannot be fetched, see ``fetch``.
    ImportError
        Where pictures are to be read and Pillow is not installed.
    ValueError
        For an unknown name, or files that do not hold what they should; the message names the file
        and the place in it.

    Examples
    --------
    >>> load("minst")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown dataset 'minst', expected one of digits, mnist, fashion-mnist, or ...
    """
    if str(name) not in KNOWN:
        if not os.path.exists(os.path.expanduser(name)) and not _is_path(name):
            raise ValueError(_unknown(str(name)))
        from minidl.data.own import load_own

        return load_own(name, shape, classes, label)
    train, test = _load_known(str(name), folder, download)
    return _fit(train, shape), _fit(test, shape)


def _load_known(
    name: str, folder: str | os.PathLike[str] | None, download: bool
) -> tuple[Dataset, Dataset]:
    if name == "digits":
        return _draw_digits()
    place = data_folder(folder) / name
    if download and None in [find(place, f"{stem}.gz") for stem in _STEMS]:
        from minidl.data.download import fetch

        fetch(name, folder)
    return _read_idx_collection(place, _IDX[name], name)


def _fit(data: Dataset, shape: Shape | None) -> Dataset:
    """Return a data set of images in the shape that a model reads."""
    if shape is None or len(shape) != 3 or shape == data.inputs.shape[1:]:
        return data
    return Dataset(fit_images(data.inputs, shape), data.targets, data.classes, data.name)


def _is_path(name: str | os.PathLike[str]) -> bool:
    """Tell whether a name that is no file is meant as one, so that the message can be of files."""
    return not isinstance(name, str) or any(mark in name for mark in ("/", "\\", "."))


def data_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder in which datasets are looked for.

    The argument if there is one, else the environment variable MINIDL_DATA, else the folder
    ``minidl`` in the user's cache: XDG_CACHE_HOME or ``~/.cache``, on Windows LOCALAPPDATA, on
    macOS ``~/Library/Caches``. It need not exist.

    >>> data_folder("somewhere").name
    'somewhere'
    """
    from pathlib import Path

    chosen = os.environ.get("MINIDL_DATA") if folder is None else folder
    if chosen:
        return Path(chosen).expanduser()
    return _user_cache(sys.platform, os.environ, Path.home()) / "minidl"


def _user_cache(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    if platform == "darwin":
        return home / "Library" / "Caches"
    if platform == "win32":
        variable, default = "LOCALAPPDATA", home / "AppData" / "Local"
    else:
        variable, default = "XDG_CACHE_HOME", home / ".cache"
    given = type(home)(environment.get(variable, ""))
    return given if given.is_absolute() else default  # XDG: "relative paths are to be ignored"


def _draw_digits() -> tuple[Dataset, Dataset]:
    from minidl.data.digits import digits

    (images, labels), (test_images, test_labels) = digits()
    return (
        Dataset(images, labels, DIGITS, "digits"),
        Dataset(test_images, test_labels, DIGITS, "digits"),
    )


def _read_idx_collection(
    folder: Path, classes: tuple[str, ...], name: str
) -> tuple[Dataset, Dataset]:
    train_images, train_labels, test_images, test_labels = _find_all(folder, name)
    train = _read_pair(train_images, train_labels, len(classes))
    test = _read_pair(test_images, test_labels, len(classes))
    return Dataset(*train, classes, name), Dataset(*test, classes, name)


def find(folder: Path, name: str) -> Path | None:
    """Return the file of that name, or the same without ``.gz``, if there is one."""
    stem = name.removesuffix(".gz")
    stems = (stem, stem.replace("-idx", ".idx"))  # some mirrors write train-images.idx3-ubyte
    paths = [folder / f"{stem}{end}" for stem in stems for end in (".gz", "")]
    return next((path for path in paths if path.is_file()), None)


def _find_all(folder: Path, name: str) -> list[Path]:
    found = {f"{stem}.gz": find(folder, f"{stem}.gz") for stem in _STEMS}
    missing = [file for file, path in found.items() if path is None]
    if missing:
        raise FileNotFoundError(
            f"the dataset {name!r} needs {', '.join(missing)} (or without .gz) in {folder}: run "
            f"'minidl data fetch {name}' or pass download=True; or put them there, or let the "
            "environment variable MINIDL_DATA or the argument folder (--data-folder) name the "
            f"folder that holds {name}/; 'digits' needs no files"
        )
    return [path for path in found.values() if path is not None]


def _read_pair(images_path: Path, labels_path: Path, classes: int) -> tuple[Array, Array]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(f"{images_path}: expected images uint8 (N, 28, 28), {_came(images)}")
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        expected = f"a uint8 label for each of {len(images)} images"
        raise ValueError(f"{labels_path}: expected {expected}, {_came(labels)}")
    if labels.size and labels.max() >= classes:
        raise ValueError(
            f"{labels_path}: expected labels from 0 to {classes - 1}, got {labels.max()}: "
            "fetch the file again, or read others with read_idx"
        )
    return images[..., None], labels  # (N, 28, 28, 1), (N,)


def _came(array: Array) -> str:
    return f"got {array.dtype} {array.shape}: fetch the file again, or read others with read_idx"


def _unknown(name: str) -> str:
    expected = f"{', '.join(KNOWN)}, or the path of a folder, .npz or .csv file that is there"
    return f"unknown dataset {name!r}, expected one of {expected}{perhaps(name, KNOWN)}"
