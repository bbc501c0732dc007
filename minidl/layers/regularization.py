"""Layers that disturb training so that the network does not rely on single units.

In evaluation they change nothing. What they draw depends on a sample's place alone, never on how
the batch is cut.
"""

from __future__ import annotations

from minidl.checks import not_negative, share
from minidl.kernels.floats import as_float
from minidl.kernels.masks import keep
from minidl.module import Context, Module
from minidl.randomness import normal
from minidl.types import Array, Arrays, Pullback, Shape


class _Drop(Module):
    """Sets units to 0 with probability ``rate`` and scales the others up by 1 / (1 - rate).

    The expected value stays. An infinite or NaN value that is dropped is 0.
    """

    rate: float = 0.5

    sample_local = True

    def __post_init__(self) -> None:
        share("rate", self.rate)

    def _units(self, shape: Shape) -> Shape:
        """Return the shape of a mask for a batch: what has size 1 falls as one."""
        raise NotImplementedError

    def mask(self, shape: Shape, ctx: Context) -> Array | None:
        """Return what of a batch of ``shape`` (N, ...) stays, or None where all does."""
        if not ctx.train or self.rate == 0:
            return None
        return ctx.random(self._units(shape)) >= self.rate

    @property
    def scale(self) -> float:
        """How many times larger what stays becomes."""
        return 1 / (1 - self.rate)

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        x = as_float(x)
        mask = self.mask(x.shape, ctx)
        if mask is None:
            return x, _pass if ctx.wanted else None

        def drop(values: Array) -> Array:
            kept = keep(values, mask)
            kept *= self.scale
            return kept

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (drop(dy),), {}

        return drop(x), pullback if ctx.wanted else None


def _pass(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
    """Return the gradient as it comes."""
    return (dy,), {}


class Dropout(_Drop):
    """In training, set each value to 0 with probability ``rate`` and scale the others up.

    The others grow by ``1 / (1 - rate)``, so that the expected value stays; in evaluation nothing
    happens (Srivastava et al. 2014, *Dropout*).

    >>> import minidl as dl
    >>> dl.Dropout(0.5).output_shape((84,))
    (84,)
    """

    def _units(self, shape: Shape) -> Shape:
        return shape


class Dropout2d(_Drop):
    """``Dropout`` of whole channels of a sample, images or sequences (Tompson et al. 2015).

    Neighbouring pixels are alike, so that dropping one by one leaves nearly all there was.
    It is ``SpatialDropout2D`` in Keras.
    """

    def _units(self, shape: Shape) -> Shape:
        return (shape[0], *(1 for _ in shape[1:-1]), shape[-1])  # (N, 1, 1, C)


class DropPath(_Drop):
    """``Dropout`` of whole samples: as the last of a residual branch, stochastic depth.

    Huang et al. 2016, *Deep networks with stochastic depth*, scale in evaluation instead; in
    training, as here, do timm's ``DropPath`` and torchvision's ``StochasticDepth``.

    >>> import minidl as dl
    >>> block = dl.residual(dl.Conv2d(8, 3, padding="same"), dl.DropPath(0.1))
    """

    def _units(self, shape: Shape) -> Shape:
        return (shape[0], *(1 for _ in shape[1:]))  # (N, 1, 1, 1)


class GaussianNoise(Module):
    """In training, add normal numbers of mean 0 and standard deviation ``deviation``.

    As in Keras, where it is ``stddev``. The numbers are of float32 and stay within 5.8 deviations.

    >>> import minidl as dl
    >>> dl.GaussianNoise(0.1).output_shape((28, 28, 1))
    (28, 28, 1)
    """

    deviation: float

    sample_local = True

    def __post_init__(self) -> None:
        not_negative("deviation", self.deviation)

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        y = x = as_float(x)
        if ctx.train and self.deviation > 0:
            noise = normal(ctx.random, x.shape)
            noise *= self.deviation
            y = noise + x
        return y, _pass if ctx.wanted else None
