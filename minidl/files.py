"""Model files: safetensors with the architecture as JSON in the header. Nothing in them can run."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from minidl import architecture
from minidl.data.locking import take, take_if_known
from minidl.graph import Graph
from minidl.module import Module
from minidl.record import Record
from minidl.types import Array, Shape

PathLike: TypeAlias = str | os.PathLike[str]

FORMAT = "minidl-1"
CHECKPOINT = "minidl-checkpoint"
STRICT = ". load_weights(path, strict=False) takes what fits"


class WeightReport(Record):
    """What ``load_weights`` did: the paths that it filled, those it did not find, and the rest.

    ``missing`` are paths of the model that the file lacks, ``unexpected`` paths of the file that
    the model lacks, ``mismatched`` paths whose shapes differ, or whose values are no floats.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]


def save(model: Graph, path: PathLike) -> None:
    """Write a model, architecture and arrays, to a safetensors file.

    The file appears whole or not at all: it is written beside its place, then moved there.
    Raises ``TypeError`` where ``model`` is no graph, ``ValueError`` where it has no arrays,
    ``OSError`` where the disk refuses.
    """
    if not isinstance(model, Graph):
        raise TypeError(f"save takes a Graph or a Sequential, got {model!r}: put it into one")
    header = {"format": FORMAT, "architecture": architecture.to_json(model)}
    write_arrays(path, model.arrays, header)


def load(path: PathLike, modules: Iterable[type[Module]] = ()) -> Graph:
    """Return the model of a file that ``save`` wrote.

    Parameters
    ----------
    path : path
        The file.
    modules : iterable of Module classes
        Classes of your own that the model is made of; files name them and hold no code.

    Raises
    ------
    ValueError
        Where the file is torn, foreign, made of an unknown module, or its arrays do not fit.
    FileNotFoundError, IsADirectoryError
        Where there is no such file, or a folder in its place.
    """
    header, arrays = read_arrays(path)

    def check(shapes: Mapping[str, Shape]) -> None:
        """Refuse an architecture that announces other arrays than the file has, before it grows."""
        _check(_compare(shapes, arrays), "its arrays do not fit its own architecture")

    if CHECKPOINT in header.get("format", ""):
        raise ValueError(f"{path} is a checkpoint of a run: trainer.restore(path) goes on with it")
    if header.get("format") != FORMAT or "architecture" not in header:
        raise ValueError(
            f"{path} holds arrays but no minidl model (its format is {header.get('format')!r}, not"
            f" {FORMAT!r}): build the model, then use model.load_weights(path)"
        )
    try:
        model = architecture.from_json(header["architecture"], modules, check)
    except ValueError as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from None
    _fill(model, arrays)
    return model


def load_weights(model: Graph, path: PathLike, strict: bool = True) -> WeightReport:
    """Copy the arrays of a file into a model, by path, and report what was and was not copied.

    With ``strict=False``, arrays that are missing or do not fit are left as they are; otherwise
    they raise ``ValueError``, and the model is unchanged.
    """
    arrays = read_arrays(path)[1]
    if strict:
        _check(_compare(_shapes(model), arrays), f"{path}: its arrays do not fit the model", STRICT)
    return _fill(model, arrays)


def _shapes(model: Graph) -> dict[str, Shape]:
    return {name: array.shape for name, array in model.arrays.items()}


def _compare(shapes: Mapping[str, Shape], arrays: dict[str, Array]) -> WeightReport:
    shared = [name for name in shapes if name in arrays]
    fits = {name: _fits(arrays[name], shapes[name]) for name in shared}
    return WeightReport(
        loaded=tuple(name for name in shared if fits[name]),
        missing=tuple(name for name in shapes if name not in arrays),
        unexpected=tuple(sorted(name for name in arrays if name not in shapes)),
        mismatched=tuple(name for name in shared if not fits[name]),
    )


def _fits(array: Array, shape: Shape) -> bool:
    """Tell whether an array can be a model's: of floats, as the bits of integers mean others."""
    return array.shape == shape and array.dtype.kind == "f"


def _fill(model: Graph, arrays: dict[str, Array]) -> WeightReport:
    report = _compare(_shapes(model), arrays)
    for name in report.loaded:
        model.arrays[name] = arrays[name]
    return report


def _check(report: WeightReport, what: str, hint: str = "") -> None:
    wrong = [
        f"{kind} {', '.join(names)}"
        for kind, names in report.fields().items()
        if kind != "loaded" and names
    ]
    if wrong:
        raise ValueError(f"{what}: {'; '.join(wrong)}{hint}")


def write_arrays(path: PathLike, arrays: Mapping[str, Array], header: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all; raises what ``write_whole`` does."""
    from safetensors.numpy import save as to_bytes

    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_whole(path, to_bytes(ordered, metadata=header))


def read_arrays(
    path: PathLike, kind: str = "model file"
) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the header and the arrays of a safetensors file; ``kind`` is what messages call it.

    Raises ``ValueError`` where it is torn or foreign, ``OSError`` where there is none.
    """
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: name the {kind} in it")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no {kind} {str(path)!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, arrays
    except TypeError as error:
        raise ValueError(f"{path} holds arrays of a type that NumPy lacks: {error}") from None
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from None


def write_whole(path: PathLike, data: bytes) -> None:
    """Write a file that is either the old one or the new one, whatever happens meanwhile.

    What writes of the same file left behind when they were killed is removed. Raises ``OSError``
    where the disk is full, or the folder missing or not to be written to; it names the file.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(target.parent)!r} to write {target.name} to"
        )
    try:
        sweep(target)
        _replace(target, data)
    except OSError as error:
        reason = error.strerror or error
        raise type(error)(
            f"cannot write {target}: {reason}. What was there before is still whole; make room in"
            f" {target.parent}, or make it writable"
        ) from error


def _replace(target: Path, data: bytes) -> None:
    file = _beside(target)
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":  # where an open file cannot be moved
                file.close()
            os.replace(file.name, target)
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise
    if os.name != "nt":
        _settle(target.parent)


def _beside(target: Path) -> BinaryIO:
    """Return a new file beside another, locked for as long as its writer has it open."""
    while True:
        name = f".{target.name}.{os.getpid()}-{time.time_ns()}"
        file = open(target.with_name(name), "xb")  # noqa: SIM115
        if take_if_known(file.fileno()) and Path(file.name).exists():
            return file
        file.close()  # another writer swept it away before it was locked


def sweep(target: Path) -> None:
    """Remove what writers of a file that are no more left beside it."""
    pattern = re.compile(re.escape(f".{target.name}.") + r"\d+-\d+")
    for other in target.parent.iterdir():
        if pattern.fullmatch(other.name):
            with suppress(OSError), open(other, "r+b") as file:
                if take(file.fileno()):
                    other.unlink()


def _settle(folder: Path) -> None:
    """Have the names in a folder on the disk, where it can be told to."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
