"""Convolution of a shard, by the algorithm that its shapes call for."""

from __future__ import annotations

from typing import cast

import numpy as np

from minidl.engine.passes import Pass, Task
from minidl.engine.planned import winograd
from minidl.engine.planned.depthwise import Depthwise
from minidl.engine.planned.images import Phased
from minidl.engine.planned.lowered import Lowering
from minidl.engine.planned.narrow import CHANNELS, NarrowLowering
from minidl.engine.planned.op import Op, Room
from minidl.kernels.conv import mirrored
from minidl.layers import Conv2d
from minidl.shapes import Pair, Window
from minidl.types import Array


def convolve(task: Task, room: Room) -> Op:
    """Return the op of a convolution without its bias: by kernel, stride, channels and shard."""
    module = cast(Conv2d, task.leaf.module)
    window, channels = module.window(task.leaf.shapes[0]), task.leaf.shapes[0][2]
    if module.groups > 1:
        return Depthwise(task, room) if is_depthwise(module, channels) else Grouped(task, room)
    if pixelwise(window):
        return Pixelwise(task, room)
    mirror = mirrored(window)
    if winograd.suits(window, channels, module.filters, room.samples) and mirror is not None:
        return ByWinograd(task, room, window, mirror)
    return ByLowering(task, room, window)


FEW_CHANNELS = 64
"""Up to so many, groups are computed as one product whose other weights are zeros: measured."""


def has_kernel(module: Conv2d, channels: int) -> bool:
    """Say whether a convolution is planned: a plain one, a depthwise one, or one of few groups."""
    return module.groups == 1 or is_depthwise(module, channels) or channels <= FEW_CHANNELS


def is_depthwise(module: Conv2d, channels: int) -> bool:
    """Say whether each channel has one filter of its own."""
    return module.groups == module.filters == channels


def pixelwise(window: Window) -> bool:
    """Say whether a window is a single pixel, so that nothing has to be lowered."""
    plain = window.kernel == window.stride == (1, 1)
    return plain and window.padding == ((0, 0), (0, 0))


class Pixelwise(Op):
    """A 1x1 convolution: one product, of pixels that lie as they should already."""

    kernel = "product"

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        self.y = room.result()
        self._dx = room.gradient(0) if self.wants(0) else None

    @property
    def weight(self) -> Array:
        """The weights as (C, F)."""
        weight: Array = self.task.params["weight"][0, 0]
        return weight

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (H, W, n, F)."""
        self._x = xs[0].reshape(-1, xs[0].shape[3])  # (H·W·n, C)
        np.matmul(self._x, self.weight, out=self.y.reshape(-1, self.y.shape[3]))
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write dweight and return dx (H, W, n, C)."""
        flat = dy.reshape(-1, dy.shape[3])  # (H·W·n, F)
        if self.wants("weight"):
            np.matmul(self._x.T, flat, out=self.room.partial("weight")[0, 0])
        if self._dx is not None:
            np.matmul(flat, self.weight.T, out=self._dx.reshape(-1, self._dx.shape[3]))
        return (self._dx,)


class _Convolution(Op):
    """What both algorithms share: where outputs and gradients go, and the weights as rows.

    The input is kept, and put among zeros once more on the way back: memory that is used again is
    as fast as a padded copy of every layer's input.
    """

    def __init__(self, task: Task, room: Room, window: Window) -> None:
        super().__init__(task, room)
        self.window, self.y = window, room.result()
        self.channels, self.filters = task.leaf.shapes[0][2], task.leaf.shape[2]
        self.dx = room.gradient(0) if self.wants(0) else None

    @property
    def weight(self) -> Array:
        """The weights as (kh·kw·C, F)."""
        return self.task.params["weight"].reshape(-1, self.filters)

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (oh, ow, n, F)."""
        self._x = xs[0]
        self.write_y(run, self._x)
        return self.y

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write dweight and return dx (H, W, n, C)."""
        self.take(dy)
        if self.wants("weight"):
            self.write_dweight(self._x, dy, self.room.partial("weight"))
        if self.dx is not None:
            self.write_dx(dy, self.dx)
        return (self.dx,)

    def write_y(self, run: Pass, x: Array) -> None:
        """Write y (oh, ow, n, F) from x (H, W, n, C)."""
        raise NotImplementedError

    def take(self, dy: Array) -> None:
        """Take in dy (oh, ow, n, F), where both gradients need it in another form."""

    def write_dweight(self, x: Array, dy: Array, dweight: Array) -> None:
        """Write dweight (kh, kw, C, F)."""
        raise NotImplementedError

    def write_dx(self, dy: Array, dx: Array) -> None:
        """Write dx (H, W, n, C)."""
        raise NotImplementedError


class ByLowering(_Convolution):
    """Any window, by im2col; ``dx`` by one more convolution where that is possible and pays."""

    def __init__(self, task: Task, room: Room, window: Window) -> None:
        super().__init__(task, room, window)
        memory, samples, mirror = room.memory, room.samples, mirrored(window)
        kind = NarrowLowering if self.channels < CHANNELS else Lowering
        self._there = kind(window, self.channels, samples, memory)
        self._mirror = None
        if self.wants(0) and kind is Lowering and mirror is not None:
            self._mirror = Lowering(mirror, self.filters, samples, memory)
        self.kernel = self._there.kernel

    def write_y(self, run: Pass, x: Array) -> None:
        """Write y (oh, ow, n, F)."""
        self._there.fill(x)
        self._there.product(self.weight, self.y)

    def write_dweight(self, x: Array, dy: Array, dweight: Array) -> None:
        """Write dweight (kh, kw, C, F)."""
        self._there.fill(x)
        self._there.weight_gradient(dy, dweight.reshape(-1, self.filters))

    def write_dx(self, dy: Array, dx: Array) -> None:
        """Write dx (H, W, n, C)."""
        if self._mirror is None:
            self._there.scatter(self.weight, dy, dx)
            return
        turned = self.task.params["weight"][::-1, ::-1].transpose(0, 1, 3, 2)
        self._mirror.fill(dy)
        self._mirror.product(turned.reshape(-1, self.channels), dx)  # (kh·kw·F, C)


class ByWinograd(_Convolution):
    """A 3x3 window at stride 1, by Winograd's formula."""

    def __init__(self, task: Task, room: Room, window: Window, mirror: Window) -> None:
        super().__init__(task, room, window)
        memory = room.memory
        self._kernels = winograd.Kernels.of(task.leaf.path, self.channels, self.filters, memory)
        self._image = self._phased("image", window, (0, 0), self.channels)
        self._there = winograd.Product(self._image, self._kernels.plain, self.y, memory)
        self._dimage = self._image
        if task.wanted & {0, "weight"}:
            self._dimage = self._phased("gradient image", mirror, window.out, self.filters)
        if self.wants("weight"):
            self._gradient = winograd.WeightGradient(self._image, self._dimage, window.out, memory)
        if self.dx is not None:
            self._back = winograd.Product(self._dimage, self._kernels.turned, self.dx, memory)
        self.kernel = self._there.kernel

    def _phased(self, name: str, window: Window, also: Pair, depth: int) -> Phased:
        """Return an image for the tiles of ``window``, and for 2x2 tiles of an inside."""
        before = (window.padding[0][0], window.padding[1][0])
        rows, columns = (
            max(2 * tiles + 2, start + 2 * (-(-size // 2)))
            for tiles, start, size in zip(winograd.tiles(window.out), before, also)
        )
        shape = (rows, 2, -(-columns // 2), self.room.samples, depth)
        array = self.room.memory.scratch(f"phased {name}", shape)
        return Phased(array, window.size, before)

    def write_y(self, run: Pass, x: Array) -> None:
        """Write y (oh, ow, n, F)."""
        self._image.fill(x)
        self._kernels.transform(run.number, self.weight)
        self._there.write()

    def take(self, dy: Array) -> None:
        """Put dy (oh, ow, n, F) among zeros, as both gradients read it."""
        self._dimage.fill(dy)

    def write_dweight(self, x: Array, dy: Array, dweight: Array) -> None:
        """Write dweight (3, 3, C, F)."""
        self._image.fill(x)
        self._gradient.write(dweight.reshape(9, -1))

    def write_dx(self, dy: Array, dx: Array) -> None:
        """Write dx (H, W, n, C)."""
        self._back.write()


class Grouped(Op):
    """Groups of few channels, as a plain convolution whose weights between groups are zeros.

    The products have more to multiply but are one instead of many.
    """

    def __init__(self, task: Task, room: Room) -> None:
        super().__init__(task, room)
        leaf, weight = task.leaf, task.params["weight"]
        module = cast(Conv2d, leaf.module).replace(groups=1)
        kh, kw, _, filters = weight.shape
        shape = (kh, kw, leaf.shapes[0][2], filters)
        self._full, self._dfull = room.memory.keep(shape), room.memory.scratch("grouped", shape)
        plain = leaf.replace(module=module.replace(bias=False))
        inner = Task(plain, {leaf.owner + "weight": self._full}, task.wanted, task.frozen)
        self._plain = convolve(inner, room.with_partial(lambda name: self._dfull))
        self.kernel = self._plain.kernel

    def _blocks(self, full: Array) -> list[tuple[Array, slice]]:
        """Return a view of each group's weights, and which filters they are for."""
        depth = self.task.params["weight"].shape[2]
        groups = full.shape[2] // depth
        each = full.shape[3] // groups
        runs = [slice(g * each, (g + 1) * each) for g in range(groups)]
        return [
            (full[:, :, g * depth : (g + 1) * depth, filters], filters)
            for g, filters in enumerate(runs)
        ]

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return y (oh, ow, n, F)."""
        for block, filters in self._blocks(self._full):
            np.copyto(block, self.task.params["weight"][..., filters])
        return self._plain.forward(run, *xs)

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Write dweight and return dx (H, W, n, C)."""
        dxs = self._plain.backward(run, dy)
        if self.wants("weight"):
            for block, filters in self._blocks(self._dfull):
                np.copyto(self.room.partial("weight")[..., filters], block)
        return dxs
