"""Shapes without arrays: the geometry of sliding windows, and the error for what does not fit.

Everything here is integer arithmetic, shared by convolution, pooling and their adjoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TypeAlias

from minidl.record import Record
from minidl.types import Shape

Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = str | int | Pair | tuple[Pair, Pair]


class ShapeError(ValueError):
    """Shapes that do not fit together; the message says which, and what would fit."""


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: Pair) -> int:
    """Return how many windows fit on one axis.

    ``(size + before + after - dilation·(kernel - 1) - 1) // stride + 1``, at least 0 (Dumoulin and
    Visin 2016, *A guide to convolution arithmetic*, relationship 15).

    >>> output_size(28, kernel=5, stride=1, dilation=1, padding=(0, 0))
    24
    """
    return max(0, (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1)


class Window(Record):
    """A window sliding over an image: every number that convolution and pooling need.

    Each field is a pair, rows first; ``padding`` holds (before, after) for each axis.

    >>> Window((28, 28), kernel=(5, 5), padding=((2, 2), (2, 2))).out
    (28, 28)
    """

    size: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))

    @cached_property
    def out(self) -> Pair:
        """The number of windows, ``(oh, ow)``."""
        oh, ow = (
            output_size(*axis)
            for axis in zip(self.size, self.kernel, self.stride, self.dilation, self.padding)
        )
        return oh, ow

    @cached_property
    def padded(self) -> Pair:
        """The size of the image with its padding."""
        height, width = (size + sum(pad) for size, pad in zip(self.size, self.padding))
        return height, width

    @property
    def area(self) -> int:
        """The number of taps, ``kh·kw``."""
        return self.kernel[0] * self.kernel[1]

    def tap(self, axis: int, index: int) -> slice:
        """Return where tap ``index`` of every window lies on one axis of the padded image."""
        start, stride = index * self.dilation[axis], self.stride[axis]
        return slice(start, start + (self.out[axis] - 1) * stride + 1, stride)

    def taps(self) -> Iterator[tuple[int, int, slice, slice]]:
        """Walk the taps row by row: ``(i, j, rows, columns)``, as ``tap`` gives them."""
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                yield i, j, self.tap(0, i), self.tap(1, j)

    @property
    def inside(self) -> tuple[slice, slice]:
        """Where the image lies in the padded image."""
        (top, _), (left, _) = self.padding
        return slice(top, top + self.size[0]), slice(left, left + self.size[1])


def pair(value: int | Pair, name: str, least: int = 1) -> Pair:
    """Return ``value`` as a pair of whole numbers, one for rows and one for columns.

    Raises ``ValueError`` where it is something else, or below ``least``.

    >>> pair(3, "kernel_size")
    (3, 3)
    """
    both = (value, value) if isinstance(value, int) else value
    if (
        not isinstance(both, tuple)
        or len(both) != 2
        or not all(isinstance(one, int) and not isinstance(one, bool) for one in both)
        or min(both) < least
    ):
        raise ValueError(
            f"{name} should be a whole number of at least {least}, or a pair of them (rows,"
            f" columns), got {value!r}"
        )
    return both


def check_padding(padding: Padding) -> None:
    """Raise ``ValueError`` where ``padding`` is none of the forms that ``window`` takes."""
    if padding in ("valid", "same"):
        return
    if isinstance(padding, str):
        raise ValueError(f"padding should be 'valid', 'same' or numbers, got {padding!r}")
    _explicit(padding)


def _explicit(padding: int | Pair | tuple[Pair, Pair]) -> tuple[Pair, Pair]:
    """Return numeric padding as (before, after) for each axis."""
    if isinstance(padding, tuple) and any(isinstance(one, tuple) for one in padding):
        if len(padding) != 2:
            raise ValueError(
                f"padding should be a number, a pair or a pair of pairs, got {padding!r}"
            )
        rows, columns = padding
        return pair(rows, "padding (rows)", 0), pair(columns, "padding (columns)", 0)
    above, left = pair(padding, "padding", 0)  # type: ignore[arg-type]
    return (above, above), (left, left)


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Return the padding for an output of ``ceil(size / stride)``; the odd one goes after.

    This is TensorFlow's rule, and PyTorch's where the stride is 1.
    """
    span = dilation * (kernel - 1) + 1
    total = max(0, (-(-size // stride) - 1) * stride + span - size)
    return total // 2, total - total // 2


def _least(span: int, pads: Pair) -> int:
    """Return the smallest axis that a window fits on."""
    return max(1, span - sum(pads))


def window(shape: Shape, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Window:
    """Return the window of a module on images of ``shape``, which is ``(H, W, C)``.

    ``padding`` is "valid" (none), "same", a number, a pair (rows, columns) or (before, after) for
    each axis. Raises ``ShapeError`` where ``shape`` is no image or the window does not fit in it.

    >>> window((28, 28, 1), (5, 5), (1, 1), (1, 1), "same").padding
    ((2, 2), (2, 2))
    """
    if len(shape) != 3:
        raise ShapeError(f"expected an image (H, W, C), got shape {shape}")
    size = (shape[0], shape[1])
    if padding == "same":
        rows, columns = (_same(*axis) for axis in zip(size, kernel, stride, dilation))
        pads = (rows, columns)
    else:
        pads = _explicit(0 if padding == "valid" else padding)  # type: ignore[arg-type]
    fitted = Window(size, kernel, stride, dilation, pads)
    if min(fitted.out) < 1:
        spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
        raise ShapeError(
            f"a window of {spans[0]}x{spans[1]} is larger than its input of {size[0]}x{size[1]}"
            f" with padding {padding!r}: a smaller kernel would fit, or padding='same', or images"
            f" of at least {_least(spans[0], pads[0])}x{_least(spans[1], pads[1])}"
        )
    return fitted
