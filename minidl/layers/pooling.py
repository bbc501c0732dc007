"""Pooling over windows, and over whole images."""

from __future__ import annotations

from minidl.kernels import pool
from minidl.kernels.sums import row_sums
from minidl.module import Context, Module
from minidl.shapes import Padding, Pair, ShapeError, Window, check_padding, pair, window
from minidl.types import Array, Arrays, Pullback, Shape


class _Pool2d(Module):
    """A window over each channel of an image; ``stride`` is the window's own size by default."""

    kernel_size: int | Pair
    stride: int | Pair | None = None
    padding: Padding = "valid"

    sample_local = True

    def __post_init__(self) -> None:
        pair(self.kernel_size, "kernel_size")
        if self.stride is not None:
            pair(self.stride, "stride")
        check_padding(self.padding)

    def window(self, shape: Shape) -> Window:
        """Return the geometry on images of ``shape`` (H, W, C)."""
        kernel = pair(self.kernel_size, "kernel_size")
        stride = kernel if self.stride is None else pair(self.stride, "stride")
        geometry = window(shape, kernel, stride, (1, 1), self.padding)
        if any(max(pads) >= size for pads, size in zip(geometry.padding, kernel)):
            raise ShapeError(
                f"padding {self.padding!r} leaves windows of {kernel[0]}x{kernel[1]} that see"
                " nothing but padding: it has to be smaller than the window"
            )
        return geometry

    def output_shape(self, shape: Shape) -> Shape:
        """Return (oh, ow, C)."""
        return (*self.window(shape).out, shape[2])


class MaxPool2d(_Pool2d):
    """The maximum of each window: (N, H, W, C) to (N, oh, ow, C).

    Padding counts as minus infinity. On a tie the gradient goes to the first maximum of the window,
    row by row, as in PyTorch; some texts send it to every maximum.

    Parameters
    ----------
    kernel_size, stride : int or pair
        In pixels; the stride is the kernel size by default.
    padding : "valid", "same", int, pair or pair of pairs
        As for ``Conv2d``.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.MaxPool2d(2).output_shape((28, 28, 6))
    (14, 14, 6)
    """

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, oh, ow, C) and its pullback."""
        geometry = self.window(x.shape[1:])
        y, saved = pool.max_forward(x, geometry)

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (pool.max_gradient(dy, y, saved, geometry),), {}

        return y, pullback if ctx.wanted else None


class AvgPool2d(_Pool2d):
    """The mean of each window: (N, H, W, C) to (N, oh, ow, C).

    Padding counts as zeros and in the number of pixels, as PyTorch does by default; Keras leaves
    it out of both.

    Parameters
    ----------
    kernel_size, stride : int or pair
        In pixels; the stride is the kernel size by default.
    padding : "valid", "same", int, pair or pair of pairs
        As for ``Conv2d``.
    """

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, oh, ow, C) and its pullback."""
        geometry = self.window(x.shape[1:])

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (pool.average_gradient(dy, geometry),), {}

        return pool.average_forward(x, geometry), pullback if ctx.wanted else None


class GlobalAvgPool2d(Module):
    """The mean of each channel over the whole image: (N, H, W, C) to (N, C).

    >>> import minidl as dl
    >>> dl.GlobalAvgPool2d().output_shape((7, 7, 64))
    (64,)
    """

    sample_local = True

    def output_shape(self, shape: Shape) -> Shape:
        """Return (C,); raises ``ShapeError`` where the input is no image."""
        if len(shape) != 3:
            raise ShapeError(f"expected an image (H, W, C), got shape {shape}")
        return shape[2:]

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, C) and its pullback."""
        pixels = x.shape[1] * x.shape[2]

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            dx = (dy / pixels)[:, None, None, :].repeat(x.shape[1], 1).repeat(x.shape[2], 2)
            return (dx,), {}

        y = row_sums(x.reshape(len(x), pixels, -1))  # (N, H·W, C) to (N, C)
        y *= 1 / pixels
        return y, pullback if ctx.wanted else None
