"""Ctrl-C: once ends a run after the step so that it can be resumed, twice ends it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import minidl as dl


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    """What a program has that changed nothing, which it must have again after ``fit``."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


class Press(dl.Callback):
    """Presses Ctrl-C: at a step, in a validation, or when ``fit`` ends."""

    def __init__(self, at: int = 0, times: int = 1, place: str = "step") -> None:
        self.at, self.times, self.place = at, times, place
        self.steps = 0

    def press(self, place: str, number: int) -> None:
        if (place, number) == (self.place, self.at):
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)

    def on_step_end(self, event: dl.StepEnd) -> None:
        self.steps = event.trainer.optimizer.state.steps
        self.press("step", self.steps)

    def on_validation_start(self, event: dl.ValidationStart) -> None:
        self.press("validation", event.epoch)

    def on_fit_end(self, event: dl.FitEnd) -> None:
        self.press("end", self.at)


def fitted(
    press: Press, path: Path | None = None, resume: bool = False, **options: Any
) -> dl.Trainer:
    """Train for three epochs of four steps; the checkpoint is written at 0 and at ends alone."""
    x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    model = dl.Sequential([dl.Dense(4), dl.Dropout(0.2), dl.Dense(1)], input_shape=(1,))
    callbacks = [dl.WeightAverage(0.5), press, *([dl.Checkpoint(path)] if path else [])]
    trainer = dl.Trainer(
        model, dl.MeanSquaredError(), dl.SGD(0.1), callbacks=callbacks, workers=1, **options
    )
    if resume and path:
        trainer.restore(path)
    trainer.fit((x, abs(x)), validation=(x, x), epochs=3, batch_size=16, progress=False)
    return trainer


def test_once_ends_the_run_after_the_step(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    press = Press(6)
    trainer = fitted(press, path)
    assert trainer.stopped == dl.Stop("interrupted", resumable=True)
    assert (press.steps, len(trainer.history)) == (6, 1)
    whole, resumed = fitted(Press()), fitted(Press(), path, resume=True)
    assert resumed.model.arrays.sha256() == whole.model.arrays.sha256()
    assert resumed.history["loss"] == whole.history["loss"]
    assert resumed.stopped is None


def test_in_the_validation_it_ends_the_run_after_the_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trainer = fitted(Press(2, place="validation"), path)
    assert trainer.stopped == dl.Stop("interrupted", resumable=True)
    assert len(trainer.history) == 2
    whole, resumed = fitted(Press()), fitted(Press(), path, resume=True)
    assert resumed.model.arrays.sha256() == whole.model.arrays.sha256()


def test_without_a_checkpoint_it_ends_all_the_same() -> None:
    trainer = fitted(Press(6))
    assert trainer.stopped == dl.Stop("interrupted", resumable=True)


def test_twice_ends_at_once() -> None:
    press = Press(6, times=2)
    with pytest.raises(KeyboardInterrupt):
        fitted(press)
    assert press.steps == 6


def test_too_late_to_end_the_run_it_is_not_lost() -> None:
    """The handler is still there, since it is put back after all others have heard of the end."""
    with pytest.raises(KeyboardInterrupt):
        fitted(Press(0, place="end"))


def test_an_error_puts_the_handler_back() -> None:
    class Fail(Press):
        def on_step_end(self, event: dl.StepEnd) -> None:
            raise RuntimeError("out of paper")

    with pytest.raises(RuntimeError, match="out of paper"):
        fitted(Fail())


def test_a_program_that_handles_it_itself_goes_on_doing_so() -> None:
    heard = []

    def handler(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    signal.signal(signal.SIGINT, handler)
    try:
        trainer = fitted(Press(6))
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert (trainer.stopped, heard) == (None, [signal.SIGINT])


def test_a_program_in_the_background_goes_on_ignoring_it() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert fitted(Press(6)).stopped is None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_run_in_a_thread_changes_no_handler() -> None:
    seen: list[Any] = []

    class Look(Press):
        def on_step_end(self, event: dl.StepEnd) -> None:
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=fitted, args=(Look(),))
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler] * 12


SCRIPT = """
import sys, numpy as np, minidl as dl

class Say(dl.Callback):
    def on_step_end(self, event):
        print("step", flush=True)

x = np.zeros((512, 8, 8, 1), "uint8")
model = dl.Sequential([dl.Conv2d(4, 3), dl.Flatten(), dl.Dense(2)], (8, 8, 1))
callbacks = [dl.Checkpoint(sys.argv[1]), Say()]
trainer = dl.Trainer(model, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), callbacks=callbacks, workers=2)
trainer.fit((x, np.arange(512) % 2), epochs=10_000, batch_size=32, progress=False)
steps = trainer.optimizer.state.steps
trainer.restore(sys.argv[1])
print(trainer.stopped.reason, steps == trainer.optimizer.state.steps)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a group of processes")
def test_a_terminals_ctrl_c_reaches_the_workers_too(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path / "run.safetensors")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "step\n"
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert errors == ""
    assert out.splitlines()[-1] == "interrupted True"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
