"""Data sets of one's own: a folder of pictures, or files of arrays or tables.

========================  =====================================================================
``folder/``               a subfolder of pictures for each class
``folder/``               ``train/`` and ``test/`` (or ``val/``), each with a subfolder a class
``folder/``               the four IDX files of a collection like MNIST
``file.npz``              arrays ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_test`` ...
``file.csv``              a row a sample, with a column of labels; also ``.tsv`` and ``.gz``
========================  =====================================================================
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from minidl.data.dataset import Dataset
from minidl.data.idx import read_idx
from minidl.data.images import image_shapes, is_hidden, read_images
from minidl.data.labels import encode_labels
from minidl.data.npz import read_npz
from minidl.data.resizing import fit_images
from minidl.data.splitting import split
from minidl.data.tables import is_picture, read_csv
from minidl.types import Array, Shape

TEST_SHARE: Final = 0.2  # of each class, where a data set has no test part
LARGE: Final = 64  # pixels a side: larger pictures are made smaller unless a shape is given
USUAL: Final = 32  # pixels a side that they then get

_TRAIN: Final = ("train", "training")
_TEST: Final = ("test", "testing", "val", "valid", "validation")  # the first that is there
_INPUTS: Final = ("x", "images", "inputs", "data", "features")
_TARGETS: Final = ("y", "labels", "targets", "label", "target")
_FORMS: Final = "a folder with a subfolder of pictures for each class, an .npz or a .csv file"


class Parts(NamedTuple):
    """A data set as it lies on the disk: what to train on, and what to test on if that is told."""

    train: Dataset
    test: Dataset | None


def read_parts(
    path: str | os.PathLike[str],
    shape: Shape | None = None,
    classes: Sequence[str] | None = None,
    label: str | int | None = None,
) -> Parts:
    """Read a data set of one's own.

    Parameters
    ----------
    path
        The folder or file.
    shape
        The shape of one input that a model reads: images (H, W, C) are stretched and made grey or
        colour to fit. By default images keep their shape, but for pictures in files that have more
        than 64 pixels a side or differ in size: those become 32 x 32. Rows of whole numbers from 0
        to 255 whose count is a square, 64 (8 x 8) or more, are taken for grey images.
    classes
        The names of the classes in the order of a model's outputs; by default those found, sorted.
    label
        The column of a table that holds the labels, as for ``read_csv``.

    Raises
    ------
    ValueError, OSError
        Naming the file and the place in it where something is wrong.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return _of_folder(place, shape, classes)
    if not place.exists():
        raise FileNotFoundError(f"no file or folder {str(path)!r}: expected {_FORMS}")
    if place.suffix.lower() == ".npz":
        return _of_arrays(_npz_parts(place), place, place.stem, shape, classes)
    if re.search(r"\.[ct]sv(\.gz)?$", place.name, re.IGNORECASE):
        return Parts(_of_table(place, shape, classes, label), None)
    raise ValueError(f"{path} is of no kind that is read: expected {_FORMS}")


def load_own(
    path: str | os.PathLike[str],
    shape: Shape | None = None,
    classes: Sequence[str] | None = None,
    label: str | int | None = None,
) -> tuple[Dataset, Dataset]:
    """Return (training, test) of a data set of one's own.

    Where it has no test part, a fifth of each class is held out, the same in every run. Raises
    ``ValueError`` for a class of one sample, which cannot be on both sides, and for one class.
    """
    train, test = read_parts(path, shape, classes, label)
    if len(train.classes) == 1:
        raise ValueError(
            f"{path} has only one class, {train.classes[0]!r}: there is nothing to tell it from"
        )
    if test is not None:
        return train, test
    counts = np.bincount(train.targets) if train.classes else np.zeros(0, np.int64)
    if (counts == 1).any():
        name = train.classes[int(np.argmax(counts == 1))]
        raise ValueError(
            f"the class {name!r} of {path} has one sample, and one to train on and one to test on"
            " are needed: add some, or remove the class"
        )
    return split(train, TEST_SHARE)


def _of_folder(folder: Path, shape: Shape | None, classes: Sequence[str] | None) -> Parts:
    name = folder.resolve().name
    if any(folder.glob("*train-images*idx*")):
        return _of_arrays(_idx_parts(folder), folder, name, shape, classes)
    place, place_of_test = _subfolders(folder)
    if shape is None:
        shape = _usual_shape(place, classes)
    train = _renamed(read_images(place, shape, classes), name)
    if place_of_test is None:
        return Parts(train, None)
    return Parts(train, _renamed(read_images(place_of_test, shape, train.classes), name))


def _renamed(data: Dataset, name: str) -> Dataset:
    return Dataset(data.inputs, data.targets, data.classes, name)


def _subfolders(folder: Path) -> tuple[Path, Path | None]:
    """Return the folders of the parts; the folder itself where its subfolders are classes."""
    folders = [path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)]
    inner = {path.name.lower(): path for path in folders}
    train = next((inner[name] for name in _TRAIN if name in inner), None)
    others = [path.name for name, path in inner.items() if name not in (*_TRAIN, *_TEST)]
    if train is None or not any(path.is_dir() for path in train.iterdir()):
        return folder, None
    if others or len(inner) < len(folders):
        raise ValueError(
            f"{folder} holds {', '.join(sorted(path.name for path in folders))}: are they classes,"
            f" or is {train.name} a part? Leave parts alone in a folder, or rename that class"
        )
    return train, next((inner[name] for name in _TEST if name in inner), None)


def _usual_shape(folder: Path, classes: Sequence[str] | None) -> Shape:
    """Return the size that small pictures share, or else the usual one; grey if all are."""
    shapes = image_shapes(folder, classes)
    sizes = {shape[:2] for shape in shapes}
    size = sizes.pop() if len(sizes) == 1 else (USUAL, USUAL)
    channels = max(shape[2] for shape in shapes)
    return (*size, channels) if max(size) <= LARGE else (USUAL, USUAL, channels)


def _idx_parts(folder: Path) -> dict[str, tuple[Array, Array]]:
    """Return images and labels by part; the test part may be missing."""
    test = "t10k" if any(folder.glob("*t10k-*idx*")) else "test"
    stems = {"train": "train"}
    if any(folder.glob(f"*{test}-*idx*")):
        stems["test"] = test
    return {
        part: (read_idx(_one(folder, f"{stem}-images")), read_idx(_one(folder, f"{stem}-labels")))
        for part, stem in stems.items()
    }


def _one(folder: Path, stem: str) -> Path:
    """Return the file of a part; of one that lies there twice, the one without ``.gz``."""
    found = {path.name.removesuffix(".gz"): path for path in folder.glob(f"*{stem}*idx*")}
    found |= {name: folder / name for name in found if (folder / name).is_file()}
    if len(found) != 1:
        came = ", ".join(sorted(found)) or "none"
        raise ValueError(f"{folder}: expected one IDX file with {stem} in its name, found {came}")
    return next(iter(found.values()))


def _npz_parts(path: Path) -> dict[str, tuple[Array, Array]]:
    """Return inputs and labels by part; the test part may be missing."""
    arrays = read_npz(path)
    train, test = (_pair(arrays, names) for names in ((*_TRAIN, ""), _TEST))
    lone = [name for name in _TEST if _spelt(arrays, _INPUTS, name)] if test is None else []
    if train is None or lone:
        raise ValueError(
            f"{path} holds the arrays {', '.join(arrays)}: expected x and y, or x_train, y_train,"
            " x_test and y_test"
        )
    return {"train": train} if test is None else {"train": train, "test": test}


def _pair(arrays: dict[str, Array], parts: Sequence[str]) -> tuple[Array, Array] | None:
    """Return the inputs and targets of the first of some parts that has both."""
    lower = {name.lower(): array for name, array in arrays.items()}
    for part in parts:
        x, y = (_spelt(lower, bases, part) for bases in (_INPUTS, _TARGETS))
        if x and y:
            return x[0], y[0]
    return None


def _spelt(arrays: dict[str, Array], bases: Sequence[str], part: str) -> list[Array]:
    """Return the arrays called x_train or train_x, say."""
    names = [name for base in bases for name in (f"{base}_{part}", f"{part}_{base}")]
    return [arrays[name.strip("_")] for name in names if name.strip("_") in arrays]


def _of_arrays(
    parts: dict[str, tuple[Array, Array]],
    path: Path,
    name: str,
    shape: Shape | None,
    classes: Sequence[str] | None,
) -> Parts:
    made: list[Dataset] = []
    for part, (inputs, labels) in parts.items():
        try:
            targets, classes = _numbered(labels, classes)
            made.append(Dataset(_images(_bytes(inputs), shape), targets, classes, name))
            shape = made[0].inputs.shape[1:]  # of the test part as well
            _check_alike(made)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, {part} part: {error}") from None
    return Parts(made[0], made[1] if len(made) > 1 else None)


def _check_alike(parts: list[Dataset]) -> None:
    """Raise where one part is of bytes, which a model takes as 0..1, and the other is not."""
    kinds = {part.inputs.dtype == np.uint8 for part in parts}
    if len(kinds) > 1:
        train, test = (part.inputs.dtype for part in parts)
        raise ValueError(f"inputs {test}, and the train part has {train}: save both alike")


def _of_table(
    path: Path, shape: Shape | None, classes: Sequence[str] | None, label: str | int | None
) -> Dataset:
    table = read_csv(path, label, classes=classes)
    if not table.classes:
        came = f"numbers such as {table.targets[0]}"
        raise ValueError(f"{path}: expected labels that name classes, got {came}")
    name = re.sub(r"\.[ct]sv(\.gz)?$", "", table.name, flags=re.IGNORECASE)
    return Dataset(_images(table.inputs, shape), table.targets, table.classes, name)


def _numbered(labels: Array, classes: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    """Return class numbers and names, of labels (N,), (N, 1) or one-hot rows (N, classes)."""
    rows = labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "biuf"
    if rows and ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all():
        classes = classes or tuple(map(str, range(labels.shape[1])))  # some may have no sample
        labels = labels.argmax(axis=1)
    return encode_labels(labels, classes)


def _bytes(inputs: Array) -> Array:
    """Return wider integers from 0 to 255 as uint8."""
    if inputs.dtype.kind in "iu" and inputs.size and inputs.min() >= 0 and inputs.max() <= 255:
        return inputs.astype(np.uint8, copy=False)
    return inputs


def _images(inputs: Array, shape: Shape | None) -> Array:
    """Return inputs as images where they are, of the shape that is asked for."""
    if shape is not None and inputs.ndim == 2 and inputs.shape[1] == math.prod(shape):
        return inputs.reshape(-1, *shape)  # (N, H·W·C) to (N, H, W, C)
    if inputs.ndim == 2 and inputs.dtype == np.uint8 and is_picture(inputs.shape[1]):
        side = math.isqrt(inputs.shape[1])
        inputs = inputs.reshape(-1, side, side)  # (N, H·W) to (N, H, W)
    if inputs.ndim == 3:
        inputs = inputs[..., None]  # (N, H, W, 1)
    if inputs.ndim == 4 and inputs.shape[3] not in (1, 3) and inputs.shape[1] in (1, 3):
        raise ValueError(
            f"images {inputs.shape} have their channels first: save them as (N, height, width,"
            " channels), images.transpose(0, 2, 3, 1)"
        )
    if shape is None or shape == inputs.shape[1:]:
        return inputs
    if len(shape) != 3 or inputs.ndim != 4:
        raise ValueError(f"samples of shape {inputs.shape[1:]} cannot become {shape}")
    return fit_images(inputs, shape)
