"""Pooling to a size that is given: to one number for each channel, or to as many as wished."""

from __future__ import annotations

from minidl.kernels import adaptive
from minidl.layers.pooled import Gradient, Pooling
from minidl.shapes import Pair, image_shape, pair
from minidl.types import Array, Shape


class _Global(Pooling):
    """One number for each channel."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return (C,); raises ``ShapeError`` where the input is of another kind."""
        return image_shape(shape, self.axes)[2:]


class _GlobalAvgPool(_Global):
    def pooled(self, images: Array, shape: Shape) -> tuple[Array, Gradient]:
        """Return ``y`` (N, C) and its gradient."""
        return adaptive.global_average(images)


class _GlobalMaxPool(_Global):
    def pooled(self, images: Array, shape: Shape) -> tuple[Array, Gradient]:
        """Return ``y`` (N, C) and its gradient."""
        return adaptive.global_maximum(images)


class GlobalAvgPool2d(_GlobalAvgPool):
    """The mean of each channel over the whole image: (N, H, W, C) to (N, C).

    >>> import minidl as dl
    >>> dl.GlobalAvgPool2d().output_shape((7, 7, 64))
    (64,)
    """


class GlobalAvgPool1d(_GlobalAvgPool):
    """The mean of each channel over the whole sequence: (N, L, C) to (N, C)."""

    axes = 1


class GlobalMaxPool2d(_GlobalMaxPool):
    """The maximum of each channel over the whole image: (N, H, W, C) to (N, C).

    On a tie the gradient goes to the first maximum, row by row. A channel with a NaN is NaN.
    """


class GlobalMaxPool1d(_GlobalMaxPool):
    """The maximum of each channel over the whole sequence: (N, L, C) to (N, C)."""

    axes = 1


class _Adaptive(Pooling):
    """As many windows as ``output_size`` says, which share the pixels evenly."""

    output_size: int | Pair

    def __post_init__(self) -> None:
        pair(self.output_size, "output_size", axes=self.axes)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (oh, ow, C), or (ol, C)."""
        image_shape(shape, self.axes)
        return (*self._size[2 - self.axes :], shape[-1])

    @property
    def _size(self) -> Pair:
        return pair(self.output_size, "output_size", axes=self.axes)


class _AdaptiveAvgPool(_Adaptive):
    def pooled(self, images: Array, shape: Shape) -> tuple[Array, Gradient]:
        """Return ``y`` (N, oh, ow, C) and its gradient."""
        return adaptive.average(images, self._size)


class _AdaptiveMaxPool(_Adaptive):
    def pooled(self, images: Array, shape: Shape) -> tuple[Array, Gradient]:
        """Return ``y`` (N, oh, ow, C) and its gradient."""
        return adaptive.maximum(images, self._size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of windows that share an image evenly: (N, H, W, C) to (N, oh, ow, C).

    Window ``i`` of ``oh`` is the rows from ``floor(i·H / oh)`` to ``ceil((i + 1)·H / oh)``, and
    so for columns: PyTorch's rule, by which neighbours overlap where ``oh`` does not divide ``H``.

    Parameters
    ----------
    output_size : int or pair
        How many windows, of any number: (oh, ow).

    Examples
    --------
    >>> import minidl as dl
    >>> dl.AdaptiveAvgPool2d(7).output_shape((28, 30, 64))
    (7, 7, 64)
    """


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """``AdaptiveAvgPool2d`` for sequences: (N, L, C) to (N, ol, C); ``output_size`` is ``ol``."""

    axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maxima of ``AdaptiveAvgPool2d``'s windows: (N, H, W, C) to (N, oh, ow, C).

    On a tie the gradient goes to the first maximum of a window, row by row.
    """


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """``AdaptiveMaxPool2d`` for sequences: (N, L, C) to (N, ol, C); ``output_size`` is ``ol``."""

    axes = 1
