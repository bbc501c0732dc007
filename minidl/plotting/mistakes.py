"""The images that a model finds hardest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from minidl.explain import hardest
from minidl.kernels.softmax import softmax
from minidl.plotting.figures import BLUE, ORANGE, empty, show, tall, verdict
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS: Final = 4


def mistakes(
    images: Array, labels: Array, logits: Array, classes: Sequence[str] = (), count: int = 16
) -> Figure:
    """Draw the images with the highest loss: what they are, and what the model took them for.

    Where a model makes fewer mistakes than there is room for, the last images are right ones.

    Parameters
    ----------
    images : array
        (N, H, W, C), ``uint8`` or floats.
    labels : array of int
        The true classes, (N,).
    logits : array
        What the model gives for the images, (N, classes).
    classes : sequence of str
        The names of the classes; numbers where there are none.
    count : int
        How many images to draw, at most.

    Raises
    ------
    ValueError
        Where these do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> images, logits = np.zeros((2, 28, 28, 1)), np.eye(2)
    >>> figure = mistakes(images, np.array([0, 0]), logits, ["cat", "dog"])  # doctest: +SKIP
    """
    _check_images(images, labels)
    numbers, losses = hardest(logits, labels, count)
    columns = min(_COLUMNS, len(numbers))
    rows = -(-len(numbers) // columns)
    figure = empty(width=max(7, 2.1 * columns), height=0.6 + (0.8 + 1.9 * tall(images[0])) * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    shares = softmax(logits[numbers])
    for axis, number, loss, share in zip(axes, numbers.tolist(), losses, shares):
        show(axis, images[number], verdict(classes, share, int(labels[number])))
        axis.title.set_color(BLUE if share.argmax() == labels[number] else ORANGE)
        axis.set_xlabel(f"image {number}, loss {loss:.2f}", fontsize=8)
    for spare in axes[len(numbers) :]:
        spare.set_axis_off()
    wrong = int((logits.argmax(axis=1) != labels).sum())
    all_mistakes = f"{wrong:,} of {len(labels):,} are mistaken"
    figure.suptitle(f"The {len(numbers)} images with the highest loss; {all_mistakes}")
    return figure


def _check_images(images: Array, labels: Array) -> None:
    if images.ndim != 4 or len(images) != len(labels):
        raise ValueError(
            f"images should be (N, H, W, C), one for each of {len(labels)} labels, got"
            f" {images.shape}"
        )
