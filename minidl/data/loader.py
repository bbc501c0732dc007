"""Batches: which samples a model sees, and when."""

from __future__ import annotations

from collections.abc import Iterator

from minidl.checks import integer
from minidl.data.dataset import Data, Dataset, as_dataset
from minidl.data.shuffle import order
from minidl.types import Array


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
) -> Iterator[tuple[Array, Array]]:
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

    Raises
    ------
    TypeError, ValueError
        For a size, seed, epoch or start that is no integer or out of range.

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
    if seed is None:
        integer("epoch", epoch, low=0)
        return (_view(data, at, batch_size) for at in starts)
    rows = order(len(data), seed, epoch)
    return (_gather(data, rows[at : at + batch_size]) for at in starts)


def _gather(data: Dataset, rows: Array) -> tuple[Array, Array]:
    return data.inputs[rows], data.targets[rows]


def _view(data: Dataset, start: int, size: int) -> tuple[Array, Array]:
    """Return views that cannot be written to, since writing would change the dataset."""
    views = data.inputs[start : start + size], data.targets[start : start + size]
    for view in views:
        view.flags.writeable = False
    return views
