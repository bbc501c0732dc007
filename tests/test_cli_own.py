"""The command line on data of one's own: train, evaluate and predict, by class name."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run, last_json, outcome, refused, start

import minidl as dl
from minidl import cli
from minidl.engine.border import input_shapes

drawn = pytest.importorskip("pictures")
SHAPES = ("circle", "cross", "square")
QUICK = ["--model", "mlp", "--epochs", "1"]

pytestmark = pytest.mark.usefixtures("bare_curves")


def _drawn(path: Path, per_class: int = 40, seed: int = 0) -> Path:
    folder: Path = drawn.draw_folder(path, per_class, seed)
    return folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 3 x 40 pictures of every kind; not to be changed."""
    return _drawn(tmp_path_factory.mktemp("drawn") / "shapes")


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 3 x 12 others; not to be changed."""
    return _drawn(tmp_path_factory.mktemp("drawn") / "more", 12, seed=1)


@pytest.fixture(scope="module")
def trained(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on the shapes with all defaults; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    assert cli.main(["train", "--data", str(shapes), "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def record_of(folder: Path | str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "run.json").read_text(encoding="utf-8"))
    return found


def spoil(path: Path) -> Path:
    """Cut a picture in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


# Training


def test_training_tells_what_the_labels_mean(run: Run, shapes: Path) -> None:
    code, out, err = run("train", "--data", shapes, *QUICK)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        "mlp on shapes: 86 to train, 10 to validate, 24 to test",
        "inputs 32x32x3, classes 0: circle, 1: cross, 2: square",
    ]
    assert max(map(len, out.splitlines())) <= 80
    record = record_of("runs/shapes-mlp-1")
    assert record["classes"] == list(SHAPES)
    assert record["arguments"]["data"] == str(shapes.resolve())
    assert dl.load("runs/shapes-mlp-1/model.safetensors").classes == SHAPES


def test_the_defaults_read_shapes(trained: Path) -> None:
    record = record_of(trained)
    assert record["results"]["test_accuracy"] >= 0.9
    given = record["arguments"]
    assert (given["model"], given["batch_size"], given["epochs"]) == ("lenet", 16, 50)
    assert given["lr"] == 0.05 * 16 / 64


def test_a_rate_of_ones_own_is_taken_as_it_is(run: Run, shapes: Path) -> None:
    for options, rate in ((["--lr", "0.02"], 0.02), (["--optimizer", "adam"], 0.001)):
        run("train", "--data", shapes, *QUICK, *options, "--out", "here", "--force")
        assert record_of("here")["arguments"]["lr"] == rate


def test_pictures_of_another_shape(run: Run, shapes: Path) -> None:
    out = run("train", "--data", shapes, *QUICK, "--shape", "28x28x1")[1]
    assert "inputs 28x28x1, classes" in out
    said = run("evaluate", "runs/shapes-mlp-1")[1]
    assert said.startswith("24 samples of shapes: ")
    assert input_shapes(dl.load("runs/shapes-mlp-1/model.safetensors")) == [(28, 28, 1)]


def test_a_relative_path_is_found_again_from_elsewhere(
    run: Run, shapes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(shapes.parent)
    out = tmp_path / "run"
    found = last_json(run("train", "--data", "shapes/", *QUICK, "--out", out, "--json")[1])
    monkeypatch.chdir(tmp_path)
    again = last_json(run("evaluate", "run", "--json")[1])
    assert again["test_loss"] == pytest.approx(found["test_loss"], rel=1e-5)
    assert again["samples"] == 24


def test_a_broken_picture_is_named_and_no_run_is_left(run: Run, more: Path) -> None:
    shutil.copytree(more, "pets")
    broken = spoil(Path("pets/cross/000-rgb.png"))
    said = refused(run, "train", "--data", "pets", *QUICK)
    assert said.startswith(f"1 of 36 pictures cannot be read: {broken}: ")
    assert [path.name for path in Path.cwd().iterdir()] == ["pets"]


def test_without_pillow_one_line_says_so(
    run: Run, shapes: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name == "PIL" or name.startswith("PIL.")]:
        monkeypatch.setitem(sys.modules, name, None)
    picture = shapes / "cross" / "000-rgb.png"
    for command in (["train", "--data", shapes], ["predict", trained, picture]):
        assert "pip install 'minidl[images]'" in refused(run, *command)


def bars(count: int = 60, size: int = 28) -> tuple[Any, Any]:
    """Return noise (count, size, size) with a bar whose place is the label, of 3, and labels."""
    labels = np.arange(count) % 3
    pixels = np.random.default_rng(0).integers(0, 90, (count, size, size)).astype(np.uint8)
    for image, label in zip(pixels, labels):
        image[size // 4 * (label + 1) :][:3] += 150
    return pixels, labels


def write_npz() -> str:
    pixels, labels = bars()
    np.savez("bars.npz", x=pixels, y=np.array(["high", "low", "mid"])[labels])
    return "bars.npz"


def write_csv() -> str:
    pixels, labels = bars()
    rows = np.concatenate([labels[:, None], pixels.reshape(60, 784)], axis=1)
    np.savetxt("bars.csv", rows, "%d", delimiter=",")
    return "bars.csv"


def write_idx_files() -> str:
    pixels, labels = bars()
    Path("bars").mkdir()
    dl.data.write_idx("bars/train-images-idx3-ubyte", pixels)
    dl.data.write_idx("bars/train-labels-idx1-ubyte", labels.astype(np.uint8) + 1)
    return "bars"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "classes"),
    [
        (write_npz, ["high", "low", "mid"]),
        (write_csv, ["0", "1", "2"]),
        (write_idx_files, ["1", "2", "3"]),
    ],
)
def test_other_forms_train(run: Run, write: Callable[[], str], classes: list[str]) -> None:
    path = write()
    code, out, err = run("train", "--data", path, "--model", "mlp", "--epochs", "15")
    assert (code, err) == (0, "")
    numbered = ", ".join(f"{number}: {name}" for number, name in enumerate(classes))
    assert f"\ninputs 28x28x1, classes {numbered}\n" in out
    assert record_of("runs/bars-mlp-1")["classes"] == classes
    assert record_of("runs/bars-mlp-1")["results"]["test_accuracy"] == 1


def test_a_table_of_measures_trains_an_mlp(run: Run) -> None:
    lines = [f"{'ab'[n % 2]},{n % 2 + n / 100},{n}.0" for n in range(40)]
    Path("t.csv").write_text("class,u,v\n" + "\n".join(lines), encoding="utf-8")
    code, out, _ = run("train", "--data", "t.csv", *QUICK)
    assert (code, out.splitlines()[1]) == (0, "inputs 2, classes 0: a, 1: b")
    assert run("evaluate", "runs/t-mlp-1")[1].startswith("8 samples of t: loss ")
    said = refused(run, "predict", "runs/t-mlp-1", "t.csv")
    assert said == "runs/t-mlp-1 reads samples of shape (2,), which are no pictures"


def test_a_network_that_cannot_read_the_samples(run: Run) -> None:
    np.savez("small.npz", x=bars(size=12)[0], y=bars()[1])
    said = refused(run, "train", "--data", "small.npz")
    assert "at least 16x16 pixels, got samples of shape (12, 12, 1): choose --model mlp, or" in said
    assert run("train", "--data", "small.npz", *QUICK)[0] == 0
    assert run("train", "--data", "small.npz", "--shape", "16x16x1", "--epochs", "1")[0] == 0


@pytest.mark.parametrize(("count", "said"), [(6, "5 to train, 1 to test"), (9, "6 to train, 1 to")])
def test_a_handful_of_samples_trains(run: Run, count: int, said: str) -> None:
    np.savez("few.npz", x=bars(count)[0], y=np.arange(count) % 2)
    assert run("train", "--data", "few.npz", *QUICK)[1].startswith(f"mlp on few: {said}")


# Evaluation


def test_the_runs_own_held_out_fifth(run: Run, trained: Path, shapes: Path) -> None:
    code, out, err = run("evaluate", trained, "--json")
    found, lines = last_json(out), out.splitlines()
    assert (code, err) == (0, "")
    assert found["samples"] == 24
    assert found["test_accuracy"] == record_of(trained)["results"]["test_accuracy"]
    assert list(found["class_accuracy"]) == list(SHAPES)
    assert lines[0].startswith("24 samples of shapes: loss ")
    assert lines[1] == "class   samples  accuracy  most often taken for"
    assert [line.split()[:2] for line in lines[2:5]] == [[name, "8"] for name in SHAPES]
    assert run("evaluate", trained, "--data", shapes, "--json")[1] == out


def test_another_folder_is_measured_whole(run: Run, trained: Path, more: Path) -> None:
    found = last_json(run("evaluate", trained, "--data", more, "--json")[1])
    assert found["samples"] == 36
    assert found["test_accuracy"] >= 0.8


def test_of_a_folder_of_parts_the_test_part_is_measured(
    run: Run, trained: Path, shapes: Path, more: Path
) -> None:
    shutil.copytree(shapes, "both/train")
    shutil.copytree(more, "both/test")
    out = run("evaluate", trained, "--data", "both")[1]
    assert out.startswith("36 samples of both: ")


def test_a_folder_may_lack_a_class(run: Run, trained: Path, more: Path) -> None:
    shutil.copytree(more / "square", "some/square")
    code, out, _ = run("evaluate", trained, "--data", "some", "--json")
    assert code == 0
    assert list(last_json(out)["class_accuracy"]) == ["square"]
    assert [line.split()[0] for line in out.splitlines()[1:-1]] == ["class", "square"]


def test_an_unknown_class_is_refused(run: Run, trained: Path, more: Path) -> None:
    shutil.copytree(more, "some")
    Path("some/cross").rename("some/star")
    said = refused(run, "evaluate", trained, "--data", "some")
    assert said.startswith("some has a folder 'star', which is none of the classes circle, cross")


def test_a_known_set_of_other_classes_is_refused(run: Run, trained: Path) -> None:
    said = refused(run, "evaluate", trained, "--data", "digits")
    assert said.startswith("digits has the classes '0', '1', '2', ")
    assert said.endswith("the model knows 'circle', 'cross', 'square': name other data with --data")


def test_what_is_mistaken_for_what(run: Run, trained: Path, more: Path) -> None:
    shutil.copytree(more / "square", "wrong/cross")  # squares that are called crosses
    out = run("evaluate", trained, "--data", "wrong")[1]
    assert re.search(r"^cross +12 +0\.\d{4}  square \(\d+\)$", out, re.MULTILINE)


# Prediction


def told(out: str) -> dict[str, str]:
    """Return the class that was told of each file."""
    found = (re.fullmatch(r"(.*): (\w+) \d+\.\d%", line) for line in out.splitlines())
    return {match[1]: match[2] for match in found if match}


def test_pictures_are_told_by_class_name(run: Run, trained: Path, more: Path) -> None:
    files = sorted(more.rglob("*.*"))
    code, out, err = run("predict", trained, more / "circle", *files[12:])
    assert (code, err) == (0, "")
    found = told(out)
    assert list(found) == list(map(str, files))
    right = [Path(file).parent.name == name for file, name in found.items()]
    measured = last_json(run("evaluate", trained, "--data", more, "--json")[1])
    assert np.mean(right) == measured["test_accuracy"]
    assert run("predict", trained, more)[1] == out


def test_many_pictures_are_told_batch_by_batch(
    run: Run, trained: Path, more: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("predict", trained, more)[1]
    monkeypatch.setattr("minidl.cli.predict.BATCH", 5)
    assert told(run("predict", trained, more)[1]) == told(whole)


def test_the_likeliest_classes(run: Run, trained: Path, more: Path) -> None:
    picture = more / "cross" / "000-rgb.png"
    for top, count in (("2", 2), ("3", 3), ("9", 3)):
        line = run("predict", trained, picture, "--top", top)[1]
        shares = [float(share) for share in re.findall(r"(\d+\.\d)%", line)]
        assert len(shares) == count
        assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert set(re.findall("circle|cross|square", line.removeprefix(str(picture)))) == set(SHAPES)


def test_lines_of_json(run: Run, trained: Path, more: Path) -> None:
    lines = [json.loads(line) for line in run("predict", trained, more, "--json")[1].splitlines()]
    assert len(lines) == 36
    named = told(run("predict", trained, more)[1])
    for line in lines:
        assert list(line) == ["file", "class", "probability", "probabilities"]
        assert line["class"] == named[line["file"]] == next(iter(line["probabilities"]))
        assert line["probability"] == line["probabilities"][line["class"]]
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_after_a_broken_picture_the_others_are_told(run: Run, trained: Path, more: Path) -> None:
    shutil.copytree(more / "cross", "new")
    broken = spoil(Path("new/001-jpeg.jpg"))
    code, out, err = run("predict", trained, "new", "nothing.png", more / "circle")
    assert code == 2
    assert len(told(out)) == 11 + 12
    assert str(broken) not in told(out)
    errors = err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"minidl: error: {broken}: ")
    assert errors[1] == "minidl: error: nothing.png: no such file or directory"


def test_nothing_but_broken_pictures(run: Run, trained: Path) -> None:
    Path("x.png").write_bytes(b"no picture")
    assert "x.png: no whole picture" in refused(run, "predict", trained, "x.png", "--json")


def test_a_folder_without_pictures(run: Run, trained: Path) -> None:
    Path("empty").mkdir()
    assert refused(run, "predict", trained, "empty").startswith("no pictures in empty: files end")


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_are_converted_for_the_model(run: Run, channels: int) -> None:
    model = dl.models.mlp((8, 8, channels), 2, seed=1)
    model.classes = ("a", "b")
    dl.save(model, "model.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)
    drawn.Image.fromarray(pixels).save("grey.png")
    drawn.Image.fromarray(np.repeat(pixels[..., None], 3, axis=2)).save("colour.png")
    out = run("predict", "model.safetensors", "grey.png", "colour.png", "--json")[1]
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0]["probabilities"] == lines[1]["probabilities"]
    shares = model.predict(np.repeat(pixels[None, ..., None], channels, 3), probabilities=True)[0]
    assert lines[0]["probabilities"]["b"] == pytest.approx(shares[1], abs=1e-6)


def test_classes_without_a_name_are_told_by_number(run: Run, more: Path) -> None:
    model = dl.models.mlp((8, 8, 1), 5)
    model.classes = ("a", "b")  # of a data set with fewer classes than the model has outputs
    dl.save(model, "model.safetensors")
    out = run("predict", "model.safetensors", more / "cross" / "000-rgb.png", "--json")[1]
    assert set(last_json(out)["probabilities"]) == {"a", "b", "2", "3", "4"}


@pytest.mark.parametrize(("size", "shape"), [(4, "(4,)"), (2, "(8, 8, 2)")])
def test_a_model_of_no_pictures_is_refused(run: Run, size: int, shape: str) -> None:
    layers = [dl.Dense(2)] if size == 4 else [dl.Flatten(), dl.Dense(2)]
    dl.save(dl.Sequential(layers, (4,) if size == 4 else (8, 8, 2)), "model.safetensors")
    said = refused(run, "predict", "model.safetensors", "cat.jpg")
    assert said == f"model.safetensors reads samples of shape {shape}, which are no pictures"


def test_predicting_as_a_process(trained: Path, more: Path) -> None:
    code, out, err = outcome(start("predict", str(trained), str(more / "cross")))
    assert (code, err) == (0, "")
    assert len(told(out)) == 12


def test_a_folder_that_has_changed_is_not_measured(run: Run, shapes: Path, more: Path) -> None:
    """Or pictures that were trained on might be among those held out."""
    shutil.copytree(shapes, "shapes")
    assert run("train", "--data", "shapes", *QUICK, "--quiet", "--out", "mine")[0] == 0
    assert run("evaluate", "mine")[0] == 0
    picture = next(more.glob("cross/*.png"))
    shutil.copy(picture, "shapes/cross/0-new.png")
    said = refused(run, "evaluate", "mine")
    assert "is not as it was when the model was trained" in said
    assert run("evaluate", "mine", "--data", str(more))[0] == 0


def test_the_column_of_labels_is_told(run: Run) -> None:
    rows = [f"{n % 9},{n % 2 * 3},{'cat' if n % 2 else 'dog'}" for n in range(80)]
    Path("pets.csv").write_text("\n".join(["a,b,species", *rows]))
    said = refused(run, "train", "--data", "pets.csv", *QUICK)
    assert "which column holds the labels" in said
    for column in ("species", "-1"):
        code, out, _ = run("train", "--data", "pets.csv", *QUICK, f"--label={column}")
        assert code == 0
        assert "0: cat, 1: dog" in out
    assert run("evaluate", "runs/pets-mlp-1")[0] == 0
