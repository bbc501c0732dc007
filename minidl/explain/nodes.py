"""Which nodes of a model are convolutions of images."""

from __future__ import annotations

from minidl.engine.border import input_shapes
from minidl.engine.leaves import Leaf, unfold
from minidl.graph import Graph
from minidl.layers import Conv2d, ConvTranspose2d


def nodes(model: Graph) -> dict[str, Leaf]:
    """Return every node of a model, those of nested graphs too, by path, in order.

    >>> import minidl as dl
    >>> list(nodes(dl.models.mlp()))
    ['flatten1', 'dense1', 'relu1', 'dense2']
    """
    leaves = unfold(model, input_shapes(model))[0]
    return {leaf.path.rstrip("."): leaf for leaf in leaves}


def convolutions(model: Graph) -> dict[str, Leaf]:
    """Return the nodes that convolve images, by path, in order.

    >>> import minidl as dl
    >>> list(convolutions(dl.models.lenet()))
    ['conv1', 'conv2']
    """
    kinds = (Conv2d, ConvTranspose2d)
    return {path: leaf for path, leaf in nodes(model).items() if isinstance(leaf.module, kinds)}
