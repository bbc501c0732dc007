"""Activations: element by element, without parameters."""

from __future__ import annotations

from typing import ClassVar

from minidl.kernels import activations
from minidl.kernels.activations import Elementwise
from minidl.module import Context, Module
from minidl.types import Array, Arrays, Pullback


class _Activation(Module):
    """An elementwise function whose derivative is known from its output."""

    sample_local = True
    rule: ClassVar[Elementwise]

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        y = self.rule.function(x)

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (self.rule.gradient(dy, y),), {}

        return y, pullback if ctx.wanted else None


class ReLU(_Activation):
    """max(x, 0); the derivative at 0 is 0, as in PyTorch and Keras.

    >>> import minidl as dl
    >>> dl.ReLU().output_shape((28, 28, 6))
    (28, 28, 6)
    """

    rule = activations.RELU


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), for inputs of any size."""

    rule = activations.SIGMOID


class Tanh(_Activation):
    """The hyperbolic tangent."""

    rule = activations.TANH
