"""Normalisation by statistics: those of the batch, and those of each sample."""

from __future__ import annotations

import math

import numpy as np

from minidl.checks import flag, integer, positive, proportion
from minidl.initializers import Constant
from minidl.kernels import norm
from minidl.kernels.floats import as_float
from minidl.module import Context, Module, ParameterSpec
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape


def _affine(shape: Shape) -> dict[str, ParameterSpec]:
    return {
        "weight": ParameterSpec(shape, Constant(1.0)),
        "bias": ParameterSpec(shape, Constant(0.0)),
    }


def _scaled(
    centred: Array, scale: Array, params: Arrays, shape: Shape, ctx: Context, fixed: bool = False
) -> tuple[Array, Pullback | None]:
    """Return what is centred, (S, P, C), normalised and in its own ``shape``, and the pullback.

    ``fixed`` says that the statistics do not depend on the input.
    """
    weight, bias = (params[k].ravel() if k in params else None for k in ("weight", "bias"))

    def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
        rows, dparams = dy.reshape(centred.shape), {}
        sums = norm.gradient_sums(rows, centred)
        if not ctx.wanted.isdisjoint(("weight", "bias")):
            totals = norm.parameter_gradients(sums, scale)
            for name, total in zip(("weight", "bias"), totals):
                if name in ctx.wanted:
                    dparams[name] = total.reshape(params[name].shape)
        if 0 not in ctx.wanted:
            return (None,), dparams
        if fixed:
            dx = norm.normalize(rows, scale, weight, None)
        else:
            dx = norm.input_gradient(sums, centred, scale, weight)
        return (dx.reshape(shape),), dparams

    y = norm.normalize(centred, scale, weight, bias).reshape(shape)
    return y, pullback if ctx.wanted else None


class BatchNorm(Module):
    """Each channel to mean 0 and variance 1 over the batch, then scaled and shifted.

    In training the statistics are the batch's own, over all axes but the last; in evaluation they
    are running averages (Ioffe and Szegedy 2015, *Batch normalization*). It reads (N, C), (N, L, C)
    and (N, H, W, C).

    Parameters
    ----------
    momentum : float
        The weight of the *new* value in a running average, as in PyTorch; Keras gives the weight of
        the old one (its 0.99 is 0.01 here). The running variance is the unbiased one, as PyTorch's;
        Keras's is the biased one.
    epsilon : float
        Added to the variance; 1e-5 as in PyTorch, where Keras has 1e-3.
    affine : bool
        Whether there are a ``weight`` and a ``bias`` (C,).
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    affine: bool = True

    positional = 0  # torch.nn.BatchNorm2d(16) means the number of channels, which is found out

    def __post_init__(self) -> None:
        proportion("momentum", self.momentum)
        positive("epsilon", self.epsilon)
        flag("affine", self.affine)

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` and ``bias``, and the buffers of the running averages; each (C,)."""
        channels = shape[-1:]
        buffers = {
            "running_mean": ParameterSpec(channels, Constant(0.0), trainable=False),
            "running_variance": ParameterSpec(channels, Constant(1.0), trainable=False),
        }
        return {**_affine(channels), **buffers} if self.affine else buffers

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        channels = x.shape[-1]
        rows = as_float(x).reshape(1, -1, channels)  # (1, N·H·W, C)
        if ctx.train:
            centred, mean, variance = norm.moments(rows, channels)
            for name, value in self.averages(params, mean[0], variance[0], rows.shape[1]).items():
                ctx.update(name, value)
        else:
            centred = norm.by_channel(np.subtract, rows, params["running_mean"][None])
            variance = params["running_variance"][None]
        scale = norm.inverse_deviation(variance, self.epsilon)
        return _scaled(centred, scale, params, x.shape, ctx, fixed=not ctx.train)

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


def _by_own(
    params: Arrays, x: Array, parts: Shape, groups: int, epsilon: float, ctx: Context
) -> tuple[Array, Pullback | None]:
    """Normalise ``x`` as ``parts`` (S, P, C), in training as in evaluation."""
    centred, _, variance = norm.moments(as_float(x).reshape(parts), groups)
    scale = norm.inverse_deviation(variance, epsilon)
    return _scaled(centred, scale, params, x.shape, ctx)


class LayerNorm(Module):
    """The last axes of each sample together to mean 0 and variance 1, then scaled and shifted.

    Ba, Kiros and Hinton 2016, *Layer normalization*. A single value, less its own mean, is 0.

    Parameters
    ----------
    axes : int or None
        How many of the last axes: 1 is the channels of each pixel (Keras's default; ConvNeXt),
        None the whole sample. PyTorch's ``normalized_shape`` is the sizes of these axes, which end
        in channels here and begin with them there.
    epsilon : float
        Added to the variance; 1e-5 as in PyTorch, where Keras has 1e-3.
    affine : bool
        Whether there are a ``weight`` and a ``bias`` of the shape of these axes.

    Examples
    --------
    >>> import minidl as dl
    >>> dl.LayerNorm(axes=2).parameters((7, 5, 3))["weight"].shape
    (5, 3)
    """

    axes: int | None = 1
    epsilon: float = 1e-5
    affine: bool = True

    sample_local = True
    positional = 1

    def __post_init__(self) -> None:
        if self.axes is not None:
            integer("axes", self.axes, low=1)
        positive("epsilon", self.epsilon)
        flag("affine", self.affine)

    @property
    def pixel_local(self) -> bool:  # type: ignore[override]
        """Whether the channels of a pixel are normalised by themselves."""
        return self.axes == 1

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape; raises ``ShapeError`` where it has too few axes."""
        if self.axes is not None and self.axes > len(shape):
            raise ShapeError(f"LayerNorm of {self.axes} axes cannot read {shape}: give fewer axes")
        return shape

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` and ``bias``, both of the shape of the last axes, or nothing."""
        return _affine(self._last(shape)) if self.affine else {}

    def _last(self, shape: Shape) -> Shape:
        return shape if self.axes is None else shape[-self.axes :]

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        size = math.prod(self._last(x.shape[1:]))
        return _by_own(params, x, (x.size // size, 1, size), 1, self.epsilon, ctx)


class GroupNorm(Module):
    """Each of so many groups of channels, over all pixels, to mean 0 and variance 1.

    Wu and He 2018, *Group normalization*. With one group it is layer normalisation of the whole
    sample, but for its ``weight`` and ``bias``, which are (C,).

    Parameters
    ----------
    groups : int
        How many groups of adjacent channels; it has to divide their number.
    epsilon : float
        Added to the variance; 1e-5 as in PyTorch, where Keras has 1e-3.
    affine : bool
        Whether each channel is then scaled and shifted.
    """

    groups: int
    epsilon: float = 1e-5
    affine: bool = True

    sample_local = True
    positional = 1  # torch.nn.GroupNorm(4, 16) means 16 channels, which are found out

    def __post_init__(self) -> None:
        integer("groups", self.groups, low=1)
        positive("epsilon", self.epsilon)
        flag("affine", self.affine)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape; raises ``ShapeError`` where the groups do not divide it."""
        if shape[-1] % self.groups:
            raise ShapeError(
                f"GroupNorm cannot divide the {shape[-1]} channels of {shape} into {self.groups}"
                " groups of one size: give a divisor"
            )
        return shape

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` and ``bias`` (C,), or nothing."""
        return _affine(shape[-1:]) if self.affine else {}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        parts = (len(x), -1, x.shape[-1])  # (N, H·W, C)
        return _by_own(params, x, parts, self.groups, self.epsilon, ctx)


class InstanceNorm(Module):
    """Each channel of each sample, over its pixels, to mean 0 and variance 1.

    Ulyanov, Vedaldi and Lempitsky 2016, *Instance normalization*. It keeps no running averages
    (PyTorch's default). A single pixel, less its own mean, is 0; PyTorch refuses it in training.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    affine : bool
        Whether each channel is then scaled and shifted; not by default, as in PyTorch.
    """

    epsilon: float = 1e-5
    affine: bool = False

    sample_local = True
    positional = 0  # torch.nn.InstanceNorm2d(16) means 16 channels, which are found out

    def __post_init__(self) -> None:
        positive("epsilon", self.epsilon)
        flag("affine", self.affine)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape; raises ``ShapeError`` on vectors, of which nothing would stay."""
        if len(shape) < 2:
            raise ShapeError(
                f"expected an image (H, W, C) or a sequence (L, C), got shape {shape}: LayerNorm"
                " normalises vectors"
            )
        return shape

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        """Return ``weight`` and ``bias`` (C,), or nothing."""
        return _affine(shape[-1:]) if self.affine else {}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        parts = (len(x), -1, x.shape[-1])  # (N, H·W, C)
        return _by_own(params, x, parts, x.shape[-1], self.epsilon, ctx)
