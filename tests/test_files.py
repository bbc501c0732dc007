"""Model files: what comes back, what is refused, and what a failed write leaves behind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import normal
from safetensors.numpy import load_file, save_file

import minidl as dl
from minidl import files
from minidl.architecture import to_json
from minidl.files import write_whole
from minidl.initializers import GlorotNormal, Initializer
from minidl.module import Context, ParameterSpec
from minidl.types import Array, Arrays, Pullback, Shape


class Ones(Initializer):
    """An initializer of a user's own."""

    def __call__(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        return np.ones(shape)


class Scale(dl.Module):
    """A module of a user's own, with every kind of field that a file can hold."""

    factors: tuple[tuple[float, ...], ...] = ((1.0, 2.0), (3.0,))
    name: str | None = None
    init: Initializer = Ones()

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        return {"scale": ParameterSpec(shape, self.init)}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        scale = params["scale"] * self.factors[0][1]

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            return (dy * scale,), {"scale": (dy * x).sum(axis=0) * self.factors[0][1]}

        return x * scale, pullback if ctx.wanted else None


def small(seed: int = 0, **options: Any) -> dl.Sequential:
    return dl.Sequential([dl.Dense(3), dl.Tanh(), dl.Dense(2)], (4,), seed=seed, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def rewrite(path: Path, drop: str = "", **arrays: Array) -> None:
    """Write a model file again with other arrays under the same architecture."""
    dl.save(small(), path)
    header = {"format": files.FORMAT, "architecture": to_json(small())}
    changed = {**load_file(path), **arrays}
    changed.pop(drop, None)
    save_file(changed, path, metadata=header)


# What comes back


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_model_comes_back(path: Path, dtype: str, as_text: bool) -> None:
    model = small(seed=3, dtype=dtype)
    model.freeze("dense1.weight")
    where = str(path) if as_text else path
    dl.save(model, where)
    back = dl.load(where)
    assert back.arrays.sha256() == model.arrays.sha256()
    assert to_json(back) == to_json(model)
    assert (back.dtype.name, back.seed) == (dtype, 3)
    assert back.frozen == {"dense1.weight"}
    assert back.trainable == model.trainable
    np.testing.assert_array_equal(back.predict(np.ones((2, 4))), model.predict(np.ones((2, 4))))


def test_sharing_nesting_and_options_come_back(path: Path) -> None:
    graph = dl.Graph({"left": (6, 6, 2), "right": (6, 6, 2)})
    conv = dl.Conv2d(
        2,
        (3, 2),
        stride=(1, 2),
        padding=((1, 1), (0, 0)),
        bias=False,
        weight_init=GlorotNormal(2.0),
    )
    graph.add("a", dl.residual(conv, skip=dl.Conv2d(2, 1, stride=(1, 2), padding=(0, 0))), "left")
    graph.add(
        "b",
        dl.residual(conv, skip=dl.Conv2d(2, 1, stride=(1, 2), padding=(0, 0))),
        "right",
        share="a",
    )
    graph.add("join", dl.Concatenate(), "a", "b")
    dl.save(graph, path)
    back = dl.load(path)
    assert back.nodes["b"].share == "a"
    assert list(back.arrays) == ["a.conv1.weight", "a.skip.weight", "a.skip.bias"]
    block = back.nodes["a"].module
    assert isinstance(block, dl.Graph)
    assert block.nodes["conv1"].module == conv
    xs = normal(0, 2, 6, 6, 2), normal(1, 2, 6, 6, 2)
    np.testing.assert_array_equal(back.predict(*xs), graph.predict(*xs))


def test_arrays_in_any_memory_layout(path: Path) -> None:
    model = small()
    model.arrays.create("dense1.weight", np.asfortranarray(model.arrays["dense1.weight"]))
    dl.save(model, path)
    assert dl.load(path).arrays.sha256() == model.arrays.sha256()


def test_numbers_from_numpy_can_be_saved(path: Path) -> None:
    """A mean computed from float32 images is a natural thing to pass."""
    images = np.random.default_rng(0).random((5, 3, 3, 2), np.float32)
    norm = dl.Normalize(tuple(images.mean((0, 1, 2))), tuple(images.std((0, 1, 2))))
    model = dl.Sequential([norm, dl.Conv2d(np.int64(2), np.int64(2))], (3, 3, 2))  # type: ignore[arg-type]
    dl.save(model, path)
    np.testing.assert_array_equal(dl.load(path).predict(images), model.predict(images))


def test_files_are_safetensors_with_a_json_header(path: Path) -> None:
    dl.save(small(), path)
    assert list(load_file(path)) == sorted(small().arrays)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    plan = json.loads(header["__metadata__"]["architecture"])
    assert plan["input_shapes"] == {"input": [4]}
    assert plan["nodes"][1] == {
        "name": "tanh1",
        "module": {"type": "Tanh"},
        "reads": ["dense1"],
        "share": None,
    }


# Modules of one's own


def test_a_module_of_ones_own(path: Path) -> None:
    model = dl.Sequential([Scale(name="s"), dl.Dense(2)], (4,))
    dl.save(model, path)
    back = dl.load(path, modules=[Scale, Ones])  # type: ignore[list-item]
    assert back.nodes["scale1"].module == Scale(name="s")
    np.testing.assert_array_equal(back.predict(np.ones((1, 4))), model.predict(np.ones((1, 4))))


@pytest.mark.parametrize(("modules", "missing"), [([], "Scale"), ([Scale], "Ones")])
def test_an_unknown_module_is_named(path: Path, modules: list[Any], missing: str) -> None:
    dl.save(dl.Sequential([Scale()], (4,)), path)
    message = (
        f"it is made of '{missing}', which is no module of minidl: pass its class, as in"
        f" load(path, modules=[{missing}])"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        dl.load(path, modules=modules)


def test_modules_should_be_classes(path: Path) -> None:
    dl.save(small(), path)
    with pytest.raises(TypeError, match=r"modules should be classes of your own, got Scale\("):
        dl.load(path, modules=[Scale()])  # type: ignore[list-item]


def test_a_field_that_no_file_can_hold(path: Path) -> None:
    model = dl.Sequential([Scale(name=print)], (4,))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a module's fields should be numbers, text, tuples"):
        dl.save(model, path)
    assert not path.exists()


def test_a_graph_without_arrays_is_not_saved(path: Path) -> None:
    message = "a graph without input_shape holds no arrays to save: build it with one"
    with pytest.raises(ValueError, match=message):
        dl.save(dl.Sequential([dl.Dense(2)]), path)
    assert not path.exists()


# Files that are refused


def test_a_file_torn_anywhere(path: Path) -> None:
    dl.save(small(), path)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in (*range(10), *range(10, len(whole), 23), header - 1, header, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model.safetensors is no whole safetensors file"):
            dl.load(path)


def test_a_file_with_more_behind_it(path: Path) -> None:
    dl.save(small(), path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        dl.load(path)


@pytest.mark.parametrize("data", [b"hello", b"\x80\x04\x95pickle" * 9, b"\xff" * 64, b"\0" * 64])
def test_a_file_of_something_else(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        dl.load(path)


def test_a_header_with_any_byte_broken(path: Path) -> None:
    """Refused with a ValueError, or still a model: never another exception."""
    dl.save(small(), path)
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    places = [*range(8), *range(8, end, 11)]
    for place in places:
        path.write_bytes(whole[:place] + b"~" + whole[place + 1 :])
        try:
            dl.load(path)
        except ValueError:
            refused += 1
    assert refused > 0.6 * len(places)


def test_no_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no model file '.*model.safetensors'"):
        dl.load(path)
    with pytest.raises(IsADirectoryError, match="is a folder: name the model file in it"):
        dl.load(path.parent)
    with pytest.raises(FileNotFoundError, match="there is no model file"):
        small().load_weights(path)


def test_another_programs_safetensors(path: Path) -> None:
    save_file(dict(small(seed=9).arrays), path)
    message = (
        "holds arrays but no minidl model (its format is None, not 'minidl-1'): build the model,"
        " then use model.load_weights(path)"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        dl.load(path)
    model = small()
    model.load_weights(path)
    assert model.arrays.sha256() == small(seed=9).arrays.sha256()


BAD_PLANS = [
    "not json",
    "[]",
    "{}",
    '{"input_shapes": {"input": [4]}, "dtype": "float32", "seed": 0, "frozen": [], "nodes": [3]}',
    '{"input_shapes": {"input": [-4]}, "dtype": "float32", "seed": 0, "frozen": [], "nodes": []}',
    '{"input_shapes": {"input": [4]}, "dtype": "text", "seed": 0, "frozen": [], "nodes": []}',
    '{"input_shapes": {}, "dtype": "float32", "seed": 0, "frozen": [], "nodes": []}',
    '{"input_shapes": {"input": [4]}, "dtype": "float32", "seed": 0, "frozen": [], "nodes":'
    ' [{"name": "d", "module": {"type": "Dense", "unit": 3}, "reads": ["input"], "share": null}]}',
    '{"input_shapes": {"input": [4]}, "dtype": "float32", "seed": 0, "frozen": [], "nodes":'
    ' [{"name": "d", "module": {"type": "Dense", "units": 1000000000000000}, "reads": ["input"],'
    ' "share": null}]}',
]


@pytest.mark.parametrize("plan", BAD_PLANS)
def test_an_architecture_that_is_none(path: Path, plan: str) -> None:
    header = {"format": files.FORMAT, "architecture": plan}
    save_file(dict(small().arrays), path, metadata=header)
    with pytest.raises(ValueError, match=r"model.safetensors(: its arrays| cannot be loaded)"):
        dl.load(path)


@pytest.mark.parametrize(
    ("drop", "arrays", "message"),
    [
        ("dense1.bias", {}, "missing dense1.bias"),
        ("", {"extra": np.zeros(2)}, "unexpected extra"),
        ("", {"dense1.bias": np.zeros(7, np.float32)}, "mismatched dense1.bias"),
        (
            "dense2.bias",
            {"a": np.zeros(1), "b": np.zeros(1)},
            "missing dense2.bias; unexpected a, b",
        ),
    ],
)
def test_arrays_that_do_not_fit(
    path: Path, drop: str, arrays: dict[str, Array], message: str
) -> None:
    rewrite(path, drop, **arrays)
    with pytest.raises(ValueError, match=f"its arrays do not fit its own architecture: {message}"):
        dl.load(path)


# Weights alone


def test_weights_that_fit_in_part(path: Path) -> None:
    dl.save(small(seed=9), path)
    model = dl.Sequential({"dense1": dl.Dense(3), "dense2": dl.Dense(5), "new": dl.Dense(2)}, (4,))
    before = {name: array.copy() for name, array in model.arrays.items()}
    report = model.load_weights(path, strict=False)
    assert report == dl.WeightReport(
        loaded=("dense1.weight", "dense1.bias"),
        missing=("new.weight", "new.bias"),
        unexpected=(),
        mismatched=("dense2.weight", "dense2.bias"),
    )
    for name, array in model.arrays.items():
        source = small(seed=9).arrays if name in report.loaded else before
        np.testing.assert_array_equal(array, source[name])


def test_strict_weights_change_nothing_when_they_do_not_fit(path: Path) -> None:
    dl.save(small(seed=9), path)
    model = dl.Sequential({"dense1": dl.Dense(3), "head": dl.Dense(7)}, (4,))
    before = model.arrays.sha256()
    message = (
        r"its arrays do not fit the model: missing head.weight, head.bias; unexpected dense2.bias,"
        r" dense2.weight. load_weights\(path, strict=False\) takes what fits"
    )
    with pytest.raises(ValueError, match=message):
        model.load_weights(path)
    assert model.arrays.sha256() == before


def test_weights_fill_the_arrays_that_optimizers_hold(path: Path) -> None:
    dl.save(small(seed=9), path)
    model = small()
    held = model.arrays["dense1.weight"]
    model.load_weights(path)
    assert model.arrays["dense1.weight"] is held


# Writing


@pytest.mark.parametrize("fails", ["fsync", "replace"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failed_write_leaves_what_was_there(
    path: Path, fails: str, existing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if existing:
        dl.save(small(seed=1), path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}

    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, fails, refuse)
    with pytest.raises(OSError, match="no space left on device"):
        dl.save(small(seed=2), path)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_saving_over_a_file_replaces_it(path: Path) -> None:
    dl.save(small(seed=1), path)
    dl.save(small(seed=2), path)
    assert dl.load(path).arrays.sha256() == small(seed=2).arrays.sha256()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"there is no folder '.*nowhere' to write model.safetensors to"
    ):
        dl.save(small(), tmp_path / "nowhere" / "model.safetensors")


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_whole(path, b"data")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


class Offset(dl.Module):
    """y = x + offset, one number."""

    def parameters(self, shape: Shape) -> dict[str, dl.ParameterSpec]:
        return {"offset": dl.ParameterSpec((), dl.initializers.Constant(0.5))}

    def forward(
        self, params: Arrays, x: Array, *, ctx: dl.Context
    ) -> tuple[Array, Pullback | None]:
        return x + params["offset"], None


def test_a_parameter_of_one_number(path: Path) -> None:
    dl.save(dl.Sequential([Offset()], (3,)), path)
    assert dl.load(path, modules=[Offset]).arrays["offset1.offset"].shape == ()


def test_a_module_named_like_a_built_in_one(path: Path) -> None:
    """A file tells classes by their names alone."""
    own = type("ReLU", (Offset,), {})
    with pytest.raises(ValueError, match=r"minidl has a 'ReLU' of its own.*rename yours"):
        dl.save(dl.Sequential([own()], (3,)), path)
    dl.save(dl.Sequential([dl.ReLU()], (3,)), path)
    with pytest.raises(ValueError, match=r"minidl has a 'ReLU' of its own.*rename yours"):
        dl.load(path, modules=[own])
