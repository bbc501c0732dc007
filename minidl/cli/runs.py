"""Run folders: what a training run leaves, and where."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from minidl.data.locking import POLL, take_if_known
from minidl.files import sweep
from minidl.training import checkpoint

MODEL: Final = "model.safetensors"
HISTORY: Final = "history.json"
CURVES: Final = "curves.png"
RUN: Final = "run.json"
SETTINGS: Final = "run.toml"
CHECKPOINT: Final = "checkpoint.safetensors"
BEST: Final = "best.safetensors"
LOG: Final = "log.jsonl"
FILES: Final = (MODEL, BEST, CHECKPOINT, HISTORY, LOG, CURVES, SETTINGS, RUN)
"""What a run writes; all else in its folder is somebody's, and left alone."""

PATIENCE: Final = 5.0
"""Seconds that the workers of a killed run may take to notice, and to let go of its folder."""


@contextmanager
def claim(out: str | None, name: str, force: bool) -> Iterator[Path]:
    """Give a folder to write a run to: ``out``, or else the first free one of ``runs/name-1`` ...

    What another run left in it goes. Where the run fails, so does what it wrote, unless it can be
    resumed; a folder that was made for it is removed then.

    Raises
    ------
    ValueError, OSError
        Where the folder holds something, without ``force``, or cannot be written.
    """
    folder, made = _first_free(Path("runs"), name) if out is None else _given(Path(out), force)
    _check_writable(folder, made)
    with occupied(folder):
        _clear(folder)
        try:
            yield folder
        except BaseException:
            if not is_begun(folder):
                _clear(folder)
                _remove(folder, made)
            raise


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Keep a run's folder from a second process for as long as the block runs.

    The lock is on the folder itself, so that no file is left. Where the system has none (Windows),
    all may go on. Raises ``BlockingIOError`` where another has it, ``FileNotFoundError`` where
    there is no folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: name that of a run")
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _await(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _await(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not take_if_known(descriptor):
        if time.monotonic() > deadline:
            raise BlockingIOError(
                f"a run is going on in {folder}: wait for its end, or choose another --out"
            )
        time.sleep(POLL)


def is_begun(folder: Path) -> bool:
    """Whether a run has left more in its folder than where it began."""
    path = folder / CHECKPOINT
    if (folder / BEST).exists() or not path.is_file():
        return path.is_file()
    with suppress(ValueError, OSError):
        return bool(checkpoint.read(path)["optimizer"]["steps"])
    return True  # what cannot be read is not ours to remove


def _clear(folder: Path) -> None:
    """Remove what a run writes, and what one that was killed left half written."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
        sweep(folder / name)


def _remove(folder: Path, made: bool) -> None:
    """Remove a folder that was made for a run, if nothing else is in it."""
    with suppress(OSError):
        if made:
            folder.rmdir()


def _first_free(parent: Path, name: str) -> tuple[Path, bool]:
    """Make the first folder that does not exist: two runs that start at once get two folders."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = parent / f"{name}-{number}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder, True
    raise AssertionError("there is always another number")


def _given(folder: Path, force: bool) -> tuple[Path, bool]:
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        return folder, True
    if not folder.is_dir():
        raise ValueError(f"--out {folder} is a file: name a folder")
    if any(folder.iterdir()) and not force:
        raise ValueError(
            f"the folder {folder} is not empty: choose another --out, or overwrite the run in it"
            " with --force"
        )
    return folder, False


def _check_writable(folder: Path, made: bool) -> None:
    from tempfile import TemporaryFile

    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _remove(folder, made)
        raise OSError(f"cannot write to the folder {folder}: {error.strerror}") from None


def model_file(name: str) -> Path:
    """Return the model file that a path means: itself, or the one in a run folder."""
    path = Path(name)
    if path.is_dir():
        path = path / MODEL
        if not path.is_file():
            raise FileNotFoundError(f"the folder {name} holds no {MODEL}: {_instead(path.parent)}")
    return path


def _instead(folder: Path) -> str:
    if not (folder / CHECKPOINT).is_file():
        return "name a run or a file"
    best = f", or name {folder / BEST}" if (folder / BEST).is_file() else ""
    return f"its run was cut off, 'minidl train --resume {folder}' goes on{best}"


class Trained(NamedTuple):
    """What a run was trained on: a name or path, its column of labels, and a hash of the rest."""

    data: str
    label: str | int | None
    test: str


def trained_on(name: str) -> Trained | None:
    """Return what a run was trained on; None where ``name`` is of no run.

    ``name`` is a run folder or a file in one.
    """
    path = Path(name)
    path = (path if path.is_dir() else path.parent) / RUN
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        given = record["arguments"]
        return Trained(str(given["data"]), given.get("label"), str(record.get("test")))
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} does not say what the run was trained on: pass --data") from None
