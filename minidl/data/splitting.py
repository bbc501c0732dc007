"""Splitting a dataset in two, fairly over its classes."""

from __future__ import annotations

from typing import SupportsFloat

import numpy as np

from minidl.data.dataset import Data, Dataset, as_dataset
from minidl.data.shuffle import SPLIT, SPLIT_TIES, permutation
from minidl.types import Array


def split(data: Data, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Hold out a share of the samples: return (rest, held out).

    ``round(share · N)`` samples are held out. Where the targets are labels, (N,) of int64, every
    class gives its share by the method of largest remainders (Hamilton's), and every class of two
    samples or more is found on both sides if the sizes allow it. Samples are chosen by the seed
    alone and keep their order.

    Parameters
    ----------
    data
        A Dataset, or a pair (inputs, targets); it stays as it is, and the two sides are copies in
        memory, also of arrays that are memory-mapped.
    share
        The share to hold out, above 0 and below 1.
    seed
        An integer from 0 to 2**64 - 1.

    Raises
    ------
    ValueError
        For a share outside (0, 1), or one that leaves a side empty.

    Examples
    --------
    >>> data = Dataset(np.zeros((10, 4)), [0] * 6 + [1] * 4)
    >>> rest, held = split(data, 0.5, seed=0)
    >>> rest.targets.tolist(), held.targets.tolist()
    ([0, 0, 0, 1, 1], [0, 0, 0, 1, 1])
    """
    dataset = as_dataset(data)
    held = _held_count(len(dataset), share)
    shuffled = permutation(len(dataset), seed, 0, SPLIT)
    if dataset.targets.ndim == 1 and dataset.targets.dtype == np.int64:
        chosen = _stratified(dataset.targets[shuffled], held, seed)
    else:
        chosen = np.arange(len(dataset)) < held
    mask = np.zeros(len(dataset), dtype=bool)
    mask[shuffled[chosen]] = True
    return dataset[~mask], dataset[mask]


def _held_count(count: int, share: float) -> int:
    if isinstance(share, bool | str) or not isinstance(share, SupportsFloat):
        raise TypeError(f"share must be a number above 0 and below 1, got {share!r}")
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1, got {share}")
    held = round(float(share) * count)
    if held in (0, count):
        raise ValueError(
            f"a share of {share} holds out {held} of {count} samples and leaves a side empty: "
            "choose a share nearer to a half, or give more samples"
        )
    return held


def _stratified(labels: Array, held: int, seed: int) -> Array:
    """Return a mask (N,) with the first samples of every class, ``held`` in all."""
    _, label, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quota = _quotas(counts, held, permutation(len(counts), seed, 0, SPLIT_TIES))
    by_class = np.argsort(label, kind="stable")
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    mask = np.zeros(len(labels), dtype=bool)
    mask[by_class] = place < np.repeat(quota, counts)
    return mask


def _quotas(counts: Array, held: int, ties: Array) -> Array:
    """Return how many each class holds out, ``held`` in all; equal claims go by ``ties``."""
    low, high = _bounds(counts, held)
    total = int(counts.sum())
    quota: Array = np.clip(counts * held // total, low, high)
    while missing := held - int(quota.sum()):
        side = 1 if missing > 0 else -1
        claim = side * (counts * held - quota * total)  # in samples · total, so it is exact
        room = quota < high if side > 0 else quota > low
        ranked = ties[np.argsort(-claim[ties], kind="stable")]
        quota[ranked[room[ranked]][: abs(missing)]] += side
    return quota


def _bounds(counts: Array, held: int) -> tuple[Array, Array]:
    """Return the fewest and most that each class may hold out, so that it is on both sides.

    A class of one sample stays in the rest. Where the sizes do not allow a bound, it is lifted.
    """
    low = np.minimum(counts - 1, 1)
    high = counts - 1
    if low.sum() > held:
        low = np.zeros_like(counts)
    if high.sum() < held:
        high = counts
    return low, high
