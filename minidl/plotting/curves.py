"""Learning curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from minidl.plotting.figures import BLUE, GREY, ORANGE, bare, empty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minidl.training.history import History

_NOT_MEASURED: Final = ("epoch", "lr", "seconds", "images_per_second")


def curves(history: History) -> Figure:
    """Draw the loss and every metric by epoch, in training and validation, and the learning rate.

    Parameters
    ----------
    history : History
        What ``fit`` returned.

    Returns
    -------
    matplotlib.figure.Figure
        800 pixels wide. The lowest validation loss is marked.

    Raises
    ------
    ValueError
        For a history of no epochs.

    Examples
    --------
    >>> from minidl.training import History
    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> figure = curves(history)  # doctest: +SKIP
    """
    measured = _measured(history)
    if not measured:
        raise ValueError("there is nothing to draw: the history has no epochs; call fit first")
    drawn = [*measured, *(["lr"] if "lr" in history.columns else [])]
    columns = 1 if len(drawn) == 1 else 2
    rows = -(-len(drawn) // columns)
    figure = empty(width=8, height=0.4 + 3 * rows)
    figure.suptitle("Learning curves")
    for place, name in enumerate(drawn, 1):
        wide = place == len(drawn) and place % 2 == 1 and columns == 2  # alone in its row
        axes = figure.add_subplot(rows, columns, (place, place + 1) if wide else place)
        _rate(axes, history) if name == "lr" else _curve(axes, history, name)
        _epochs(axes, history["epoch"])
    return figure


def _measured(history: History) -> list[str]:
    """Return the loss and the metrics, without the columns of their validation."""
    names = [name.removeprefix("val_") for name in history.columns if name not in _NOT_MEASURED]
    return list(dict.fromkeys(names))


def _curve(axes: Axes, history: History, name: str) -> None:
    """Draw one quantity, in training and in validation."""
    for column, label, style in (
        (name, "training", {"color": BLUE, "marker": "o"}),
        (f"val_{name}", "validation", {"color": ORANGE, "marker": "s"}),
    ):
        points = _points(history, column)
        if points:
            options: dict[str, Any] = {**style, "label": label, "markersize": _dot(len(points))}
            axes.plot(*zip(*points), **options)
    if name == "loss":
        _mark_lowest(axes, _points(history, "val_loss"))
    axes.set_ylabel(name.replace("_", " ") + (" (share right)" if name == "accuracy" else ""))
    axes.legend(edgecolor="none")


def _points(history: History, column: str) -> list[tuple[float, float]]:
    return [(row["epoch"], row[column]) for row in history if column in row]


def _dot(points: int) -> float:
    """Return the size of a marker: smaller where there are many."""
    return 4 if points <= 40 else 1.5


def _mark_lowest(axes: Axes, points: list[tuple[float, float]]) -> None:
    finite = [(value, epoch) for epoch, value in points if math.isfinite(value)]
    if finite:
        lowest, epoch = min(finite)
        ring: dict[str, Any] = {"marker": "o", "markersize": 11, "markerfacecolor": "none"}
        label = f"lowest, epoch {epoch:g}"
        axes.plot([epoch], [lowest], color=GREY, linestyle="none", label=label, **ring)


def _rate(axes: Axes, history: History) -> None:
    """Draw the learning rate; it is that of each epoch's start."""
    points = _points(history, "lr")
    axes.plot(*zip(*points), color=GREY, marker="o", markersize=_dot(len(points)), label="rate")
    axes.set_ylabel("learning rate\n(at the epoch's start)")


def _epochs(axes: Axes, epochs: list[float]) -> None:
    """Count epochs along the bottom."""
    axes.set(xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.grid(axis="y", alpha=0.3)
    bare(axes)
