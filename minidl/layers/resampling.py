"""Layers that enlarge images and sequences: padding and upsampling."""

from __future__ import annotations

from minidl.checks import finite
from minidl.kernels import gather
from minidl.kernels.floats import as_float
from minidl.module import Context, Module
from minidl.shapes import Pads, Pair, ShapeError, explicit_padding, pair
from minidl.types import Array, Arrays, Pullback, Shape


class _Gather(Module):
    """Each axis of pixels by a plan of its own, and the channels as they are."""

    sample_local = True

    def plans(self, shape: Shape) -> list[gather.Plan]:
        """Return the plan of each axis but the last; raises ``ShapeError`` where there is none."""
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        """Return (oh, ow, C), or (length, C)."""
        return (*(plan.out for plan in self.plans(shape)), shape[-1])

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        """Return ``y`` (N, oh, ow, C), or (N, length, C), and its pullback."""
        plans = self.plans(x.shape[1:])
        y = as_float(x)
        for axis in range(len(plans), 0, -1):
            y = gather.gather(y, axis, plans[axis - 1])

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            for axis, plan in enumerate(plans, 1):
                dy = gather.scatter(dy, axis, plan)
            return (dy,), {}

        return y, pullback if ctx.wanted else None


def _axes(shape: Shape, option: str, value: object, for_images: bool) -> int:
    """Return how many axes of pixels there are: 2 for an image, 1 for a sequence."""
    if len(shape) not in (2, 3):
        raise ShapeError(f"expected an image (H, W, C) or a sequence (L, C), got shape {shape}")
    if len(shape) == 2 and for_images:
        raise ShapeError(f"{option} {value!r} has numbers for two axes, the sequence {shape} one")
    return len(shape) - 1


class Pad(_Gather):
    """Pixels around an image, or before and after a sequence: a number, or what is there.

    Parameters
    ----------
    padding : int, pair or pair of pairs
        On each side; of images also (rows, columns) or (before, after) of each, as for ``Conv2d``;
        of sequences also (before, after). PyTorch's begins with the last axis.
    mode : "constant", "reflect" or "edge"
        ``value``; the image mirrored at its edge, which is not repeated (as NumPy and PyTorch do),
        by fewer pixels than it has; or the pixels of the edge (PyTorch calls it "replicate").
    value : float
        What "constant" pads with.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> y, _ = dl.Pad((2, 1), mode="reflect").forward(
    ...     {}, np.array([[[1.0], [2.0], [3.0]]]), ctx=dl.Context()
    ... )
    >>> y.ravel().tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """

    padding: int | Pair | Pads
    mode: str = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        explicit_padding(self.padding)
        finite("value", self.value)
        if self.mode not in ("constant", "reflect", "edge"):
            raise ValueError(f"mode must be 'constant', 'reflect' or 'edge', got {self.mode!r}")
        if self.mode != "constant" and self.value != 0:
            raise ValueError(f"mode {self.mode!r} takes no value, got {self.value!r}")

    def plans(self, shape: Shape) -> list[gather.Plan]:
        """Return the plan of each axis; raises ``ShapeError`` where the padding does not fit."""
        nested = isinstance(self.padding, tuple) and isinstance(self.padding[0], tuple)
        axes = _axes(shape, "padding", self.padding, nested)
        pads = explicit_padding(self.padding, axes)[2 - axes :]
        return [self._plan(*axis) for axis in zip(shape, pads)]

    def _plan(self, size: int, pads: Pair) -> gather.Plan:
        if self.mode == "constant":
            return gather.pad_constant(size, *pads, self.value)
        if self.mode == "edge":
            return gather.pad_edge(size, *pads)
        if max(pads) >= size:
            raise ShapeError(
                f"an axis of {size} cannot be reflected by padding {pads}: at most {size - 1} on a"
                " side, or mode='edge'"
            )
        return gather.pad_reflect(size, *pads)


class Upsample(_Gather):
    """Images, or sequences, of so many times the size.

    Pixels are squares, and values lie at their centres, as in Keras and by PyTorch's default,
    ``align_corners=False``.

    Parameters
    ----------
    scale : int or pair
        How many times; of images also (rows, columns).
    mode : "nearest" or "bilinear"
        Each pixel repeated, or interpolation between the nearest of each axis: of a sequence,
        between two, which PyTorch calls "linear". Beyond the outer centres the outer pixels count.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> x = np.array([[[0.0], [4.0]]])
    >>> dl.Upsample(2, mode="bilinear").forward({}, x, ctx=dl.Context())[0].ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    scale: int | Pair
    mode: str = "nearest"

    def __post_init__(self) -> None:
        pair(self.scale, "scale")
        if self.mode not in ("nearest", "bilinear"):
            raise ValueError(f"mode must be 'nearest' or 'bilinear', got {self.mode!r}")

    def plans(self, shape: Shape) -> list[gather.Plan]:
        """Return the plan of each axis."""
        axes = _axes(shape, "scale", self.scale, isinstance(self.scale, tuple))
        plan = gather.upsample_nearest if self.mode == "nearest" else gather.upsample_linear
        return [plan(*axis) for axis in zip(shape, pair(self.scale, "scale")[:axes])]
