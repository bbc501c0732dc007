"""Run folders: what a training run leaves, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

MODEL: Final = "model.safetensors"
HISTORY: Final = "history.json"
CURVES: Final = "curves.png"
RUN: Final = "run.json"


@contextmanager
def claim(out: str | None, name: str, force: bool) -> Iterator[Path]:
    """Give a folder to write a run to: ``out``, or else the first free one of ``runs/name-1`` ...

    A folder that was made for a run which then fails is removed, unless something is in it.

    Raises
    ------
    ValueError, OSError
        Where the folder holds something, without ``force``, or cannot be written.
    """
    folder, made = _first_free(Path("runs"), name) if out is None else _given(Path(out), force)
    try:
        _check_writable(folder)
        yield folder
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


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


def _check_writable(folder: Path) -> None:
    from tempfile import TemporaryFile

    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"cannot write to the folder {folder}: {error.strerror}") from None


def model_file(name: str) -> Path:
    """Return the model file that a path means: itself, or the one in a run folder."""
    path = Path(name)
    if path.is_dir():
        path = path / MODEL
        if not path.is_file():
            raise FileNotFoundError(f"the folder {name} holds no {MODEL}: name a run or a file")
    return path


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
        return Trained(str(given["data"]), given["label"], str(record["test"]))
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} does not say what the run was trained on: pass --data") from None
