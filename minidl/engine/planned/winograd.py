"""Winograd's convolution, for 3x3 kernels at stride 1: 16 multiplications where 36 were.

Two outputs of a three-tap filter need six multiplications; Winograd's F(2, 3) makes do with four
(Lavin and Gray 2016, *Fast algorithms for convolutional neural networks*, section 4.1). With the
matrices ``B``, ``G`` and ``A`` of that paper, a tile ``y`` of 2x2 outputs comes from a tile ``x``
of 4x4 pixels and a 3x3 kernel ``w`` as ``A' [(G w G') * (B' x B)] A``, ``*`` being element by
element. Summed over channels, that product becomes 16 matrix products, one for each place in a
tile. What is left are additions, which run over rows of tiles.

The gradient of the weights is the adjoint of the same formula:
``dw = G' [(B' x B) * (A dy A')] G``. Rounding errors are about twice those of the plain sum, and a
NaN or an infinity spoils the whole tile that sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minidl.engine.memory import Memory
from minidl.engine.planned.images import Phased
from minidl.shapes import Pair, Window
from minidl.types import Array

BLOCK_BYTES = 2_000_000
"""How much pixels and products of a block of tiles may take together."""

CHANNELS = 24
"""With fewer channels on either side the additions cost more than is saved."""

SAMPLES = 8
"""With fewer samples the runs are too short."""

CALL_BYTES = 500
"""What a recorded call takes: a tuple and views of three arrays."""

Call: TypeAlias = "tuple[Any, ...]"
"""A function and its arrays, with all views made before."""


def suits(window: Window, channels: int, filters: int, samples: int) -> bool:
    """Say whether the formula holds for ``window``, and pays."""
    plain = window.kernel == (3, 3) and window.stride == window.dilation == (1, 1)
    large = min(channels, filters) >= CHANNELS and samples >= SAMPLES
    return plain and large and min(window.out) >= 4


def replay(calls: list[Call]) -> None:
    """Make recorded calls: two thousand a step, which leave no time for making views."""
    for function, *arrays in calls:
        function(*arrays)


def tiles(size: Pair) -> Pair:
    """Return how many 2x2 tiles cover an image of ``size``."""
    return -(-size[0] // 2), -(-size[1] // 2)


def _both_axes() -> Array:
    """Return ``G`` along columns and rows at once, (16, 9): column places first, rows of taps."""
    one_axis = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2
    both: Array = np.einsum("bj,ai->baij", one_axis, one_axis).reshape(16, 9)
    return both


class Kernels:
    """The transformed weights of one layer: for the way forward, and turned for the way back.

    The shards of a member share them: ``plain`` (4, 4, C, F), ``turned`` (4, 4, F, C); column
    places first.
    """

    def __init__(self, channels: int, filters: int, memory: Memory) -> None:
        self._g = _both_axes().astype(memory.dtype)
        self._half_turn = np.ascontiguousarray(self._g[:, ::-1])
        self.plain, self._back = (memory.keep((4, 4, channels, filters)) for _ in range(2))
        self.turned = self._back.swapaxes(2, 3)
        self._run = 0

    @classmethod
    def of(cls, path: str, channels: int, filters: int, memory: Memory) -> Kernels:
        """Return the kernels of the layer at ``path``, which all its shards share."""
        return memory.once(path, lambda: cls(channels, filters, memory))

    def transform(self, run: int, weight: Array) -> None:
        """Write ``G w G'`` of w (9·C, F), once in a run."""
        if self._run != run:
            np.matmul(self._g, weight.reshape(9, -1), out=self.plain.reshape(16, -1))
            np.matmul(self._half_turn, weight.reshape(9, -1), out=self._back.reshape(16, -1))
            self._run = run


class _Blocks:
    """Some tiles of a row of tiles at a time, and the scratch that they are computed in.

    Almost every array is one contiguous run: a call on anything else starts 3 us later. A block of
    ``count`` tiles reads ``count + 1`` pairs of columns; so do its transforms, where the last place
    is left unused.
    """

    def __init__(self, out: Pair, channels: int, filters: int, n: int, memory: Memory) -> None:
        (self.rows, self._width), self._memory = tiles(out), memory
        self._shape = (channels, filters, n)
        tile = 16 * (channels + filters) * n * memory.dtype.itemsize
        most = max(1, min(self._width, BLOCK_BYTES // tile))
        self._most = -(-self._width // -(-self._width // most))

    def __iter__(self) -> Iterator[_Place]:
        for row in range(self.rows):
            for start in range(0, self._width, self._most):
                yield _Place(row, start, min(self._most, self._width - start))

    def pixels(self, image: Array, at: _Place) -> tuple[list[Call], Array]:
        """Record ``B' x B`` of some tiles of a phased image.

        Return it as (4, 4, n·tiles, C), column places first.
        """
        channels, _, n = self._shape
        shape = (4, at.number + 1, n, channels)
        by_row = self._memory.scratch("winograd rows", (2, *shape))
        places = self._memory.scratch("winograd pixels", (4, *shape))
        calls: list[Call] = []
        for phase in (0, 1):
            x0, x1, x2, x3 = image[2 * at.row : 2 * at.row + 4, phase, at.columns]
            calls += _differences(x0, x1, x2, x3, by_row[phase])
        step, (even, odd) = n * channels, by_row.reshape(2, -1)
        flat = places.reshape(4, -1)[:, :-step]
        calls += _differences(even[:-step], odd[:-step], even[step:], odd[step:], flat)
        return calls, places.reshape(4, 4, -1, channels)[:, :, : at.number * n]

    def outputs(self, at: _Place) -> Array:
        """Return scratch for what the tiles put out, (4, 4, tiles, n, F)."""
        _, filters, n = self._shape
        return self._memory.scratch("winograd outputs", (4, 4, at.number, n, filters))


class _Place(NamedTuple):
    """Some tiles of one row of tiles."""

    row: int
    start: int
    number: int

    @property
    def columns(self) -> slice:
        """The pairs of columns that they read."""
        return slice(self.start, self.start + self.number + 1)


def _differences(x0: Array, x1: Array, x2: Array, x3: Array, out: Array) -> list[Call]:
    """Record ``B' x`` along one axis."""
    return [
        (np.subtract, x0, x2, out[0]),
        (np.add, x1, x2, out[1]),
        (np.subtract, x2, x1, out[2]),
        (np.subtract, x1, x3, out[3]),
    ]


class Product:
    """Convolution of a phased image with transformed weights (4, 4, C, F), to y (oh, ow, n, F)."""

    def __init__(self, image: Phased, kernel: Array, y: Array, memory: Memory) -> None:
        channels, filters = kernel.shape[2:]
        self._calls: list[Call] = []
        blocks = _Blocks((y.shape[0], y.shape[1]), channels, filters, y.shape[2], memory)
        for at in blocks:
            calls, pixels = blocks.pixels(image.array, at)
            m = blocks.outputs(at)  # row places first
            by_column = m.reshape(4, 4, -1, filters).transpose(1, 0, 2, 3)
            self._calls += [*calls, (np.matmul, pixels, kernel, by_column)]
            columns = slice(2 * at.start, 2 * (at.start + at.number))
            self._calls += _outputs(m, y[2 * at.row : 2 * at.row + 2, columns])

        self.kernel = f"Winograd x{len(list(blocks))}"
        memory.note(CALL_BYTES * len(self._calls))

    def write(self) -> None:
        """Write ``y``."""
        replay(self._calls)


def _outputs(m: Array, y: Array) -> list[Call]:
    """Record ``A' m A`` of m (4, 4, tiles, n, F) to two rows of y (2, columns, n, F).

    Along an axis the outputs are ``m0 + m1 + m2`` and ``m1 - m2 - m3``; the last tiles may reach
    beyond ``y``. What is in ``m`` is spoilt.
    """
    calls: list[Call] = [
        (np.add, m[0], m[1], m[0]),
        (np.add, m[0], m[2], m[0]),
        (np.subtract, m[1], m[2], m[1]),
        (np.subtract, m[1], m[3], m[1]),
    ]
    for pixels, (m0, m1, m2, m3) in zip(y, m):
        even, odd = pixels[0::2], pixels[1::2]
        calls += [
            (np.add, m0, m1, m0),
            (np.add, m0[: len(even)], m2[: len(even)], even),
            (np.subtract, m1, m2, m1),
            (np.subtract, m1[: len(odd)], m3[: len(odd)], odd),
        ]
    return calls


class WeightGradient:
    """``dweight`` from the phased images of ``x`` and ``dy``."""

    def __init__(self, x: Phased, dy: Phased, out: Pair, memory: Memory) -> None:
        n, channels, filters = x.array.shape[3], x.array.shape[4], dy.array.shape[4]
        total, part = (
            memory.scratch(f"winograd {name}", (4, 4, channels, filters))
            for name in ("total", "part")
        )
        self._calls: list[Call] = []
        blocks = _Blocks(out, channels, filters, n, memory)
        for index, at in enumerate(blocks):
            calls, pixels = blocks.pixels(x.array, at)
            places = blocks.outputs(at)  # column places first
            self._calls += calls + _spread(dy, at, places)
            outputs, into = places.reshape(4, 4, -1, filters), part if index else total
            self._calls.append((np.matmul, pixels.swapaxes(2, 3), outputs, into))
            if index:
                self._calls.append((np.add, total, part, total))
        memory.note(CALL_BYTES * len(self._calls))
        self._total = total.reshape(16, -1)
        sign = np.kron([1, 1, 1, -1], [1, 1, 1, -1])  # makes up for what _spread leaves
        self._adjoint = (_both_axes() * sign[:, None]).T.astype(memory.dtype, order="C")

    def write(self, dweight: Array) -> None:
        """Write the gradient (9, C·F)."""
        replay(self._calls)
        np.matmul(self._adjoint, self._total, out=dweight)


def _spread(dy: Phased, at: _Place, places: Array) -> list[Call]:
    """Record ``A dy A'`` of some tiles; along an axis ``y0, y0 + y1, y0 - y1, -y1``.

    The last is left positive.
    """
    calls: list[Call] = []
    for phase, out in ((0, places[0]), (1, places[3])):
        y0, y1 = (dy.row(2 * at.row + k, phase, at.start, at.number) for k in (0, 1))
        calls += [
            (np.copyto, out[0], y0),
            (np.add, y0, y1, out[1]),
            (np.subtract, y0, y1, out[2]),
            (np.copyto, out[3], y1),
        ]
    left, right = places[0], places[3]
    return [
        *calls,
        (np.add, left, right, places[1]),
        (np.subtract, left, right, places[2]),
    ]
