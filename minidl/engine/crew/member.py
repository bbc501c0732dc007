"""Members, what they run and what runs them; and the crew of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

CLOSED = "the crew is closed and runs no more: gather another one"


class Member:
    """One of a crew: its ``index``, the ``size`` of the crew, and ``wait`` for the others."""

    def __init__(self, index: int, size: int, wait: Callable[[], None]) -> None:
        self.index, self.size, self.wait = index, size, wait

    def share(self, count: int) -> range:
        """Return which of ``count`` tiles are this member's, every size-th one.

        >>> list(Member(1, 4, lambda: None).share(10))
        [1, 5, 9]
        """
        return range(self.index, count, self.size)


Program: TypeAlias = Callable[[Member, tuple[int, ...]], None]
"""What each member runs: it is given itself, and the numbers of the run."""


class Crew(Protocol):
    """What runs a program."""

    size: int

    def run(self, *numbers: int) -> None:
        """Run the program on every member and return when all are done.

        ``numbers`` are integers from 0 to 2**64 - 1. An error of any member is raised here.
        """

    def close(self) -> None:
        """End the members; the crew runs no more. Closing twice is closing once."""


class Aborted(Exception):
    """Another member failed; this one has nothing to tell."""


class Solo:
    """A crew of one: the caller itself."""

    size = 1

    def __init__(self, program: Program) -> None:
        self._program = program
        self._closed = False

    def run(self, *numbers: int) -> None:
        """Run the program here."""
        if self._closed:
            raise RuntimeError(CLOSED)
        self._program(Member(0, 1, lambda: None), numbers)

    def close(self) -> None:
        """Run no more; there is nobody to end."""
        self._closed = True
