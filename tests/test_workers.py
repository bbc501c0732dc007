"""Workers through the public API: ``Trainer(workers=...)`` and ``minidl train --workers``."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import write_collection
from test_crew import alone as alone_for
from test_crew import descriptors, no_child_is_left
from threadpoolctl import threadpool_info

import minidl as dl
from minidl.cli import main
from minidl.engine.workers import helpful_workers, usable_cores
from minidl.types import Array

alone = functools.partial(alone_for, seconds=20.0)
CLOCK = ("seconds", "images_per_second")


def images(count: int = 130, seed: int = 0) -> tuple[Array, Array]:
    """Images (count, 6, 6, 1) of ``uint8`` whose brightest row is the label."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 150, (count, 6, 6, 1)).astype(np.uint8)
    pixels[np.arange(count), labels * 2] += 100
    return pixels, labels


def network() -> dl.Graph:
    """Something of everything: batch norm, dropout, a skip and a large dense layer."""
    conv = dl.Conv2d(4, 3, padding="same")
    layers = [conv, dl.BatchNorm(), dl.ReLU(), dl.residual(conv, dl.BatchNorm()), dl.Flatten()]
    return dl.Sequential([*layers, dl.Dense(480), dl.Dropout(0.3), dl.Dense(3)], (6, 6, 1), seed=3)


def trainer_of(workers: Any = None, *callbacks: dl.Callback, seed: int = 1) -> dl.Trainer:
    return dl.Trainer(
        network(),
        dl.SoftmaxCrossEntropy(),
        dl.SGD(0.02, momentum=0.9),
        workers=workers,
        callbacks=callbacks,
        seed=seed,
    )


def fit(trainer: dl.Trainer, epochs: int = 2) -> dl.Trainer:
    trainer.fit(images(), validation=0.2, epochs=epochs, batch_size=50, progress=False)
    return trainer


def story(trainer: dl.Trainer) -> tuple[str, list[dict[str, float]], dict[str, list[float]]]:
    """What training left: the model, the history without its clock, the optimizer's memory."""
    rows = [
        {name: value for name, value in row.items() if name not in CLOCK}
        for row in trainer.history.rows
    ]
    slots = trainer.optimizer.state.slots
    memory = {path: slots[path]["velocity"].ravel().tolist() for path in sorted(slots)}
    return trainer.model.arrays.sha256(), rows, memory


def beside_a_thread(work: Callable[[], Any]) -> Any:
    """Do something while another thread runs, so that no process can be forked."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        return work()
    finally:
        stop.set()
        thread.join()


# The same bits


@pytest.mark.parametrize("seed", [1, 2**64 - 1])
@alone
def test_the_number_of_workers_changes_nothing(seed: int) -> None:
    expected = story(fit(trainer_of(1, seed=seed)))
    for workers in (2, 4, None):
        assert story(fit(trainer_of(workers, seed=seed))) == expected
    assert len(expected[1]) == 2
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "lr"} <= set(expected[1][0])


@alone
def test_fit_again_goes_on_with_other_workers() -> None:
    expected = story(fit(fit(trainer_of(1), 1), 1))
    trainer = fit(trainer_of(4), 1)
    trainer.workers = 2
    assert story(fit(trainer, 1)) == expected


@alone
def test_beside_another_thread_there_are_threads() -> None:
    counted: list[int] = []

    class Count(dl.Callback):
        def on_fit_start(self, event: dl.FitStart) -> None:
            counted.append(threading.active_count())

    beside = beside_a_thread(lambda: fit(trainer_of(3, Count())))
    assert story(fit(trainer_of(3, Count()))) == story(beside)
    assert counted == [1 + 1 + 2, 1]
    assert threading.active_count() == 1


@alone
def test_a_trainer_in_a_thread_trains() -> None:
    found: list[dl.Trainer] = []
    thread = threading.Thread(target=lambda: found.append(fit(trainer_of(2))))
    thread.start()
    thread.join()
    assert story(found[0]) == story(fit(trainer_of(2)))


def _hash_of(workers: int) -> str:
    return fit(trainer_of(workers)).model.arrays.sha256()


@alone
def test_a_trainer_in_a_worker_of_a_pool_trains() -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(_hash_of, [2, 1, 3])
        pool.close()
        pool.join()
    assert set(found) == {_hash_of(1)}


@pytest.mark.parametrize("workers", [1, 2])
@alone
def test_evaluating_in_a_callback_changes_nothing(workers: int) -> None:
    measured: list[float] = []

    class Watch(dl.Callback):
        def on_epoch_end(self, event: dl.EpochEnd) -> None:
            measured.append(event.trainer.evaluate(images(60, seed=9))["loss"])

        def on_step_end(self, event: dl.StepEnd) -> None:
            event.trainer.model.predict(images(5)[0])

    trainer = fit(trainer_of(workers, Watch()))
    assert story(trainer) == story(fit(trainer_of(1)))
    assert len(set(measured)) == 2
    assert trainer.evaluate(images(60, seed=9))["loss"] == measured[-1]


@alone
def test_a_trainer_inside_a_trainer() -> None:
    """A callback trains another network; either ends, and neither disturbs the other."""
    inner: list[dl.Trainer] = []

    class Inside(dl.Callback):
        def on_epoch_end(self, event: dl.EpochEnd) -> None:
            inner.append(fit(trainer_of(2)))

    found = [story(one) for one in (fit(trainer_of(2, Inside())), *inner)]
    assert found == [story(fit(trainer_of(1)))] * 3


# How many


@pytest.mark.parametrize(
    ("workers", "error", "got"),
    [
        (0, ValueError, "0"),
        (-1, ValueError, "-1"),
        (257, ValueError, "257"),
        (1.5, TypeError, r"1\.5 of type float"),
        ("2", TypeError, "'2' of type str"),
        (True, TypeError, "True of type bool"),
    ],
)
def test_absurd_workers_are_refused(workers: Any, error: type[Exception], got: str) -> None:
    with pytest.raises(error, match=f"workers must be an integer from 1 to 256, got {got}"):
        trainer_of(workers)


def test_the_ends_of_the_range_are_taken() -> None:
    assert [trainer_of(workers).workers for workers in (None, 1, 256)] == [None, 1, 256]


def test_a_small_step_has_no_use_for_workers() -> None:
    assert helpful_workers(dl.Sequential([dl.Dense(2)], (3,)), 64) == 1
    assert helpful_workers(dl.models.vgg(), 1) == 1


def test_a_large_step_has_no_more_workers_than_cores_or_shards() -> None:
    large = dl.models.vgg()
    assert 1 <= helpful_workers(large, 20) <= min(2, usable_cores())
    assert helpful_workers(large, 512) <= usable_cores()


# Ends


class Failing(dl.Callback):
    """Raises at a moment of its choice."""

    def __init__(self, moment: str, error: BaseException) -> None:
        self.moment, self.error = moment, error

    def on_fit_start(self, event: dl.FitStart) -> None:
        self._at("start")

    def on_step_end(self, event: dl.StepEnd) -> None:
        self._at("step")

    def on_epoch_end(self, event: dl.EpochEnd) -> None:
        self._at("epoch")

    def _at(self, moment: str) -> None:
        if moment == self.moment:
            raise self.error


@pytest.mark.parametrize(
    ("moment", "error"),
    [
        ("start", KeyboardInterrupt("mine")),
        ("step", KeyboardInterrupt("mine")),
        ("step", LookupError("mine")),
        ("epoch", LookupError("mine")),
    ],
)
@alone
def test_an_error_in_a_callback_leaves_nothing_behind(moment: str, error: BaseException) -> None:
    for beside in (lambda work: work(), beside_a_thread):
        trainer = trainer_of(3, Failing(moment, error))
        own, before = dict(trainer.model.arrays), descriptors()
        with pytest.raises(type(error), match="mine"):
            beside(functools.partial(fit, trainer, 1))
        no_child_is_left()
        assert descriptors() == before
        assert threading.active_count() == 1
        assert all(trainer.model.arrays[path] is array for path, array in own.items())


@alone
def test_fit_leaves_no_process_thread_or_descriptor() -> None:
    trainer = fit(trainer_of(3), 1)
    before = descriptors()
    for _ in range(3):
        fit(trainer, 1)
        trainer.evaluate(images())
    no_child_is_left()
    assert descriptors() == before
    assert threading.active_count() == 1


@alone
def test_stopping_leaves_no_child() -> None:
    class Enough(dl.Callback):
        def on_step_end(self, event: dl.StepEnd) -> dl.Stop:
            return dl.Stop("enough")

    trainer = fit(trainer_of(3, Enough()))
    assert trainer.stopped == dl.Stop("enough")
    no_child_is_left()


def blas_threads() -> list[int]:
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


@pytest.mark.parametrize("workers", [1, 2])
@alone
def test_blas_keeps_to_one_thread_during_fit_and_gets_the_others_back(workers: int) -> None:
    seen: list[list[int]] = []

    class Look(dl.Callback):
        def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
            seen.append(blas_threads())
            if len(seen) > 3:
                raise LookupError("enough")
            return None

    from minidl.engine.threads import blas_threads as limited

    with limited(3):
        before = blas_threads()
        with pytest.raises(LookupError, match="enough"):
            fit(trainer_of(workers, Look()))
        assert blas_threads() == before
    assert {count for counts in seen for count in counts} == {1}
    assert set(before) == {3}


@pytest.mark.parametrize("workers", [1, 2])
@alone
def test_a_diverging_run_says_so_and_nothing_else(workers: int) -> None:
    """No member warns of an overflow: where warnings are errors, the loss still tells first."""
    x = np.random.default_rng(0).normal(size=(96, 5)).astype(np.float32)
    for beside in (lambda work: work(), beside_a_thread):
        model = dl.Sequential([dl.Dense(8), dl.Dense(8), dl.Dense(1)], (5,), seed=0)
        trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(1e6), workers=workers)
        run = functools.partial(trainer.fit, (x, x[:, 0]), epochs=50, batch_size=48, progress=False)
        with pytest.raises(FloatingPointError, match=r"the loss is (inf|nan) at step"):
            beside(run)
        no_child_is_left()


# The command line


@alone
def _print_hashes(folder: Path, out: Path) -> None:
    """Train by the command with 1, 2 and 4 workers; the hashes and losses it prints are one."""
    found = set()
    for workers in ("1", "2", "4"):
        said = io.StringIO()
        arguments = ["train", "--data", "mnist", "--data-folder", str(folder), "--epochs", "1"]
        arguments += ["--model", "mlp", "--batch-size", "50", "--seed", "0", "--json", "--quiet"]
        with contextlib.redirect_stdout(said):
            assert main([*arguments, "--workers", workers, "--out", str(out / workers)]) == 0
        result = json.loads(said.getvalue().splitlines()[-1])
        found.add((result["sha256"], result["test_loss"]))
    assert len(found) == 1


@pytest.mark.slow
def test_the_command_prints_the_same_hash(tmp_path: Path) -> None:
    _print_hashes(write_collection(tmp_path / "data"), tmp_path)
