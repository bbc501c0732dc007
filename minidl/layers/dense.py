"""The dense (fully connected) layer."""

from __future__ import annotations

from minidl.checks import flag, integer
from minidl.initializers import Constant, HeUniform, Initializer, check_initializer
from minidl.kernels import dense
from minidl.kernels.sums import column_sums
from minidl.module import Context, Module, ParameterSpec
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape


class Dense(Module):
    """``y = x @ weight + bias``: vectors (N, in) to (N, units).

    Parameters
    ----------
    units : int
        The length of the output.
    bias : bool
        Whether a number per unit is added.
    weight_init, bias_init : Initializer
        How ``weight`` (in, units) and ``bias`` (units,) start.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.Dense(10).output_shape((84,))
    (10,)
    """

    units: int
    bias: bool = True
    weight_init: Initializer = HeUniform()
    bias_init: Initializer = Constant(0.0)

    sample_local = True
    positional = 1  # torch.nn.Linear(84, 10) and keras.layers.Dense(10, "relu") mean something else

    def __post_init__(self) -> None:
        integer("units", self.units, low=1)
        flag("bias", self.bias)
        check_initializer("weight_init", self.weight_init)
        check_initializer("bias_init", self.bias_init)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (units,); raises ``ShapeError`` where the input is no vector."""
        if len(shape) != 1:
            raise ShapeError(f"Dense reads vectors, got shape {shape}: put a Flatten() before it")
        return (self.units,)

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` (in, units) and, unless left out, ``bias`` (units,)."""
        fans = (shape[0], self.units)
        specs = {"weight": ParameterSpec(fans, self.weight_init, fans=fans)}
        if self.bias:
            specs["bias"] = ParameterSpec((self.units,), self.bias_init, fans=fans)
        return specs

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, units) and its pullback."""
        weight = params["weight"]
        y = dense.forward(x, weight)
        if self.bias:
            y += params["bias"]

        def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
            dparams = {}
            if "weight" in ctx.wanted:
                dparams["weight"] = dense.weight_gradient(x, dy)
            if "bias" in ctx.wanted:
                dparams["bias"] = column_sums(dy)
            dx = dense.input_gradient(dy, weight) if 0 in ctx.wanted else None
            return (dx,), dparams

        return y, pullback if ctx.wanted else None

    def flops(self, shape: Shape) -> int:
        """Return 2 · in · units."""
        return 2 * shape[0] * self.units
