"""Reports: errors as text, in shared memory, from the process that met one to the caller.

Nothing is pickled. A report is marked with its run, so one that nobody read is never told later.
"""

from __future__ import annotations

import builtins
import json
import mmap
import struct
import traceback
from typing import Any

from minidl.shapes import ShapeError

_HEAD = struct.Struct("=QQ")  # the run, and the length of the text
_MESSAGE, _WHERE = 1 << 16, 1 << 13  # characters that are told
_ROOM = 1 << 19  # bytes, of which only those that are written take up memory


class Reports:
    """Room for one error of each member."""

    def __init__(self, size: int) -> None:
        self._slots = [mmap.mmap(-1, _ROOM) for _ in range(size)]

    def put(self, index: int, run: int, error: BaseException) -> None:
        """Keep the error of a member."""
        text = packed(error)
        slot = self._slots[index]
        slot[_HEAD.size : _HEAD.size + len(text)] = text
        _HEAD.pack_into(slot, 0, run, len(text))

    def take(self, run: int) -> BaseException:
        """Return the error of a run, that of the first member that has one."""
        for slot in self._slots:
            found, length = _HEAD.unpack_from(slot)
            if found == run:
                return unpacked(slot[_HEAD.size : _HEAD.size + length])
        return RuntimeError("a worker process failed and did not say why")


def packed(error: BaseException) -> bytes:
    """Return an error as text: its type, arguments, message, and where it was.

    >>> unpacked(packed(KeyError("rate")))
    KeyError('rate')
    """
    name, message = type(error).__name__, _message(error)
    args = error.args if all(map(_plain, error.args)) else ()
    if not _known(type(error)):
        name, message, args = "RuntimeError", f"{name}: {message}", ()
    content = [name, args, message[:_MESSAGE], _where(error)]
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")


def unpacked(text: bytes) -> BaseException:
    """Return the error that was packed: of its own type where that says the same again.

    Otherwise it is a ``RuntimeError`` that names the type.
    """
    name, args, message, where = json.loads(text.decode("utf-8", "surrogatepass"))
    error = _rebuilt(name, args, message)
    error.__cause__ = RuntimeError(f"in a worker process:\n{where}")
    return error


def _known(kind: type[BaseException]) -> bool:
    """Whether the caller is to have this type: Python's own errors, and ours."""
    own = kind is ShapeError or getattr(builtins, kind.__name__, None) is kind
    return own and issubclass(kind, (Exception, KeyboardInterrupt))


def _plain(arg: object) -> bool:
    """Whether an error's argument can be told as it is, in few words."""
    short = isinstance(arg, str) and len(arg) < 1000
    return short or (type(arg) is int and abs(arg) < 1 << 64)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "<it cannot say what happened>"


def _where(error: BaseException) -> str:
    """Return the traceback as text, without its middle where it is very long."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:
        return "<it cannot say where it happened>"
    return text if len(text) < 2 * _WHERE else f"{text[:_WHERE]}\n...\n{text[-_WHERE:]}"


def _rebuilt(name: str, args: list[Any], message: str) -> BaseException:
    kind = ShapeError if name == "ShapeError" else getattr(builtins, name)
    for choice in (args, [message]):
        try:
            error: BaseException = kind(*choice)
            if str(error) == message:
                return error
        except Exception:  # it takes other arguments
            continue
    return RuntimeError(f"{name}: {message}")
