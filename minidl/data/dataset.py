"""Dataset: samples and what a model should say about them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_integer
from typing import SupportsIndex, TypeAlias, cast, final

import numpy as np
from numpy.typing import ArrayLike

from minidl.types import Array

_CHUNK = 2**18  # values looked at together: large enough to be fast, small enough for the cache


@final
class Dataset:
    """Inputs and targets, checked once when the dataset is made; immutable.

    Arrays are not copied unless they must be converted, so memory-mapped files stay on disk and
    changing an array one passed in changes the dataset. For the same reason, do not write into
    the arrays of a dataset that is shared.

    Parameters
    ----------
    inputs
        (N, ...) float32 or float64 and finite, or uint8 (a model takes 0..255 as 0..1). Booleans
        and float16 become float32; other integers are refused, since their range is unknown.
    targets
        (N, ...) integers, booleans (both become int64) or finite floats.
    classes
        The names of the classes 0, 1, ... of integer targets, or nothing.
    name
        What the dataset is called in reports.

    Raises
    ------
    TypeError
        For a dtype that is not listed above, or a masked array.
    ValueError
        For different lengths, no samples, NaN or infinity (the first such sample is named), or a
        label beyond the named classes. Negative labels are left for the loss to judge.

    Examples
    --------
    >>> data = Dataset(np.zeros((6, 28, 28, 1), np.uint8), [0, 1, 0, 1, 0, 1], ("cat", "dog"))
    >>> data
    Dataset(6 samples, inputs uint8 (28, 28, 1), targets int64 (), 2 classes)
    >>> data[1::2].targets
    array([1, 1, 1])
    """

    __slots__ = ("_classes", "_inputs", "_name", "_targets")

    def __init__(
        self,
        inputs: ArrayLike,
        targets: ArrayLike,
        classes: Sequence[str] = (),
        name: str = "",
    ) -> None:
        self._inputs = _checked_inputs(inputs)
        self._targets = _checked_targets(targets)
        self._classes = _checked_classes(classes)
        self._name = name
        _check_lengths(self._inputs, self._targets)
        _check_labels(self._targets, self._classes)

    @property
    def inputs(self) -> Array:
        """The inputs, (N, ...) of uint8, float32 or float64."""
        return self._inputs

    @property
    def targets(self) -> Array:
        """The targets, (N,) or (N, ...) of int64, float32 or float64."""
        return self._targets

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their labels; empty where there are none."""
        return self._classes

    @property
    def name(self) -> str:
        """What the dataset is called in reports; may be empty."""
        return self._name

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: SupportsIndex | slice | Sequence[int] | Array) -> Dataset:
        """Return the samples at a number, slice, integer array or boolean mask, as a Dataset.

        Numbers and slices give views, arrays give copies. An empty choice is a ``ValueError``, a
        number out of range an ``IndexError``.
        """
        rows = _rows(index, len(self))
        chosen = object.__new__(Dataset)  # these samples have been checked
        chosen._inputs, chosen._targets = self._inputs[rows], self._targets[rows]
        chosen._classes, chosen._name = self._classes, self._name
        if not len(chosen):
            raise ValueError(f"a dataset needs at least one sample, {index!r} chooses none")
        return chosen

    def fingerprint(self) -> str:
        """Return a hash of every input and target, to know the same data again.

        >>> data = Dataset(np.zeros((3, 2)), [0, 2, 1])
        >>> data.fingerprint() == data[[0, 2, 1]].fingerprint()
        False
        """
        from hashlib import blake2b

        total = blake2b(digest_size=16)
        for array in (self._inputs, self._targets):
            total.update(f"{array.dtype} {array.shape}".encode())
            step = max(1, _CHUNK * len(array) // array.size)
            for start in range(0, len(array), step):
                total.update(np.ascontiguousarray(array[start : start + step]).data)
        return total.hexdigest()

    def one_hot(self) -> Dataset:
        """Return the same inputs with rows of 0 and 1 as targets, float32 (N, classes).

        For what mixes targets, such as ``augment.Mixup``. There are as many classes as names, or
        else as the largest label asks for. Raises ``TypeError`` where the targets are no labels.

        >>> Dataset(np.zeros((3, 2)), [0, 2, 1]).one_hot().targets[1]
        array([0., 0., 1.], dtype=float32)
        """
        if self._targets.dtype != np.int64 or self._targets.ndim != 1 or self._targets.min() < 0:
            raise TypeError(
                "one_hot needs labels, integers (N,) from 0 on, got targets"
                f" {self._targets.dtype} {self._targets.shape}"
            )
        count = len(self._classes) or int(self._targets.max()) + 1
        return self._with(self._targets[:, None] == np.arange(count))  # (N, classes)

    def _with(self, targets: Array) -> Dataset:
        changed = object.__new__(Dataset)
        changed._inputs, changed._targets = self._inputs, targets.astype(np.float32)
        changed._classes, changed._name = self._classes, self._name
        return changed

    def __repr__(self) -> str:
        parts = [repr(self._name)] if self._name else []
        parts.append(f"{len(self)} sample{'s' if len(self) > 1 else ''}")
        parts.append(f"inputs {self._inputs.dtype} {self._inputs.shape[1:]}")
        parts.append(f"targets {self._targets.dtype} {self._targets.shape[1:]}")
        if self._classes:
            parts.append(f"{len(self._classes)} classes")
        return f"Dataset({', '.join(parts)})"


Data: TypeAlias = Dataset | tuple[ArrayLike, ArrayLike]
"""What functions that need samples take: a Dataset, or a pair (inputs, targets)."""


def as_dataset(data: Data) -> Dataset:
    """Return a Dataset as it is, and a pair (inputs, targets) as a Dataset.

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> as_dataset(([[0.5], [1.5]], [0, 1]))
    Dataset(2 samples, inputs float64 (1,), targets int64 ())
    """
    if isinstance(data, Dataset):
        return data
    # Any object may come; the annotation only says which of them are taken.
    other: object = data
    if isinstance(other, tuple | list) and len(other) == 2:
        return Dataset(other[0], other[1])
    kind = type(other).__name__
    came = f"a {kind} of {len(other)}" if isinstance(other, tuple | list) else f"a {kind}"
    raise TypeError(f"expected a Dataset or a pair (inputs, targets), got {came}")


def _checked_inputs(values: ArrayLike) -> Array:
    array = _array("inputs", values)
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        raise TypeError(
            f"inputs of dtype {array.dtype} have no known range: convert them with "
            '.astype("float32") and scale them, or, for pixels from 0 to 255, .astype("uint8")'
        )
    if array.dtype.kind == "b":
        return array.astype(np.float32)
    return array if array.dtype == np.uint8 else _finite_float("inputs", array)


def _checked_targets(values: ArrayLike) -> Array:
    array = _array("targets", values)
    if array.dtype.kind not in "biu":
        return _finite_float("targets", array)
    if array.dtype.kind == "u" and int(array.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"targets must fit into int64, got {array.max()}: number the classes 0..")
    return array.astype(np.int64, copy=False)


def _array(name: str, values: ArrayLike) -> Array:
    """Return an array of at least one sample and one value; only views, no copies of arrays."""
    if hasattr(values, "filled"):
        raise TypeError(f"{name} are a masked array: give values to masked places with .filled()")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{name} do not form one array, all samples need one shape: {error}"
        ) from None
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} must be numbers of at most 64 bits, got dtype {array.dtype}: "
            'convert them, for example with .astype("float32")'
        )
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} must hold at least one sample (N, ...), got shape {array.shape}")
    return array


def _finite_float(name: str, array: Array) -> Array:
    dtype = np.float64 if array.dtype.itemsize == 8 else np.float32
    array = array.astype(dtype, copy=False)  # float16 and foreign byte orders become native
    step = max(1, _CHUNK * len(array) // array.size)
    for start in range(0, len(array), step):
        finite = np.isfinite(array[start : start + step])
        if not finite.all():
            sample = start + int(np.argwhere(~finite)[0, 0])
            raise ValueError(
                f"{name} must be finite, got NaN or infinity in sample {sample}: "
                "leave such samples out or fill their gaps"
            )
    return array


def _checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    names = tuple(classes)
    if isinstance(classes, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f'classes must be a sequence of names such as ("cat", "dog"), got {classes!r}'
        )
    return names


def _check_lengths(inputs: Array, targets: Array) -> None:
    if len(inputs) != len(targets):
        raise ValueError(
            f"inputs and targets of different length: {len(inputs)} and {len(targets)} samples; "
            "every input needs one target"
        )


def _check_labels(targets: Array, classes: tuple[str, ...]) -> None:
    if classes and targets.dtype == np.int64 and targets.max() >= len(classes):
        place = tuple(np.argwhere(targets >= len(classes))[0])
        raise ValueError(
            f"labels must be below {len(classes)}, the number of class names, "
            f"got {targets[place]} in sample {place[0]}: name every class, or correct the label"
        )


def _rows(index: SupportsIndex | slice | Sequence[int] | Array, count: int) -> slice | Array:
    if isinstance(index, slice):
        return index
    if isinstance(index, bool | np.bool_ | tuple):
        raise TypeError(f"expected one number, slice or array of numbers as index, got {index!r}")
    if hasattr(index, "__index__") and not isinstance(index, np.ndarray):
        return _one_row(as_integer(cast(SupportsIndex, index)), count)
    rows = np.asarray(index)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "biu"):
        raise TypeError(
            f"an index array must be one-dimensional, of integers or booleans, "
            f"got {rows.dtype} of shape {rows.shape}"
        )
    return rows if rows.size else rows.astype(np.int64)


def _one_row(number: int, count: int) -> slice:
    if not -count <= number < count:
        raise IndexError(f"sample {number} of a dataset of {count}: the last is {count - 1}")
    start = number % count
    return slice(start, start + 1)
