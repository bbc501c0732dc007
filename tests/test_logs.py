"""JSONLog and CSVLog: what they write, and that a resumed run has every line once."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl as dl

DATA = np.arange(24.0).reshape(12, 2) / 24, np.arange(12.0)[:, None] / 12
STEPS = 3  # an epoch, in batches of 4


def trainer_of(*callbacks: dl.Callback) -> dl.Trainer:
    model = dl.Sequential([dl.Dense(1)], input_shape=(2,), dtype="float64")
    return dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.1), callbacks=callbacks, workers=1)


def fitted(*callbacks: dl.Callback, epochs: int = 3) -> dl.Trainer:
    trainer = trainer_of(*callbacks)
    trainer.fit(DATA, validation=DATA, epochs=epochs, batch_size=4, progress=False)
    return trainer


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Steps(dl.Callback):
    """Copies what it hears of steps."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        self.rows.append(event.row)
        return None


def test_the_lines_of_steps_and_epochs(tmp_path: Path) -> None:
    path, steps = tmp_path / "log.jsonl", Steps()
    history = fitted(dl.JSONLog(path, every=2), steps).history.rows
    expected: list[dict[str, Any]] = []
    for epoch in range(3):
        for step in range(epoch * STEPS + 1, epoch * STEPS + 4):
            if step % 2 == 0:
                place = {"event": "step", "step": step, "epoch": epoch + 1}
                expected.append({**place, **steps.rows[step - 1]})
        expected.append({"event": "epoch", "step": 3 * epoch + 3, **history[epoch]})
    assert lines(path) == expected


def test_the_lines_of_epochs_alone(tmp_path: Path) -> None:
    fitted(dl.JSONLog(tmp_path / "log.jsonl", every=None))
    assert [line["event"] for line in lines(tmp_path / "log.jsonl")] == ["epoch"] * 3


def test_the_rows_of_a_table(tmp_path: Path) -> None:
    history = fitted(dl.CSVLog(tmp_path / "log.csv")).history.rows
    found = table(tmp_path / "log.csv")
    assert [{name: float(cell) for name, cell in row.items()} for row in found] == history
    assert list(found[0]) == list(history[0])


def test_numbers_that_are_none(tmp_path: Path) -> None:
    log, rows = dl.JSONLog(tmp_path / "log.jsonl"), dl.CSVLog(tmp_path / "log.csv")
    trainer = trainer_of()
    for callback in (log, rows):
        callback.on_fit_start(dl.FitStart(trainer, 1, 1, 1))
        callback.on_epoch_end(
            dl.EpochEnd(trainer, 1, {"epoch": 1, "loss": math.nan, "val_loss": -math.inf, "lr": 2})
        )
        callback.on_fit_end(dl.FitEnd(trainer))
    assert lines(tmp_path / "log.jsonl")[0] == {
        **{"event": "epoch", "step": 0, "epoch": 1},
        **{"loss": None, "val_loss": None, "lr": 2},
    }
    assert (tmp_path / "log.csv").read_text() == "epoch,loss,val_loss,lr\n1,nan,-inf,2\n"


def test_lines_are_there_while_training_goes_on(tmp_path: Path) -> None:
    class Read(dl.Callback):
        def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
            seen.append(len(lines(path)))
            return None

    path, seen = tmp_path / "log.jsonl", list[int]()
    fitted(dl.JSONLog(path, every=1), Read(), epochs=2)
    assert seen == [1, 2, 3, 5, 6, 7]


def test_a_second_fit_goes_on_in_the_file(tmp_path: Path) -> None:
    trainer = trainer_of(dl.JSONLog(tmp_path / "log.jsonl"), dl.CSVLog(tmp_path / "log.csv"))
    for _ in range(2):
        trainer.fit(DATA, epochs=2, progress=False)
    assert [line["epoch"] for line in lines(tmp_path / "log.jsonl")] == [1, 2, 3, 4]
    assert [row["epoch"] for row in table(tmp_path / "log.csv")] == ["1", "2", "3", "4"]


def test_columns_stay_those_of_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    trainer = trainer_of(dl.CSVLog(path))
    trainer.fit(DATA, validation=DATA, progress=False)
    trainer.fit(DATA, progress=False)
    assert [row["val_loss"] == "" for row in table(path)] == [False, True]
    other = trainer_of(dl.CSVLog(tmp_path / "other.csv"))
    other.fit(DATA, progress=False)
    with pytest.raises(ValueError, match=r"other\.csv has no column for val_loss, .* JSONLog"):
        other.fit(DATA, validation=DATA, progress=False)


# Resumed runs


class Kill(dl.Callback):
    """Breaks the run off after a step, without a clean end for what follows in the file."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        if event.trainer.optimizer.state.steps == self.step:
            raise InterruptedError("killed")
        return None


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without the columns that are read off a clock."""
    clocks = ("seconds", "images_per_second")
    return [{k: v for k, v in row.items() if k not in clocks} for row in rows]


@pytest.mark.parametrize("kill", range(1, 10))
@pytest.mark.parametrize("torn", ["", '{"event": "st', "\n\n{}\n"])
def test_a_resumed_run_has_every_line_once(tmp_path: Path, kill: int, torn: str) -> None:
    """Killed after any step, with checkpoints every four; and something torn at the end."""

    def run(folder: Path, kill: int) -> dl.Trainer:
        folder.mkdir(exist_ok=True)
        return trainer_of(
            dl.JSONLog(folder / "log.jsonl", every=1),
            dl.CSVLog(folder / "log.csv"),
            dl.Checkpoint(folder / "checkpoint.safetensors", every_steps=4),
            Kill(kill),
        )

    options: dict[str, Any] = {"validation": DATA, "epochs": 3, "batch_size": 4, "progress": False}
    run(tmp_path / "whole", -1).fit(DATA, **options)
    first, second = run(tmp_path / "cut", kill), run(tmp_path / "cut", -1)
    with pytest.raises(InterruptedError, match="killed"):
        first.fit(DATA, **options)
    for name in ("log.jsonl", "log.csv"):
        with open(tmp_path / "cut" / name, "a") as file:
            file.write(torn)
    second.restore(tmp_path / "cut" / "checkpoint.safetensors")
    second.fit(DATA, **options)
    expected, found = (lines(tmp_path / name / "log.jsonl") for name in ("whole", "cut"))
    assert plain(found) == plain(expected)
    assert len(found) == 12
    expected, found = (table(tmp_path / name / "log.csv") for name in ("whole", "cut"))
    assert plain(found) == plain(expected)
    assert len(found) == 3


@pytest.mark.parametrize("kind", [dl.JSONLog, dl.CSVLog])
def test_a_log_that_is_gone_begins_anew(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "log"
    first, second = kind(path), kind(path)
    trainer = fitted(first)
    state = json.loads(json.dumps(first.state()))
    path.unlink()
    second.on_fit_start(dl.FitStart(trainer, 1, 1, 1, resumed=True))
    second.load_state(state)
    second.on_epoch_end(dl.EpochEnd(trainer, 4, {"epoch": 4, "loss": 1.0}))
    second.on_fit_end(dl.FitEnd(trainer))
    assert len(path.read_text().splitlines()) == (1 if kind is dl.JSONLog else 2)


@pytest.mark.parametrize("change", ["shorter", "other"])
@pytest.mark.parametrize("kind", [dl.JSONLog, dl.CSVLog])
def test_a_log_of_another_run_is_refused(tmp_path: Path, kind: Any, change: str) -> None:
    path = tmp_path / "log"
    first, second = kind(path), kind(path)
    trainer, state = fitted(first), first.state()
    text = path.read_text()
    path.write_text(text[:-1] if change == "shorter" else "x" + text[1:] + text)
    held = path.read_bytes()
    second.on_fit_start(dl.FitStart(trainer, 1, 1, 1, resumed=True))
    with pytest.raises(ValueError, match="is not the log that the checkpoint knows: move it away"):
        second.load_state(state)
    second.on_fit_end(dl.FitEnd(trainer))
    assert path.read_bytes() == held


# What is refused


@pytest.mark.parametrize("kind", [dl.JSONLog, dl.CSVLog])
def test_a_file_that_is_there_is_left_alone(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "log"
    path.write_text("mine\n")
    trainer = trainer_of(kind(path))
    with pytest.raises(FileExistsError, match="log holds 5 bytes that are not of this run: name"):
        trainer.fit(DATA, progress=False)
    assert path.read_text() == "mine\n"
    assert trainer.optimizer.state.steps == 0


@pytest.mark.parametrize("kind", [dl.JSONLog, dl.CSVLog])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none' to write log to"):
        fitted(kind(tmp_path / "none" / "log"))


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        fitted(dl.JSONLog(tmp_path))


@pytest.mark.parametrize("every", [0, -1, 1.5, "1"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, every: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="every must be an integer of at least 1"):
        dl.JSONLog(tmp_path / "log", every=every)
