"""The table of activations: each function, its gradient, and what the gradient needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from minidl.kernels import gelu, rectifiers, smooth, softmax
from minidl.types import Array


class Activation(NamedTuple):
    """A function ``y = f(x, *fields)``, and ``dx = gradient(dy, *kept, *fields)``.

    ``keeps`` names what is kept for the gradient: "x", "y" or "xy". The output costs no memory
    where the next module keeps it too, as a convolution does.
    """

    function: Callable[..., Array]
    gradient: Callable[..., Array]
    keeps: str


RELU = Activation(rectifiers.relu, rectifiers.relu_gradient, keeps="y")
LEAKY_RELU = Activation(rectifiers.leaky_relu, rectifiers.leaky_relu_gradient, keeps="x")
ELU = Activation(rectifiers.elu, rectifiers.elu_gradient, keeps="x")
SELU = Activation(rectifiers.selu, rectifiers.selu_gradient, keeps="x")
HARD_SIGMOID = Activation(rectifiers.hard_sigmoid, rectifiers.hard_sigmoid_gradient, keeps="x")
HARD_SWISH = Activation(rectifiers.hard_swish, rectifiers.hard_swish_gradient, keeps="x")
SIGMOID = Activation(smooth.sigmoid, smooth.sigmoid_gradient, keeps="y")
TANH = Activation(smooth.tanh, smooth.tanh_gradient, keeps="y")
SILU = Activation(smooth.silu, smooth.silu_gradient, keeps="x")
MISH = Activation(smooth.mish, smooth.mish_gradient, keeps="x")
SOFTPLUS = Activation(smooth.softplus, smooth.softplus_gradient, keeps="x")
SOFTSIGN = Activation(smooth.softsign, smooth.softsign_gradient, keeps="x")
GELU = Activation(gelu.gelu, gelu.gelu_gradient, keeps="xy")
GELU_TANH = Activation(gelu.gelu_tanh, gelu.gelu_tanh_gradient, keeps="x")
SOFTMAX = Activation(softmax.softmax, softmax.softmax_gradient, keeps="y")
LOG_SOFTMAX = Activation(softmax.log_softmax, softmax.log_softmax_gradient, keeps="y")
