"""Random numbers found by counting: functions of a key and of a sample's number, and nothing else.

The generator is counter-based (Salmon et al. 2011, *Parallel random numbers: as easy as 1, 2, 3*),
so a sample's numbers are found without drawing those before it, and do not depend on how samples
are cut into batches or shards.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minidl.types import Array, Shape


def digest(*words: object) -> int:
    """Return a 128-bit number that depends on the words alone: a key for a random generator."""
    from hashlib import blake2b

    text = "\x1f".join(map(str, words)).encode()
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "little")


def uniform(key: int, first: int, shape: Shape) -> Array:
    """Return uniform float32 numbers in [0, 1) for the samples from number ``first`` on.

    ``shape`` is (N, ...), and sample ``i`` of the result depends on the key, on ``first + i`` and
    on how many numbers a sample has.
    """
    samples, size = shape[0], math.prod(shape[1:])
    counts = -(-size // 8)  # one count of Philox gives 4 x 64 bits, which is 8 x 32
    generator = np.random.Philox(key=key, counter=first * counts)
    bits = generator.random_raw(samples * counts * 4).view(np.uint32)
    numbers = bits.reshape(samples, counts * 8)[:, :size] >> 8  # 24 bits fit a float32
    return (numbers * np.float32(2**-24)).astype(np.float32, copy=False).reshape(shape)


def normal(draw: Callable[[Shape], Array], shape: Shape) -> Array:
    """Return normal float32 numbers of ``shape`` (N, ...), two from two uniform ones of ``draw``.

    They stay within 5.8 deviations (Box and Muller 1958, *A note on the generation of random normal
    deviates*).
    """
    count = math.prod(shape[1:])
    pairs = -(-count // 2)
    numbers = draw((shape[0], 2, pairs))
    radius = np.sqrt(-2 * np.log(1 - numbers[:, :1]))  # (N, 1, pairs)
    angle = numbers[:, 1:] * (2 * math.pi)
    both = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)  # (N, 2, pairs)
    both *= radius
    return both.reshape(shape[0], 2 * pairs)[:, :count].reshape(shape)
