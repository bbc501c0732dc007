"""Checkpoints: a run that was stopped anywhere ends as one that never was, and no file is torn."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from stat import S_ISDIR
from typing import Any, BinaryIO

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minidl as dl
from minidl import files
from minidl.augment import Shift
from minidl.data import locking
from minidl.files import write_whole
from minidl.training import checkpoint
from minidl.training.history import CLOCK
from minidl.training.packing import pack, unpack
from minidl.types import Array

EPOCHS, STEPS = 3, 5
"""Of the runs below: 64 samples to train, 13 at a time."""


def pictures(count: int = 80, seed: int = 0) -> tuple[Array, Array]:
    """Return images (count, 6, 6, 1) with a bar whose row is the label, of 2."""
    labels = np.arange(count) % 2
    images = np.random.default_rng(seed).integers(0, 200, (count, 6, 6, 1)).astype(np.uint8)
    for image, label in zip(images, labels):
        image[3 * label + 1] = 250
    return images, labels


def network(seed: int = 0) -> dl.Graph:
    """Return a model with buffers and dropout."""
    layers = [
        *(dl.Conv2d(2, 3), dl.BatchNorm(), dl.ReLU()),
        *(dl.Flatten(), dl.Dropout(0.3), dl.Dense(2)),
    ]
    return dl.Sequential(layers, input_shape=(6, 6, 1), seed=seed)


class Leave(dl.Callback):
    """Ends the run at a step so that it can be resumed, and counts what it hears."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.steps, self.epochs = at, 0, 0
        self.starts: list[dl.FitStart] = []

    def on_fit_start(self, event: dl.FitStart) -> None:
        self.starts.append(event)

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        self.steps += 1
        here = event.trainer.optimizer.state.steps == self.at
        return dl.Stop("a break", resumable=True) if here else None

    def on_epoch_end(self, event: dl.EpochEnd) -> None:
        self.epochs += 1

    def state(self) -> dict[str, Any]:
        return {"steps": np.array(self.steps), "epochs": self.epochs}

    def load_state(self, state: dict[str, Any]) -> None:
        self.steps, self.epochs = int(state["steps"]), state["epochs"]


def trainer(path: Path | None = None, at: int = 0, **options: Any) -> dl.Trainer:
    """Return a trainer whose callbacks remember something, after a checkpoint that comes first."""
    callbacks: list[dl.Callback] = [] if path is None else [dl.Checkpoint(path)]
    callbacks += [
        dl.WeightAverage(0.9),
        dl.ReduceOnPlateau(patience=0, threshold=0.5),
        Leave(at),
        *options.pop("more", []),
    ]
    given = {
        "model": network(),
        "loss": dl.SoftmaxCrossEntropy(),
        "optimizer": dl.Adam(dl.schedules.Cosine(0.01), clip_norm=1.0),
        "callbacks": callbacks,
        "workers": 1,
        **options,
    }
    return dl.Trainer(**given)


def fit(one: dl.Trainer, data: Any = None, **changes: Any) -> dl.Trainer:
    """Train with the same arguments each time, but for changes."""
    options: dict[str, Any] = {"validation": 0.2, "epochs": EPOCHS, "batch_size": 13}
    options |= {"augment": [Shift(1)], "progress": False}
    one.fit(pictures() if data is None else data, **{**options, **changes})
    return one


def timeless(one: dl.Trainer) -> list[dict[str, float]]:
    return [{name: row[name] for name in row if name not in CLOCK} for row in one.history]


def heard(one: dl.Trainer) -> list[tuple[int, int]]:
    return [(each.steps, each.epochs) for each in one.callbacks if isinstance(each, Leave)]


def check_same(one: dl.Trainer, other: dl.Trainer) -> None:
    assert one.model.arrays.sha256() == other.model.arrays.sha256()
    assert timeless(one) == timeless(other)
    assert list(one.history.rows[-1]) == list(other.history.rows[-1])
    assert heard(one) == heard(other)
    left, right = one.optimizer.state, other.optimizer.state
    assert (left.steps, left.start, left.total) == (right.steps, right.start, right.total)
    assert (left.factor, left.updates) == (right.factor, right.updates)
    assert one.stopped == other.stopped


@pytest.fixture(scope="module")
def whole() -> dl.Trainer:
    """A run that was never stopped."""
    return fit(trainer())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.safetensors"


def left(path: Path, at: int = 7) -> Path:
    """Leave a run at a step, and return its file."""
    one = fit(trainer(path, at))
    assert one.stopped == dl.Stop("a break", resumable=True)
    assert len(one.history) == (at - 1) // STEPS
    return path


def resumed(path: Path, **options: Any) -> dl.Trainer:
    one = trainer(**options)
    one.restore(path)
    return one


# Going on


@pytest.mark.parametrize("at", [1, 4, 5, 6, 9, 10, 14, 15])
def test_a_run_goes_on_from_any_step(path: Path, whole: dl.Trainer, at: int) -> None:
    """In an epoch, before its validation, and in the last epoch too."""
    one = fit(resumed(left(path, at)))
    check_same(one, whole)
    assert one.stopped is None
    assert len(one.history) == EPOCHS


def test_an_epoch_took_the_time_of_all_its_parts(path: Path) -> None:
    content = checkpoint.read(left(path))
    one = resumed(path)
    assert one._restored is not None
    one._restored["run"]["seconds"] += 1000
    row = fit(one).history.rows[1]
    assert 1000 + content["run"]["seconds"] < row["seconds"] < 1100
    assert row["images_per_second"] == 64 / row["seconds"]


def test_the_plateau_was_met(whole: dl.Trainer) -> None:
    """Or the runs above would say nothing of it."""
    assert whole.optimizer.state.factor < 1


def test_a_run_goes_on_again_and_again(path: Path, whole: dl.Trainer) -> None:
    fit(trainer(path, 2))
    for at in (3, 8, 9):
        one = trainer(path, at)
        one.restore(path)
        fit(one)
    check_same(fit(resumed(path)), whole)


def test_other_workers_go_on_to_the_same_bits(path: Path, whole: dl.Trainer) -> None:
    check_same(fit(resumed(left(path), workers=2)), whole)


def test_a_resumed_run_says_what_is_left(path: Path) -> None:
    one = fit(resumed(left(path, 7)))
    (leave,) = (each for each in one.callbacks if isinstance(each, Leave))
    (event,) = leave.starts
    assert (event.resumed, event.epochs, event.done) == (True, 2, 26)
    assert (event.steps, event.samples) == (STEPS, 64)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_begins_where_the_run_was(path: Path, monkeypatch: Any) -> None:
    one = resumed(left(path, 7))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fit(one, progress=True)
    shown = re.findall(r"epoch (\d)/3 +(\d+)%", terminal.getvalue())
    assert [next(share for epoch, share in shown if epoch == each) for each in "23"] == ["41", "0"]


def test_a_run_that_has_ended_is_not_begun_again(path: Path, whole: dl.Trainer) -> None:
    check_same(fit(trainer(path)), whole)
    one = fit(resumed(path))
    check_same(one, whole)
    fit(one)  # and the next fit is a new one
    assert len(one.history) == 2 * EPOCHS


class Enough(dl.Callback):
    """Ends the run for good."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        return dl.Stop("enough") if event.trainer.optimizer.state.steps == self.at else None


class Spill(dl.Callback):
    """Ends the process, as far as a test can: at the end of a number of validations."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_validation_end(self, event: dl.ValidationEnd) -> None:
        if event.epoch == self.at:
            raise RuntimeError("out of power")


@pytest.mark.parametrize("at", [3, 10])
def test_a_run_that_was_told_to_end_does_not_begin_again(path: Path, at: int) -> None:
    """It is killed between the step that ends it and the end of its epoch."""
    alone = fit(trainer(more=[Enough(at), Spill(0)]))
    writes = dl.Checkpoint(path, every_steps=1)
    one = trainer(more=[Enough(at), Spill(-(-at // STEPS)), writes])
    with pytest.raises(RuntimeError, match="out of power"):
        fit(one)
    other = fit(resumed(path, more=[Enough(at), Spill(0)]))
    assert other.stopped == dl.Stop("enough")
    check_same(other, alone)


def test_a_second_fit_is_resumed_with_its_own_schedule(path: Path) -> None:
    def twice(*, leave: int, first: int, path: Path | None = None) -> dl.Trainer:
        one = trainer(path, leave)
        fit(one, epochs=first)
        return fit(one)

    twice(path=path, leave=STEPS + 3, first=1)
    check_same(fit(resumed(path)), twice(leave=0, first=1))


def test_what_is_frozen_comes_back(path: Path) -> None:
    one = trainer(path, 7)
    one.model.freeze("conv1")
    other = trainer()
    other.model.freeze("conv1")
    fit(one)
    back = fit(resumed(path))
    assert back.model.frozen == {"conv1.weight", "conv1.bias"}
    check_same(back, fit(other))


def test_parameter_groups_go_on(path: Path) -> None:
    def groups() -> dict[str, Any]:
        sgd = dl.SGD(dl.schedules.Linear(0.1), momentum=0.9)
        return {"optimizer": dl.ParameterGroups({"*.bias": dl.Adam(0.01), "*": sgd})}

    fit(trainer(path, 7, **groups()))
    check_same(fit(resumed(path, **groups())), fit(trainer(**groups())))


def test_checkpoints_hold_the_raw_weights_though_the_model_got_the_averages(path: Path) -> None:
    one = fit(trainer(path, 7))
    held = checkpoint.read(path)["model"]
    (average,) = (each for each in one.callbacks if isinstance(each, dl.WeightAverage))
    weight = "conv1.weight"
    np.testing.assert_array_equal(one.model.arrays[weight], average.arrays[weight])
    assert not np.array_equal(held[weight], one.model.arrays[weight])


# When it is written


class Written(dl.Checkpoint):
    """Notes at which step it writes."""

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self.at: list[int] = []

    def _write(self, trainer: dl.Trainer) -> None:
        super()._write(trainer)
        self.at.append(trainer.optimizer.state.steps)


@pytest.mark.parametrize(
    ("options", "leave", "expected"),
    [
        ({}, 0, [0, 5, 10, 15]),
        ({}, 7, [0, 5, 7]),
        ({"every_steps": 4}, 0, [0, 4, 5, 8, 10, 12, 15]),
        ({"every_minutes": 1e-9}, 3, [0, 1, 2, 3]),
        ({"every_minutes": 60}, 3, [0, 3]),
    ],
)
def test_when_it_writes(path: Path, options: Any, leave: int, expected: list[int]) -> None:
    writes = Written(path, **options)
    fit(trainer(at=leave, more=[writes]))
    assert writes.at == expected


def test_the_file_of_another_run_is_not_written_over(path: Path) -> None:
    before = left(path).read_bytes()
    with pytest.raises(FileExistsError, match=r"run.safetensors is there already: go on with that"):
        fit(trainer(path))
    assert path.read_bytes() == before
    path.unlink()
    one = fit(trainer(path))
    assert len(fit(one).history) == 2 * EPOCHS  # its own it may replace


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_steps": 0}, "every_steps must be an integer of at least 1, got 0"),
        ({"every_minutes": 0}, "every_minutes must be positive and finite, got 0"),
    ],
)
def test_it_writes_every_something(path: Path, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dl.Checkpoint(path, **options)


def test_it_hears_of_events_after_all_others(path: Path) -> None:
    """In ``trainer`` it stands first: were it told first, it would hold what they were before."""
    fit(trainer(path, 7))
    content = checkpoint.read(path)
    assert content["callbacks"][2]["steps"] == 7
    assert content["callbacks"][0]["updates"] == 7
    assert content["run"]["done"] == 2


# What is refused


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a run that was left."""
    return left(tmp_path_factory.mktemp("kept") / "run.safetensors")


def wider() -> dl.Graph:
    layers = [dl.Conv2d(2, 3), dl.BatchNorm(), dl.ReLU(), dl.Flatten(), dl.Dropout(0.3)]
    return dl.Sequential([*layers, dl.Dense(3)], input_shape=(6, 6, 1))


def longer() -> dl.Graph:
    model = network()
    model.add("more", dl.Dense(2))
    return model


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "layer": ({"model": wider()}, 'node \'dense1\' was .*"units": 2.* and now is .*"units": 3'),
    "longer": ({"model": longer()}, "node 'more' was not there and now is "),
    "loss": ({"loss": dl.MeanSquaredError(), "metrics": []}, r"loss was SoftmaxCrossEntropy\("),
    "optimizer": ({"optimizer": dl.SGD(0.1)}, r"optimizer was Adam\(.* and now is SGD\(lr=0.1"),
    "rate": (
        {"optimizer": dl.Adam(dl.schedules.Cosine(0.02), clip_norm=1.0)},
        r"optimizer was .*rate=0.01.* and now is .*rate=0.02",
    ),
    "metrics": ({"metrics": []}, r"metrics was \(Accuracy\(.*\),\) and now is \(\)"),
    "seed": ({"seed": 1}, "seed was 0 and now is 1"),
    "callbacks": (
        {"callbacks": [Leave(), dl.WeightAverage()]},
        "callbacks was WeightAverage, ReduceOnPlateau, Leave and now is Leave, WeightAverage",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_trainer_is_refused(kept: Path, what: str) -> None:
    options, message = OTHERS[what]
    one = trainer(**options)
    before = one.model.arrays.sha256()
    remedy = "; build the trainer as it was, or start a new run"
    with pytest.raises(ValueError, match=f"run.safetensors is of another run: {message}.*{remedy}"):
        one.restore(kept)
    assert one.model.arrays.sha256() == before
    assert one.optimizer.state.steps == len(one.history) == 0


def changed(where: str) -> tuple[Array, Array]:
    images, labels = pictures()
    (images if where == "images" else labels)[0] ^= 1
    return images, labels


ELSEWISE: dict[str, tuple[dict[str, Any], str]] = {
    "batch_size": ({"batch_size": 16}, "batch_size was 13 and now is 16"),
    "epochs": ({"epochs": 4}, "epochs was 3 and now is 4"),
    "augment": ({"augment": []}, r"augment was Shift\(pixels=1.* and now is None"),
    "size": ({"data": pictures(90)}, "training data was 64 samples, .* and now is 72 samples"),
    "images": ({"data": changed("images")}, "data was .*fingerprint .* and now is .*fingerprint"),
    "labels": ({"data": changed("labels"), "validation": 0.2}, "data was .* and now is"),
    "dtype": (
        {"data": (pictures()[0] / np.float32(255), pictures()[1])},
        "training data was 64 samples, inputs uint8 .* and now is 64 samples, inputs float32",
    ),
    "names": (
        {"data": dl.data.Dataset(*pictures(), ("a", "b"))},
        "training data was 64 samples, inputs .* and now is .*, classes 'a', 'b', fingerprint",
    ),
    "no validation": (
        {"validation": None, "data": dl.data.split(dl.data.Dataset(*pictures()), 0.2, 0)[0]},
        "validation data was 16 samples.* and now is none",
    ),
}


@pytest.mark.parametrize("what", ELSEWISE)
def test_another_fit_is_refused(kept: Path, whole: dl.Trainer, what: str) -> None:
    changes, message = ELSEWISE[what]
    one = resumed(kept)
    remedy = "; call fit with the same data and arguments, or start a new run"
    with pytest.raises(
        ValueError, match=f"run.safetensors is of another run: .*{message}.*{remedy}"
    ):
        fit(one, **changes)
    check_same(fit(one), whole)  # the right arguments are still taken


def test_a_state_that_no_file_can_hold(path: Path) -> None:
    class Odd(Leave):
        def state(self) -> dict[str, Any]:
            return {"by step": {1: 0.5}}

    with pytest.raises(TypeError, match=r"keys of text, and 'callbacks/3/by step' is \{1: 0.5\}"):
        fit(trainer(path, more=[Odd()]))


# The file


def test_nested_data_comes_back() -> None:
    content: dict[str, Any] = {
        "a": {"b/c": np.arange(3), "b": {"c": np.ones((), np.float32)}, "d": [None, True, "x"]},
        "a/b": {"c": np.zeros((0, 2))},
        "numbers": [1, 0.1, float("inf"), float("-inf")],
        "numpy": (np.float32(0.5), np.int64(3), np.bool_(True)),
    }
    text, arrays = pack(content)
    assert len(arrays) == 3
    back = unpack(text, arrays)
    for name, value in (("b/c", content["a"]["b/c"]), ("b", {"c": np.ones((), np.float32)})):
        np.testing.assert_equal(back["a"][name], value)
    assert back["a"]["d"] == [None, True, "x"]
    assert back["a/b"]["c"].shape == (0, 2)
    assert back["numbers"] == content["numbers"]
    assert back["numpy"] == [0.5, 3, True]
    assert back["a"]["b"]["c"].dtype == np.float32
    back["a"]["b/c"][0] = 7  # its own
    assert arrays["a/b/c"][0] == 0


def test_a_torn_file(kept: Path, path: Path) -> None:
    data = kept.read_bytes()
    for length in (0, 5, 8, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"run.safetensors is no whole safetensors file"):
            trainer().restore(path)


def test_no_bit_can_be_flipped(kept: Path, path: Path) -> None:
    data, one = kept.read_bytes(), trainer()
    before = one.model.arrays.sha256()
    rng = np.random.default_rng(0)
    places = {*range(0, 400, 7), *rng.integers(0, len(data), 100).tolist()}
    for place in sorted(places):
        bit = 1 << int(rng.integers(8))
        path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
        with pytest.raises(ValueError, match=r"run.safetensors (is|holds) "):
            one.restore(path)
    assert one.model.arrays.sha256() == before


def test_arrays_that_were_changed_with_a_tool(kept: Path, path: Path) -> None:
    arrays = load_file(kept)
    header = json.loads(kept.read_bytes()[8:].split(b"\x00")[0][: header_length(kept)])
    arrays["model/dense1.bias"] += 1
    save_file(arrays, path, metadata=header["__metadata__"])
    message = "run.safetensors is damaged: its content does not fit its checksum. Resume from"
    with pytest.raises(ValueError, match=message):
        trainer().restore(path)


def header_length(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[:8], "little")


def test_files_of_other_kinds(path: Path) -> None:
    dl.save(network(), path)
    message = "is no checkpoint: its format is 'minidl-1', and this version of minidl reads"
    with pytest.raises(ValueError, match=f"run.safetensors {message}"):
        trainer().restore(path)
    save_file({}, path, metadata={"format": "minidl-checkpoint-9"})
    with pytest.raises(ValueError, match="is a checkpoint of another version: its format is 'min"):
        trainer().restore(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        trainer().restore(path)
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint '.*nowhere'"):
        trainer().restore(path.with_name("nowhere"))
    with pytest.raises(IsADirectoryError, match="is a folder: name the checkpoint in it"):
        trainer().restore(path.parent)


def test_a_checkpoint_is_no_model(kept: Path) -> None:
    with pytest.raises(ValueError, match=r"is a checkpoint of a run: trainer.restore\(path\) goes"):
        dl.load(kept)


# Writing it


class Tearing:
    """A file of which writing fails, half way or at the end."""

    def __init__(self, file: BinaryIO, error: BaseException) -> None:
        self.file, self.error = file, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Tearing:
        return self

    def __exit__(self, *_error: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> int:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        raise self.error


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt("killed")], ids=["full", "killed"])
def test_a_write_that_fails_leaves_the_last_file(
    path: Path, whole: dl.Trainer, fails: str, error: BaseException, monkeypatch: Any
) -> None:
    """The first checkpoint of a resumed run fails; from the file it goes on all the same."""
    before = left(path).read_bytes()

    def fail(*_: object) -> None:
        raise error

    if fails == "write":
        beside = files._beside
        monkeypatch.setattr(files, "_beside", lambda target: Tearing(beside(target), error))
    else:
        monkeypatch.setattr(os, fails, fail)
    message = (
        r"cannot write .*run.safetensors: No space left on device. What was there before is still"
        r" whole; make room in .*, or make it writable"
    )
    again = trainer(path)
    again.restore(path)
    with pytest.raises(type(error), match=message if error is FULL else "killed"):
        fit(again)
    assert len(again.history) == 2
    assert again.run is None
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    check_same(fit(resumed(path)), whole)


def forked() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on BLAS's idle threads
        return os.fork()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_crash_at_any_call_leaves_a_whole_file(path: Path, monkeypatch: Any) -> None:
    """As a kill does it: nothing is cleaned up, and the next write cleans up."""
    old, new = b"old" * 999, b"new" * 999
    calls = ("open", "fsync", "replace", "close")
    seen = set()
    for name in calls:
        for after in (False, True):
            write_whole(path, old)
            if forked() == 0:
                real = getattr(os, name)

                def crash(*args: Any, real: Any = real, after: bool = after, **more: Any) -> None:
                    if after:
                        real(*args, **more)
                    os.kill(os.getpid(), signal.SIGKILL)

                setattr(os, name, crash)
                write_whole(path, new)
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.wait()[1]) == -signal.SIGKILL
            assert path.read_bytes() in (old, new)
            seen.add(path.read_bytes())
            write_whole(path, new)
            assert os.listdir(path.parent) == [path.name]
    assert seen == {old, new}


@pytest.mark.skipif(os.name != "posix", reason="folders are files in POSIX alone")
def test_the_folder_is_on_the_disk_too(path: Path, monkeypatch: Any) -> None:
    """Or the new name may be gone after a power cut."""
    kinds: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda number: kinds.append(S_ISDIR(os.fstat(number).st_mode)))
    write_whole(path, b"data")
    assert kinds == [False, True]


def test_only_what_the_dead_left_is_swept(path: Path) -> None:
    living = files._beside(path)
    dead = path.with_name(f".{path.name}.1-1")
    near = [path.with_name(name) for name in (f".{path.name}.mine", f"{path.name}.1-1")]
    for other in (dead, *near):
        other.write_bytes(b"")
    write_whole(path, b"data")
    assert sorted(path.parent.iterdir()) == sorted([path, Path(living.name), *near])
    living.close()
    write_whole(path, b"data")
    assert sorted(path.parent.iterdir()) == sorted([path, *near])


def test_a_file_swept_before_it_was_locked_is_made_again(path: Path, monkeypatch: Any) -> None:
    take = locking.take_if_known
    swept: list[Path] = []

    def late(descriptor: int) -> bool:
        if not swept:
            swept.extend(path.parent.iterdir())
            swept[0].unlink()
        return take(descriptor)

    monkeypatch.setattr(files, "take_if_known", late)
    write_whole(path, b"data")
    assert len(swept) == 1
    assert path.read_bytes() == b"data"


def test_a_file_system_without_locks(path: Path, monkeypatch: Any) -> None:
    def refuse(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files, "take", refuse)
    path.with_name(f".{path.name}.1-1").write_bytes(b"")
    write_whole(path, b"data")
    assert path.read_bytes() == b"data"
    assert len(os.listdir(path.parent)) == 2


def test_a_folder_that_is_gone(path: Path) -> None:
    one = trainer(path.parent / "nowhere" / path.name)
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere' to write run"):
        fit(one)
    assert one.optimizer.state.steps == 0  # before any training


def test_a_folder_that_cannot_be_written(path: Path, monkeypatch: Any) -> None:
    def refuse(target: Path) -> BinaryIO:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "_beside", refuse)
    with pytest.raises(PermissionError, match=r"cannot write .*run.safetensors: Permission denied"):
        fit(trainer(path))


# Kills


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_a_run_survives_kills(kind: str) -> None:
    """In short; a hundred kills on demand: python tests/kill.py --kills 100."""
    script = Path(__file__).with_name("kill.py")
    command = [sys.executable, "-W", "error", str(script), "--kills", "5", "--epochs", "4"]
    found = subprocess.run(
        [*command, "--longest", "0.8", "--kind", kind], capture_output=True, text=True
    )
    assert found.stderr == ""
    assert re.match("5 kills of .*: all ended as the undisturbed run", found.stdout)


def test_what_failed_on_the_way_can_be_tried_again(kept: Path, tmp_path: Path) -> None:
    """The trainer is still the restored one, and the file is not written over."""

    class Picky(dl.Callback):
        fails = True

        def load_state(self, state: dict[str, Any]) -> None:
            if self.fails:
                raise ValueError("not now")

    def trainer() -> dl.Trainer:
        return small_trainer(Picky(), dl.Checkpoint(tmp_path / "run.safetensors", every_steps=1))

    options: dict[str, Any] = {"epochs": 2, "batch_size": 8, "progress": False}
    first = trainer()
    first.fit(SMALL, **options)
    before = (tmp_path / "run.safetensors").read_bytes()
    second = trainer()
    second.restore(tmp_path / "run.safetensors")
    with pytest.raises(ValueError, match="not now"):
        second.fit(SMALL, **options)
    assert (tmp_path / "run.safetensors").read_bytes() == before
    Picky.fails = False
    second.fit(SMALL, **options)
    assert len(second.history) == 2


def test_the_checkpoint_of_another_run_is_not_written_over(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 1, "batch_size": 8, "progress": False}
    for name in ("a", "b"):
        small_trainer(dl.Checkpoint(tmp_path / name)).fit(SMALL, **options)
    again = small_trainer(dl.Checkpoint(tmp_path / "b"))
    again.restore(tmp_path / "a")
    with pytest.raises(FileExistsError, match="is there already"):
        again.fit(SMALL, **options)


X = np.linspace(-1, 1, 32, dtype="float32")[:, None]
SMALL = (X, 3 * X + 1)


def small_trainer(*callbacks: dl.Callback) -> dl.Trainer:
    model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    return dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.1), callbacks=callbacks)
