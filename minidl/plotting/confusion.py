"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from minidl.plotting.figures import class_label, empty
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW: Final = 20  # classes; with more, counts are written in short
_MOST_TEXTS: Final = 2500  # counts written; more take seconds, and nobody reads them


def confusion(counts: Array, classes: Sequence[str] = ()) -> Figure:
    """Draw how often each class (row) was taken for each other (column).

    A cell's colour is its share of the row, so that rare classes are seen as well as common ones;
    its number is the count, with more than 20 classes in short (12k). Cells of 0 are empty.

    Parameters
    ----------
    counts : array of int
        (classes, classes), as ``minidl.confusion_matrix`` returns it.
    classes : sequence of str
        The names of the classes, such as ``model.classes``; numbers where there are none.

    Raises
    ------
    ValueError
        Where the counts are no square matrix of numbers of at least 0.

    Examples
    --------
    >>> figure = confusion(np.array([[8, 2], [1, 9]]), ["cat", "dog"])  # doctest: +SKIP
    """
    counts = _checked(counts)
    names = [class_label(classes, label) for label in range(len(counts))]
    cell = _cell(counts)
    side = max(3.4, cell * len(counts))
    labels = 0.08 * max(map(len, names))
    figure = empty(
        width=side + labels + 1.7, height=side + (labels if _upright(names, cell) else 1)
    )
    axes = figure.subplots()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _name(axes, names, cell)
    _count(axes, counts, shares, cell)
    right = f"{counts.trace():,} of {counts.sum():,} right"
    figure.suptitle(f"Confusion matrix: {right} ({counts.trace() / max(1, counts.sum()):.1%})")
    figure.colorbar(drawn, ax=axes, shrink=0.7, aspect=30, label="share of the true class")
    return figure


def _checked(counts: Array) -> Array:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(
            f"counts should be a square matrix (classes, classes), got shape {counts.shape}"
        )
    if counts.dtype.kind not in "iu" or counts.min() < 0:
        raise ValueError(
            f"counts should be whole numbers of at least 0, got {counts.dtype} from {counts.min()}"
        )
    return counts


def _cell(counts: Array) -> float:
    """Return how wide a cell is, in hundreds of pixels: as wide as its longest number."""
    letters = max(len(_written(int(count), len(counts))) for count in np.unique(counts))
    widest, font = (0.62, 9) if len(counts) <= _FEW else (0.16, 6)
    return max(widest, letters * font * 0.0095)


def _written(count: int, classes: int) -> str:
    """Return a count, in short where there are many classes."""
    if classes <= _FEW or count < 1000:
        return str(count)
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}M"


def _upright(names: Sequence[str], cell: float) -> bool:
    """Say whether the names of columns are too long to be written along them."""
    return max(map(len, names)) * 0.085 > cell


def _name(axes: Axes, names: Sequence[str], cell: float) -> None:
    size = 10 if cell > 0.3 else 7.5
    turned: dict[str, Any] = {"rotation": 90} if _upright(names, cell) else {}
    axes.set_xticks(range(len(names)), names, fontsize=size, **turned)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted class", ylabel="true class")


def _count(axes: Axes, counts: Array, shares: Array, cell: float) -> None:
    """Write the counts into the cells, but those of 0."""
    places = np.argwhere(counts > 0)
    if len(places) > _MOST_TEXTS:
        return
    size = 9 if cell > 0.3 else 6
    for row, column in places.tolist():
        ink = "white" if shares[row, column] > 0.55 else "black"
        text = axes.text(
            column, row, _written(counts[row, column], len(counts)), color=ink, fontsize=size
        )
        text.set(ha="center", va="center", in_layout=False)
