"""A crew of threads, which meet by queues."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from queue import Empty, SimpleQueue

from minidl.engine.crew.member import CLOSED, Aborted, Member, Program

GRACE = 1.0
"""How many seconds an interrupted run lets each member take to leave it."""


class Threads:
    """A crew of threads; the caller is member 0.

    Between runs a thread sleeps on its inbox, and knows nothing of the crew: one that nobody closed
    is collected, and its threads end.
    """

    def __init__(self, program: Program, size: int) -> None:
        self.size = size
        self._program = program
        self._closed = False
        self._last: _Run | None = None
        self._threads: list[threading.Thread] = []
        self._inboxes: list[_Inbox] = [SimpleQueue() for _ in range(1, size)]
        self._finalizer = weakref.finalize(self, _dismiss, self._inboxes)
        try:
            for index, inbox in enumerate(self._inboxes, 1):
                thread = threading.Thread(target=_serve, args=(index, inbox), daemon=True)
                thread.start()
                self._threads.append(thread)
        except BaseException:
            self.close()
            raise

    def run(self, *numbers: int) -> None:
        """Run the program on every thread; the first error of any is raised here."""
        if self._closed:
            raise RuntimeError(CLOSED)
        if self._last and not self._last.is_settled():  # an interrupt left members in it
            self._abandon(self._last, None)
        run = self._last = _Run(self._program, self.size, numbers)
        try:
            self._call(run)
            run.lead()
        except BaseException as error:
            self._abandon(run, None if isinstance(error, Exception) else GRACE)
            raise

    def _abandon(self, run: _Run, seconds: float | None) -> None:
        """Fail a run and wait until all have left it, those too who did not hear of it."""
        run.fail()
        self._call(run)
        run.settle(seconds)

    def _call(self, run: _Run) -> None:
        for inbox in self._inboxes:
            inbox.put(run)

    def close(self) -> None:
        """End the threads, when they have left a run that was interrupted."""
        self._closed = True
        if self._last:
            self._last.fail()
        _dismiss(self._inboxes)
        for thread in self._threads:
            thread.join()


class _Run:
    """One run of a program: who has come how far, who has left, and what went wrong."""

    def __init__(self, program: Program, size: int, numbers: tuple[int, ...]) -> None:
        self._program, self._size, self._numbers = program, size, numbers
        self._come: SimpleQueue[int] = SimpleQueue()  # one number, held by who counts itself
        self._come.put(0)
        self._gates: list[SimpleQueue[bool]] = [SimpleQueue() for _ in range(size)]
        self._gone = [True] + [False] * (size - 1)
        self._leaving: SimpleQueue[int] = SimpleQueue()
        self._failed = False
        self._errors: list[BaseException] = []

    def lead(self) -> None:
        """Take the first member's part, wait for the others, and raise the error of any."""
        with contextlib.suppress(Aborted):
            self._program(self._member(0), self._numbers)
        self.settle(None)
        if self._errors:
            raise self._errors[0]

    def take_part(self, index: int) -> None:
        """Take another member's part; a second call does nothing."""
        if self._gone[index]:
            return
        try:
            if not self._failed:
                self._program(self._member(index), self._numbers)
        except Aborted:
            pass
        except BaseException as error:
            self._errors.append(error)
            self.fail()
        self._gone[index] = True
        self._leaving.put(index)

    def _member(self, index: int) -> Member:
        return Member(index, self._size, functools.partial(self._wait, index))

    def _wait(self, index: int) -> None:
        """Wait at this member's gate; the last to come opens those of the others."""
        if self._failed:
            raise Aborted
        come = self._come.get() + 1
        self._come.put(come)
        if come % self._size == 0:
            for gate in self._gates[:index] + self._gates[index + 1 :]:
                gate.put(True)
        elif not self._gates[index].get():
            raise Aborted

    def fail(self) -> None:
        """Let nobody wait any longer."""
        self._failed = True
        self._come.put(0)  # for one who was interrupted with it
        for gate in self._gates:
            gate.put(False)

    def is_settled(self) -> bool:
        """Whether all other members than the first have left."""
        return all(self._gone)

    def settle(self, seconds: float | None) -> None:
        """Wait until all have left, but no longer than ``seconds`` for each."""
        while not all(self._gone):
            try:
                self._leaving.get(timeout=seconds)
            except Empty:
                return


_Inbox = SimpleQueue["_Run | None"]


def _serve(index: int, inbox: _Inbox) -> None:
    """Take part in every run, until there is none."""
    while (run := inbox.get()) is not None:
        run.take_part(index)
        del run  # and with it what it knows, while this sleeps


def _dismiss(inboxes: list[_Inbox]) -> None:
    for inbox in inboxes:
        inbox.put(None)
