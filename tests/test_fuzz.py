"""Two thousand damaged files of all formats; ``tests/fuzz.py`` makes as many as one likes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import fuzz
import numpy as np
import pytest
from fuzz_formats import FORMATS, MB

import minidl as dl
from minidl import files
from minidl.types import Array


@pytest.mark.parametrize("count", [500, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_reader_is_fooled_or_brought_down(count: int) -> None:
    names = fuzz.usable(list(FORMATS))
    outcomes = list(fuzz.run(names, seed=0, first=0, last=-(-count // len(names))))
    assert len(outcomes) >= count
    assert [one for one in outcomes if one.fault] == []
    for name in names if count >= 2000 else []:  # of fewer, perhaps none is whole
        assert {one.loaded for one in outcomes if one.format == name} == {True, False}


def test_an_input_can_be_made_again() -> None:
    made = [fuzz.input_of("npz", 3, number, FORMATS["npz"]) for number in (5, 5, 6)]
    assert made[0] == made[1] != made[2]


def test_a_reader_that_dies_is_reported_and_the_rest_goes_on() -> None:
    outcomes = list(fuzz.run(["trap-crash"], seed=0, first=0, last=2))
    assert [one.number for one in outcomes] == [0, 1]
    assert all("the worker died" in one.fault for one in outcomes)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def wrong_values(path: Path) -> Array:
    return np.zeros(3, np.uint8)


def wrong_error(path: Path) -> Array:
    raise KeyError(path)


def no_name(path: Path) -> Array:
    raise ValueError("something is wrong")


def hungry(path: Path) -> Array:
    return np.ones(10 * MB, np.uint8)


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (wrong_values, "expected, got"),
        (wrong_error, "KeyError"),
        (no_name, "does not name the file"),
        (hungry, "bytes and"),
    ],
)
@pytest.mark.usefixtures("traced")
def test_what_is_wrong_is_found(tmp_path: Path, read: object, fault: str) -> None:
    form = FORMATS["idx"]._replace(read=read)  # type: ignore[arg-type]
    assert fault in fuzz.judge("idx", 0, 1, form, tmp_path).fault


@pytest.mark.usefixtures("traced")
def test_an_architecture_takes_no_memory_that_its_file_has_not(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    dl.save(dl.Sequential([dl.Dense(4)], input_shape=(3,)), path)
    small, large = b'\\"units\\": 4,', b'\\"units\\": 9000000,'
    content = path.read_bytes()
    assert small in content
    length = int.from_bytes(content[:8], "little") + len(large) - len(small)
    changed = length.to_bytes(8, "little") + content[8:].replace(small, large)
    path.write_bytes(changed)
    tracemalloc.reset_peak()
    with pytest.raises(ValueError, match="do not fit its own architecture: mismatched dense"):
        dl.load(path)
    assert tracemalloc.get_traced_memory()[1] < 10 * MB


def test_integers_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    dl.save(dl.Sequential([dl.Dense(4)], input_shape=(3,)), path)
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))
    with pytest.raises(ValueError, match="do not fit its own architecture: mismatched"):
        dl.load(path)
    assert files.FORMAT.encode() in path.read_bytes()
