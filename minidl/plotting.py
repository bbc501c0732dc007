"""Pictures of what training did. Functions return a matplotlib Figure and never show it.

Only this file imports matplotlib, and only when a function is called; ``pyplot``, with its global
figures and its windows, is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minidl.training.history import History

_NOT_MEASURED: Final = ("epoch", "lr", "seconds", "images_per_second")


def curves(history: History) -> Figure:
    """Draw the loss and every metric over the epochs, in training and in validation.

    Parameters
    ----------
    history : History
        What ``fit`` returned.

    Returns
    -------
    matplotlib.figure.Figure
        800 pixels wide; ``figure.savefig("curves.png")`` writes it, a notebook shows it.

    Raises
    ------
    ValueError
        For a history of no epochs.
    ImportError
        Where matplotlib is not installed.

    Examples
    --------
    >>> from minidl.training import History
    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> figure = curves(history)  # doctest: +SKIP
    """
    measured = _measured(history)
    if not measured:
        raise ValueError("there is nothing to draw: the history has no epochs; call fit first")
    rows = -(-len(measured) // 2)
    figure = _figure(width=8, height=4 * rows)
    for place, name in enumerate(measured, 1):
        axes = figure.add_subplot(rows, min(2, len(measured)), place)
        _curve(axes, history, name)
    return figure


def _measured(history: History) -> list[str]:
    """Return the loss and the metrics, without the columns of their validation."""
    names = [name.removeprefix("val_") for name in history.columns if name not in _NOT_MEASURED]
    return list(dict.fromkeys(names))


def _curve(axes: Axes, history: History, name: str) -> None:
    """Draw one quantity, in training and in validation."""
    from matplotlib.ticker import MaxNLocator

    for column, label, style in (
        (name, "training", {"color": "tab:blue", "marker": "o"}),
        (f"val_{name}", "validation", {"color": "tab:orange", "marker": "s"}),
    ):
        points = [(row["epoch"], row[column]) for row in history if column in row]
        if points:
            options: dict[str, Any] = {**style, "label": label, "markersize": 4}
            axes.plot(*zip(*points), **options)
    epochs = history["epoch"]
    axes.set(title=name, xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many hundreds of pixels."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'minidl[plot]'") from error
    return Figure(figsize=(width, height), dpi=100, layout="constrained")
