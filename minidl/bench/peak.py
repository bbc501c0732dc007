"""The peak: how fast this machine multiplies large matrices, to which steps are compared."""

from __future__ import annotations

import time
from statistics import median
from typing import Final

import numpy as np

from minidl.engine.threads import blas_threads

SIZE: Final = 1024


def sgemm_peak(threads: int, trials: int = 4, products: int = 5) -> float:
    """Return the GFLOP/s of 1024x1024 float32 products through NumPy, on ``threads`` BLAS threads.

    The median of some products, in the best of some trials.
    """
    rng = np.random.default_rng(0)
    a, b = rng.random((2, SIZE, SIZE), np.float32)
    out = np.empty_like(a)

    def product() -> float:
        began = time.perf_counter()
        np.matmul(a, b, out=out)
        return time.perf_counter() - began

    with blas_threads(threads):
        medians = [median(product() for _ in range(products)) for _ in range(trials)]
    return 2e-9 * SIZE**3 / min(medians)
