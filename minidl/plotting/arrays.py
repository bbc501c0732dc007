"""Small arrays as squares with their numbers in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.checks import integer
from minidl.plotting.figures import ORANGE, empty
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

CELL = 0.42  # inches
WIDEST = 8.0
GAP = 1.0  # cells between two arrays
HEADING = 0.9  # cells for the name over an array
LETTER = 0.21  # cells a letter of it


def arrays(
    *rows: Mapping[str, ArrayLike],
    marked: Mapping[str, ArrayLike] | None = None,
    digits: int = 3,
) -> Figure:
    """Draw small arrays as squares that hold their numbers, each under its name.

    Blue is below zero, orange above, the fuller the larger within its array; what is NaN stays
    empty.

    Parameters
    ----------
    *rows : mapping of str to array
        What stands side by side, one mapping for each line of the picture; an array is a number,
        (columns,) or (rows, columns).
    marked : mapping of str to array of bool, optional
        By name, which squares get a frame; of the same shape as the array.
    digits : int
        How many digits are written at most.

    Raises
    ------
    TypeError, ValueError
        Where there is nothing to draw, a name stands twice, an array has more than two axes, or
        ``marked`` names an array that is not drawn or has another shape; or where ``digits`` is no
        whole number of at least 1.

    Examples
    --------
    >>> x, y = np.arange(5), np.array([1, 3, 6])
    >>> window, sees = [0, 1, 1, 1, 0], [0, 1, 0]
    >>> figure = arrays({"x": x, "y": y}, marked={"x": window, "y": sees})  # doctest: +SKIP
    """
    integer("digits", digits, low=1)
    tables = [{name: _table(name, value) for name, value in row.items()} for row in rows]
    drawn = _by_name(tables)
    frames = {name: _frame(name, mask, drawn) for name, mask in (marked or {}).items()}
    width = max(sum(_wide(*item) + GAP for item in row.items()) - GAP for row in tables)
    heights = [max(len(t) for t in row.values()) + HEADING + GAP / 2 for row in tables]
    scale = min(CELL, WIDEST / (width + GAP))
    figure = empty((width + GAP) * scale, sum(heights) * scale)
    axes = figure.subplots()
    top = 0.0
    for row, height in zip(tables, heights):
        left = 0.0
        for name, table in row.items():
            _draw(axes, name, table, left, top + HEADING, frames.get(name), digits, scale / CELL)
            left += _wide(name, table) + GAP
        top += height
    axes.set(xlim=(-GAP / 2, width + GAP / 2), ylim=(top, 0), aspect="equal")
    axes.set_axis_off()
    return figure


def _by_name(tables: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    if not tables or not all(tables):
        raise ValueError("there is nothing to draw: pass mappings of names to arrays")
    names = [name for row in tables for name in row]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"each array needs a name of its own, got {twice[0]!r} twice")
    return {name: table for row in tables for name, table in row.items()}


def _table(name: str, value: ArrayLike) -> Array:
    table = np.asarray(value, np.float64) + 0.0  # which makes 0 of -0
    if table.ndim > 2 or not table.size:
        raise ValueError(
            f"{name!r} should be a number, (columns,) or (rows, columns), got shape {table.shape}"
        )
    return np.atleast_2d(table)


def _wide(name: str, table: Array) -> float:
    """Return how many squares wide an array and its name are."""
    return max(float(table.shape[1]), LETTER * len(name))


def _frame(name: str, mask: ArrayLike, drawn: Mapping[str, Array]) -> Array:
    if name not in drawn:
        raise ValueError(f"marked names {name!r}, which is not drawn: {', '.join(drawn)}")
    frame = np.atleast_2d(np.asarray(mask, bool))
    if frame.shape != drawn[name].shape:
        raise ValueError(f"the marks of {name!r} are {frame.shape}, the array {drawn[name].shape}")
    return frame


def _draw(
    axes: Axes,
    name: str,
    table: Array,
    left: float,
    top: float,
    frame: Array | None,
    digits: int,
    size: float,
) -> None:
    """Draw one array, its first square at (left, top)."""
    from matplotlib.patches import Rectangle

    largest = float(np.abs(table[np.isfinite(table)]).max(initial=0)) or 1.0
    for (i, j), number in np.ndenumerate(table):
        if np.isnan(number):
            continue
        place = (left + j, top + i)
        paint = _paint(max(-1.0, min(1.0, number / largest)))
        axes.add_patch(Rectangle(place, 1, 1, facecolor=paint, edgecolor="#b0b0b0", lw=0.8))
        text = f"{number:.{digits}g}".replace("-", "−")
        room = min(1.0, 4.2 / len(text))
        font = 10 * size * room
        axes.text(left + j + 0.5, top + i + 0.5, text, fontsize=font, ha="center", va="center")
    for i, j in np.argwhere(frame) if frame is not None else []:
        axes.add_patch(Rectangle((left + j, top + i), 1, 1, fill=False, edgecolor=ORANGE, lw=2.2))
    axes.text(left, top - 0.15, name, fontsize=10 * size, va="bottom")


def _paint(share: float) -> Sequence[float]:
    """Return the colour of -1 (blue) to 1 (orange), pale enough for black letters."""
    full = np.array([0.55, 0.75, 0.95]) if share < 0 else np.array([1.0, 0.78, 0.5])
    return tuple(1 - abs(share) * (1 - full))
