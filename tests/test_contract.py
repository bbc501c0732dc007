"""What every module promises, tested on every row of the contract table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import ROWS, Row

import minidl as dl
from minidl import layers
from minidl.architecture import to_json
from minidl.module import Context, Module, Run
from minidl.types import Array, Pullback

Wanted = frozenset[int | str]
LOCAL = [row for row in ROWS if row.module.sample_local]
TRAIN = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])


def rows(chosen: Sequence[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", chosen, ids=[row.name for row in chosen])


ALL = rows(ROWS)


class Case:
    """A row with arrays: inputs, parameters, and a gradient to send back."""

    def __init__(self, row: Row, dtype: str = "float64", seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.module = row.module
        self.xs = [rng.standard_normal((row.batch, *shape)).astype(dtype) for shape in row.shapes]
        specs = row.module.parameters(*row.shapes)
        self.params = {
            name: (spec.initializer(spec.shape, spec.fans, rng) + rng.random(spec.shape)).astype(
                dtype
            )
            for name, spec in specs.items()
        }
        self.wanted: Wanted = frozenset(
            [*range(len(self.xs)), *(name for name, spec in specs.items() if spec.trainable)]
        )
        out = row.module.output_shape(*row.shapes)
        self.dy = rng.standard_normal((row.batch, *out)).astype(dtype)

    def forward(
        self, wanted: Wanted, train: bool, part: slice = slice(None)
    ) -> tuple[Array, Pullback | None]:
        """Run a part of the batch, as the engine would that cuts it."""
        ctx = Context(train, wanted, Run(seed=3, step=2, first=part.start or 0))
        return self.module.forward(self.params, *(x[part] for x in self.xs), ctx=ctx)

    def gradients(self, wanted: Wanted, train: bool) -> dict[int | str, Array]:
        """Return the gradients that come back, of inputs and parameters alike."""
        _, pullback = self.forward(wanted, train)
        assert pullback is not None
        return self.pull(pullback, self.dy)

    def pull(self, pullback: Pullback, dy: Array) -> dict[int | str, Array]:
        dxs, dparams = pullback(dy)
        assert len(dxs) == len(self.xs)
        found: dict[int | str, Array] = {}
        found.update((index, dx) for index, dx in enumerate(dxs) if dx is not None)
        found.update(dparams)
        return found

    def arrays(self) -> list[Array]:
        return [*self.xs, *self.params.values(), self.dy]


def same(a: dict[int | str, Array], b: dict[int | str, Array]) -> None:
    assert list(a) == list(b)
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=str(key))


def exported(home: Any) -> set[type[Module]]:
    return {
        thing
        for thing in vars(home).values()
        if isinstance(thing, type) and issubclass(thing, Module) and thing is not Module
    }


def test_every_exported_module_has_a_row() -> None:
    tested = {type(row.module) for row in ROWS}
    known = exported(dl) | {getattr(layers, name) for name in layers.__all__}
    assert {module.__name__ for module in known - tested} == set()


def test_every_layer_is_exported_by_the_package() -> None:
    assert {getattr(layers, name) for name in layers.__all__} <= exported(dl)


@ALL
@TRAIN
def test_gradients_agree_with_nudging(row: Row, train: bool) -> None:
    report = dl.gradcheck(row.module, row.shapes, batch_size=row.batch, train=train)
    assert report.error < 1e-6
    assert not report.kinks


@ALL
@TRAIN
def test_output_shape_is_the_shape_of_the_output(row: Row, train: bool) -> None:
    y, _ = Case(row).forward(frozenset(), train)
    assert y.shape == (row.batch, *row.module.output_shape(*row.shapes))


@ALL
@TRAIN
def test_float32_stays_float32(row: Row, train: bool) -> None:
    case = Case(row, "float32")
    run = Run()
    y, pullback = case.module.forward(case.params, *case.xs, ctx=Context(train, case.wanted, run))
    assert pullback is not None
    found = [y, *case.pull(pullback, case.dy).values(), *run.updates.values()]
    assert {str(array.dtype) for array in found} == {"float32"}


@ALL
@TRAIN
def test_float32_is_close_to_float64(row: Row, train: bool) -> None:
    rough, fine = Case(row, "float32"), Case(row)
    for a, b in zip(rough.arrays(), fine.arrays()):
        b[...] = a  # the same numbers, so that only the arithmetic differs
    found, expected = rough.gradients(fine.wanted, train), fine.gradients(fine.wanted, train)
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-3, atol=1e-4)


@ALL
@TRAIN
def test_nothing_given_is_changed(row: Row, train: bool) -> None:
    case = Case(row)
    before = [array.copy() for array in case.arrays()]
    case.gradients(case.wanted, train)
    for array, old in zip(case.arrays(), before):
        np.testing.assert_array_equal(array, old)


@ALL
@TRAIN
def test_read_only_arrays_are_enough(row: Row, train: bool) -> None:
    case = Case(row)
    for array in case.arrays():
        array.setflags(write=False)
    case.gradients(case.wanted, train)


@ALL
@TRAIN
def test_only_what_is_wanted_comes_back(row: Row, train: bool) -> None:
    case = Case(row)
    every = case.gradients(case.wanted, train)
    assert set(every) == case.wanted
    for key in case.wanted:
        alone = case.gradients(frozenset({key}), train)
        same(alone, {key: every[key]})


@ALL
@TRAIN
def test_gradients_have_the_shapes_of_their_arrays(row: Row, train: bool) -> None:
    case = Case(row)
    found = case.gradients(case.wanted, train)
    for key, array in [*enumerate(case.xs), *case.params.items()]:
        if key in case.wanted:
            assert found[key].shape == array.shape


@ALL
@TRAIN
def test_no_pullback_where_nothing_is_wanted(row: Row, train: bool) -> None:
    case = Case(row)
    y, pullback = case.forward(frozenset(), train)
    assert pullback is None
    np.testing.assert_array_equal(y, case.forward(case.wanted, train)[0])


@ALL
def test_two_interleaved_runs_do_not_disturb_each_other(row: Row) -> None:
    first, second = Case(row, seed=1), Case(row, seed=2)
    expected = [case.gradients(case.wanted, True) for case in (first, second)]
    pullbacks = [case.forward(case.wanted, True)[1] for case in (first, second)]
    for case, pullback, gradients in zip((first, second), pullbacks, expected):
        assert pullback is not None
        same(case.pull(pullback, case.dy), gradients)


@ALL
def test_inference_repeats_bit_for_bit(row: Row) -> None:
    case = Case(row)
    first, second = (case.forward(frozenset(), False)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@ALL
def test_only_training_proposes_updates(row: Row) -> None:
    case, run = Case(row), Run()
    case.module.forward(case.params, *case.xs, ctx=Context(False, case.wanted, run))
    assert run.updates == {}
    case.module.forward(case.params, *case.xs, ctx=Context(True, case.wanted, run))
    specs = row.module.parameters(*row.shapes)
    assert set(run.updates) == {name for name, spec in specs.items() if not spec.trainable}
    assert {name: a.shape for name, a in run.updates.items()} == {
        name: spec.shape for name, spec in specs.items() if not spec.trainable
    }


@rows(LOCAL)
@TRAIN
def test_a_batch_may_be_cut_anywhere(row: Row, train: bool) -> None:
    """Each sample by itself gives its part of the batch's output and input gradients."""
    case = Case(row)
    wanted: Wanted = frozenset(range(len(case.xs)))
    y, _ = case.forward(wanted, train)
    dxs = case.gradients(wanted, train)
    for part in cuts(row.batch):
        y_part, pullback = case.forward(wanted, train, part)
        assert pullback is not None
        np.testing.assert_allclose(y_part, y[part], rtol=0, atol=1e-12)
        for key, dx in case.pull(pullback, case.dy[part]).items():
            np.testing.assert_allclose(dx, dxs[key][part], rtol=0, atol=1e-12)


def cuts(batch: int) -> Iterator[slice]:
    """Every sample alone, and the batch in two."""
    yield from (slice(index, index + 1) for index in range(batch))
    yield from (slice(0, batch // 2 + 1), slice(batch // 2, batch))


@rows(LOCAL)
def test_permuted_samples_give_permuted_outputs(row: Row) -> None:
    case = Case(row)
    y, _ = case.forward(frozenset(), False)
    order = np.random.default_rng(5).permutation(row.batch)
    case.xs = [x[order] for x in case.xs]
    np.testing.assert_allclose(case.forward(frozenset(), False)[0], y[order], rtol=0, atol=1e-12)


def test_who_does_not_claim_to_be_sample_local() -> None:
    """Batch norm mixes samples, and so does every graph with one inside."""
    names = {row.name for row in ROWS if not row.module.sample_local}
    assert names == {
        "batch norm of images",
        "batch norm of sequences",
        "batch norm alone",
        "batch norm of vectors",
        "batch norm of one sample",
        "graph that shares a batch norm",
        "sequential",
        "residual with all",
    }


@ALL
def test_a_file_brings_the_same_model_back(row: Row, tmp_path: Path) -> None:
    model = dl.Graph({f"x{k}": shape for k, shape in enumerate(row.shapes)}, seed=4)
    model.add("node", row.module, *model.inputs)
    for path, array in model.arrays.items():
        model.arrays[path] = array + np.random.default_rng(len(path)).random(array.shape)
    dl.save(model, tmp_path / "model.safetensors")
    back = dl.load(tmp_path / "model.safetensors")
    assert list(back.arrays) == list(model.arrays)
    assert back.arrays.sha256() == model.arrays.sha256()
    xs = Case(row, "float32").xs
    np.testing.assert_array_equal(back.predict(*xs), model.predict(*xs))
    assert to_json(back) == to_json(model)
