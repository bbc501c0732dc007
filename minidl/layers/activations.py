"""Activations: each value by itself, or, for softmax, the channels of each pixel.

At a kink the derivative is the one that PyTorch takes: from below at 0, and at ±3 from outside.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minidl.checks import flag, not_negative
from minidl.initializers import Constant, Initializer, check_initializer
from minidl.kernels import activations
from minidl.kernels.activations import Activation
from minidl.kernels.floats import as_float
from minidl.kernels.sums import column_sums
from minidl.module import Context, Module, ParameterSpec
from minidl.types import Array, Arrays, Pullback, Shape


class _Activation(Module):
    """A function without parameters, from the table in ``kernels.activations``."""

    sample_local = True
    pixel_local = True
    rule: ClassVar[Activation]

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        return _run(self.rule, x, ctx, *self.fields().values())


def _run(rule: Activation, x: Array, ctx: Context, *fields: Any) -> tuple[Array, Pullback | None]:
    x = as_float(x)
    y = rule.function(x, *fields)
    kept = [{"x": x, "y": y}[name] for name in rule.keeps]

    def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
        return (rule.gradient(dy, *kept, *fields),), {}

    return y, pullback if ctx.wanted else None


class ReLU(_Activation):
    """max(x, 0) (Nair and Hinton 2010); the derivative at 0 is 0, as in PyTorch and Keras.

    >>> import minidl as dl
    >>> dl.ReLU().output_shape((28, 28, 6))
    (28, 28, 6)
    """

    rule = activations.RELU


class LeakyReLU(_Activation):
    """x above 0, ``slope`` · x below (Maas et al. 2013).

    ``slope`` is 0.01 as in PyTorch; in Keras it is 0.3.
    """

    slope: float = 0.01

    rule = activations.LEAKY_RELU

    def __post_init__(self) -> None:
        not_negative("slope", self.slope)


class ELU(_Activation):
    """x above 0, ``alpha`` · (exp(x) - 1) below (Clevert et al. 2016, equation 15)."""

    alpha: float = 1.0

    rule = activations.ELU

    def __post_init__(self) -> None:
        not_negative("alpha", self.alpha)


class SELU(_Activation):
    """ELU with the two constants that keep mean 0 and variance 1 (Klambauer et al. 2017)."""

    rule = activations.SELU


class GELU(_Activation):
    """x · Φ(x), where Φ is the normal distribution (Hendrycks and Gimpel 2016).

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "tanh" is x/2 · (1 + tanh(sqrt(2/π) · (x + 0.044715 x³))), which differs by up to 0.0005.
        PyTorch has the same option; in Keras it is ``approximate=True``.

    >>> import minidl as dl
    >>> dl.GELU("tanh")
    GELU(approximate='tanh')
    """

    approximate: str = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise ValueError(f"approximate must be 'none' or 'tanh', got {self.approximate!r}")

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        exact = self.approximate == "none"
        return _run(activations.GELU if exact else activations.GELU_TANH, x, ctx)


class SiLU(_Activation):
    """x · sigmoid(x), also called swish (Elfwing et al. 2018)."""

    rule = activations.SILU


class Mish(_Activation):
    """x · tanh(softplus(x)) (Misra 2019)."""

    rule = activations.MISH


class Softplus(_Activation):
    """log(1 + exp(x)) (Dugas et al. 2001), to the last digit: PyTorch's is x itself above 20."""

    rule = activations.SOFTPLUS


class Softsign(_Activation):
    """``x / (1 + |x|)`` (Bergstra et al. 2009)."""

    rule = activations.SOFTSIGN


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), for inputs of any size."""

    rule = activations.SIGMOID


class HardSigmoid(_Activation):
    """(x + 3) / 6 held between 0 and 1, as in PyTorch and Keras 3; Keras 2 had 0.2 x + 0.5."""

    rule = activations.HARD_SIGMOID


class HardSwish(_Activation):
    """x · hard_sigmoid(x) (Howard et al. 2019, *Searching for MobileNetV3*, section 5.2)."""

    rule = activations.HARD_SWISH


class Tanh(_Activation):
    """The hyperbolic tangent."""

    rule = activations.TANH


class Softmax(_Activation):
    """exp(x) / sum(exp(x)) over the channels, the last axis; in PyTorch images have theirs first.

    No loss of ours wants it: ``SoftmaxCrossEntropy`` reads logits.
    """

    rule = activations.SOFTMAX


class LogSoftmax(_Activation):
    """x - log(sum(exp(x))) over the channels, the last axis."""

    rule = activations.LOG_SOFTMAX


class PReLU(Module):
    """x above 0, ``weight`` · x below, where ``weight`` is trained (He et al. 2015).

    Parameters
    ----------
    shared : bool
        One weight for all channels, PyTorch's default, instead of one for each, the paper's. Keras
        has one for each value of a sample unless ``shared_axes`` says otherwise.
    weight_init : Initializer
        0.25, as in the paper and in PyTorch; Keras starts at 0.

    >>> import minidl as dl
    >>> dl.PReLU().parameters((28, 28, 6))["weight"].shape
    (6,)
    """

    shared: bool = False
    weight_init: Initializer = Constant(0.25)

    sample_local = True
    pixel_local = True

    def __post_init__(self) -> None:
        flag("shared", self.shared)
        check_initializer("weight_init", self.weight_init)

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight``, (C,) or (1,)."""
        return {"weight": ParameterSpec((1,) if self.shared else shape[-1:], self.weight_init)}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        x, weight, rule = as_float(x), params["weight"], activations.LEAKY_RELU

        def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
            dparams = {}
            if "weight" in ctx.wanted:
                sums = column_sums(dy * np.clip(x, -np.inf, 0))
                dparams["weight"] = sums.sum(keepdims=True) if self.shared else sums
            return (rule.gradient(dy, x, weight) if 0 in ctx.wanted else None,), dparams

        return rule.function(x, weight), pullback if ctx.wanted else None
