"""Where a batch is cut: a function of its size alone, so that results never depend on workers."""

from __future__ import annotations

from itertools import pairwise

from minidl.types import Shape

SHARD = 16
"""How many samples a shard of a small batch has at most; fewer cost more than they save."""

LARGEST = 32
"""How many samples a shard has at most: more would not stay in the processor's cache."""


def shards(samples: int) -> list[slice]:
    """Cut a batch into shards of nearly equal size; more than two are a multiple of four.

    >>> [(shard.start, shard.stop) for shard in shards(50)]
    [(0, 13), (13, 26), (26, 38), (38, 50)]
    >>> len(shards(256))
    8
    """
    count = max(1, min(-(-samples // SHARD), 8), -(-samples // LARGEST))
    if count > 2:
        count += -count % 4
    size, more = divmod(samples, count)
    ends = [index * size + min(index, more) for index in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def largest_shard(batch: int) -> int:
    """Return how many samples the largest shard of any batch of up to ``batch`` has.

    >>> largest_shard(16), largest_shard(64), largest_shard(10_000)
    (16, 16, 32)
    """
    most = min(batch, 8 * LARGEST)  # from here on shards are as large as they may be
    largest: int = max(shards(size)[0].stop for size in range(1, most + 1))
    return largest


def tiles(length: int, size: int) -> list[slice]:
    """Cut ``length`` elements into pieces of ``size``; the last may be short.

    >>> tiles(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def batched(shape: Shape, samples: int) -> Shape:
    """Return the shape of a shard of values: images are (H, W, n, C), everything else (n, ...).

    >>> batched((28, 28, 6), 16), batched((84,), 16)
    ((28, 28, 16, 6), (16, 84))
    """
    if len(shape) == 3:
        return (shape[0], shape[1], samples, shape[2])
    return (samples, *shape)
