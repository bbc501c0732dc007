"""TensorBoard: its files, read back by a reader of this test's own, and resumed runs."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import minidl as dl

DATA = np.arange(24.0).reshape(12, 2) / 24, np.arange(12.0)[:, None] / 12


def crc32c(data: bytes) -> int:
    """Return the CRC of RFC 3720, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_the_checksum_is_the_known_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def check(data: bytes, stored: bytes) -> None:
    crc = crc32c(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert struct.unpack("<I", stored)[0] == masked


def records(path: Path) -> Iterator[bytes]:
    """Read a TFRecord file: length, its checksum, data, its checksum."""
    held = path.read_bytes()
    while held:
        size = struct.unpack("<Q", held[:8])[0]
        check(held[:8], held[8:12])
        data, held = held[12 : 12 + size], held[12 + size :]
        check(data, held[:4])
        yield data
        held = held[4:]


def varint(data: bytes) -> tuple[int, bytes]:
    value = shift = 0
    for index, byte in enumerate(data):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, data[index + 1 :]
    raise AssertionError("a number without an end")


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Read the fields of a protocol buffer: their numbers, and values by wire type."""
    while data:
        key, data = varint(data)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, data = varint(data)
            yield number, value
            continue
        size, data = varint(data) if kind == 2 else ({1: 8, 5: 4}[kind], data)
        yield number, data[:size]
        data = data[size:]


class Event(NamedTuple):
    """An event of event.proto: its step (field 2), scalars (5), and whether it starts anew (7)."""

    step: int
    scalars: dict[str, float]
    starts: bool


def event(data: bytes) -> Event:
    found = dict(fields(data))
    scalars: dict[str, float] = {}
    for number, value in fields(found.get(5, b"")):
        assert number == 1
        inner = dict(fields(value))
        scalars[inner[1].decode()] = struct.unpack("<f", inner[2])[0]
    assert struct.unpack("<d", found[1])[0] > 1.7e9
    return Event(found.get(2, 0), scalars, dict(fields(found.get(7, b""))).get(1) == 1)


def read(folder: Path) -> list[list[Event]]:
    """Return the events of each file, in the order of their names."""
    return [[event(data) for data in records(path)] for path in sorted(folder.iterdir())]


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return each scalar's points as TensorBoard shows them: a start takes back what is later."""
    points: dict[str, list[tuple[int, float]]] = {}
    for one in (one for file in read(folder) for one in file):
        if one.starts:
            points = {tag: [p for p in old if p[0] < one.step] for tag, old in points.items()}
        for tag, value in one.scalars.items():
            points.setdefault(tag, []).append((one.step, value))
    return points


def trainer_of(*callbacks: dl.Callback) -> dl.Trainer:
    model = dl.Sequential([dl.Dense(1)], input_shape=(2,), dtype="float64")
    return dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.1), callbacks=callbacks, workers=1)


OPTIONS: dict[str, Any] = {"validation": DATA, "epochs": 3, "batch_size": 4, "progress": False}


def test_the_scalars_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    trainer = trainer_of(dl.TensorBoard(tmp_path / "new" / "logs", every=2))
    history = trainer.fit(DATA, **OPTIONS)
    found = shown(tmp_path / "new" / "logs")
    names = ["loss", "val_loss", "lr", "seconds", "images_per_second"]
    assert list(found) == ["step/loss", *(f"epoch/{name}" for name in names)]
    for name in names:
        assert [step for step, _ in found[f"epoch/{name}"]] == [3, 6, 9]
        values = [value for _, value in found[f"epoch/{name}"]]
        assert values == pytest.approx(history[name], rel=1e-6)
    assert [step for step, _ in found["step/loss"]] == [2, 4, 6, 8]


def test_every_fit_has_a_file_and_steps_go_on(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    trainer = trainer_of(dl.TensorBoard(tmp_path, every=None))
    for _ in range(2):
        trainer.fit(DATA, epochs=1, batch_size=4, progress=False)
    assert len(read(tmp_path)) == 2
    assert [step for step, _ in shown(tmp_path)["epoch/loss"]] == [3, 6]


class Kill(dl.Callback):
    """Breaks the run off after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        if event.trainer.optimizer.state.steps == self.step:
            raise InterruptedError("killed")
        return None


@pytest.mark.parametrize("every", [1, 2, None])
@pytest.mark.parametrize("kill", range(1, 10))
def test_a_resumed_run_shows_the_same_points(tmp_path: Path, kill: int, every: int | None) -> None:
    pytest.importorskip("tensorboardX")

    def run(folder: Path, kill: int) -> dl.Trainer:
        path = tmp_path / f"{folder.name}.safetensors"
        checkpoint = dl.Checkpoint(path, every_steps=4)
        return trainer_of(dl.TensorBoard(folder, every=every), checkpoint, Kill(kill))

    run(tmp_path / "whole", -1).fit(DATA, **OPTIONS)
    with pytest.raises(InterruptedError, match="killed"):
        run(tmp_path / "cut", kill).fit(DATA, **OPTIONS)
    second = run(tmp_path / "cut", -1)
    second.restore(tmp_path / "cut.safetensors")
    second.fit(DATA, **OPTIONS)
    whole, cut = shown(tmp_path / "whole"), shown(tmp_path / "cut")
    for tag in ("epoch/loss", "epoch/val_loss", "epoch/lr", *(["step/loss"] if every else [])):
        assert cut[tag] == whole[tag]


def test_what_a_checkpoint_knows_is_on_the_disk(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    board, trainer = dl.TensorBoard(tmp_path), trainer_of()
    board.on_fit_start(dl.FitStart(trainer, 1, 1, 1))
    trainer.optimizer.state.steps = 7
    board.on_epoch_end(dl.EpochEnd(trainer, 1, {"epoch": 1, "loss": 0.5}))
    assert json.loads(json.dumps(board.state())) == {"last": 7}
    assert shown(tmp_path) == {"epoch/loss": [(7, 0.5)]}
    board.on_fit_end(dl.FitEnd(trainer))


def test_without_the_library_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    trainer = trainer_of(dl.TensorBoard(tmp_path / "logs"))
    message = r"event files need tensorboardX: pip install 'minidl\[tensorboard\]'"
    with pytest.raises(ImportError, match=message):
        trainer.fit(DATA, progress=False)
    assert not (tmp_path / "logs").exists()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(FileExistsError, match="logs"):
        trainer_of(dl.TensorBoard(tmp_path / "logs")).fit(DATA, progress=False)


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every must be an integer of at least 1, got 0"):
        dl.TensorBoard(tmp_path, every=0)
