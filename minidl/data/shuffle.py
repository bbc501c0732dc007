"""Random orders that depend on their seed alone: not on the platform, nor on NumPy's version."""

from __future__ import annotations

from typing import Final

import numpy as np

from minidl.checks import integer
from minidl.types import Array

# What a permutation is drawn for. Purposes never share random numbers, whatever their seeds.
EPOCH: Final = 0
SPLIT: Final = 1
SPLIT_TIES: Final = 2


def order(count: int, seed: int, epoch: int) -> Array:
    """Return the order in which epoch number ``epoch`` visits ``count`` samples.

    It is a function of its three arguments and nothing else, so a run resumed in the middle of
    training sees the samples in the order in which it would have seen them.

    Parameters
    ----------
    count
        The number of samples.
    seed, epoch
        Integers from 0 to 2**64 - 1.

    Returns
    -------
    Array
        int64 (count,): every number from 0 to ``count - 1`` once.

    Examples
    --------
    >>> order(6, seed=0, epoch=0).tolist() == order(6, seed=0, epoch=0).tolist()
    True
    >>> sorted(order(6, seed=0, epoch=1).tolist())
    [0, 1, 2, 3, 4, 5]
    """
    return permutation(count, seed, epoch, EPOCH)


def permutation(count: int, seed: int, draw: int, purpose: int) -> Array:
    """Return a random permutation, int64 (count,), keyed by (seed, draw, purpose).

    Sorting random keys rather than calling ``Generator.permutation``, because NumPy promises to
    keep the raw stream of Philox (Salmon et al. 2011, *Parallel random numbers: as easy as 1, 2,
    3*), but not what its generator makes of it (NEP 19).
    """
    integer("count", count, low=0)
    key = np.array([_word("seed", seed), _word("epoch", draw)], dtype=np.uint64)
    counter = np.array([0, 0, 0, purpose], dtype=np.uint64)
    keys = np.random.Philox(key=key, counter=counter).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


def _word(name: str, value: int) -> int:
    return integer(name, value, low=0, high=2**64 - 1)
