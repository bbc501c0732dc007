"""How many threads the linear algebra below NumPy uses: a number of the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


class BlasThreads:
    """The BLAS libraries of the process, found once: looking for them takes a millisecond."""

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers

    @contextmanager
    def held_to_one(self) -> Iterator[None]:
        """Hold them to one thread, and give the others back after."""
        before = [library.num_threads for library in self._libraries]
        self.set_to_one()
        try:
            yield
        finally:
            for library, count in zip(self._libraries, before):
                if count != 1:
                    library.set_num_threads(count)

    def set_to_one(self) -> None:
        """Set them to one thread again, where somebody else gave them more meanwhile."""
        for library in self._libraries:
            if library.num_threads != 1:
                library.set_num_threads(1)


def blas_threads(count: int) -> AbstractContextManager[Any]:
    """Hold every BLAS in the process to ``count`` threads, and give them back after."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(count, user_api="blas")
    return limits
