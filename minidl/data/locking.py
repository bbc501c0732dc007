"""A lock that processes share: a file of which one holds a byte, until it lets go or dies.

The operating system takes the lock from a process that is gone, so none is ever left behind; the
file stays, for to delete it would let two processes lock two files of one name.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL = 0.05
"""Seconds between two looks at a lock that another holds."""


@contextmanager
def locked(path: str | os.PathLike[str], waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock while the block runs; ``waiting`` is called once if another has it.

    Threads of one process exclude each other too. Raises ``OSError`` where the file cannot be
    written, or its file system knows no locks.
    """
    with open(path, "ab") as file:
        if not take(file.fileno()):
            waiting()
            while not take(file.fileno()):
                time.sleep(POLL)
        yield  # closing the file gives the lock back


def take_if_known(descriptor: int) -> bool:
    """Take the lock as ``take`` does; where the file system knows no locks, all may go on."""
    try:
        return take(descriptor)
    except OSError:
        return True


if sys.platform == "win32":

    def take(descriptor: int) -> bool:
        """Take the lock of an open file where it is free; return whether it was."""
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)  # the byte to lock is the one at this place
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:

    def take(descriptor: int) -> bool:
        """Take the lock of an open file where it is free; return whether it was."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
