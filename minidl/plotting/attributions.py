"""Saliency and Grad-CAM, beside the images that they explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl import explain
from minidl.engine.border import fit_inputs
from minidl.explain.mistakes import checked_labels
from minidl.graph import Graph
from minidl.plotting.figures import empty, seen, show, tall, unticked, verdict
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def saliency(model: Graph, images: Array, labels: Any = None, node: str | None = None) -> Figure:
    """Draw which pixels sway the class that is predicted, and where the evidence for it lies.

    A column an image: the image, its saliency map, and Grad-CAM over it where the model has
    convolutions. Each map goes from 0 (dark) to its own highest value (bright).

    Parameters
    ----------
    model : Graph
        Which reads images (H, W, C) and tells classes apart.
    images : array
        (N, H, W, C), as for ``predict``.
    labels : array of int, optional
        The true classes (N,), to be told beside the predicted ones.
    node : str, optional
        The node whose maps Grad-CAM reads, as for ``explain.grad_cam``.

    Raises
    ------
    ValueError
        As ``explain.saliency`` and ``explain.grad_cam``; and where labels do not fit the images.
    ShapeError
        Where the images are not what the model reads.

    Examples
    --------
    >>> import minidl as dl, numpy as np
    >>> figure = saliency(dl.models.lenet(), np.zeros((2, 28, 28, 1)))  # doctest: +SKIP
    """
    (images,) = fit_inputs(model, (images,))
    slopes = explain.saliency(model, images)
    evidence = None
    if node is not None or explain.convolutions(model):
        evidence = explain.grad_cam(model, images, node=node)
    shares = model.predict(images, probabilities=True)
    known = None if labels is None else checked_labels(shares, labels)
    columns = max(2, len(images))
    rows = 2 if evidence is None else 3
    figure = empty(width=0.6 + 2 * columns, height=1.4 + 2 * tall(images[0]) * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for number, image in enumerate(images):
        label = None if known is None else int(known[number])
        show(axes[0][number], image, verdict(model.classes, shares[number], label))
        axes[1][number].imshow(slopes[number], cmap="inferno", vmin=0)
        if evidence is not None:
            _cover(axes[2][number], image, evidence[number])
    _finish(figure, axes, len(images))
    return figure


def _cover(axes: Axes, image: Array, evidence: Array) -> None:
    """Draw an image in grey, and over it the evidence, the more opaque the stronger."""
    height, width = image.shape[:2]
    whole = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(seen(image).reshape(height, width, -1).mean(axis=2), cmap="gray", vmin=0, vmax=1)
    drawn: dict[str, Any] = {"extent": whole, "interpolation": "bilinear", "cmap": "inferno"}
    axes.imshow(evidence, vmin=0, alpha=0.6, **drawn)


def _finish(figure: Figure, axes: Any, count: int) -> None:
    """Name the rows, and take off the ticks and the places that are left over."""
    for row, name in zip(axes, ("image", "saliency", "Grad-CAM")):
        for axis in row[:count]:
            unticked(axis, axis.get_title())
        for axis in row[count:]:
            axis.set_axis_off()
        row[0].set_ylabel(name)
    figure.suptitle("What the predicted class hangs on")
    figure.supxlabel("each map from 0 (dark) to its own highest value (bright)", fontsize=9)
