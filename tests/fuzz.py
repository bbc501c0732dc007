"""Damage files of every format that is read, and see that no reader is fooled or brought down.

    python tests/fuzz.py --count 100000 --processes 4
    python tests/fuzz.py --format npz --number 123 --seed 1     # one input again

Each input is made from (seed, format, number) alone. A reader may return what the bytes say, or
raise a ``ValueError`` that names the file; it may not raise anything else, die, take longer than
``SECONDS``, or take more memory than a file of that size can honestly need. Readers run in worker
processes of bounded memory; one that dies is reported with the input that it died of.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from fuzz_formats import FORMATS, MB, Format, damaged

SECONDS = 5.0
MEMORY = 3 * 2**30  # address space of a worker
BATCH = 500  # inputs of one worker
RESIDENT = 128 * MB  # what libraries may take beside what tracemalloc sees


class Outcome(NamedTuple):
    """What became of one input; ``fault`` is empty where nothing was wrong."""

    format: str
    number: int
    loaded: bool = False
    seconds: float = 0.0
    peak: int = 0
    fault: str = ""


def input_of(name: str, seed: int, number: int, form: Format) -> tuple[bytes, bool]:
    return damaged(form, Random(f"{seed} {name} {number}"))


def judge(name: str, seed: int, number: int, form: Format, folder: Path) -> Outcome:
    """Read one damaged file and say what is wrong with what came of it."""
    content, found = input_of(name, seed, number, form)
    path = folder / f"{name.replace('.', '-')}-{number}{form.suffix}"
    path.write_bytes(content)
    result, fault, before = None, "", resident()
    tracemalloc.reset_peak()
    held, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
    try:
        result = form.read(path)
    except ValueError as error:
        if str(path) not in str(error):
            fault = f"the error does not name the file: {error!r:.500}"
    except Exception as error:
        fault = f"{error!r:.500}"
    seconds = time.perf_counter() - start
    peak = max(tracemalloc.get_traced_memory()[1] - held, 0)
    grown = resident() - before
    limit = form.spare + form.most * len(content)
    if not fault and (peak > limit or grown > limit + RESIDENT):
        fault = f"{peak} bytes and {grown} in all for a file of {len(content)}"
    if not fault and seconds > SECONDS and (alone := untraced(form, path)) > SECONDS:
        fault = f"{alone:.1f} s"
    if not fault and (result is not None or form.refusals):
        fault = misread(form, result, content, found, folder)
    path.unlink()
    return Outcome(name, number, result is not None, seconds, max(peak, grown), fault)


def untraced(form: Format, path: Path) -> float:
    """Return how long a reader takes when nobody counts its memory, which can be 20 times less."""
    tracemalloc.stop()
    start = time.perf_counter()
    with contextlib.suppress(ValueError):
        form.read(path)
    if not form.pillow:
        tracemalloc.start()
    return time.perf_counter() - start


def misread(form: Format, result: Any, content: bytes, found: bool, folder: Path) -> str:
    """Return what is wrong with a result, or with a refusal."""
    try:
        if fault := form.check(result, content):
            return fault
        if found and result is not None and not any(map(_equal(result), _whole(form, folder))):
            return "blind damage beneath a checksum was taken for data"
    except Exception as error:
        return f"accepted, but an independent parser says {error!r:.500}"
    return ""


def _whole(form: Format, folder: Path) -> Iterator[Any]:
    for content in form.files():
        path = folder / f"whole{form.suffix}"
        path.write_bytes(content)
        yield form.read(path)


def _equal(result: Any) -> Any:
    def equal(other: Any) -> bool:
        if isinstance(result, dict):
            return list(result) == list(other) and all(
                result[key].tobytes() == other[key].tobytes() for key in result
            )
        return bool(result.shape == other.shape and result.tobytes() == other.tobytes())

    return equal


def resident() -> int:
    """Return the most memory that this process has had, 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak * (1 if sys.platform == "darwin" else 1024))


# The worker


def work(names: Sequence[str], seed: int, first: int, last: int) -> None:
    """Judge inputs and print an outcome each, for the parent to read."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            form = {**FORMATS, **TRAPS}[name]
            tracemalloc.stop() if form.pillow else tracemalloc.start()  # Pillow would crawl
            for number in range(first, last):
                faulthandler.dump_traceback_later(4 * SECONDS, exit=True)
                print(json.dumps(judge(name, seed, number, form, Path(folder))), flush=True)
    faulthandler.cancel_dump_traceback_later()


def _trap(read: Any) -> Format:
    return FORMATS["idx"]._replace(read=read)


TRAPS = {
    "trap-crash": _trap(lambda path: os.abort()),
    "trap-hang": _trap(lambda path: time.sleep(1000)),
}
"""Readers that a test uses to see that these would be found."""


# The parent


def run(names: Sequence[str], seed: int, first: int, last: int) -> Iterator[Outcome]:
    """Judge inputs in a worker; where it dies, go on with another after that input."""
    todo = [(name, number) for name in names for number in range(first, last)]
    while todo:
        name, start = todo[0]
        alone = start != first  # the rest of a format that a worker died in
        rest = [name] if alone else list(dict.fromkeys(name for name, _ in todo))
        came, died = _worker(rest, seed, start, last)
        yield from came
        done = {(one.format, one.number) for one in came}
        todo = [one for one in todo if one not in done]
        if died and todo:
            yield Outcome(*todo.pop(0), fault=f"the worker died: {died[-600:]}")


def _worker(names: list[str], seed: int, first: int, last: int) -> tuple[list[Outcome], str]:
    command = [sys.executable, __file__, "--worker", f"{first}:{last}", "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--format", ",".join(names)],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    if done.returncode == 1 and "Timeout" not in done.stderr:
        raise RuntimeError(f"the fuzzer itself failed: {done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.endswith("]")]
    died = f"exit code {done.returncode}: {done.stderr}" if done.returncode else ""
    return [Outcome(*json.loads(line)) for line in lines], died


def usable(names: Sequence[str]) -> list[str]:
    """Return the formats that can be read here."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        return [name for name in names if not FORMATS[name].pillow]
    return list(names)


def fuzz(names: Sequence[str], seed: int, count: int, processes: int) -> list[Outcome]:
    """Judge ``count`` inputs, shared out evenly; print how it goes and each fault."""
    each = -(-count // len(names))
    jobs = [
        (name, first, min(first + BATCH, each)) for first in range(0, each, BATCH) for name in names
    ]
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(processes) as pool:
        started = time.perf_counter()
        work = pool.map(lambda job: list(run([job[0]], seed, job[1], job[2])), jobs)
        for came in work:
            outcomes += came
            for one in came:
                tell(one, seed)
            spent = time.perf_counter() - started
            print(f"{len(outcomes)} of {each * len(names)} inputs, {spent:.0f} s", flush=True)
    return outcomes


def tell(one: Outcome, seed: int) -> None:
    """Print a fault and keep its input."""
    if not one.fault:
        return
    kept = Path(tempfile.gettempdir(), f"minidl-fuzz-{one.format}-{seed}-{one.number}")
    kept.write_bytes(input_of(one.format, seed, one.number, FORMATS[one.format])[0])
    again = f"python tests/fuzz.py --seed {seed} --format {one.format} --number {one.number}"
    print(
        f"FAULT {one.format} {one.number}: {one.fault}\n  input {kept}\n  again {again}", flush=True
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return a table with a row a format."""
    rows = [
        f"{'format':10}{'inputs':>9}{'loaded':>9}{'refused':>9}{'faults':>8}{'slowest':>10}{'peak':>10}"
    ]
    for name in dict.fromkeys(one.format for one in outcomes):
        own = [one for one in outcomes if one.format == name]
        loaded, faults = sum(one.loaded for one in own), sum(bool(one.fault) for one in own)
        slowest, peak = max(one.seconds for one in own), max(one.peak for one in own)
        rows.append(
            f"{name:10}{len(own):9}{loaded:9}{len(own) - loaded:9}{faults:8}"
            f"{1000 * slowest:7.0f} ms{peak / MB:7.1f} MB"
        )
    return "\n".join(rows)


def main() -> int:
    """Run from the command line; 1 where there were faults."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100_000, help="inputs of all formats together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", default=",".join(FORMATS), help="formats, separated by commas")
    parser.add_argument("--number", type=int, help="judge this one input of a format again")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.format.split(",")
    if given.worker:
        first, last = map(int, given.worker.split(":"))
        work(names, given.seed, first, last)
        return 0
    names = usable(names)
    if left := [name for name in FORMATS if name in given.format.split(",") and name not in names]:
        print(f"left out, as Pillow is not installed: {', '.join(left)}")
    if given.number is None:
        outcomes = fuzz(names, given.seed, given.count, given.processes)
    else:
        outcomes = list(run(names, given.seed, given.number, given.number + 1))
        for one in outcomes:
            tell(one, given.seed)
    print(summary(outcomes))
    faults = sum(bool(one.fault) for one in outcomes)
    print(f"{len(outcomes)} inputs, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
