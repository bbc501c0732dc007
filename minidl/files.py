"""Model files: safetensors with the architecture as JSON in the header. Nothing in them can run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from minidl import architecture
from minidl.graph import Graph
from minidl.module import Module
from minidl.record import Record
from minidl.types import Array, Shape

PathLike: TypeAlias = str | os.PathLike[str]

FORMAT = "minidl-1"
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
    from safetensors.numpy import save as to_bytes

    if not isinstance(model, Graph):
        raise TypeError(f"save takes a Graph or a Sequential, got {model!r}: put it into one")
    arrays = {name: np.asarray(array, order="C") for name, array in model.arrays.items()}
    header = {"format": FORMAT, "architecture": architecture.to_json(model)}
    write_whole(path, to_bytes(arrays, metadata=header))


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
    header, arrays = _read(path)

    def check(shapes: Mapping[str, Shape]) -> None:
        """Refuse an architecture that announces other arrays than the file has, before it grows."""
        _check(_compare(shapes, arrays), "its arrays do not fit its own architecture")

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
    arrays = _read(path)[1]
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


def _read(path: PathLike) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the header and the arrays of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: name the model file in it")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no model file {str(path)!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, arrays
    except TypeError as error:
        raise ValueError(f"{path} holds arrays of a type that NumPy lacks: {error}") from None
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from None


def write_whole(path: PathLike, data: bytes) -> None:
    """Write a file that is either the old one or the new one, whatever happens meanwhile."""
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(target.parent)!r} to write {target.name} to"
        )
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{time.time_ns()}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
