"""``minidl doctor``, and what ``minidl train`` says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minidl import cli
from minidl.doctor.checks import FULL

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data sets of bars: as they should be, and not scaled."""
    folder = tmp_path_factory.mktemp("data")
    labels = np.arange(400) % 4
    images = np.random.default_rng(0).integers(0, 90, (400, 16, 16, 1)).astype(np.uint8)
    for image, label in zip(images, labels):
        image[4 * label : 4 * label + 3] += 150
    np.savez(folder / "good.npz", x=images, y=labels)
    np.savez(folder / "raw.npz", x=images.astype("float32") + 0.25, y=labels)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs a command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_healthy_run(run: Run, files: Path) -> None:
    said = run("doctor", "--data", files / "good.npz", "--model", "mlp")
    assert said == (0, f"nothing found ({len(FULL)} checks)\n", "")
    assert list(Path.cwd().iterdir()) == []


def test_findings_fit_a_terminal(run: Run, files: Path) -> None:
    code, out, err = run("doctor", "--data", files / "raw.npz", "--model", "mlp")
    lines = out.splitlines()
    assert (code, err, lines[0]) == (1, "", "error: raw pixels (inputs)")
    assert lines[1].startswith("  the inputs are floats from 0")
    assert lines[-1] == "  fix: divide them by 255, or pass uint8, which the model scales itself"
    assert max(map(len, lines)) < 80


def test_a_rate_far_off_as_json(run: Run, files: Path) -> None:
    options = ["--optimizer", "adam", "--lr", "1e-8", "--schedule", "constant", "--json"]
    code, out, _ = run("doctor", "--data", files / "good.npz", "--model", "mlp", *options)
    found = json.loads(out.splitlines()[-1])
    assert (code, found["checks"]) == (1, len(FULL))
    assert [one["what"] for one in found["findings"]] == ["a learning rate too low"]
    assert set(found["findings"][0]) == {"what", "where", "message", "fix", "severity"}


def test_train_says_what_shows_at_a_glance(run: Run, files: Path) -> None:
    options = ["--model", "mlp", "--epochs", 1, "--lr", 1e-6]
    code, _, err = run("train", "--data", files / "raw.npz", *options)
    assert code == 0
    assert re.match(r"minidl: error: raw pixels \(inputs\): the inputs are floats from 0", err)
    assert len(err.splitlines()) <= 3
    assert max(map(len, err.splitlines())) < 80
    assert run("train", "--data", files / "raw.npz", *options, "--quiet")[2] == ""
    assert run("train", "--data", files / "good.npz", *options)[2] == ""


def test_help_fits_a_screen_and_gives_an_example(run: Run) -> None:
    code, out, err = run("doctor", "--help")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) <= 40
    assert max(map(len, out.splitlines())) < 80
    assert "examples:\n  minidl doctor " in out
