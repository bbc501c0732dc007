"""Convolution over images and sequences, and its adjoint, the transposed convolution.

One class does the work for both: a sequence is an image of one row.
"""

from __future__ import annotations

from typing import ClassVar

from minidl.checks import flag, integer
from minidl.initializers import Constant, HeUniform, Initializer, check_initializer
from minidl.kernels import grouped
from minidl.kernels.floats import as_float
from minidl.kernels.sums import column_sums
from minidl.module import Context, Module, ParameterSpec
from minidl.shapes import (
    Padding,
    Pair,
    ShapeError,
    Window,
    check_padding,
    pair,
    transposed_window,
    window,
)
from minidl.types import Array, Arrays, Pullback, Shape


class _Windowed(Module):
    """What a convolution and its adjoint share: the options, the parameters and the checks."""

    filters: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: Padding = "valid"
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    weight_init: Initializer = HeUniform()
    bias_init: Initializer = Constant(0.0)

    axes: ClassVar[int] = 2
    sample_local = True
    positional = 2  # torch.nn.Conv2d(3, 8, 3) means something else

    def __post_init__(self) -> None:
        integer("filters", self.filters, low=1)
        for name in ("kernel_size", "stride", "dilation"):
            self._pair(name)
        check_padding(self.padding, self.axes)
        integer("groups", self.groups, low=1)
        if self.filters % self.groups:
            raise ValueError(f"groups should divide filters {self.filters}, got {self.groups}")
        flag("bias", self.bias)
        check_initializer("weight_init", self.weight_init)
        check_initializer("bias_init", self.bias_init)

    def _pair(self, name: str, least: int = 1) -> Pair:
        """Return a field as a pair (rows, columns)."""
        return pair(getattr(self, name), name, least, self.axes)

    def window(self, shape: Shape) -> Window:
        """Return the geometry on images of ``shape`` (H, W, C), or sequences (L, C)."""
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        """Return (oh, ow, F), or (ol, F) of a sequence; ``ShapeError`` where nothing fits."""
        size = self._output_size(self.window(shape))
        self._depth(shape)
        return (*size[2 - self.axes :], self.filters)

    def _output_size(self, geometry: Window) -> Pair:
        raise NotImplementedError

    def _depth(self, shape: Shape) -> int:
        """Return how many channels a group has."""
        if shape[-1] % self.groups:
            raise ShapeError(
                f"groups {self.groups} should divide the {shape[-1]} channels of the input {shape}"
            )
        return shape[-1] // self.groups

    def _kernel_shape(self, shape: Shape) -> Shape:
        """Return the shape of ``weight``."""
        raise NotImplementedError

    def _fans(self, shape: Shape) -> tuple[int, int]:
        """Return how many inputs an output sees, and how many outputs an input reaches."""
        area = self.window(shape).area
        return area * self._depth(shape), area * (self.filters // self.groups)

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` and, unless left out, ``bias`` (F,)."""
        fans = self._fans(shape)
        specs = {"weight": ParameterSpec(self._kernel_shape(shape), self.weight_init, fans=fans)}
        if self.bias:
            specs["bias"] = ParameterSpec((self.filters,), self.bias_init, fans=fans)
        return specs

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, oh, ow, F), or (N, ol, F), and its pullback."""
        geometry, weight = self.window(x.shape[1:]), params["weight"]
        image = as_images(as_float(x))
        kernel = weight.reshape(*geometry.kernel, *weight.shape[-2:])  # (kh, kw, ..., ...)
        y = self._product(image, kernel, geometry)
        if self.bias:
            y += params["bias"]

        def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
            dimage, dparams = as_images(dy), {}
            if "weight" in ctx.wanted:
                dweight = self._weight_gradient(image, dimage, geometry)
                dparams["weight"] = dweight.reshape(weight.shape)
            if "bias" in ctx.wanted:
                dparams["bias"] = column_sums(dy)
            if 0 not in ctx.wanted:
                return (None,), dparams
            return (self._input_gradient(dimage, kernel, geometry).reshape(x.shape),), dparams

        y = y.reshape(len(x), *y.shape[3 - self.axes : 3], self.filters)
        return y, pullback if ctx.wanted else None

    def _product(self, x: Array, weight: Array, geometry: Window) -> Array:
        raise NotImplementedError

    def _weight_gradient(self, x: Array, dy: Array, geometry: Window) -> Array:
        raise NotImplementedError

    def _input_gradient(self, dy: Array, weight: Array, geometry: Window) -> Array:
        raise NotImplementedError

    def flops(self, shape: Shape) -> int:
        """Return a multiplication and an addition for each tap, channel of a group and filter."""
        geometry = self.window(shape)
        windows = geometry.out[0] * geometry.out[1]
        return 2 * windows * geometry.area * self._depth(shape) * self.filters


def as_images(x: Array) -> Array:
    """Return sequences (N, L, C) as images of one row, (N, 1, L, C), and images as they are."""
    return x.reshape(len(x), 1, *x.shape[1:]) if x.ndim == 3 else x


class Conv2d(_Windowed):
    """Cross-correlation of images (N, H, W, C) with ``filters`` kernels, to (N, oh, ow, F).

    Parameters
    ----------
    filters : int
        How many output channels, F.
    kernel_size, stride, dilation : int or pair
        In pixels; a pair is (rows, columns).
    padding : "valid", "same", "full", int, pair or pair of pairs
        Zeros around the image: none, as many as keep ``ceil(size / stride)`` (TensorFlow's rule,
        where the odd one goes after; PyTorch's for stride 1), as many as give every window that
        sees a pixel, on each side, on each side of (rows, columns), or (before, after) of each.
    groups : int
        Into how many runs channels and filters are cut, each filter seeing its own run alone; with
        as many groups as channels, the convolution is depthwise.
    bias : bool
        Whether a number per filter is added.
    weight_init, bias_init : Initializer
        How ``weight`` (kh, kw, C / groups, F) and ``bias`` (F,) start.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.Conv2d(6, 5, padding="same").output_shape((28, 28, 1))
    (28, 28, 6)
    >>> dl.Conv2d(16, 3, groups=16).parameters((28, 28, 16))["weight"].shape
    (3, 3, 1, 16)
    """

    def window(self, shape: Shape) -> Window:
        """Return the geometry on images of ``shape`` (H, W, C), or sequences (L, C)."""
        kernel, stride, dilation = map(self._pair, ("kernel_size", "stride", "dilation"))
        return window(shape, kernel, stride, dilation, self.padding, axes=self.axes)

    def _output_size(self, geometry: Window) -> Pair:
        return geometry.out

    def _kernel_shape(self, shape: Shape) -> Shape:
        kernel = self._pair("kernel_size")[2 - self.axes :]
        return (*kernel, self._depth(shape), self.filters)

    def _product(self, x: Array, weight: Array, geometry: Window) -> Array:
        return grouped.forward(x, weight, geometry, self.groups)

    def _weight_gradient(self, x: Array, dy: Array, geometry: Window) -> Array:
        return grouped.weight_gradient(x, dy, geometry, self.groups)

    def _input_gradient(self, dy: Array, weight: Array, geometry: Window) -> Array:
        return grouped.input_gradient(dy, weight, geometry, self.groups)


class Conv1d(Conv2d):
    """``Conv2d`` along sequences: (N, L, C) to (N, ol, F).

    Sizes are single numbers, a pair of ``padding`` is (before, after), and ``weight`` is
    (k, C / groups, F).

    >>> import minidl as dl
    >>> dl.Conv1d(8, 3, padding="same", stride=2).output_shape((50, 4))
    (25, 8)
    """

    axes = 1


class ConvTranspose2d(_Windowed):
    """The adjoint of ``Conv2d``, from a pixel to a window: (N, H, W, C) to (N, oh, ow, F).

    With the weights of a ``Conv2d`` from F to C channels and its other options, ``<conv(y), x> =
    <y, transposed(x)>``: its forward is that convolution's input gradient (Dumoulin and Visin 2016,
    chapter 4). The options are those of ``Conv2d``, seen from there: ``padding`` takes pixels *off*
    the output, ``oh = (H - 1)·stride - before - after + dilation·(kernel - 1) + 1 +
    output_padding``, and "same" gives ``H·stride``.

    Parameters
    ----------
    output_padding : int or pair
        Rows and columns added after the output, which a stride leaves open; below the stride
        (PyTorch also allows it below the dilation).
    weight_init : Initializer
        How ``weight`` (kh, kw, F / groups, C) starts. An output sees a ``stride``-th of the taps on
        each axis, which the fans allow for; PyTorch's and Keras's do not.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.ConvTranspose2d(8, 4, stride=2, padding=1).output_shape((14, 14, 16))
    (28, 28, 8)
    """

    output_padding: int | Pair = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        extra, stride = self._pair("output_padding", 0), self._pair("stride")
        if any(more >= step for more, step in zip(extra[2 - self.axes :], stride[2 - self.axes :])):
            raise ValueError(
                f"output_padding should be below the stride {self.stride}, got"
                f" {self.output_padding}"
            )
        if self.padding == "same" and max(extra):
            raise ValueError("output_padding goes with numeric padding: 'same' fixes the size")

    def window(self, shape: Shape) -> Window:
        """Return the geometry of the convolution that this is the adjoint of."""
        kernel, stride, dilation = map(self._pair, ("kernel_size", "stride", "dilation"))
        extra = self._pair("output_padding", 0)
        return transposed_window(
            shape, kernel, stride, dilation, self.padding, extra, axes=self.axes
        )

    def _output_size(self, geometry: Window) -> Pair:
        return geometry.size

    def _kernel_shape(self, shape: Shape) -> Shape:
        self._depth(shape)
        kernel = self._pair("kernel_size")[2 - self.axes :]
        return (*kernel, self.filters // self.groups, shape[-1])

    def _fans(self, shape: Shape) -> tuple[int, int]:
        fan_in, fan_out = super()._fans(shape)
        rows, columns = self._pair("stride")
        return max(1, fan_in // (rows * columns)), fan_out

    def _product(self, x: Array, weight: Array, geometry: Window) -> Array:
        return grouped.input_gradient(x, weight, geometry, self.groups)

    def _weight_gradient(self, x: Array, dy: Array, geometry: Window) -> Array:
        return grouped.weight_gradient(dy, x, geometry, self.groups)

    def _input_gradient(self, dy: Array, weight: Array, geometry: Window) -> Array:
        return grouped.forward(dy, weight, geometry, self.groups)


class ConvTranspose1d(ConvTranspose2d):
    """``ConvTranspose2d`` along sequences: (N, L, C) to (N, ol, F).

    ``weight`` is (k, F / groups, C), and sizes are those of ``Conv1d``.

    >>> import minidl as dl
    >>> dl.ConvTranspose1d(8, 4, stride=2, padding=1).output_shape((25, 16))
    (50, 8)
    """

    axes = 1
