"""``minidl plot``: what it draws, says and refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import minidl as dl
from minidl import cli, plotting
from minidl.cli import plot

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

ALL = ["curves", "confusion", "filters", "features", "mistakes", "saliency", "gradients"]
Run = Callable[..., tuple[int, str, str]]


def leave_run(folder: Path, model: dl.Graph, data: str) -> Path:
    """Leave a run folder as ``minidl train`` does, without the training."""
    folder.mkdir()
    dl.save(model, folder / "model.safetensors")
    dl.History([{"epoch": 1, "loss": 2.0, "lr": 0.1}]).save(folder / "history.json")
    (folder / "run.json").write_text(json.dumps({"arguments": {"data": data}}))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the images of "mnist", and a run of each kind; not to be changed."""
    top = tmp_path_factory.mktemp("plot")
    (top / "mnist").mkdir()
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)
    for part in ("train", "t10k"):
        dl.data.write_idx(top / "mnist" / f"{part}-images-idx3-ubyte", images)
        labels = np.arange(40).astype(np.uint8) % 10
        dl.data.write_idx(top / "mnist" / f"{part}-labels-idx1-ubyte", labels)
    leave_run(top / "lenet", dl.models.lenet(), "mnist")
    leave_run(top / "mlp", dl.models.mlp(), "mnist")
    return top


@pytest.fixture
def run(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return a function that runs the command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.setenv("MINIDL_DATA", str(folder))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["plot", *map(str, arguments)])
        return code, *capsys.readouterr()

    return call


def refused(run: Run, *arguments: object) -> str:
    """Run what should be refused and return what it says, in one line."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    return err.removeprefix("minidl: error: ").rstrip()


def pictures(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir() if path.suffix == ".png"}


def test_all_pictures_go_into_the_run_folder(run: Run, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder / "lenet", own)
    code, out, err = run(own)
    assert (code, err) == (0, "")
    assert out == f"in {own}: {', '.join(f'{name}.png' for name in ALL)}\n"
    assert pictures(own) == set(ALL)
    for name in ALL:
        assert (own / f"{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_some_pictures_of_a_model_file_into_another_folder(run: Run, folder: Path) -> None:
    model = folder / "lenet" / "model.safetensors"
    code, out, _ = run(model, "--out", "new/one", "--only", "filters, curves,filters")
    assert (code, out) == (0, f"in {Path('new', 'one')}: curves.png, filters.png\n")
    assert pictures(Path("new/one")) == {"curves", "filters"}
    assert pictures(folder / "lenet") == set()


def test_what_a_run_has_no_picture_of_is_told(run: Run, folder: Path) -> None:
    code, out, err = run(folder / "mlp", "--out", "mlp")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        "no filters.png: the model has no convolution of images, so there are no filters to draw",
        "no features.png: the model has no convolution, pooling or activation that puts out maps"
        " (h, w, C)",
    ]
    assert pictures(Path("mlp")) == set(ALL) - {"filters", "features"}


def test_other_data_may_be_named(run: Run, folder: Path) -> None:
    assert run(folder / "mlp", "--data", "digits", "--only", "confusion", "--out", ".")[0] == 0
    assert pictures(Path()) == {"confusion"}


def test_a_batch_is_taken_from_all_over_the_data(folder: Path) -> None:
    """For the images of a folder come class by class."""
    subject = object.__new__(plot.Subject)
    subject.test = dl.data.Dataset(np.zeros((100, 2)), np.arange(100) // 10)
    assert subject.some(10).targets.tolist() == list(range(10))
    assert len(subject.some(200)) == 100


def test_what_was_asked_for_and_cannot_be_is_an_error(run: Run, folder: Path) -> None:
    assert "no convolution of images" in refused(run, folder / "mlp", "--only", "filters")
    assert refused(run, folder / "mlp", "--only", "curve") == (
        "--only: 'curve' is none of curves, confusion, filters, features, mistakes, saliency,"
        " gradients: perhaps 'curves'?"
    )


def test_runs_without_a_history_are_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    own = leave_run(tmp_path / "own", dl.models.mlp(), "mnist")
    history = own / "history.json"
    for content in ("[", "{}", "[1]", '[{"loss": 1.0}]', '[{"epoch": "one"}]'):
        history.write_text(content)
        assert refused(run, own, "--only", "curves").startswith(f"{history} is no history: exp")
    history.write_text("[]")
    assert "the history has no epochs" in refused(run, own, "--only", "curves")
    history.unlink()
    message = f"the folder {own} holds no history.json: name a run folder"
    assert refused(run, own, "--only", "curves") == message
    code, out, _ = run(own)
    assert (code, out.splitlines()[0]) == (0, f"no curves.png: {message}")


def test_folders_without_a_model_are_refused(run: Run, tmp_path: Path) -> None:
    assert (
        refused(run, tmp_path)
        == f"the folder {tmp_path} holds no model.safetensors: name a run or a file"
    )


def test_what_is_said_without_matplotlib(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert refused(run, folder / "lenet", "--out", ".") == (
        "plotting needs matplotlib: pip install 'minidl[plot]'"
    )


def test_names_in_any_script_are_no_warning(tmp_path: Path) -> None:
    figure = plotting.confusion(np.eye(2, dtype=int), ["猫", "犬"])
    cli.output.write_picture(figure, tmp_path / "names.png")
    assert (tmp_path / "names.png").stat().st_size > 1000


def test_help_fits_a_screen_of_80_columns(run: Run) -> None:
    code, out, _ = run("--help")
    lines = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert "examples:" in lines
    assert {line.split()[0] for line in lines if line.strip()} >= set(ALL)
