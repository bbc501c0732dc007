"""Shapes without arrays: the geometry of sliding windows, and the error for what does not fit.

Everything here is integer arithmetic, shared by convolution, pooling and their adjoints. A sequence
(L, C) is an image of one row: a window over it is 1 row high.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeAlias, cast

from minidl.record import Record
from minidl.types import Shape

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[Pair, Pair]
Padding: TypeAlias = str | int | Pair | Pads


class ShapeError(ValueError):
    """Shapes that do not fit together; the message says which, and what would fit."""


def span(kernel: int, dilation: int) -> int:
    """Return how far a window reaches on one axis.

    >>> span(kernel=3, dilation=2)
    5
    """
    return dilation * (kernel - 1) + 1


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: Pair) -> int:
    """Return how many windows fit on one axis.

    ``(size + before + after - dilation·(kernel - 1) - 1) // stride + 1``, at least 0 (Dumoulin and
    Visin 2016, *A guide to convolution arithmetic*, relationship 15).

    >>> output_size(28, kernel=5, stride=1, dilation=1, padding=(0, 0))
    24
    """
    return max(0, (size + sum(padding) - span(kernel, dilation)) // stride + 1)


class Window(Record):
    """A window sliding over an image: every number that convolution and pooling need.

    Each field is a pair, rows first; ``padding`` holds (before, after) for each axis. ``beyond`` is
    how much of the padding after lies there only so that the last window is whole (``ceil_mode``).

    >>> Window((28, 28), kernel=(5, 5), padding=((2, 2), (2, 2))).out
    (28, 28)
    """

    size: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: Pads = ((0, 0), (0, 0))
    beyond: Pair = (0, 0)

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


def pair(value: int | Pair, name: str, least: int = 1, axes: int = 2) -> Pair:
    """Return ``value`` as a pair of whole numbers, one for rows and one for columns.

    On a sequence, which has one axis, it is a single number, and that for rows is ``least``. Raises
    ``ValueError`` where it is something else, or below ``least``.

    >>> pair(3, "kernel_size")
    (3, 3)
    >>> pair(3, "kernel_size", axes=1)
    (1, 3)
    """
    both = (value if axes == 2 else least, value) if isinstance(value, int) else value
    if not _whole_pair(both, least) or (axes == 1 and both is value):
        several = ", or a pair of them (rows, columns)" if axes == 2 else ""
        raise ValueError(
            f"{name} should be a whole number of at least {least}{several}, got {value!r}"
        )
    return both


def _whole_pair(both: object, least: int) -> bool:
    return (
        isinstance(both, tuple)
        and len(both) == 2
        and all(isinstance(one, int) and not isinstance(one, bool) for one in both)
        and min(both) >= least
    )


NAMED_PADDING = ("valid", "same", "full")


def check_padding(padding: Padding, axes: int = 2) -> None:
    """Raise ``ValueError`` where ``padding`` is none of the forms that ``window`` takes."""
    if not isinstance(padding, str):
        explicit_padding(padding, axes)
    elif padding not in NAMED_PADDING:
        raise ValueError(f"padding should be 'valid', 'same', 'full' or numbers, got {padding!r}")


def explicit_padding(padding: int | Pair | Pads, axes: int = 2) -> Pads:
    """Return numeric padding as (before, after) for each axis.

    >>> explicit_padding((1, 2))
    ((1, 1), (2, 2))
    >>> explicit_padding((1, 2), axes=1)
    ((0, 0), (1, 2))
    """
    if axes == 1:
        before_after = (padding, padding) if isinstance(padding, int) else padding
        if not _whole_pair(before_after, 0):
            raise ValueError(
                "padding should be a whole number of at least 0, or a pair of them (before, after),"
                f" got {padding!r}"
            )
        return (0, 0), cast(Pair, before_after)
    if isinstance(padding, tuple) and any(isinstance(one, tuple) for one in padding):
        if len(padding) != 2:
            raise ValueError(
                f"padding should be a number, a pair or a pair of pairs, got {padding!r}"
            )
        rows, columns = cast(Pads, padding)
        return pair(rows, "padding (rows)", 0), pair(columns, "padding (columns)", 0)
    above, left = pair(cast("int | Pair", padding), "padding", 0)
    return (above, above), (left, left)


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Return the padding for an output of ``ceil(size / stride)``; the odd one goes after.

    This is TensorFlow's rule, and PyTorch's where the stride is 1.
    """
    total = max(0, (-(-size // stride) - 1) * stride + span(kernel, dilation) - size)
    return total // 2, total - total // 2


def _padding_of(
    padding: Padding, axes: int, size: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> Pads:
    """Return any form of padding as (before, after) for each axis of an image of ``size``."""
    if not isinstance(padding, str):
        return explicit_padding(padding, axes)
    both = []
    for axis in zip(size, kernel, stride, dilation):
        reach = span(axis[1], axis[3]) - 1
        pads = {"valid": (0, 0), "same": _same(*axis), "full": (reach, reach)}
        both.append(pads[padding])
    return both[0], both[1]


def image_shape(shape: Shape, axes: int = 2) -> Shape:
    """Return the shape (H, W, C) of an image, or of a sequence (L, C) as an image of one row.

    Raises ``ShapeError`` where ``shape`` is no image, or no sequence.

    >>> image_shape((50, 4), axes=1)
    (1, 50, 4)
    """
    if len(shape) != axes + 1:
        wanted = "an image (H, W, C)" if axes == 2 else "a sequence (L, C)"
        raise ShapeError(f"expected {wanted}, got shape {shape}")
    return shape if axes == 2 else (1, *shape)


def window(
    shape: Shape,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    padding: Padding,
    *,
    axes: int = 2,
    ceil: bool = False,
) -> Window:
    """Return the window of a module on images of ``shape`` (H, W, C), or sequences (L, C).

    ``padding`` is "valid" (none), "same", "full" (every window that sees a pixel), a number, a pair
    (rows, columns) or (before, after) for each axis; on a sequence, a number or (before, after).
    With ``ceil``, a window that reaches beyond the padding counts too, if it begins before the end
    of the image (PyTorch's rule). Raises ``ShapeError`` where ``shape`` is of another kind or the
    window does not fit in it.

    >>> window((28, 28, 1), (5, 5), (1, 1), (1, 1), "same").padding
    ((2, 2), (2, 2))
    >>> window((5, 5, 1), (2, 2), (2, 2), (1, 1), 0, ceil=True).out
    (3, 3)
    """
    height, width, _ = image_shape(shape, axes)
    pads = _padding_of(padding, axes, (height, width), kernel, stride, dilation)
    fitted = Window((height, width), kernel, stride, dilation, pads)
    if ceil:
        fitted = _completed(fitted)
    if min(fitted.out) < 1:
        raise ShapeError(_too_large(fitted, padding, axes))
    return fitted


def _too_large(fitted: Window, padding: Padding, axes: int) -> str:
    spans = [span(*axis) for axis in zip(fitted.kernel, fitted.dilation)]
    least = [max(1, reach - sum(pads)) for reach, pads in zip(spans, fitted.padding)]

    def sizes(both: Sequence[int]) -> str:
        return "x".join(map(str, both[2 - axes :]))

    return (
        f"a window of {sizes(spans)} is larger than its input of {sizes(fitted.size)} with padding"
        f" {padding!r}: a smaller kernel would fit, or padding='same', or an input of at least"
        f" {sizes(least)}"
    )


def _completed(fitted: Window) -> Window:
    """Return the window with as much room beyond the padding as its last place needs."""
    beyond = []
    for axis in (0, 1):
        reach, stride = span(fitted.kernel[axis], fitted.dilation[axis]), fitted.stride[axis]
        padded = fitted.padded[axis]
        count = -((reach - padded) // stride) + 1  # rounded up
        count -= (count - 1) * stride >= fitted.padding[axis][0] + fitted.size[axis]
        beyond.append(max(0, (count - 1) * stride + reach - padded))
    (top, bottom), (left, right) = fitted.padding
    pads = ((top, bottom + beyond[0]), (left, right + beyond[1]))
    return fitted.replace(padding=pads, beyond=(beyond[0], beyond[1]))


def transposed_window(
    shape: Shape,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    padding: Padding,
    extra: Pair = (0, 0),
    *,
    axes: int = 2,
) -> Window:
    """Return the window whose convolution maps the output of a transposed one to its input.

    ``shape`` is (H, W, C) or (L, C), as of the module's input; the window slides over the output,
    ``(size - 1)·stride + dilation·(kernel - 1) + 1 - before - after + extra`` pixels on an axis, or
    ``size·stride`` with padding "same" (Dumoulin and Visin 2016, relationship 14). Raises
    ``ShapeError`` where that is below one.

    >>> transposed_window((7, 7, 1), (4, 4), (2, 2), (1, 1), 1).size
    (14, 14)
    """
    height, width, _ = image_shape(shape, axes)
    wide = (height * stride[0], width * stride[1])
    pads = _padding_of(padding, axes, wide, kernel, stride, dilation)
    rows, columns = (
        wide
        if padding == "same"
        else (
            (size - 1) * stride[axis]
            + span(kernel[axis], dilation[axis])
            - sum(pads[axis])
            + extra[axis]
            for axis, size in enumerate((height, width))
        )
    )
    if min(rows, columns) < 1:
        raise ShapeError(
            f"padding {padding!r} leaves an output of {rows}x{columns} pixels: less padding or a"
            " larger kernel would leave one"
        )
    return Window((rows, columns), kernel, stride, dilation, pads)
