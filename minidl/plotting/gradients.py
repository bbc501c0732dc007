"""How large the gradients of a batch are, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minidl.plotting.figures import BLUE, ORANGE, bare, empty

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gradients(norms: Mapping[str, float]) -> Figure:
    """Draw the length of each parameter's gradient as a bar, on a logarithmic scale.

    Bars that shrink by powers of ten towards the input are gradients that vanish, bars that grow
    are gradients that explode. What is 0 or no number has no bar, but is told.

    Parameters
    ----------
    norms : mapping of str to float
        By path, as ``explain.gradient_norms`` returns them.

    Raises
    ------
    ValueError
        Where there are none.

    Examples
    --------
    >>> figure = gradients({"conv1.weight": 0.2, "conv1.bias": 0.01})  # doctest: +SKIP
    """
    if not norms:
        raise ValueError("there is nothing to draw: no parameter of the model is trained")
    drawn = [norm for norm in norms.values() if norm > 0 and math.isfinite(norm)]
    low, high = (min(drawn) / 3, max(drawn) * 5) if drawn else (0.1, 1)
    figure = empty(width=8, height=1.3 + 0.26 * len(norms))
    axes = figure.subplots()
    for place, norm in enumerate(norms.values()):
        known = norm > 0 and math.isfinite(norm)
        if known:
            axes.barh(place, norm - low, left=low, color=BLUE)
        ink = "black" if known else ORANGE
        text = f" {norm:.2g}"
        axes.text(norm if known else low, place, text, color=ink, va="center", fontsize=9)
    axes.set(xscale="log", xlim=(low, high), ylim=(len(norms) - 0.4, -0.6))
    axes.set_yticks(range(len(norms)), list(norms), fontsize=9)
    axes.set_title("Gradients of one batch, from the input (top) to the output")
    axes.set(xlabel="length of the loss's gradient, logarithmic", ylabel="parameter")
    bare(axes)
    return figure
