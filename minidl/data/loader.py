"""Batches: which samples a model sees, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from typing import TypeAlias

import numpy as np

from minidl.augment.augmentation import Augmentation, Draw
from minidl.augment.compose import compose
from minidl.checks import integer
from minidl.data.dataset import Data, Dataset, as_dataset
from minidl.data.shuffle import order
from minidl.types import Array

Batch: TypeAlias = tuple[Array, Array]
"""Inputs and targets of some samples."""

Batches: TypeAlias = Generator[Batch, None, None]
"""Batch after batch; ``close`` ends the thread that makes them, if there is one."""


def batch_count(count: int, batch_size: int) -> int:
    """Return how many batches ``count`` samples make; the last may be short.

    >>> batch_count(60_000, 64)
    938
    """
    return -(-integer("count", count, low=0) // integer("batch_size", batch_size, low=1))


def batches(
    dataset: Data,
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    start: int = 0,
    augment: Augmentation | Sequence[Augmentation] | None = None,
    prefetch: int = 0,
) -> Batches:
    """Iterate over (inputs, targets) of at most ``batch_size`` samples, every sample once.

    Inputs keep their dtype: uint8 is converted where the batch enters a model, a quarter of the
    memory traffic later.

    Parameters
    ----------
    dataset
        A Dataset, or a pair (inputs, targets), which is checked on every call.
    batch_size
        At least 1; the last batch is shorter where the sizes do not divide.
    seed, epoch
        The order is a function of these two alone. Without a seed, samples come in their order,
        and batches are read-only views.
    start
        The number of the batch to begin with, to go on inside an epoch.
    augment
        What changes the images of a batch, (N, H, W, C), at random, or several in that order. Each
        sample's numbers are a function of the seed, the epoch and its number in the epoch's order;
        so a seed is needed.
    prefetch
        How many batches a thread makes ahead, while the caller works on others; 0: none. The
        batches are the same.

    Raises
    ------
    TypeError, ValueError
        For a number that is no integer or out of range, for ``augment`` without a seed, or where it
        is no augmentation.

    Examples
    --------
    >>> import numpy as np
    >>> pair = np.arange(5.0).reshape(5, 1), [0, 0, 1, 1, 1]
    >>> [targets.tolist() for _, targets in batches(pair, 2)]
    [[0, 0], [1, 1], [1]]
    """
    data = as_dataset(dataset)
    count = batch_count(len(data), batch_size)
    starts = range(integer("start", start, low=0, high=count) * batch_size, len(data), batch_size)
    change = compose(augment)
    if seed is None:
        integer("epoch", epoch, low=0)
        if change is not None:
            raise ValueError("augment needs a seed: pass seed=0, say")
        parts: Batches = (_view(data, at, batch_size) for at in starts)
    else:
        rows = order(len(data), seed, epoch)
        parts = (_gather(data, rows[at : at + batch_size]) for at in starts)
        if change is not None:
            parts = _augmented(parts, change, seed, epoch, starts)
    ahead = integer("prefetch", prefetch, low=0)
    return _ahead(parts, ahead) if ahead else parts


def _gather(data: Dataset, rows: Array) -> Batch:
    return data.inputs[rows], data.targets[rows]


def _view(data: Dataset, start: int, size: int) -> Batch:
    """Return views that cannot be written to, since writing would change the dataset."""
    views = data.inputs[start : start + size], data.targets[start : start + size]
    for view in views:
        view.flags.writeable = False
    return views


def _augmented(
    parts: Batches, augment: Augmentation, seed: int, epoch: int, starts: range
) -> Batches:
    for first, (inputs, targets) in zip(starts, parts):
        changed = augment.batch(inputs, targets, Draw(seed, epoch, first, len(inputs)))
        _check_kept(augment, (inputs, targets), changed)
        yield changed


def _check_kept(augment: Augmentation, old: Batch, new: Batch) -> None:
    """Raise where an augmentation of one's own gives back something else than a batch like it."""
    for name, before, after in zip(("images", "targets"), old, new):
        came = f"{after.dtype} {after.shape}" if isinstance(after, np.ndarray) else repr(after)
        if came != f"{before.dtype} {before.shape}":
            raise ValueError(
                f"{augment!r} made {name} {came} of {before.dtype} {before.shape}: return an array"
                " of the shape and dtype that came; .astype(images.dtype) rounds down"
            )


def _ahead(parts: Batches, count: int) -> Batches:
    """Iterate over the same batches, of which a thread makes up to ``count`` ahead."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as thread:
        coming = deque(thread.submit(next, parts, None) for _ in range(count))
        try:
            while (batch := coming.popleft().result()) is not None:
                coming.append(thread.submit(next, parts, None))
                yield batch
        finally:
            for one in coming:
                one.cancel()
