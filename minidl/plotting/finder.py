"""The curve of a learning-rate finder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.plotting.figures import BLUE, ORANGE, bare, empty
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def finder(
    rates: Sequence[float] | Array, losses: Sequence[float] | Array, chosen: float | None = None
) -> Figure:
    """Draw the loss against a learning rate that rose from step to step.

    The rate to train with lies where the loss falls steepest, well before it rises (Smith 2017,
    *Cyclical learning rates*, section 3.3).

    Parameters
    ----------
    rates, losses : sequence of float
        Of each step, as many of both; rates above 0.
    chosen : float, optional
        A rate to be marked.

    Returns
    -------
    matplotlib.figure.Figure
        800 pixels wide. Losses above the first are drawn up to twice that.

    Raises
    ------
    ValueError
        Where there are none, not as many of both, or a rate is not above 0.

    Examples
    --------
    >>> figure = finder([0.001, 0.01, 0.1], [2.3, 1.9, 4.0], chosen=0.01)  # doctest: +SKIP
    """
    rates, losses = _checked(rates, losses)
    figure = empty(width=8, height=4.5)
    axes = figure.subplots()
    axes.plot(rates, losses, color=BLUE, marker="o", markersize=2.5)
    axes.set(xscale="log", xlabel="learning rate, logarithmic", ylabel="loss")
    finite = losses[np.isfinite(losses)]
    if finite.size and finite.max() > 2 * finite[0] > 0:
        axes.set_ylim(finite.min() - 0.05 * finite[0], 2 * finite[0])
    if chosen is not None:
        axes.axvline(chosen, color=ORANGE, linestyle="--", label=f"chosen: {chosen:.3g}")
        axes.legend(frameon=False)
    axes.set_title("Loss while the learning rate rises")
    axes.grid(alpha=0.3)
    bare(axes)
    return figure


def _checked(
    rates: Sequence[float] | Array, losses: Sequence[float] | Array
) -> tuple[Array, Array]:
    found = np.asarray(rates, np.float64), np.asarray(losses, np.float64)
    if found[0].ndim != 1 or found[0].shape != found[1].shape or not found[0].size:
        raise ValueError(
            "rates and losses should be as many of both, one for each step, got shapes"
            f" {found[0].shape} and {found[1].shape}"
        )
    if not found[0].min() > 0:
        raise ValueError(f"rates should be above 0, got {found[0].min()}")
    return found
