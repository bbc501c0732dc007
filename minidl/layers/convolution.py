"""Convolution over images."""

from __future__ import annotations

from minidl.checks import flag, integer
from minidl.initializers import Constant, HeUniform, Initializer, check_initializer
from minidl.kernels import conv
from minidl.kernels.sums import column_sums
from minidl.module import Context, Module, ParameterSpec
from minidl.shapes import Padding, Pair, Window, check_padding, pair, window
from minidl.types import Array, Arrays, Pullback, Shape


class Conv2d(Module):
    """Cross-correlation of images (N, H, W, C) with ``filters`` kernels, to (N, oh, ow, F).

    Parameters
    ----------
    filters : int
        How many output channels, F.
    kernel_size, stride, dilation : int or pair
        In pixels; a pair is (rows, columns).
    padding : "valid", "same", int, pair or pair of pairs
        Zeros around the image: none, as many as keep ``ceil(size / stride)`` (TensorFlow's rule,
        where the odd one goes after; PyTorch's for stride 1), on each side, on each side of (rows,
        columns), or (before, after) of each.
    bias : bool
        Whether a number per filter is added.
    weight_init, bias_init : Initializer
        How ``weight`` (kh, kw, C, F) and ``bias`` (F,) start.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.Conv2d(6, 5, padding="same").output_shape((28, 28, 1))
    (28, 28, 6)
    """

    filters: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: Padding = "valid"
    dilation: int | Pair = 1
    bias: bool = True
    weight_init: Initializer = HeUniform()
    bias_init: Initializer = Constant(0.0)

    sample_local = True
    positional = 2  # torch.nn.Conv2d(3, 8, 3) means something else

    def __post_init__(self) -> None:
        integer("filters", self.filters, low=1)
        pair(self.kernel_size, "kernel_size")
        pair(self.stride, "stride")
        pair(self.dilation, "dilation")
        check_padding(self.padding)
        flag("bias", self.bias)
        check_initializer("weight_init", self.weight_init)
        check_initializer("bias_init", self.bias_init)

    def window(self, shape: Shape) -> Window:
        """Return the geometry on images of ``shape`` (H, W, C)."""
        kernel = pair(self.kernel_size, "kernel_size")
        stride, dilation = pair(self.stride, "stride"), pair(self.dilation, "dilation")
        return window(shape, kernel, stride, dilation, self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (oh, ow, F)."""
        return (*self.window(shape).out, self.filters)

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` (kh, kw, C, F) and, unless left out, ``bias`` (F,)."""
        geometry, channels = self.window(shape), shape[2]
        fans = (geometry.area * channels, geometry.area * self.filters)
        kernel = (*geometry.kernel, channels, self.filters)
        specs = {"weight": ParameterSpec(kernel, self.weight_init, fans=fans)}
        if self.bias:
            specs["bias"] = ParameterSpec((self.filters,), self.bias_init, fans=fans)
        return specs

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, oh, ow, F) and its pullback."""
        geometry, weight = self.window(x.shape[1:]), params["weight"]
        y = conv.forward(x, weight, geometry)
        if self.bias:
            y += params["bias"]

        def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
            dparams = {}
            if "weight" in ctx.wanted:
                dparams["weight"] = conv.weight_gradient(x, dy, geometry)
            if "bias" in ctx.wanted:
                dparams["bias"] = column_sums(dy)
            dx = conv.input_gradient(dy, weight, geometry) if 0 in ctx.wanted else None
            return (dx,), dparams

        return y, pullback if ctx.wanted else None

    def flops(self, shape: Shape) -> int:
        """Return 2 · oh · ow · kh · kw · C · F: a multiplication and an addition a tap."""
        oh, ow, filters = self.output_shape(shape)
        return 2 * oh * ow * self.window(shape).area * shape[2] * filters
