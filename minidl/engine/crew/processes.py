"""A crew of forked processes, which meet by numbers in shared memory."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from itertools import islice

from minidl.engine.crew.board import Board
from minidl.engine.crew.member import CLOSED, Aborted, Member, Program
from minidl.engine.crew.reports import Reports

GRACE = 1.0
"""How many seconds an interrupted run lets its members take to leave it."""

_WATCH = 0.25  # seconds from one look for the caller to the next


class Processes:
    """A crew of forked processes; the caller is member 0.

    Between runs a member sleeps on a pipe. A byte in it says "look at the board": there stands
    which run it is, so that one byte too many does no harm. Each member watches its caller and
    ends with it, and closing kills: members own nothing that would have to be put in order.
    """

    def __init__(self, program: Program, size: int) -> None:
        self.size = size
        self._program = program
        self._board, self._reports = Board(size), Reports(size)
        self._over = ""  # why it runs no more
        self._pids: list[int] = []
        self._pipes: list[tuple[int, int]] = []
        self._finalizer = weakref.finalize(self, _end, self._pids, self._pipes, os.getpid())
        try:
            # As below: an interrupt finds each pipe either listed or not made.
            self._pipes.extend(islice(iter(os.pipe, None), size - 1))
            self._board.begin(())  # the first run is to be there, deaf to interrupts
            for index in range(1, size):
                self._fork(index)
            self._board.settle(self._check)
        except BaseException:
            self.close()
            raise

    # The caller's side

    def run(self, *numbers: int) -> None:
        """Run the program on every process; the first error of any is raised here."""
        if self._over:
            raise RuntimeError(self._over)
        if not self._board.is_settled():  # an interrupt left members in the last run
            self._abandon(self._check)
        run = self._board.begin(numbers)
        try:
            self._lead(run, numbers)
        except BaseException as error:
            soon = _until(time.monotonic() + GRACE)
            self._abandon(self._check if isinstance(error, Exception) else soon)
            raise

    def _lead(self, run: int, numbers: tuple[int, ...]) -> None:
        self._wake()
        with contextlib.suppress(Aborted):
            wait = self._board.waits(0, run, self._check)
            self._program(Member(0, self.size, wait), numbers)
        self._board.settle(self._check)
        if self._board.failed(run):
            raise self._reports.take(run)

    def _wake(self) -> None:
        for _, tell in self._pipes:
            os.write(tell, b"!")

    def _abandon(self, check: Callable[[], None]) -> None:
        """Fail the run and wait until all have left it, those too who were not woken for it."""
        if self._over:
            return
        self._board.fail(self._board.run)
        self._wake()
        with contextlib.suppress(TimeoutError):
            self._board.settle(check)

    def _check(self) -> None:
        """Raise where a member is no more; the crew ends with it."""
        for pid in self._pids:
            end = _ended(pid)
            if end:
                self._over = (
                    f"a worker process ended unexpectedly ({end}): is there enough memory? fewer"
                    " workers need less"
                )
                _end(self._pids, self._pipes, os.getpid())
                raise RuntimeError(self._over)

    def close(self) -> None:
        """End the processes, wherever they are, and wait for that."""
        self._over = self._over or CLOSED
        _end(self._pids, self._pipes, os.getpid())

    # The other members' side

    def _fork(self, index: int) -> None:
        caller = os.getpid()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # on BLAS's idle threads
                # An interrupt comes between lines, or between two calls, and would lose the number
                # of a process already there: so the fork and the note of it are one call.
                self._pids.extend(islice(iter(os.fork, None), 1))
            if self._pids[-1] == 0:
                self._serve(index, caller)
        finally:
            if os.getpid() != caller:
                os._exit(1)  # nothing of the caller's is run or written on the way out

    def _serve(self, index: int, caller: int) -> None:
        """Take part in every run, and end with the caller."""
        _part_from(caller)
        for other, (look, tell) in enumerate(self._pipes, 1):
            os.close(tell)
            if other != index:
                os.close(look)
        self._board.end(index, self._board.run)
        while os.read(self._pipes[index - 1][0], 4096):
            if self._board.ended(index) < self._board.run:
                self._take_part(index, self._board.run)
        os._exit(0)

    def _take_part(self, index: int, run: int) -> None:
        try:
            if not self._board.failed(run):
                wait = self._board.waits(index, run, _nothing)
                self._program(Member(index, self.size, wait), self._board.given())
        except Aborted:
            pass
        except BaseException as error:
            self._reports.put(index, run, error)
            self._board.fail(run)
        self._board.end(index, run)


def _part_from(caller: int) -> None:
    """Make a forked process a member: what is the caller's does not concern it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller hears it, and decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    gc.freeze()  # the caller's garbage is not to be collected here
    threading.Thread(target=_watch, args=(caller,), daemon=True).start()


def _watch(caller: int) -> None:
    """End this process when its caller is gone, whatever it does meanwhile."""
    while os.getppid() == caller:
        time.sleep(_WATCH)
    os._exit(0)


def _nothing() -> None:
    """What a member other than the first checks while it waits."""


def _until(end: float) -> Callable[[], None]:
    """Return a check that raises when a time has come."""

    def check() -> None:
        if time.monotonic() > end:
            raise TimeoutError

    return check


def _ended(pid: int) -> str:
    """Return how a child process ended; nothing where it lives."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # whoever ignores SIGCHLD is not told
        return "status unknown"
    return f"status {os.waitstatus_to_exitcode(status)}" if found else ""


def _end(pids: list[int], pipes: list[tuple[int, int]], caller: int) -> None:
    """Kill the members and take their exits in; where it is interrupted, it can be called again."""
    if os.getpid() != caller:  # a process that the caller forked otherwise: they are not its own
        return
    for pid in pids:
        if not _ended(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    while pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pids[-1], 0)
        pids.pop()
    while pipes:
        for end in pipes.pop():
            os.close(end)
