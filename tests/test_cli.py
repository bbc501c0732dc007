"""The command line: what it does, prints, leaves behind and refuses."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import QUICK, Run, last_json, outcome, refused, start, write_collection

import minidl as dl
from minidl import cli, models
from minidl.cli import choices, summary
from minidl.cli.choices import MODELS, OPTIMIZERS, SCHEDULES, build_schedule

REAL = os.environ.get("MINIDL_DATA", "")
CURVES = ["curves.png"] if importlib.util.find_spec("matplotlib") else []
COMMANDS = ["", "train", "evaluate", "predict", "summary", "plot", "data", "bench", "completion"]
COMMANDS += ["doctor"]

pytestmark = pytest.mark.usefixtures("own_folder", "bare_curves")


@pytest.fixture(scope="session")
def trained(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of ten quiet epochs; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    arguments = ["--data-folder", str(collection), "--epochs", "10", "--out", str(out), "--quiet"]
    assert cli.main(["train", *QUICK, *arguments]) == 0
    return out


# train


def test_train_prints_what_it_does_and_leaves_a_run(run: Run, tmp_path: Path) -> None:
    code, out, err = run("train", *QUICK)
    lines = out.splitlines()
    files = [
        *("model.safetensors", "best.safetensors", "checkpoint.safetensors", "history.json"),
        *("log.jsonl", *CURVES, "run.toml", "run.json"),
    ]
    assert (code, err) == (0, "")
    assert lines[0] == "mlp on mnist: 270 to train, 30 to validate, 100 to test"
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["epoch", "1", "loss"],
        ["epoch", "2", "loss"],
    ]
    assert re.fullmatch(r"test loss \d\.\d{4}, test accuracy \d\.\d{4}", lines[3])
    said = " ".join(line.strip() for line in lines[4 if CURVES else 5 :])
    assert said == f"in {Path('runs', 'mnist-mlp-1')}: {', '.join(files)}"
    assert {path.name for path in (tmp_path / "runs" / "mnist-mlp-1").iterdir()} == set(files)
    assert max(map(len, lines)) <= 80


@pytest.mark.skipif(not CURVES, reason="matplotlib is not installed")
def test_the_curves_are_drawn(trained: Path) -> None:
    picture = (trained / "curves.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture) > 10_000  # an empty one takes a hundred bytes


def test_the_run_folder_tells_the_run(run: Run) -> None:
    code, out, _ = run("train", *QUICK, "--json", "--seed", "3", "--out", "deep/er/run")
    results = last_json(out)
    record = json.loads(Path("deep/er/run/run.json").read_text(encoding="utf-8"))
    history = json.loads(Path("deep/er/run/history.json").read_text(encoding="utf-8"))
    model = dl.load("deep/er/run/model.safetensors")
    assert code == 0
    assert record["results"] == results
    assert record["classes"] == list("0123456789")
    assert record["versions"]["numpy"] == np.__version__
    assert set(record["versions"]) == {"minidl", "numpy", "python", "platform"}
    assert record["arguments"] == {
        **{"data": "mnist", "data_folder": None, "download": False, "shape": None, "label": None},
        **{"model": "mlp", "validation": 0.1, "epochs": 2, "batch_size": 64, "augment": ""},
        **{"optimizer": "sgd", "lr": 0.05, "momentum": 0.9},
        **{"weight_decay": 0.0, "schedule": "one-cycle", "warm_up": 0, "seed": 3, "workers": None},
        **{"out": str(Path("deep/er/run")), "force": False, "json": True, "quiet": False},
        "checkpoint_every": None,
        **dict.fromkeys(("early_stop", "plateau", "average", "time_budget")),
    }
    assert [row["epoch"] for row in history] == [1, 2]
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history[0])
    assert model.arrays.sha256() == results["sha256"]


def test_json_is_the_last_line_and_quiet_leaves_it_alone(run: Run) -> None:
    code, out, err = run("train", *QUICK, "--json", "--quiet")
    assert (code, err, out.count("\n")) == (0, "", 1)
    results = last_json(out)
    assert list(results) == [
        *("test_loss", "test_accuracy", "epochs", "seconds", "parameters", "sha256", "out")
    ]
    assert (results["epochs"], results["parameters"]) == (2, 203530)
    assert results["seconds"] > 0
    assert results["out"] == str(Path("runs", "mnist-mlp-1"))
    assert last_json(run("train", *QUICK, "--json")[1])["sha256"] == results["sha256"]
    assert run("train", *QUICK, "--quiet") == (0, "", "")


def test_runs_are_numbered(run: Run) -> None:
    Path("runs/mnist-mlp-2").mkdir(parents=True)
    for expected in ("mnist-mlp-1", "mnist-mlp-3"):
        out = run("train", *QUICK, "--epochs", "1", "--json")[1]
        assert last_json(out)["out"] == str(Path("runs", expected))


def test_the_defaults(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dl.data.load("mnist")
    monkeypatch.setattr("minidl.cli.train.load", lambda *_, **options: small)
    assert run("train", "--quiet") == (0, "", "")
    record = json.loads(Path("runs/mnist-lenet-1/run.json").read_text(encoding="utf-8"))
    given = record["arguments"]
    assert (given["data"], given["model"], given["epochs"], given["lr"]) == (
        *("digits", "lenet", 8, 0.05),
    )
    assert record["results"]["parameters"] == 61706


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data", "mnist"], {"epochs": 3, "lr": 0.05}),
        (["--data", "mnist", "--epochs", "1"], {"epochs": 1}),
        (["--data", "mnist", "--optimizer", "adam"], {"lr": 0.001, "momentum": 0.9}),
        (["--data", "mnist", "--optimizer", "adam", "--lr", "0.01"], {"lr": 0.01}),
        (["--data", "mnist", "--optimizer", "adamw"], {"lr": 0.001, "momentum": 0.9}),
        (["--data", "mnist", "--optimizer", "rmsprop"], {"lr": 0.001, "momentum": 0.0}),
        (["--data", "mnist", "--optimizer", "adagrad"], {"lr": 0.01, "momentum": None}),
    ],
)
def test_defaults_depend_on_the_other_arguments(
    run: Run, arguments: list[str], expected: dict[str, float | None]
) -> None:
    assert run("train", "--model", "mlp", "--out", "here", "--quiet", *arguments)[0] == 0
    given = json.loads(Path("here/run.json").read_text(encoding="utf-8"))["arguments"]
    assert {name: given[name] for name in expected} == expected


def test_the_network_learns(run: Run, trained: Path) -> None:
    out = run("evaluate", trained, "--json")[1]
    assert last_json(out)["test_accuracy"] > 0.9


def test_without_validation(run: Run) -> None:
    _, out, _ = run("train", *QUICK, "--validation", "0")
    assert out.startswith("mlp on mnist: 300 to train, 100 to test\n")
    assert "val_loss" not in out


def test_the_test_set_has_no_say(run: Run, tmp_path: Path) -> None:
    """Another test set: the same model and history, and only another result."""
    found = []
    for seed in (1, 2):
        folder = write_collection(tmp_path / str(seed), test_seed=seed)
        out = run("train", *QUICK, "--data-folder", folder, "--json", "--out", f"run{seed}")[1]
        rows = json.loads(Path(f"run{seed}/history.json").read_text(encoding="utf-8"))
        measured = [{name: row[name] for name in row if "second" not in name} for row in rows]
        found.append((last_json(out)["sha256"], measured, last_json(out)["test_loss"]))
    assert found[0][:2] == found[1][:2]
    assert found[0][2] != found[1][2]


def test_seeds_decide(run: Run) -> None:
    hashes = [
        last_json(run("train", *QUICK, "--epochs", "1", "--json", "--seed", seed)[1])["sha256"]
        for seed in (0, 0, 1)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "optimizer"),
    [(name, "sgd") for name in SCHEDULES] + [("one-cycle", name) for name in OPTIMIZERS],
)
def test_every_schedule_and_optimizer_trains(run: Run, schedule: str, optimizer: str) -> None:
    options = ["--schedule", schedule, "--optimizer", optimizer, "--warm-up", "2"]
    code, out, err = run("train", *QUICK, "--json", *options, "--weight-decay", "1e-4")
    assert (code, err) == (0, "")
    assert last_json(out)["test_loss"] < 2.3


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("constant", [1, 1, 1, 1]),
        ("step", [1, 0.1, 0.01, 0.01]),
        ("exponential", [1, 0.01 ** (1 / 3), 0.01 ** (2 / 3), 0.01]),
        ("inverse-time", [1, 1 / 4, 1 / 7, 1 / 10]),
        ("multi-step", [1, 1, 0.1, 0.01]),
        ("linear", [1, 2 / 3, 1 / 3, 0]),
        ("polynomial", [1, 4 / 9, 1 / 9, 0]),
        ("cosine", [1, 0.75, 0.25, 0]),
    ],
)
def test_schedules_are_stretched_over_the_run(name: str, rates: list[float]) -> None:
    """At the beginning, after each third, and at the end."""
    schedule = build_schedule(name, 1.0, 0, 300)
    assert [schedule.value(step, 300) for step in (0, 100, 200)] == pytest.approx(rates[:3])
    if name != "step":
        assert schedule.value(300, 300) == pytest.approx(rates[3], abs=1e-12)
    warm = build_schedule(name, 1.0, 9, 309)
    assert [warm.value(step, 309) for step in (0, 4, 8)] == pytest.approx([0.1, 0.5, 0.9])
    assert [warm.value(step, 309) for step in (9, 109, 209)] == pytest.approx(rates[:3])


def test_the_cosine_restarts_after_a_seventh_and_three() -> None:
    schedule = build_schedule("cosine-restarts", 1.0, 0, 70)
    rates = [schedule.value(step, 70) for step in range(70)]
    assert [step for step, rate in enumerate(rates) if rate == 1] == [0, 10, 30]
    assert rates[-1] < 0.01


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_fits_a_run_of_any_length(name: str) -> None:
    for total in range(1, 12):
        schedule = build_schedule(name, 1.0, 0, total)
        assert all(0 <= schedule.value(step, total) <= 1 for step in range(total + 1))


OPTIMIZED = [
    ("sgd", dl.SGD(0.1, momentum=0.5, weight_decay=0.2)),
    ("adam", dl.Adam(0.1, betas=(0.5, 0.999), weight_decay=0.2)),
    ("adamw", dl.AdamW(0.1, betas=(0.5, 0.999), weight_decay=0.2)),
    ("rmsprop", dl.RMSprop(0.1, momentum=0.5, weight_decay=0.2)),
    ("adagrad", dl.Adagrad(0.1, weight_decay=0.2)),
]


@pytest.mark.parametrize(("name", "expected"), OPTIMIZED)
def test_what_the_names_of_optimizers_stand_for(name: str, expected: dl.Optimizer) -> None:
    momentum = None if name == "adagrad" else 0.5
    given = {"optimizer": name, "lr": 0.1, "momentum": momentum, "weight_decay": 0.2}
    args = Namespace(**given, schedule="constant", warm_up=0)
    assert choices.build_optimizer(args, 10).replace(lr=0.1) == expected
    assert [name for name, _ in OPTIMIZED] == list(OPTIMIZERS)


def test_the_step_schedule_never_takes_a_fourth_step() -> None:
    for total in range(1, 12):
        schedule = build_schedule("step", 1.0, 0, total)
        assert schedule.value(total - 1, total) >= 0.01 - 1e-12


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_one_of_minidl_s(run: Run, name: str) -> None:
    assert f"{getattr(models, name)().parameter_count:,} parameters" in run("summary", name)[1]
    assert choices.build_model(name, dl.data.load("mnist")[0], 0).output_shape((28, 28, 1)) == (10,)


def test_every_data_set_is_known() -> None:
    with pytest.raises(ValueError, match=f"expected one of {', '.join(dl.data.KNOWN)}"):
        dl.data.load("another")


# evaluate and summary


def test_evaluate_reads_a_run_or_a_file(run: Run, trained: Path) -> None:
    code, out, err = run("evaluate", trained, "--json")
    found = last_json(out)
    model = dl.load(trained / "model.safetensors")
    test = dl.data.load("mnist")[1]
    right = model.predict(test.inputs).argmax(axis=1) == test.targets
    assert (code, err) == (0, "")
    assert list(found) == [
        *("test_loss", "test_accuracy", "class_accuracy", "samples", "parameters", "sha256")
    ]
    assert found["class_accuracy"] == {
        str(label): right[test.targets == label].mean() for label in range(10)
    }
    assert found["test_accuracy"] == right.mean()
    assert (found["samples"], found["parameters"]) == (100, 203530)
    assert found["sha256"] == model.arrays.sha256()
    record = json.loads((trained / "run.json").read_text(encoding="utf-8"))
    for name in ("test_loss", "test_accuracy"):
        assert record["results"][name] == pytest.approx(found[name], rel=1e-5)
    assert out.splitlines()[0] == (
        f"100 samples of mnist: loss {found['test_loss']:.4f},"
        f" accuracy {found['test_accuracy']:.4f}"
    )
    file = trained / "model.safetensors"
    assert run("evaluate", file, "--json")[1] == out
    assert run("evaluate", file, "--data", "mnist", "--json")[1] == out


def test_evaluate_needs_to_know_the_data(run: Run) -> None:
    dl.save(models.mlp(), "alone.safetensors")
    said = refused(run, "evaluate", "alone.safetensors")
    assert said == (
        "which data? alone.safetensors does not say: pass --data digits|mnist|fashion-mnist|PATH"
    )
    Path("run.json").write_text("[]", encoding="utf-8")
    assert "run.json does not say what the run was trained on: pass --data" in refused(
        run, "evaluate", "alone.safetensors"
    )


def test_images_are_made_to_fit_the_model(run: Run) -> None:
    dl.save(models.mlp((32, 32, 3)), "colour.safetensors")
    assert run("evaluate", "colour.safetensors", "--data", "mnist")[0] == 0


def test_a_model_of_other_samples_is_refused(run: Run) -> None:
    dl.save(dl.Sequential([dl.Dense(10)], (5,)), "table.safetensors")
    said = refused(run, "evaluate", "table.safetensors", "--data", "mnist")
    assert "the model reads samples of shape (5,), got an array (100, 28, 28, 1)" in said
    dl.save(models.mlp(classes=4), "four.safetensors")
    said = refused(run, "evaluate", "four.safetensors", "--data", "mnist")
    assert "labels should lie between 0 and 3" in said


def test_summary_shows_a_model(run: Run, trained: Path) -> None:
    for name in ("mlp", trained, trained / "model.safetensors"):
        assert run("summary", name) == (0, models.mlp().summary() + "\n", "")


def test_a_path_goes_before_a_built_in_name(run: Run) -> None:
    assert run("train", *QUICK, "--out", "lenet", "--quiet")[0] == 0
    assert run("summary", "lenet")[1] == models.mlp().summary() + "\n"


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen_and_gives_an_example(run: Run, command: str) -> None:
    code, out, err = run(*command.split(), "--help")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert len(lines) <= (56 if command == "train" else 40)
    assert max(map(len, lines)) < 80
    assert re.search(r"^examples?:\n  minidl ", out, re.MULTILINE)
    assert "\x1b" not in out


def test_help_names_every_choice_and_option(run: Run) -> None:
    out = run("train", "--help")[1]
    for name in (*dl.data.KNOWN, *MODELS, *SCHEDULES, *OPTIMIZERS):
        assert re.search(rf"(?<![\w-]){name}(?![\w-])", out)


def test_without_a_command_there_is_help(run: Run) -> None:
    assert run() == run("--help")


def test_version(run: Run) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert re.fullmatch(r"minidl (\d+\.\d+\.\d+\S*|\(not installed\))\n", out)


# What is refused

WRONG = {
    "frain": r"^unknown command 'frain': perhaps 'train'\? \(see minidl --help\)$",
    "dance": "^unknown command 'dance': expected train, evaluate, predict, summary, ",
    "data fecth": r"^unknown command 'fecth': perhaps 'fetch'\? \(see minidl data --help\)$",
    "--versoin": r"^unknown option --versoin: perhaps '--version'\? \(see minidl --help\)$",
    "train --data minst": "unknown dataset 'minst', expected .*: perhaps 'mnist'",
    "train --data no/pets": "no file or folder 'no/pets': expected a folder with a subfolder of p",
    "train --shape 28x28": r"--shape: expected HEIGHTxWIDTHxCHANNELS such as 32x32x3 \(1 channel",
    "train --augment spin=9": "--augment",
    "train --model vg": r"^unknown --model 'vg': perhaps 'vgg'\? \(see minidl train --help\)$",
    "train --optimizer rms": "^unknown --optimizer 'rms': perhaps 'rmsprop'",
    "train --schedule no": "^unknown --schedule 'no': expected constant, step, multi-step, ",
    "train --augment shft": "^--augment: 'shft' is none of shift, .*, noise: perhaps 'shift'",
    "train --nonsense": r"^unknown option --nonsense \(see minidl train --help\)$",
    "train --epoch 3": r"^unknown option --epoch: perhaps '--epochs'\? \(see minidl train --help",
    "train --epoch=3": "^unknown option --epoch: perhaps '--epochs'",
    "train --batch_size 8": "^unknown option --batch_size: perhaps '--batch-size'",
    "train mnist": r"^unexpected argument 'mnist' \(see minidl train --help\)$",
    "evaluate --dat mnist runs": "^unknown option --dat: perhaps '--data'",
    "train --early-stop 2 --validation 0 --data mnist": "^--early-stop looks at val_loss: it needs",
    "train --plateau 2 --validation 0 --data mnist": "^--plateau looks at val_loss: it needs a",
    "summary lent": "no model 'lent': expected a file, a run .*: perhaps 'lenet'",
    "bench --networks lent": "no network 'lent' to measure: .*: perhaps 'lenet'",
    "completion zhs": "^unknown shell 'zhs': perhaps 'zsh'",
    "train --epochs": r"--epochs: expected one argument \(see minidl train --help\)",
    "train --epochs 0": "--epochs: expected a whole number of at least 1, got '0'",
    "train --epochs 1.5": "--epochs: expected a whole number of at least 1, got '1.5'",
    "train --batch-size -1": "--batch-size: expected (one argument|a whole number)",
    "train --lr 0": "--lr: expected a number above 0, got '0'",
    "train --lr nan": "--lr: expected a number above 0, got 'nan'",
    "train --lr inf": "--lr: expected a number above 0, got 'inf'",
    "train --lr fast": "--lr: expected a number above 0, got 'fast'",
    "train --momentum 1": "--momentum: expected a number of at least 0 and below 1, got '1'",
    "train --optimizer adagrad --momentum 0.9": "--momentum: adagrad has none",
    "train --weight-decay=-1": "--weight-decay: expected a number of at least 0, got '-1'",
    "train --validation 1": "--validation: expected a number of at least 0 and below 1, got '1'",
    "train --validation 1e-9 --data mnist": "a share of 1e-09 holds out 0 of 300 samples",
    "train --seed x": r"--seed: expected a whole number from 0 to 2\*\*64 - 1, got 'x'",
    "train --workers 0": "--workers: expected a whole number from 1 to 256, got '0'",
    "train --warm-up 99 --data mnist": "--warm-up 99 leaves nothing of a run of 15 steps",
    "train --data fashion-mnist": "'fashion-mnist' needs train-images-.*: run 'minidl data fetch f",
    "train --data mnist --data-folder no": "in no.mnist: run 'minidl data fetch mnist' or",
    "evaluate": r"arguments are required: MODEL \(see minidl evaluate --help\)",
    "evaluate nothing --data digits": "no model file 'nothing'",
    "summary nothing": "no model 'nothing': expected a file, a run folder or one of lenet, vgg, ",
    "summary .": r"the folder \. holds no model.safetensors: name a run or a file",
    "bench --networks lenet,alexnet": "no network 'alexnet' to measure: expected lenet, ptmnist, ",
    "bench --rounds 0": "--rounds: expected a whole number of at least 1, got '0'",
    "bench --out ratios.png --no-torch": "--out draws ratios to PyTorch's figures, and PyTorch",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_mistakes_get_one_line(run: Run, arguments: str) -> None:
    assert re.search(WRONG[arguments], refused(run, *arguments.split()))
    assert not any(Path.cwd().iterdir())


def test_a_file_that_is_no_model(run: Run) -> None:
    Path("notes.txt").write_text("dear diary", encoding="utf-8")
    for command in ("summary", "evaluate"):
        assert "notes.txt is no whole safetensors file" in refused(run, command, "notes.txt")


def test_damaged_data(run: Run, tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "data")
    file = folder / "mnist" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    assert "it is damaged, fetch it again" in refused(run, "train", *QUICK, "--data-folder", folder)


def test_a_folder_that_is_not_empty_needs_force(run: Run) -> None:
    Path("out").mkdir()
    Path("out/letter.txt").write_text("dear", encoding="utf-8")
    said = refused(run, "train", *QUICK, "--out", "out")
    assert said.startswith("the folder out is not empty: choose another --out, or overwrite")
    assert run("train", *QUICK, "--out", "out", "--force")[0] == 0
    assert Path("out/letter.txt").read_text(encoding="utf-8") == "dear"
    assert last_json(run("train", *QUICK, "--out", "out", "--force", "--json")[1])["out"] == "out"


def test_an_empty_folder_will_do(run: Run) -> None:
    Path("out").mkdir()
    assert run("train", *QUICK, "--out", "out")[0] == 0


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test where training begins."""

    def fit(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(dl.Trainer, "fit", fit)


@pytest.mark.usefixtures("untrained")
def test_where_no_run_can_be_written_is_found_out_first(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").touch()
    assert refused(run, "train", *QUICK, "--out", "file") == "--out file is a file: name a folder"
    said = refused(run, "train", *QUICK, "--out", "file/run").lower()
    assert "file" in said

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    said = refused(run, "train", *QUICK, "--out", "out")
    assert said == "cannot write to the folder out: No space left on device"
    assert [path.name for path in Path.cwd().iterdir()] == ["file"]


def test_a_diverging_run_is_told_in_one_line_and_leaves_no_folder(run: Run) -> None:
    code, out, err = run("train", *QUICK, "--epochs", "30", "--lr", "1e30")
    assert code == 2
    assert out.count("\n") >= 1
    assert re.fullmatch(
        r"minidl: error: the loss is (inf|nan) at step \d+: .*a learning rate lower .*\n", err
    )
    assert list(Path("runs").iterdir()) == []


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_run_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dl.Trainer, "fit", interrupted)
    code, _, err = run("train", *QUICK)
    assert (code, err) == (130, "minidl: interrupted: nothing was saved\n")
    assert list(Path("runs").iterdir()) == []


def test_errors_of_the_system_name_the_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> dl.Graph:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(summary, "_find", find)
    assert refused(run, "summary", "secret") == "secret: permission denied"


def test_programming_errors_keep_their_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> dl.Graph:
        raise KeyError("a slip")

    monkeypatch.setattr(summary, "_find", find)
    with pytest.raises(KeyError, match="a slip"):
        run("summary", "lenet")


def test_without_matplotlib_there_is_a_hint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out").mkdir()
    Path("out/curves.png").touch()  # of an older run
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = run("train", *QUICK, "--out", "out", "--force")
    assert (code, err) == (0, "")
    assert "no curves.png: plotting needs matplotlib: pip install 'minidl[plot]'\n" in out
    assert not Path("out/curves.png").exists()
    assert out.endswith("log.jsonl, run.toml, run.json\n")


# As a process


def test_the_module_runs() -> None:
    code, out, err = outcome(start("train", *QUICK, "--json"))
    assert (code, err) == (0, "")
    assert last_json(out)["epochs"] == 2
    assert "\r" not in out
    assert "\x1b" not in out


def test_mistakes_leave_no_traceback() -> None:
    code, out, err = outcome(start("train", *QUICK, "--lr", "-1"))
    assert (code, out) == (2, "")
    assert err.startswith("minidl: error: ")
    assert err.count("\n") == 1


def test_nothing_heavy_is_imported_for_help() -> None:
    path = str(Path(dl.__file__).parents[1])
    code = (
        "import sys; from minidl.cli import main; main(['--help'])\n"
        "heavy = {'scipy', 'tqdm', 'matplotlib', 'safetensors', 'threadpoolctl'} & set(sys.modules)"
        "\nsys.exit(f'{heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=path, capture_output=True)


@pytest.fixture
def endless() -> Iterator[subprocess.Popen[str]]:
    """Start a run that goes on for a million epochs, and wait until it trains."""
    # A shell's background jobs ignore SIGINT, and these tests may run in one.
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = start("train", *QUICK, "--epochs", "1000000", **listen)
    assert process.stdout is not None
    try:
        while not process.stdout.readline().startswith("epoch"):
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_ends_a_run_quietly(endless: subprocess.Popen[str]) -> None:
    endless.send_signal(signal.SIGINT)
    code, _, err = outcome(endless)
    again = f"'minidl train --resume {Path('runs', 'mnist-mlp-1')}' goes on from here"
    assert (code, err) == (130, f"minidl: interrupted: {again}\n")
    assert Path("runs/mnist-mlp-1/checkpoint.safetensors").is_file()


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
def test_a_closed_pipe_ends_a_run_quietly(endless: subprocess.Popen[str]) -> None:
    assert endless.stdout is not None
    assert endless.stderr is not None
    endless.stdout.close()
    assert endless.wait(timeout=60) == 141
    assert endless.stderr.read() == ""


@pytest.mark.skipif(os.name != "posix", reason="terminals are POSIX's")
def test_in_a_terminal_of_80_columns() -> None:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = start("train", *QUICK, "--epochs", "30", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = "".join(_read_terminal(ours)).replace("\r\n", "\n")
    assert process.wait(timeout=60) == 0
    assert not re.search(r"\x1b\[[\d;]*m", shown)  # colours
    standing = [line.split("\r")[-1] for line in shown.split("\n")]
    assert sum(line.startswith("epoch") for line in standing) == 30
    assert re.search(r"\repoch \d+/30 ", shown)
    for bar in shown.replace("\n", "\r").split("\r"):
        assert len(bar) <= 80, bar


@pytest.mark.skipif(os.name != "posix", reason="terminals are POSIX's")
@pytest.mark.parametrize("command", ["evaluate", "summary", "train --resume", "data list"])
def test_every_command_keeps_to_80_columns_without_colours(trained: Path, command: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    given = command.split() if command == "data list" else [*command.split(), str(trained)]
    process = start(*given, stdout=theirs, stderr=theirs, env={"TERM": "xterm-256color"})
    os.close(theirs)
    shown = "".join(_read_terminal(ours)).replace("\r\n", "\n")
    assert process.wait(timeout=60) == 0
    assert "\x1b" not in shown
    for place in (str(trained), os.environ["MINIDL_DATA"]):  # longer here than a user's
        shown = shown.replace(place, "runs/digits-lenet-1")
    assert max(map(len, shown.split("\n"))) <= 80


def _read_terminal(descriptor: int) -> Iterator[str]:
    """Read what a terminal shows until nobody writes to it any more."""
    try:
        while data := os.read(descriptor, 65536):
            yield data.decode(errors="replace")
    except OSError:  # what Linux says at the end
        pass
    finally:
        os.close(descriptor)


# On real data

needs_real = pytest.mark.skipif(
    not Path(REAL, "mnist").is_dir(), reason="MINIDL_DATA names no folder that holds mnist/"
)


@pytest.fixture
def real_data(own_folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment name the real data again, not the small ones."""
    monkeypatch.setenv("MINIDL_DATA", REAL)


@pytest.mark.slow
@needs_real
@pytest.mark.usefixtures("real_data")
def test_lenet_reads_mnist_after_three_epochs(run: Run) -> None:
    command = ["train", "--data", "mnist", "--model", "lenet", "--epochs", "3", "--json"]
    found = [last_json(run(*command, "--seed", seed)[1]) for seed in (0, 1, 2)]
    accuracies = [result["test_accuracy"] for result in found]
    assert np.mean(accuracies) >= 0.989, accuracies
    assert len({result["sha256"] for result in found}) == 3


@pytest.mark.slow
@needs_real
@pytest.mark.usefixtures("real_data")
def test_a_model_of_drawn_digits_reads_mnist(run: Run) -> None:
    drawn_digits, real = [], []
    for seed in (0, 1, 2):
        command = ["train", "--data", "digits", "--model", "lenet", "--seed", seed, "--json"]
        result = last_json(run(*command)[1])
        drawn_digits.append(result["test_accuracy"])
        out = run("evaluate", result["out"], "--data", "mnist", "--json")[1]
        real.append(last_json(out)["test_accuracy"])
    assert np.mean(drawn_digits) >= 0.98, drawn_digits
    assert np.mean(real) >= 0.93, real
