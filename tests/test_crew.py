"""Crews: shares, barriers, errors and ends, for threads and for processes."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import numpy as np
import pytest

import minidl as dl
from minidl.engine.crew import (
    Crew,
    Member,
    Processes,
    Program,
    Solo,
    Threads,
    can_fork,
    gather,
    shared,
)

P = ParamSpec("P")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each test runs in a fork")

KINDS = pytest.mark.parametrize("kind", ["threads", "processes"])


# A test in a process of its own, so that a deadlock fails and a forgotten child is found


def alone(test: Callable[P, None], seconds: float = 20.0) -> Callable[P, None]:
    """Run a test in a forked process group; it fails if it hangs or leaves a process behind."""

    @functools.wraps(test)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        said, say = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # BLAS has threads
            pid = os.fork()
        if pid == 0:
            _in_fork(lambda: test(*args, **kwargs), say, seconds)
        os.close(say)
        try:
            ended = within(seconds, lambda: os.waitpid(pid, os.WNOHANG)[0] != 0)
            left = bool(ended) and not within(10.0, lambda: not members_of(pid))
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        if not ended:
            os.waitpid(pid, 0)
        os.set_blocking(said, False)
        with os.fdopen(said, "rb") as file:
            text = (file.read() or b"").decode()
        if not ended:
            pytest.fail(f"it hangs, after {seconds} seconds\n{text}", pytrace=False)
        if text != "ok":
            pytest.fail(text or "it ended without a word", pytrace=False)
        if left:
            pytest.fail("it left processes behind", pytrace=False)

    return wrapped


def _in_fork(test: Callable[[], None], say: int, seconds: float) -> NoReturn:
    text = "ok"
    try:
        os.setsid()
        faulthandler.dump_traceback_later(seconds - 0.3)
        test()
        no_child_is_left()
    except BaseException:
        text = traceback.format_exc()
    finally:
        os.write(say, text.encode(errors="replace")[-60000:])
        os._exit(0)


def within(seconds: float, done: Callable[[], bool]) -> bool:
    """Wait until something is so; whether it became so in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def members_of(group: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc/self/stat").exists() else ():
        with contextlib.suppress(OSError, ValueError):
            state, _, number = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(number) == group and state not in "ZX":
                found.append(int(entry.name))
    return found


def no_child_is_left() -> None:
    """Fail where this process has a child, alive or a zombie."""
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@contextlib.contextmanager
def gathered(program: Program, size: int, kind: str) -> Iterator[Crew]:
    """A crew of the kind asked for, closed at the end."""
    crew = gather(program, size, kind)
    assert isinstance(crew, {"threads": Threads, "processes": Processes}[kind])
    try:
        yield crew
    finally:
        crew.close()


def nothing(member: Member, numbers: tuple[int, ...]) -> None:
    """The program that does nothing."""


def pids_of(crew: Crew) -> list[int]:
    assert isinstance(crew, Processes)
    return list(crew._pids)


def raising(*_: object) -> None:
    """A signal handler that interrupts as Ctrl-C does."""
    raise KeyboardInterrupt


# Shares, barriers and numbers


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("count", [0, 1, 4, 7, 8, 100])
def test_shares_cover_every_tile_once(size: int, count: int) -> None:
    shares = [list(Member(index, size, lambda: None).share(count)) for index in range(size)]
    assert sorted(tile for one in shares for tile in one) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def in_step(member: Member, seen: Any, rounds: int) -> None:
    """Fail where a member is seen a round too early or too late."""
    for now in range(1, rounds + 1):
        if member.index == now % member.size:
            time.sleep(0.0005)
        seen[member.index] = now
        member.wait()
        assert (seen == now).all(), f"round {now}: {seen}"
        member.wait()


@KINDS
@pytest.mark.parametrize("size", [2, 3, 5])
@alone
def test_nobody_passes_before_all_are_there(kind: str, size: int) -> None:
    seen = shared((size,), np.int64)

    with gathered(lambda member, numbers: in_step(member, seen, 25), size, kind) as crew:
        for _ in range(3):
            seen[:] = 0
            crew.run()


@alone
def test_more_members_than_cores_come_through() -> None:
    seen = shared((12,), np.int64)
    with gathered(lambda member, numbers: in_step(member, seen, 20), 12, "processes") as crew:
        crew.run()


@KINDS
@alone
def test_a_run_ends_when_all_have_ended(kind: str) -> None:
    ended = shared((4,), np.int64)

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        time.sleep(0.01 * ((member.index + numbers[0]) % 4))
        for tile in member.share(4):
            ended[tile] += 1

    with gathered(program, 4, kind) as crew:
        for run in range(1, 5):
            crew.run(run)
            np.testing.assert_array_equal(ended, run)


@alone
def test_members_sleep_between_runs() -> None:
    with gathered(nothing, 3, "processes") as crew:
        crew.run()
        time.sleep(0.3)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime + used.ru_stime < 0.2


@KINDS
@alone
def test_numbers_arrive_whole(kind: str) -> None:
    def program(member: Member, told: tuple[int, ...]) -> None:
        assert told == given[len(told)]
        assert all(type(number) is int for number in told)

    rows = [(), (2**64 - 1,), (2**64 - 1, 0), (2**64 - 1, 2**63, 2**53 + 1), tuple(range(64))]
    given = {len(row): row for row in rows}
    with gathered(program, 3, kind) as crew:
        for row in (*rows, *reversed(rows)):
            crew.run(*row)


@alone
def test_numbers_that_do_not_fit_are_refused() -> None:
    with gathered(nothing, 2, "processes") as crew:
        for number in (-1, 2**64, 0.5, "one"):
            wrong: Any = number
            with pytest.raises(ValueError, match=rf"0 to 2\*\*64 - 1, got {number!r}"):
                crew.run(7, wrong)
        with pytest.raises(ValueError, match="at most 64 numbers, got 65"):
            crew.run(*range(65))
        crew.run(1)


def test_shared_memory_is_zeros_of_any_shape() -> None:
    array = shared((3, 2), "float32")
    assert (array.shape, array.dtype.str, float(array.sum())) == ((3, 2), "<f4", 0.0)
    assert shared((0, 5), "float64").shape == (0, 5)
    assert shared((), "int64").shape == ()


def test_one_is_the_caller_itself() -> None:
    who = []
    crew = gather(lambda member, numbers: who.append((member.index, member.size, numbers)), 1, "")
    assert isinstance(crew, Solo)
    crew.run(3, 2**64)
    crew.close()
    crew.close()
    assert who == [(0, 1, (3, 2**64))]
    with pytest.raises(RuntimeError, match="the crew is closed"):
        crew.run()


@pytest.mark.parametrize(
    ("workers", "kind", "error", "message"),
    [
        (0, "threads", ValueError, "workers must be an integer from 1 to 256, got 0"),
        (257, "processes", ValueError, "workers must be an integer from 1 to 256, got 257"),
        (2.5, "threads", TypeError, r"workers must be an integer .*, got 2\.5 of type float"),
        (2, "fibers", ValueError, "kind should be 'threads' or 'processes', got 'fibers'"),
    ],
)
def test_absurd_crews_are_refused(
    workers: Any, kind: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gather(nothing, workers, kind)


# Errors


@KINDS
@pytest.mark.parametrize("members", [(0,), (2,), (0, 2), (1, 2), (0, 1, 2)])
@alone
def test_an_error_surfaces_once_and_the_crew_goes_on(kind: str, members: tuple[int, ...]) -> None:
    """Of one member or of several, before, between and after two waits."""

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        for stage in range(1, 4):
            if member.index in members and numbers[0] == stage:
                raise ValueError(f"no {stage} here")
            if stage < 3:
                member.wait()

    with gathered(program, 3, kind) as crew:
        for stage in (1, 2, 3, 3, 2, 1):
            with pytest.raises(ValueError, match=f"^no {stage} here$"):
                crew.run(stage)
            crew.run(0)


@KINDS
@alone
def test_an_error_of_an_earlier_run_is_not_told_again(kind: str) -> None:
    """Both fail in the first run; in the second only the last does, of something else."""

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        if numbers[0] == 1 and member.index:
            raise ValueError("early")
        if numbers[0] == 2 and member.index == 2:
            raise LookupError("late")

    with gathered(program, 3, kind) as crew:
        with pytest.raises(ValueError, match="early"):
            crew.run(1)
        with pytest.raises(LookupError, match="late"):
            crew.run(2)
        crew.run(3)


@KINDS
@alone
def test_many_errors_do_not_fill_anything(kind: str) -> None:
    """What nobody reads of the members' reports must not block them in the end."""

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        raise ValueError("x" * 9000)

    with gathered(program, 3, kind) as crew:
        for _ in range(20):
            with pytest.raises(ValueError, match=r"^x{9000}$"):
                crew.run()


class OwnError(Exception):
    """One that is no builtin."""


class Mute(ValueError):
    def __str__(self) -> str:
        raise AttributeError("no words")


ERRORS: list[Callable[[], BaseException]] = [
    lambda: dl.ShapeError("a shape"),
    lambda: KeyError("path"),
    lambda: KeyError(3),
    lambda: OSError(28, "No space left on device"),
    lambda: FileNotFoundError(2, "No such file", "a name"),
    lambda: MemoryError("Unable to allocate"),
    lambda: StopIteration("stop"),
    ValueError,
    lambda: ValueError("long " * 30_000),
    lambda: ValueError("\U0001f40d" * 100_000),
    lambda: ValueError("a\0b"),
    lambda: ValueError("file \udcff"),
    lambda: KeyboardInterrupt("why"),
]

OTHERS: dict[str, Callable[[], BaseException]] = {
    "OwnError: mine": lambda: OwnError("mine"),
    "Mute: <it cannot say what happened>": Mute,
    "UnicodeDecodeError: 'utf-8' codec can't decode byte 0x61 in position 0: bad": (
        lambda: UnicodeDecodeError("utf-8", b"abc", 0, 1, "bad")
    ),
    "SystemExit: 3": lambda: SystemExit(3),
}


def raised(kind: str, errors: list[Callable[[], BaseException]]) -> Iterator[BaseException]:
    """Yield what a crew raises whose last member raises each error at its work."""

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        if member.index == 1 and numbers:
            raise errors[numbers[0]]()
        member.wait()

    with gathered(program, 2, kind) as crew:
        for number in range(len(errors)):
            with pytest.raises(BaseException) as caught:  # noqa: PT011
                crew.run(number)
            yield caught.value
            crew.run()


@KINDS
@alone
def test_errors_keep_their_type_and_message(kind: str) -> None:
    for make, error in zip(ERRORS, raised(kind, ERRORS)):
        wanted = make()
        assert type(error) is type(wanted)
        assert str(error)[:60_000] == str(wanted)[:60_000]
        text = "".join(traceback.format_exception(error))
        assert "in program" in text  # where it was


@KINDS
@alone
def test_errors_of_other_types_are_named(kind: str) -> None:
    """Threads raise the error itself."""
    for (message, make), error in zip(OTHERS.items(), raised(kind, list(OTHERS.values()))):
        if kind == "threads":
            assert type(error) is type(make())
            continue
        assert type(error) is RuntimeError
        assert str(error) == message
        assert "in a worker process" in str(error.__cause__)
        assert "in program" in str(error.__cause__)


# Ends


@KINDS
@pytest.mark.parametrize("runs", [0, 1])
@alone
def test_closing_twice_is_closing_once(kind: str, runs: int) -> None:
    before = threading.active_count(), descriptors()
    crew = gather(nothing, 3, kind)
    for _ in range(runs):
        crew.run()
    for _ in range(2):
        crew.close()
        no_child_is_left()
        with pytest.raises(RuntimeError, match="the crew is closed and runs no more"):
            crew.run()
    assert (threading.active_count(), descriptors()) == before


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("fails", [0, 1])
@alone
def test_a_forgotten_crew_is_collected(kind: str, fails: int) -> None:
    before = descriptors()

    class Owner:
        """In a ring with its crew, as a training program is."""

        def __init__(self) -> None:
            self.crew = gather(self.work, 3, kind)
            with contextlib.suppress(ValueError):
                self.crew.run(fails)

        def work(self, member: Member, numbers: tuple[int, ...]) -> None:
            member.wait()
            if numbers[0]:
                raise ValueError("no")

    Owner()
    assert within(10.0, lambda: gc.collect() >= 0 and threading.active_count() == 1)
    no_child_is_left()
    assert descriptors() == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@KINDS
@alone
def test_two_crews_at_once_end_in_any_order(kind: str, order: tuple[int, int]) -> None:
    both = [gather(nothing, 3, kind), Processes(nothing, 3)]
    for crew in both:
        crew.run()
    for index in order:
        both[index].close()


@alone
def test_another_process_of_the_caller_s_is_left_alone() -> None:
    """It has copies of the pipes, and of the crew, which it may close or leave at its end."""
    crew = gather(nothing, 3, "processes")
    pid = os.fork()
    if pid == 0:
        crew.close()
        time.sleep(30)
        os._exit(0)
    time.sleep(0.1)
    crew.run()
    began = time.monotonic()
    crew.close()
    assert time.monotonic() - began < 1, "it waited for a process that is no member"
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("what", ["fork", "pipe"])
@alone
def test_where_a_fork_fails_nothing_is_left(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real, calls = descriptors(), getattr(os, what), iter(range(9))

    def limited() -> Any:
        if next(calls) == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real()

    monkeypatch.setattr(os, what, limited)
    with pytest.raises(BlockingIOError, match="Resource temporarily unavailable"):
        gather(nothing, 4, "processes")
    no_child_is_left()
    assert descriptors() == before


@alone
def test_a_caller_that_ignores_its_children_can_run_and_close() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system takes their exits in
    with gathered(nothing, 3, "processes") as crew:
        crew.run()
    with gathered(nothing, 3, "processes") as crew:
        os.kill(pids_of(crew)[0], signal.SIGKILL)
        with pytest.raises(RuntimeError, match=r"ended unexpectedly \(status unknown\)"):
            crew.run()


# Members that are killed


@pytest.mark.parametrize("moment", ["first", "between", "last"])
@pytest.mark.parametrize("status", [-9, 3])
@alone
def test_a_member_that_dies_is_an_error(moment: str, status: int) -> None:
    """And remains one; closing still works."""

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        if moment == "between":
            member.wait()
        if member.index == member.size - 1 and numbers[0]:
            os.kill(os.getpid(), -status) if status < 0 else os._exit(status)
        if moment != "last":
            member.wait()

    before = descriptors()
    crew = gather(program, 3, "processes")
    crew.run(0)
    for number in (1, 0):
        with pytest.raises(
            RuntimeError, match=rf"process ended unexpectedly \(status {status}\): .* memory\?"
        ):
            crew.run(number)
    crew.close()
    no_child_is_left()
    assert descriptors() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@alone
def test_a_member_killed_between_runs_is_an_error(number: int) -> None:
    signal.signal(signal.SIGTERM, raising)  # is the caller's, and not for the members
    crew = gather(nothing, 3, "processes")
    crew.run()
    os.kill(pids_of(crew)[0], number)
    time.sleep(0.05)
    with pytest.raises(RuntimeError, match=rf"ended unexpectedly \(status -{number}\)"):
        crew.run()
    crew.close()


# Forks and threads


@alone
def test_beside_another_thread_nobody_forks() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert not can_fork()
    assert isinstance(gather(nothing, 3, "processes"), Threads)
    stop.set()
    thread.join()


@pytest.mark.parametrize("platform", ["no fork", "darwin"])
@alone
def test_other_platforms_have_threads(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_fork()
    if platform == "darwin":
        monkeypatch.setattr(sys, "platform", platform)
    else:
        monkeypatch.delattr(os, "fork")
    assert not can_fork()
    seen = shared((3,), np.int64)
    crew = gather(lambda member, numbers: in_step(member, seen, 5), 3, "processes")
    assert isinstance(crew, Threads)
    crew.run()
    crew.close()


@alone
def test_forking_beside_the_threads_of_blas_warns_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def program(member: Member, numbers: tuple[int, ...]) -> None:
        with pytest.raises(DeprecationWarning, match="the program's own"):
            warnings.warn("the program's own", DeprecationWarning, stacklevel=1)

    def warning() -> int:
        warnings.warn("this process is multi-threaded", DeprecationWarning, stacklevel=1)
        return fork()

    fork = os.fork
    monkeypatch.setattr(os, "fork", warning)
    warnings.simplefilter("error")
    with gathered(program, 3, "processes") as crew:
        crew.run()


@KINDS
@alone
def test_members_are_where_they_should_be(kind: str) -> None:
    pids, threads = shared((3,), np.int64), shared((3,), np.uint64)

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        pids[member.index], threads[member.index] = os.getpid(), threading.get_ident()

    with gathered(program, 3, kind) as crew:
        crew.run()
    assert (pids[0], threads[0]) == (os.getpid(), threading.get_ident())
    assert len(set(pids.tolist() if kind == "processes" else threads.tolist())) == 3


# Ctrl-C


@KINDS
@pytest.mark.parametrize("place", ["at work", "at a barrier", "at the end"])
@alone
def test_ctrl_c_ends_a_run_and_the_crew_can_be_closed(kind: str, place: str) -> None:
    """The whole group hears it, as from a terminal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        if member.index == 1:
            time.sleep(0.02)
            if place != "at work":
                os.killpg(0, signal.SIGINT)
            time.sleep(0.05)
        elif place == "at work" and member.index == 0:
            os.killpg(0, signal.SIGINT)
            time.sleep(0.05)
        if place != "at the end":
            member.wait()

    crew = gather(program, 3, kind)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            crew.run()
    crew.close()
    assert threading.active_count() == 1
    no_child_is_left()


@KINDS
@alone
def test_ctrl_c_waits_for_nobody_for_long(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads cannot be ended from outside, so closing is left to the interpreter's end."""
    monkeypatch.setattr(f"minidl.engine.crew.{kind}.GRACE", 0.1)
    signal.signal(signal.SIGALRM, raising)

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        if member.index:
            time.sleep(60)

    crew = gather(program, 3, kind)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        crew.run()
    if kind == "processes":
        crew.close()
    assert time.monotonic() - began < 1


def interrupted(seconds: float, body: Callable[[], object]) -> None:
    """Run a body that a signal may interrupt."""
    signal.signal(signal.SIGALRM, raising)
    with contextlib.suppress(KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        body()
        signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def waiting(member: Member, numbers: tuple[int, ...]) -> None:
    member.wait()
    member.wait()


@KINDS
@alone
def test_ctrl_c_at_any_moment_of_a_run(kind: str) -> None:
    """However far it came, the next run is whole."""

    def many() -> None:
        for _ in range(100):
            crew.run()

    with gathered(waiting, 3, kind) as crew:
        for delay in range(50):
            interrupted(0.0002 + delay * 6e-6, many)
            crew.run()


@pytest.mark.slow
@alone
def test_ctrl_c_at_any_moment_of_gathering_and_closing() -> None:
    before = descriptors()
    for delay in range(1, 60, 2):
        interrupted(delay * 1e-4, lambda: gather(waiting, 4, "processes").close())
    gc.collect()
    no_child_is_left()
    assert descriptors() == before


@pytest.mark.slow
@KINDS
@alone
def test_ctrl_c_at_any_moment_of_closing(kind: str) -> None:
    for delay in range(1, 30):
        crew = gather(waiting, 4, kind)
        interrupted(delay * 1e-5, crew.close)
        crew.close()
        no_child_is_left()
    assert within(10.0, lambda: threading.active_count() == 1)


@KINDS
@alone
def test_ctrl_c_at_any_line_of_a_run(kind: str) -> None:
    """Where nobody may be awake yet, or all be done: the next run is whole."""
    with gathered(waiting, 3, kind) as crew:
        for step in range(250):
            lines = iter(range(step))

            def trace(*_: object, lines: Iterator[int] = lines) -> Any:
                if next(lines, None) is None:
                    sys.settrace(None)
                    raise KeyboardInterrupt
                return trace

            sys.settrace(trace)
            try:  # noqa: SIM105
                crew.run()
            except KeyboardInterrupt:
                pass
            sys.settrace(None)
            crew.run()


# The end of the interpreter, in a process started anew


SCRIPT = """
import atexit, os, signal, sys, time
from minidl.engine.crew import gather
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have ignored
how, kind = sys.argv[1:]
atexit.register(print, "the end", flush=True)
def program(member, numbers):
    member.wait()
    if how == "computing" and numbers[0] and member.index:
        time.sleep(60)
    if how == "at a barrier" and numbers[0] and not member.index:
        time.sleep(60)
    member.wait()
crew = gather(program, 3, kind)
crew.run(0)
if how == "forked" and os.fork() == 0:
    os.setsid()
    os.close(1)
    os.close(2)
    time.sleep(4)
    os._exit(0)
print("ready", flush=True)
print("written once", end=" ")
other = gather(program, 3, kind)
other.run(0)
if how == "exit":
    sys.exit(3)
if how == "raise":
    raise ValueError("uncaught")
crew.run(1)
time.sleep(60)
"""


def started(how: str, kind: str) -> subprocess.Popen[str]:
    """Start the script in a session of its own and wait until its crew has run."""
    environment = {**os.environ, "PYTHONPATH": str(Path(dl.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, how, kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@contextlib.contextmanager
def ends(process: subprocess.Popen[str]) -> Iterator[None]:
    """Every process of the session ends within two seconds of the body."""
    try:
        yield
        assert within(10.0, lambda: not members_of(process.pid)), "some process is left"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=5)


@KINDS
@pytest.mark.parametrize(("how", "code", "said"), [("exit", 3, ""), ("raise", 1, "uncaught")])
def test_the_end_of_the_program_is_the_end_of_its_members(
    kind: str, how: str, code: int, said: str
) -> None:
    process = started(how, kind)
    with ends(process):
        assert process.wait(timeout=5) == code
        assert process.stdout
        assert process.stderr
        out, err = process.stdout.read(), process.stderr.read()
    assert out == "written once the end\n"  # by the caller, and by nobody else
    assert (said in err) if said else err == ""


@pytest.mark.parametrize("how", ["idle", "computing", "at a barrier", "forked"])
def test_members_do_not_outlive_a_killed_caller(how: str) -> None:
    process = started(how, "processes")
    assert within(10.0, lambda: len(members_of(process.pid)) == 5)
    time.sleep(0.2)  # until it runs again
    with ends(process):
        process.kill()


@KINDS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_whole_group_end_all(kind: str, number: signal.Signals) -> None:
    process = started("at a barrier", kind)
    time.sleep(0.1)
    with ends(process):
        os.killpg(process.pid, number)
        process.wait(timeout=5)
    assert process.returncode == -number
