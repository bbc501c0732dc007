"""Pictures of what training did and what it costs. Functions return a Figure and never show it.

Only this file imports matplotlib, and only when a function is called; ``pyplot``, with its global
figures and its windows, is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    ImportError
        Where matplotlib is not installed.

    Examples
    --------
    >>> figure = ratios({"training step": {"lenet": 0.5}})  # doctest: +SKIP
    """
    if not found:
        raise ValueError("there is nothing to draw: no ratios were measured")
    most = max(map(len, found.values()))
    figure = _figure(width=8, height=1.5 + 0.3 * most)
    columns = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (quantity, values) in zip(columns, found.items()):
        _bars(axes, quantity, values)
    columns[0].invert_yaxis()  # the first on top
    figure.supxlabel("minidl's over PyTorch's, below 1 is better", fontsize=8)
    return figure


def _bars(axes: Axes, quantity: str, values: Mapping[str, float]) -> None:
    """Draw the ratios of one quantity, those below 1 in blue."""
    colours = ["tab:blue" if value < 1 else "tab:orange" for value in values.values()]
    bars = axes.barh(list(values), list(values.values()), color=colours)
    axes.axvline(1, color="black", linewidth=0.8)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # where a number meets the line
    axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7, bbox=paper)
    axes.set_title(quantity, fontsize=9)
    axes.set_xlim(0, 1.3 * max(1, *values.values()))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many hundreds of pixels."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'minidl[plot]'") from error
    return Figure(figsize=(width, height), dpi=100, layout="constrained")
