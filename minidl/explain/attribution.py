"""Attribution: which pixels of an image a class's logit depends on."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.engine.border import input_shapes
from minidl.engine.leaves import Leaf
from minidl.explain.nodes import convolutions, nodes
from minidl.explain.trace import Slopes
from minidl.graph import Graph
from minidl.types import Array


def saliency(model: Graph, images: Any, classes: Any = None) -> Array:
    """Return how strongly each pixel sways a class's logit, (N, H, W).

    That is the largest ``|d logit / d pixel|`` of the pixel's channels (Simonyan, Vedaldi and
    Zisserman 2014, *Deep inside convolutional networks*, section 3.1).

    Parameters
    ----------
    model : Graph
        Which reads images (H, W, C) and puts out a logit for each class. It runs in evaluation.
    images : array
        Images (N, H, W, C), as for ``predict``; the slope of ``uint8`` is that of x / 255.
    classes : int or array of int, optional
        The class, or one for each image; by default the likeliest of each.

    Raises
    ------
    ShapeError
        Where the images are not what the model reads.
    ValueError
        Where the model reads no images or tells no classes apart, or for a class it does not know.

    Examples
    --------
    >>> import minidl as dl
    >>> saliency(dl.models.lenet(), np.zeros((2, 28, 28, 1), "float32")).shape
    (2, 28, 28)
    """
    _check_images(model)
    slopes = Slopes(model, images, lambda logits: _picked(logits, classes))
    strongest: Array = np.abs(slopes.input).max(axis=3)  # (N, H, W)
    return strongest


def grad_cam(model: Graph, images: Any, classes: Any = None, node: str | None = None) -> Array:
    """Return where in a node's maps the evidence for a class is, (N, h, w), at least 0.

    ``relu(sum_k a_k A_k)``, where ``A_k`` are the node's maps and ``a_k`` the mean over the map of
    the logit's slope (Selvaraju et al. 2017, *Grad-CAM*, equations 1 and 2).

    Parameters
    ----------
    model, images, classes
        As for ``saliency``.
    node : str, optional
        The path of a node that puts out maps (h, w, C), such as "residual2.conv1". By default the
        last convolution's maps as they go on: after its normalisation and activation, before
        pooling.

    Raises
    ------
    ShapeError
        Where the images are not what the model reads.
    ValueError
        As for ``saliency``; and where the model has no convolution, or no node of that name.

    Examples
    --------
    >>> import minidl as dl
    >>> grad_cam(dl.models.lenet(), np.zeros((2, 28, 28, 1), "float32"), 7).shape
    (2, 10, 10)
    """
    _check_images(model)
    path = _maps_of(model, node)
    slopes = Slopes(model, images, lambda logits: _picked(logits, classes))
    maps = slopes.values[path]  # (N, h, w, C)
    weights = slopes.nodes.get(path, np.zeros_like(maps)).mean(axis=(1, 2))  # (N, C)
    evidence: Array = np.maximum(np.einsum("nhwc,nc->nhw", maps, weights), 0)
    return evidence


def _check_images(model: Graph) -> None:
    shapes = input_shapes(model)
    if len(shapes) != 1 or len(shapes[0]) != 3:
        shown = " and ".join(map(str, shapes))
        raise ValueError(f"the model reads samples of shape {shown}, not images (H, W, C)")


def _picked(logits: Array, classes: Any) -> Array:
    """Return 1 at each sample's class and 0 elsewhere, (N, classes)."""
    if logits.ndim != 2:
        raise ValueError(
            f"the model puts out {logits.shape[1:]} a sample, not a logit for each class: there is"
            " no class to explain"
        )
    samples, count = logits.shape
    chosen = logits.argmax(axis=1) if classes is None else np.asarray(classes)
    if chosen.dtype.kind not in "iu" or chosen.shape not in ((), (samples,)):
        raise ValueError(
            f"classes should be an integer, or one for each of {samples} image(s), got"
            f" {chosen.dtype} {chosen.shape}"
        )
    if not 0 <= chosen.min() <= chosen.max() < count:
        raise ValueError(
            f"classes should lie between 0 and {count - 1}, got {chosen.min()} to {chosen.max()}"
        )
    picked = np.zeros_like(logits)
    picked[np.arange(samples), chosen] = 1
    return picked


def _maps_of(model: Graph, node: str | None) -> str:
    """Return the path of the node whose maps are meant."""
    maps = {path: leaf for path, leaf in nodes(model).items() if len(leaf.shape) == 3}
    if node is None:
        return _last_maps(model, maps)
    if node not in maps:
        raise ValueError(
            f"no node {node!r} puts out maps (h, w, C): those that do are"
            f" {', '.join(maps) or 'none'}"
        )
    return node


def _last_maps(model: Graph, maps: dict[str, Leaf]) -> str:
    """Return the last convolution, or what follows it with maps as many and as large."""
    found = convolutions(model)
    if not found:
        raise ValueError("the model has no convolution of images, so there are no maps to look at")
    last = list(found)[-1]
    after = list(maps)[list(maps).index(last) :]
    return [path for path in after if maps[path].shape == maps[last].shape][-1]
