"""The filters of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from minidl.engine.leaves import Leaf
from minidl.explain import nodes
from minidl.graph import Graph
from minidl.layers import Conv2d
from minidl.plotting.figures import empty, unticked
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS: Final = 8
_MOST: Final = 64


def filters(model: Graph, node: str | None = None) -> Figure:
    """Draw the filters of a convolution: by default the first, which sees the image itself.

    Filters of three channels are drawn as RGB, grey being 0; others in blue (below 0) and red
    (above), a picture for each channel. All are on one scale, so that a weak filter looks pale.

    Parameters
    ----------
    model : Graph
        With shapes.
    node : str, optional
        The path of a ``Conv2d``, such as "residual1.conv1".

    Returns
    -------
    matplotlib.figure.Figure
        Of 64 pictures at most.

    Raises
    ------
    ValueError
        Where the model has no convolution of images, or none of that name.

    Examples
    --------
    >>> import minidl as dl
    >>> figure = filters(dl.models.lenet())  # doctest: +SKIP
    """
    path, leaf = _convolution(model, node)
    weight = model.arrays[f"{leaf.owner}weight"]  # (kh, kw, C, F)
    tiles, titles = _tiles(weight)
    figure, axes = _grid(min(_MOST, len(tiles)))
    limit = float(np.abs(weight).max()) or 1.0
    for axis, tile, title in zip(axes, tiles, titles):
        drawn = axis.imshow(*_coloured(tile, limit), **_diverging(limit))
        unticked(axis, title)
    kernel = "x".join(map(str, weight.shape[:2]))
    shown = f"{len(tiles)}" if len(tiles) <= _MOST else f"{_MOST} of {len(tiles)}"
    figure.suptitle(f"Filters of {path}: {shown} of {kernel} pixels, by number, on one scale")
    if weight.shape[2] == 3:
        figure.supxlabel(f"weights: grey is 0, a channel at its brightest +{limit:.2g}", fontsize=9)
    else:
        figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=30, label="weight")
    return figure


def _convolution(model: Graph, node: str | None) -> tuple[str, Leaf]:
    """Return the convolution that is meant, and its path."""
    found = {path: leaf for path, leaf in nodes(model).items() if isinstance(leaf.module, Conv2d)}
    if not found:
        raise ValueError("the model has no convolution of images, so there are no filters to draw")
    path = next(iter(found)) if node is None else node
    if path not in found:
        raise ValueError(f"no convolution {path!r}: there are {', '.join(found)}")
    return path, found[path]


def _tiles(weight: Array) -> tuple[list[Array], list[str]]:
    """Return what is drawn of (kh, kw, C, F) and what is written over it."""
    channels, count = weight.shape[2:]
    if channels == 3:
        return [weight[..., f] for f in range(count)], [str(f) for f in range(count)]
    pairs = [(f, c) for f in range(count) for c in range(channels)]
    titles = [str(f) if channels == 1 else f"{f}, channel {c}" for f, c in pairs]
    return [weight[:, :, c, f] for f, c in pairs], titles


def _coloured(tile: Array, limit: float) -> tuple[Array]:
    """Return weights as RGB where there are three channels: 0 is grey, ``limit`` is bright."""
    return (0.5 + tile / (2 * limit),) if tile.ndim == 3 else (tile,)


def _diverging(limit: float) -> dict[str, Any]:
    return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "interpolation": "nearest"}


def _grid(count: int) -> tuple[Figure, list[Any]]:
    """Return a figure with so many places, row by row."""
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = empty(width=max(6.0, columns + 1.2), height=0.9 + 1.15 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, list(axes[:count])
