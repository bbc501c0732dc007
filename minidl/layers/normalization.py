"""Normalisation: by the statistics of the batch, and by fixed numbers."""

from __future__ import annotations

import numpy as np

from minidl.checks import positive
from minidl.initializers import Constant
from minidl.kernels import norm
from minidl.kernels.sums import column_sums
from minidl.module import Context, Module, ParameterSpec
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape


class BatchNorm(Module):
    """Each channel to mean 0 and variance 1 over the batch, then scaled and shifted.

    In training the statistics are the batch's own, over all axes but the last; in evaluation they
    are running averages (Ioffe and Szegedy 2015, *Batch normalization*). It reads (N, C) as well as
    (N, H, W, C).

    Parameters
    ----------
    momentum : float
        The weight of the *new* value in a running average, as in PyTorch; Keras gives the weight of
        the old one (its 0.99 is 0.01 here). The running variance is the unbiased one, as PyTorch's.
    epsilon : float
        Added to the variance.
    """

    momentum: float = 0.1
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum should lie between 0 and 1, got {self.momentum!r}")
        positive("epsilon", self.epsilon)

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` and ``bias``, and the buffers of the running averages; each (C,)."""
        channels = shape[-1:]
        ones, zeros = Constant(1.0), Constant(0.0)
        return {
            "weight": ParameterSpec(channels, ones),
            "bias": ParameterSpec(channels, zeros),
            "running_mean": ParameterSpec(channels, zeros, trainable=False),
            "running_variance": ParameterSpec(channels, ones, trainable=False),
        }

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        if ctx.train:
            centred, mean, variance = norm.moments(x)
            count = x.size // x.shape[-1]
            for name, value in self.averages(params, mean, variance, count).items():
                ctx.update(name, value)
        else:
            centred, variance = x - params["running_mean"], params["running_variance"]
        scale = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        normal = np.multiply(centred, scale, out=centred)
        y = normal * params["weight"]
        y += params["bias"]

        def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
            dparams = {}
            if "weight" in ctx.wanted:
                dparams["weight"] = column_sums(dy * normal)
            if "bias" in ctx.wanted:
                dparams["bias"] = column_sums(dy)
            if 0 not in ctx.wanted:
                return (None,), dparams
            dnormal = dy * params["weight"]
            if ctx.train:
                return (norm.normalize_gradient(dnormal, normal, scale),), dparams
            return (np.multiply(dnormal, scale, out=dnormal),), dparams

        return y, pullback if ctx.wanted else None

    def averages(
        self, params: Arrays, mean: Array, variance: Array, count: int
    ) -> dict[str, Array]:
        """Return the running averages after a batch of ``count`` values a channel, by name.

        A single value says nothing of a variance, so it changes nothing.
        """
        if count == 1:
            return {}
        new = {"running_mean": mean, "running_variance": variance * (count / (count - 1))}
        return {
            name: params[name] + self.momentum * (value - params[name])
            for name, value in new.items()
        }


class Normalize(Module):
    """``(x - mean) / deviation`` with fixed numbers: the standardisation of a data set.

    As a layer of the graph it is saved and exported with the model. Each number is for all
    channels, or a tuple of one for each.

    >>> import minidl as dl
    >>> dl.Normalize(mean=0.1307, deviation=0.3081).output_shape((28, 28, 1))
    (28, 28, 1)
    """

    mean: float | tuple[float, ...] = 0.0
    deviation: float | tuple[float, ...] = 1.0

    sample_local = True

    def __post_init__(self) -> None:
        for name, value in self.fields().items():
            if isinstance(value, np.ndarray):
                self.__dict__[name] = tuple(value.ravel().tolist())  # so that a file can hold it
        if not np.all(np.isfinite(self.mean)):
            raise ValueError(f"mean should be finite, got {self.mean!r}")
        if not (np.all(np.isfinite(self.deviation)) and np.all(np.asarray(self.deviation) > 0)):
            raise ValueError(f"deviation should be positive, got {self.deviation!r}")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape; raises ``ShapeError`` on another number of channels."""
        for numbers in (self.mean, self.deviation):
            if np.size(numbers) not in (1, shape[-1]):
                raise ShapeError(
                    f"Normalize has {np.size(numbers)} numbers for the {shape[-1]} channels of"
                    f" {shape}: give one, or one for each"
                )
        return shape

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        scale = 1 / np.asarray(self.deviation, x.dtype)

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (dy * scale,), {}

        return (x - np.asarray(self.mean, x.dtype)) * scale, pullback if ctx.wanted else None
