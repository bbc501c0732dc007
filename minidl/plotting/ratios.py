"""minidl's figures over PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from minidl.plotting.figures import BLUE, ORANGE, bare, empty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ratios(found: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw minidl's ratios to PyTorch as bars, by quantity, with a line where both are equal.

    Parameters
    ----------
    found : mapping of str to mapping of str to float
        By quantity, such as "training step", and by what was measured.

    Returns
    -------
    matplotlib.figure.Figure
        800 pixels wide.

    Raises
    ------
    ValueError
        Where there is nothing to draw.

    Examples
    --------
    >>> figure = ratios({"training step": {"lenet": 0.5}})  # doctest: +SKIP
    """
    if not found:
        raise ValueError("there is nothing to draw: no ratios were measured")
    most = max(map(len, found.values()))
    figure = empty(width=8, height=1.5 + 0.3 * most)
    columns = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (quantity, values) in zip(columns, found.items()):
        _bars(axes, quantity, values)
    columns[0].invert_yaxis()  # the first on top
    figure.supxlabel("minidl's over PyTorch's, below 1 is better", fontsize=8)
    return figure


def _bars(axes: Axes, quantity: str, values: Mapping[str, float]) -> None:
    """Draw the ratios of one quantity, those below 1 in blue."""
    colours = [BLUE if value < 1 else ORANGE for value in values.values()]
    bars = axes.barh(list(values), list(values.values()), color=colours)
    axes.axvline(1, color="black", linewidth=0.8)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # where a number meets the line
    axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7, bbox=paper)
    axes.set_title(quantity, fontsize=9)
    axes.set_xlim(0, 1.3 * max(1, *values.values()))
    axes.tick_params(labelsize=7)
    bare(axes)
