"""What all pictures have in common. Only this file imports matplotlib."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final
from unicodedata import east_asian_width

import numpy as np

from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREY: Final = "#767676"
"""Colours that can be told apart by all (Okabe and Ito 2008, *Color universal design*)."""

LONGEST: Final = 16
"""How much of a name is shown, in small letters; capitals take more room."""


def empty(width: float, height: float) -> Figure:
    """Return an empty white figure of so many hundreds of pixels; ``ImportError`` without it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'minidl[plot]'") from error
    return Figure(figsize=(width, height), dpi=100, layout="constrained", facecolor="white")


def bare(axes: Axes) -> None:
    """Leave only the left and the bottom line around a diagram."""
    axes.spines[["top", "right"]].set_visible(False)


def show(axes: Axes, image: Array, title: str = "") -> None:
    """Draw an image (H, W, C) without ticks, its title over it."""
    axes.imshow(seen(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    unticked(axes, title)


def unticked(axes: Axes, title: str = "") -> None:
    """Take the ticks off an image, and put a title over it."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=9)


def seen(image: Array) -> Array:
    """Return an image (H, W, C) as grey (H, W) or RGB (H, W, 3), from 0 to 1.

    Floats outside of 0 to 1 are stretched to it. Of other numbers of channels the mean is shown.

    >>> seen(np.full((2, 2, 1), 255, np.uint8)).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    pixels = image / 255 if image.dtype == np.uint8 else stretched(image.astype(np.float64))
    return pixels if image.shape[2] == 3 else pixels.mean(axis=2)


def stretched(image: Array) -> Array:
    """Return floats as they are if they lie from 0 to 1, or else moved there; not finite ones as 0.

    >>> stretched(np.array([-1.0, 0.0, 3.0])).tolist()
    [0.0, 0.25, 1.0]
    """
    image = np.nan_to_num(image, posinf=0, neginf=0)
    low, high = float(image.min()), float(image.max())
    if low >= 0 and high <= 1:
        return image
    moved: Array = (image - low) / ((high - low) or 1)
    return moved


def class_label(classes: Sequence[str], label: int) -> str:
    """Return the name of a class, or its number where it has none.

    >>> class_label(["cat", "dog"], 1), class_label([], 1)
    ('dog', '1')
    """
    return written(classes[label]) if label < len(classes) else str(label)


def verdict(classes: Sequence[str], shares: Array, label: int | None = None) -> str:
    r"""Return what a model takes an image for, by its probabilities, and what it is if known.

    >>> verdict(["cat", "dog"], np.array([0.25, 0.75]), 0)
    'is cat (25.0%)\ntaken for dog\n(75.0%)'
    """
    found = int(shares.argmax())
    name, sure = class_label(classes, found), f"({shares[found]:.1%})"
    if label == found:
        return f"is {name}\nright {sure}"
    taken = f"taken for {name}\n{sure}"
    return (
        taken
        if label is None
        else f"is {class_label(classes, label)} ({shares[label]:.1%})\n{taken}"
    )


def tall(image: Array) -> float:
    """Return how high an image (H, W, C) is drawn that is drawn 1 wide: from a half to 2."""
    return float(min(2, max(0.5, image.shape[0] / image.shape[1])))


def written(name: str) -> str:
    """Return a name as matplotlib should write it: in a line, not as a formula, not too long.

    What is left out is its middle: names often begin alike, or end alike.

    >>> written("a very long name of a class")
    'a very…a class'
    """
    name = " ".join(name.split())
    widths = list(accumulate(1.6 if _is_wide(letter) else 1 for letter in name))
    if widths and widths[-1] > LONGEST:
        kept = bisect(widths, LONGEST - 1)
        name = f"{name[: kept // 2].rstrip()}…{name[kept // 2 - kept :].lstrip()}"
    return name.replace("$", r"\$")


def _is_wide(letter: str) -> bool:
    return letter.isupper() or east_asian_width(letter) in "WF"
