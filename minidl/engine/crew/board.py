"""The board: the numbers in shared memory by which the processes of a crew meet.

A number is written by one process and read by the others. They only ever rise, from run to run, so
nothing is reset after an error, and what an interrupted run left behind says nothing later.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable

from minidl.engine.crew.member import Aborted

MOST = 64
"""How many numbers a run may be given."""

# Where the numbers stand, in units of 8 bytes.
_LINE = 16  # two cache lines, which processors like to fetch together
_RUN, _COUNT, _GIVEN = 0, 1, 2  # which run it is, and the numbers that it was given
_FAILED = 6 * _LINE  # the last run that failed
_MEMBERS = 7 * _LINE  # from here on, a line for each member
_ENDED = 1  # in a member's line: the last run that it ended; before it, how often it waited

_WAITS = 24  # bits for the waits of one run

# A wait looks (a tenth of a microsecond each), then looks and offers the core, then naps.
_LOOKS, _YIELDS, _CHECKS, _NAP = 50, 4000, 100, 0.0002


class Board:
    """Numbers that every process of a crew sees."""

    def __init__(self, size: int) -> None:
        memory = mmap.mmap(-1, 8 * (_MEMBERS + _LINE * size))
        self._cells = memoryview(memory).cast("Q")
        self._arrived = range(_MEMBERS, _MEMBERS + _LINE * size, _LINE)
        self._ended = [place + _ENDED for place in self._arrived[1:]]
        self._gate = threading.Lock()

    def _fence(self) -> None:
        """Let nothing be read or written out of order across this line, on any processor."""
        # What was before cannot pass the release, nor what comes after the last line; and wherever
        # an interrupt falls between them, the next fence works.
        self._gate.acquire(False)
        self._gate.release()
        self._gate.acquire(False)

    # Runs

    @property
    def run(self) -> int:
        """The run that was begun last, from 1; 0 before."""
        return self._cells[_RUN]

    def begin(self, numbers: tuple[int, ...]) -> int:
        """Write down what a new run is given, and return which run it is."""
        if len(numbers) > MOST:
            raise ValueError(f"a run takes at most {MOST} numbers, got {len(numbers)}")
        self._cells[_COUNT] = len(numbers)
        for place, number in enumerate(numbers, _GIVEN):
            try:
                self._cells[place] = number
            except (TypeError, ValueError):
                raise ValueError(
                    f"a run takes integers from 0 to 2**64 - 1, got {number!r}"
                ) from None
        self._fence()
        self._cells[_RUN] += 1
        return self._cells[_RUN]

    def given(self) -> tuple[int, ...]:
        """Return what the run is given."""
        self._fence()
        return tuple(self._cells[_GIVEN : _GIVEN + self._cells[_COUNT]])

    def fail(self, run: int) -> None:
        """Mark a run as failed: no member waits in it any longer."""
        self._fence()
        self._cells[_FAILED] = run

    def failed(self, run: int) -> bool:
        """Whether a run failed."""
        return self._cells[_FAILED] == run

    def end(self, index: int, run: int) -> None:
        """Mark that a member is done with a run."""
        self._fence()
        self._cells[self._arrived[index] + _ENDED] = run

    def ended(self, index: int) -> int:
        """Return the last run that a member ended."""
        return self._cells[self._arrived[index] + _ENDED]

    # Waits

    def waits(self, index: int, run: int, check: Callable[[], None]) -> Callable[[], None]:
        """Return the ``wait`` of a member in a run; ``check`` is called now and then."""
        count = run << _WAITS

        def wait() -> None:
            nonlocal count
            count += 1
            self._meet(index, count, check)

        return wait

    def _meet(self, index: int, count: int, check: Callable[[], None]) -> None:
        """Wait until every member has come as far; ``Aborted`` where the run failed."""
        cells, run = self._cells, count >> _WAITS
        if cells[_FAILED] == run:
            raise Aborted
        self._fence()
        cells[self._arrived[index]] = count
        for place in self._arrived:
            looks = 0
            while cells[place] < count:
                looks += 1
                if looks > _LOOKS:
                    if cells[_FAILED] == run:
                        raise Aborted
                    _rest(looks, check)
        self._fence()

    def is_settled(self) -> bool:
        """Whether every other member than the first has ended the last run."""
        run = self._cells[_RUN]
        return all(self._cells[place] == run for place in self._ended)

    def settle(self, check: Callable[[], None]) -> None:
        """Wait until every other member than the first has ended the last run."""
        cells, run = self._cells, self._cells[_RUN]
        for place in self._ended:
            looks = 0
            while cells[place] < run:
                looks += 1
                if looks > _LOOKS:
                    _rest(looks, check)
        self._fence()


def _rest(looks: int, check: Callable[[], None]) -> None:
    """Give the core away for a moment, the longer the more looks there were."""
    if looks % _CHECKS == 0:
        check()
    if looks < _YIELDS:
        os.sched_yield()
    else:
        time.sleep(_NAP)
