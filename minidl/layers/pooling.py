"""Pooling over sliding windows of images and of sequences."""

from __future__ import annotations

from minidl.checks import flag
from minidl.kernels import pool
from minidl.kernels.taps import window_lines, with_padding
from minidl.layers.pooled import Gradient, Pooling
from minidl.shapes import Padding, Pair, ShapeError, Window, check_padding, pair, window
from minidl.types import Array, Shape


class _Sliding(Pooling):
    """A window that slides over each channel; ``stride`` is the window's own size by default."""

    kernel_size: int | Pair
    stride: int | Pair | None = None
    padding: Padding = "valid"

    positional = 3  # what comes next is dilation in PyTorch, and data_format in Keras

    def __post_init__(self) -> None:
        self._pair("kernel_size", self.kernel_size)
        if self.stride is not None:
            self._pair("stride", self.stride)
        check_padding(self.padding, self.axes)

    def _pair(self, name: str, value: int | Pair) -> Pair:
        return pair(value, name, axes=self.axes)

    def window(self, shape: Shape) -> Window:
        """Return the geometry on images of ``shape`` (H, W, C), or sequences (L, C)."""
        raise NotImplementedError

    def _window(self, shape: Shape, dilation: int | Pair, ceil_mode: bool) -> Window:
        kernel = self._pair("kernel_size", self.kernel_size)
        stride = kernel if self.stride is None else self._pair("stride", self.stride)
        gaps, axes = self._pair("dilation", dilation), self.axes
        found = window(shape, kernel, stride, gaps, self.padding, axes=axes, ceil=ceil_mode)
        if any(_sees_nothing(found, axis) for axis in (0, 1)):
            size = "x".join(map(str, kernel[2 - axes :]))
            raise ShapeError(
                f"padding {self.padding!r} leaves windows of {size} that see nothing but padding:"
                " it has to be smaller than the window, and a dilation no larger than the image"
            )
        return found

    def output_shape(self, shape: Shape) -> Shape:
        """Return (oh, ow, C), or (ol, C)."""
        return (*self.window(shape).out[2 - self.axes :], shape[-1])


def _sees_nothing(window: Window, axis: int) -> bool:
    """Return whether a window along an axis sees padding alone."""
    size, stride, gap = window.size[axis], window.stride[axis], window.dilation[axis]
    first = -window.padding[axis][0]
    last = first + (window.out[axis] - 1) * stride
    reach = (window.kernel[axis] - 1) * gap
    if first + reach < 0 or last >= size:
        return True
    # Windows between them see a pixel, unless the image fits between two taps.
    return gap > size and any(
        (start < 0 and (start % gap) >= size) or start + reach < 0
        for start in range(first, min(last + 1, 0), stride)
    )


class _MaxPool(_Sliding):
    """The maximum of each window."""

    dilation: int | Pair = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._pair("dilation", self.dilation)
        flag("ceil_mode", self.ceil_mode)

    def window(self, shape: Shape) -> Window:
        """Return the geometry on images of ``shape`` (H, W, C), or sequences (L, C)."""
        return self._window(shape, self.dilation, self.ceil_mode)

    def pooled(self, images: Array, shape: Shape) -> tuple[Array, Gradient]:
        """Return ``y`` (N, oh, ow, C) and its gradient."""
        return pool.maximum(images, window_lines(self.window(shape)))


class _AvgPool(_Sliding):
    """The mean of each window."""

    ceil_mode: bool = False
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        flag("ceil_mode", self.ceil_mode)
        flag("count_include_pad", self.count_include_pad)

    def window(self, shape: Shape) -> Window:
        """Return the geometry on images of ``shape`` (H, W, C), or sequences (L, C)."""
        return self._window(shape, 1, self.ceil_mode)

    def pooled(self, images: Array, shape: Shape) -> tuple[Array, Gradient]:
        """Return ``y`` (N, oh, ow, C) and its gradient."""
        found = self.window(shape)
        counted = with_padding(found) if self.count_include_pad else found
        uniform = counted.padded == counted.size
        share = 1 / counted.area if uniform else pool.shares(window_lines(counted), images)
        return pool.average(images, window_lines(found), share)


class MaxPool2d(_MaxPool):
    """The maximum of each window: (N, H, W, C) to (N, oh, ow, C).

    Padding counts as minus infinity. On a tie the gradient goes to the first maximum of the window,
    row by row, as in PyTorch; some texts send it to every maximum. A window that sees a NaN is NaN.

    Parameters
    ----------
    kernel_size, stride, dilation : int or pair
        In pixels; the stride is the kernel size by default.
    padding : "valid", "same", "full", int, pair or pair of pairs
        As for ``Conv2d``. PyTorch takes at most half the window; here it is a window that sees
        nothing but padding that is refused, with a ``ShapeError``.
    ceil_mode : bool
        Whether a window counts that begins in the image and reaches beyond it (PyTorch's option).

    Examples
    --------
    >>> import minidl as dl
    >>> dl.MaxPool2d(2).output_shape((28, 28, 6))
    (14, 14, 6)
    """


class MaxPool1d(_MaxPool):
    """``MaxPool2d`` for sequences: (N, L, C) to (N, ol, C), with one number for each pair.

    >>> import minidl as dl
    >>> dl.MaxPool1d(3, stride=2, padding=1).output_shape((50, 4))
    (25, 4)
    """

    axes = 1


class AvgPool2d(_AvgPool):
    """The mean of each window: (N, H, W, C) to (N, oh, ow, C).

    Padding counts as zeros and in the number of pixels, as PyTorch does by default; Keras and
    TensorFlow leave it out of both, which is ``count_include_pad=False``. What a window sees beyond
    the padding, in ``ceil_mode``, never counts.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode
        As for ``MaxPool2d``.
    count_include_pad : bool
        Whether padding counts in the number of pixels that a sum is divided by.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.AvgPool2d(3, stride=1, padding="same", count_include_pad=False).output_shape((7, 7, 2))
    (7, 7, 2)
    """


class AvgPool1d(_AvgPool):
    """``AvgPool2d`` for sequences: (N, L, C) to (N, ol, C), with one number for each pair.

    >>> import minidl as dl
    >>> dl.AvgPool1d(4).output_shape((50, 4))
    (12, 4)
    """

    axes = 1
