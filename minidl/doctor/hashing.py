"""Hashes of samples: equal samples have equal numbers, and others almost never."""

from __future__ import annotations

import numpy as np

from minidl.types import Array

_CHUNK = 2**18  # bytes hashed together: they stay in the cache


def hashes(inputs: Array) -> Array:
    """Return a 64-bit number for each sample, equal where samples are: words times odd numbers."""
    rows = np.ascontiguousarray(inputs).reshape(len(inputs), -1)  # (N, values)
    size = rows.shape[1] * rows.itemsize
    words = -(-size // 8)
    odd = np.random.default_rng(0).integers(2**63, size=words, dtype=np.uint64) * 2 + 1
    step = max(1, _CHUNK // size)
    padded = np.zeros((step, 8 * words), np.uint8)
    found = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), step):
        part = rows[start : start + step].view(np.uint8)  # (n, bytes)
        padded[: len(part), :size] = part
        mixed = padded[: len(part)].view(np.uint64)  # (n, words)
        found[start : start + step] = (mixed ^ (mixed >> np.uint64(31))) @ odd
    return found
