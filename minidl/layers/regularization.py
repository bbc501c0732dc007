"""Layers that disturb training so that the network does not rely on single units."""

from __future__ import annotations

from minidl.checks import share
from minidl.module import Context, Module
from minidl.types import Array, Arrays, Pullback


class Dropout(Module):
    """In training, set each value to 0 with probability ``rate`` and scale the others up.

    The others grow by ``1 / (1 - rate)``, so that the expected value stays; in evaluation nothing
    happens (Srivastava et al. 2014, *Dropout*).

    >>> import minidl as dl
    >>> dl.Dropout(0.5).output_shape((84,))
    (84,)
    """

    rate: float = 0.5

    sample_local = True

    def __post_init__(self) -> None:
        share("rate", self.rate)

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` of the shape of ``x``, and its pullback."""
        if not ctx.train or self.rate == 0:
            return x, (lambda dy: ((dy,), {})) if ctx.wanted else None
        mask = (ctx.random(x.shape) >= self.rate).astype(x.dtype)
        mask *= 1 / (1 - self.rate)

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (dy * mask,), {}

        return x * mask, pullback if ctx.wanted else None
