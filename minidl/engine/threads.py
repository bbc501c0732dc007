"""How many threads the linear algebra below NumPy uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Hold every BLAS in the process to ``count`` threads, and give them back after."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(count, user_api="blas"):
        yield
