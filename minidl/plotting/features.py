"""The feature maps of one image on its way through a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from minidl.engine.border import input_shapes
from minidl.explain import activations, nodes
from minidl.graph import Graph
from minidl.layers import activations as activation_layers
from minidl.layers import convolution, global_pooling, pooling
from minidl.module import Module
from minidl.plotting.figures import empty, show, unticked
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST: Final = 24  # rows
_ROOMS: Final = (activation_layers, convolution, global_pooling, pooling)


def features(model: Graph, image: Array, maps: int = 8) -> Figure:
    """Draw the first maps that every convolution, pooling and activation puts out for an image.

    Parameters
    ----------
    model : Graph
        Which reads images (H, W, C); it runs in evaluation.
    image : array
        One image, (H, W, C) or (H, W) of one channel, as for ``predict``.
    maps : int
        How many maps of each node are drawn, at most.

    Returns
    -------
    matplotlib.figure.Figure
        A row a node, 24 rows at most; each map from its own lowest value (dark) to its highest.

    Raises
    ------
    ValueError
        Where the model puts out no maps.
    ShapeError
        Where the image is not what it reads.

    Examples
    --------
    >>> import minidl as dl
    >>> figure = features(dl.models.lenet(), np.zeros((28, 28, 1)))  # doctest: +SKIP
    """
    kinds = _kinds(model)
    if not kinds:
        raise ValueError(
            "the model has no convolution, pooling or activation that puts out maps (h, w, C)"
        )
    image = np.asarray(image)
    found = activations(model, image[None])
    chosen = _spaced(list(kinds))
    figure = empty(width=1.6 + 0.95 * maps, height=0.7 + 0.95 * (1 + len(chosen)))
    axes = figure.subplots(1 + len(chosen), maps, squeeze=False)
    show(axes[0][0], image.reshape(input_shapes(model)[0]))
    _head(axes[0], "image", image.shape)
    for row, path in zip(axes[1:], chosen):
        _draw(row, found[path][0], f"{path}\n{kinds[path]}")
    left = f", {len(chosen)} of {len(kinds)} nodes" if len(chosen) < len(kinds) else ""
    figure.suptitle(f"Feature maps of one image, layer by layer{left}")
    figure.supxlabel("each map from its own lowest value (dark) to its highest", fontsize=9)
    return figure


def _kinds(model: Graph) -> dict[str, str]:
    """Return the nodes that are drawn, by path, with the names of their kinds."""
    return {
        path: type(leaf.module).__name__
        for path, leaf in nodes(model).items()
        if len(leaf.shape) == 3 and _is_shown(leaf.module)
    }


def _is_shown(module: Module) -> bool:
    """Say whether a module makes maps, rather than to move, join or rescale them."""
    return type(module).__module__ in {room.__name__ for room in _ROOMS}


def _spaced(paths: list[str]) -> list[str]:
    """Return as many as there is room for, evenly chosen, with the first and the last."""
    places = np.linspace(0, len(paths) - 1, min(len(paths), _MOST)).round().astype(int)
    return [paths[place] for place in places]


def _draw(row: Any, maps: Array, name: str) -> None:
    """Draw the first of a node's maps (h, w, C) in a row."""
    for axes, channel in zip(row, np.moveaxis(maps, 2, 0)):
        axes.imshow(channel, cmap="viridis", interpolation="nearest")
        unticked(axes)
    _head(row, name, maps.shape)


def _head(row: Any, name: str, shape: tuple[int, ...]) -> None:
    """Write before a row what it is; leave empty what has no map."""
    text = f"{name}\n{'x'.join(map(str, shape))}"
    row[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)
    for axes in row:
        if not axes.images:
            axes.set_axis_off()
