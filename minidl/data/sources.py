"""Datasets by name, and the folder that holds their files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from minidl.data.dataset import Dataset
from minidl.data.idx import read_idx
from minidl.types import Array

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
_STEMS: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def load(name: str, folder: str | os.PathLike[str] | None = None) -> tuple[Dataset, Dataset]:
    """Return the named dataset as (training, test).

    Parameters
    ----------
    name
        "digits" (drawn by minidl itself, needs no files), "mnist" or "fashion-mnist".
    folder
        The folder in which ``mnist/train-images-idx3-ubyte.gz`` and the like are; by default
        what ``data_folder()`` says. "digits" does not look there.

    Returns
    -------
    tuple of Dataset
        Inputs uint8 (N, 28, 28, 1), targets int64 (N,), ten class names.

    Raises
    ------
    FileNotFoundError
        Where files are missing; the message says which, and where to put them.
    ValueError
        For an unknown name, or files that do not hold what they should.

    Examples
    --------
    >>> load("minst")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown dataset 'minst', expected one of digits, mnist, fashion-mnist: ...
    """
    if name == "digits":
        return _draw_digits()
    if name in _IDX:
        return _read_idx_collection(data_folder(folder) / name, _IDX[name], name)
    raise ValueError(_unknown(name))


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
    train_images, train_labels, test_images, test_labels = _find(folder, name)
    train = _read_pair(train_images, train_labels, len(classes))
    test = _read_pair(test_images, test_labels, len(classes))
    return Dataset(*train, classes, name), Dataset(*test, classes, name)


def _find(folder: Path, name: str) -> list[Path]:
    """Return the files, each with or without ``.gz``; a future download would step in here."""
    # Some mirrors write train-images.idx3-ubyte, with a dot.
    names = [(stem, stem.replace("-idx", ".idx")) for stem in _STEMS]
    choices = [[folder / f"{name}{end}" for name in pair for end in (".gz", "")] for pair in names]
    found = [next((path for path in paths if path.is_file()), None) for paths in choices]
    missing = [f"{stem}.gz" for stem, path in zip(_STEMS, found, strict=True) if path is None]
    if missing:
        raise FileNotFoundError(
            f"the dataset {name!r} needs {', '.join(missing)} (or without .gz) in "
            f"{folder}: put them there, or let the environment variable MINIDL_DATA or the "
            f"argument folder (--data-folder) name the folder that holds {name}/; 'digits' needs "
            "no files"
        )
    return [path for path in found if path is not None]


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
    from difflib import get_close_matches

    known = ("digits", *_IDX)
    near = get_close_matches(str(name).lower().replace("_", "-"), known, n=1)
    hint = f": perhaps {near[0]!r}?" if near else ""
    return f"unknown dataset {name!r}, expected one of {', '.join(known)}{hint}"
