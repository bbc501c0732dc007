"""Labels of any kind, numbered 0, 1, ... as losses and metrics want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minidl.types import Array

_AS_TEXT: Final = "turn them into text, np.asarray(labels, dtype=str), or into integers"
_SHOWN: Final = 12  # class names in a message


def encode_labels(
    labels: ArrayLike, classes: Sequence[str] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes 0, 1, ... and return each sample's number, and the names of the classes.

    The classes are the distinct labels in order: numbers by value, text by code point. So labels
    that are 0..n-1 keep their numbers, and labels 1..n become 0..n-1 named "1".."n".

    Parameters
    ----------
    labels
        (N,) or (N, 1) integers, floats without a fraction, booleans, text, or bytes in UTF-8.
    classes
        The names that a model knows, in order: labels are matched to them by name, numbers as
        they are written. Without any, the names are those of the labels.

    Returns
    -------
    tuple
        Class numbers (N,) int64, and the class names.

    Raises
    ------
    TypeError
        For labels of another type, objects among them, or a masked array.
    ValueError
        For a label that is missing (empty text), not finite, has a fraction, or is unknown to
        ``classes`` (the first such sample is named); for no labels, or other shapes.

    Examples
    --------
    >>> encode_labels(["dog", "cat", "dog"])
    (array([1, 0, 1]), ('cat', 'dog'))
    >>> encode_labels([2, 1, 3])
    (array([1, 0, 2]), ('1', '2', '3'))
    >>> encode_labels(["dog", "dog"], classes=("cat", "dog"))
    (array([1, 1]), ('cat', 'dog'))
    """
    values = _whole(_listed(labels))
    kinds, first, codes = np.unique(values, return_index=True, return_inverse=True)
    named = [_text(kind, sample) for kind, sample in zip(kinds.tolist(), first.tolist())]
    numbers, names = number_kinds(named, first.tolist(), classes)
    return numbers[codes], names


def number_kinds(
    kinds: Sequence[str | int], samples: Sequence[int], classes: Sequence[str] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the class number of each kind of label, all text or all numbers, and the class names.

    ``samples`` says where each kind comes first; ``ValueError`` and ``TypeError`` as in
    ``encode_labels``.
    """
    names = _checked(classes) if classes else tuple(str(kind) for kind in sorted(set(kinds)))
    numbers = {name: number for number, name in enumerate(names)}
    for kind, sample in zip(kinds, samples):
        if isinstance(kind, str) and not kind.strip():
            raise ValueError(f"the label of sample {sample} is missing: name its class")
        if str(kind) not in numbers:
            raise ValueError(
                f"unknown label {shown([str(kind)])} in sample {sample}, expected one of "
                f"{shown(names)}: correct it, leave the sample out, or name every class"
            )
    return np.array([numbers[str(kind)] for kind in kinds], np.int64), names


def shown(names: Sequence[str]) -> str:
    """Return names for a message, not too many.

    >>> shown(["cat", "dog"])
    "'cat', 'dog'"
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name[:40]) for name in names[:_SHOWN]) + more


def _checked(classes: Sequence[str]) -> tuple[str, ...]:
    names = tuple(classes)
    if isinstance(classes, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f'classes must be a sequence of names such as ("cat", "dog"), got {classes!r}'
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"classes must have different names, got {twice!r} twice: rename one")
    return names


def _listed(labels: ArrayLike) -> Array:
    """Return labels as an array (N,) of a kind that can be told apart."""
    if hasattr(labels, "filled"):
        raise TypeError("labels are a masked array: leave the masked samples out")
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"labels do not form one array, give one a sample: {error}") from None
    if values.dtype.kind not in "biufUS":
        raise TypeError(
            f"labels must be integers, booleans or text, got dtype {values.dtype}: {_AS_TEXT}"
        )
    if values.shape[1:] not in ((), (1,)) or values.ndim == 0:
        raise ValueError(
            f"labels must be one for each sample, (N,) or (N, 1), got shape {values.shape}: "
            "one-hot rows become numbers with labels.argmax(axis=1)"
        )
    if values.size == 0:
        raise ValueError("labels must hold at least one, got none")
    return values.reshape(-1)  # (N,)


def _whole(values: Array) -> Array:
    """Return floats as integers, where none has a fraction, and everything else as it is."""
    if values.dtype.kind != "f":
        return values
    _refuse(~np.isfinite(values), values, "is no finite number: name its class, or leave it out")
    _refuse(
        np.trunc(values) != values,
        values,
        "has a fraction, so it is a value to be predicted (regression), no class: "
        "pass such targets to Dataset as they are",
    )
    _refuse(np.abs(values) > 2**53, values, f"is too large to be told from others: {_AS_TEXT}")
    return values.astype(np.int64)


def _refuse(wrong: NDArray[np.bool_], values: Array, why: str) -> None:
    if wrong.any():
        sample = int(wrong.argmax())
        raise ValueError(f"label {values[sample]} of sample {sample} {why}")


def _text(kind: Any, sample: int) -> str | int:
    """Return bytes and booleans as text, other labels as they are."""
    if isinstance(kind, bytes):
        try:
            return kind.decode()
        except UnicodeDecodeError:
            raise ValueError(
                f"label {kind!r} of sample {sample} is not UTF-8: decode the labels to text"
            ) from None
    return str(kind) if isinstance(kind, bool) else kind
