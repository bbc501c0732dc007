"""``--config``: what a file may say, what a run's own file says, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from commands import QUICK, Run, last_json, refused

from minidl.cli import _parser

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.usefixtures("own_folder", "bare_curves")


def write(text: str, name: str = "my.toml") -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def arguments(run: Run, *given: object) -> dict[str, object]:
    """Return the arguments as a run took them."""
    code, out, err = run("train", *given, "--json", "--quiet")
    assert (code, err) == (0, "")
    record = json.loads(Path(last_json(out)["out"], "run.json").read_text(encoding="utf-8"))
    found: dict[str, object] = record["arguments"]
    return found


def test_a_file_says_what_flags_say(run: Run) -> None:
    write(
        'data = "mnist"\nmodel = "mlp"\nepochs = 1\nlr = 0.01\nbatch_size = 50\n'
        'warm-up = 2\nout = "there"\nweight-decay = 0\nquiet = false\n'
    )
    found = arguments(run, "--config", "my.toml")
    expected = {"data": "mnist", "model": "mlp", "epochs": 1, "lr": 0.01, "batch_size": 50}
    expected |= {"warm_up": 2, "out": "there", "weight_decay": 0.0}
    assert {name: found[name] for name in expected} == expected


def test_flags_win_wherever_they_stand(run: Run) -> None:
    write('data = "mnist"\nmodel = "vgg"\nepochs = 9\nseed = 3\n')
    for given in (
        ["--config", "my.toml", "--model", "mlp", "--epochs", "1", "--seed", "0"],
        ["--model", "mlp", "--epochs", "1", "--seed", "0", "--config", "my.toml"],
    ):
        found = arguments(run, *given)
        assert (found["model"], found["epochs"], found["seed"]) == ("mlp", 1, 0)


def test_a_run_repeats_itself_from_its_file(run: Run) -> None:
    options = ["--lr", "0.0123456789", "--optimizer", "adam", "--seed", str(2**64 - 1)]
    options += ["--augment", "shift=1,noise", "--shape", "14x14x1", "--average", "0.9"]
    options += ["--early-stop", "2", "--schedule", "cosine", "--validation", "0.2"]
    first = last_json(run("train", *QUICK, *options, "--out", "first", "--json")[1])
    code, out, _ = run("train", "--config", "first/run.toml", "--json")
    again = last_json(out)
    assert code == 0
    assert again["out"] == str(Path("runs", "mnist-mlp-1"))
    assert (again["sha256"], again["test_loss"]) == (first["sha256"], first["test_loss"])
    one, two = (
        Path(path, "run.toml").read_text(encoding="utf-8") for path in ("first", again["out"])
    )
    assert one.splitlines()[1:] == two.splitlines()[1:]
    assert one.splitlines()[0].endswith("minidl train --config first/run.toml")
    third = last_json(run("train", "--config", "first/run.toml", "--json", "--seed", "1")[1])
    assert third["sha256"] != first["sha256"]


def test_the_file_holds_every_option_but_those_of_this_call(run: Run) -> None:
    Path("d").symlink_to(os.environ["MINIDL_DATA"])
    given = {
        **{
            "data": "mnist",
            "data-folder": str(Path("d").resolve()),
            "download": True,
            "label": "kind",
        },
        **{"shape": "28x28x1", "validation": 0.2, "model": "mlp", "epochs": 1, "batch-size": 50},
        **{"augment": "shift=1", "seed": 5, "workers": 1, "optimizer": "sgd", "lr": 1e-05},
        **{"momentum": 0.5, "weight-decay": 1e-4, "schedule": "step", "warm-up": 1},
        **{"early-stop": 3, "plateau": 2, "average": 0.9, "time-budget": 60.0},
        "checkpoint-every": 7,
    }
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
    assert run("train", *flags, "--out", "here", "--quiet") == (0, "", "")
    assert tomllib.loads(Path("here/run.toml").read_text(encoding="utf-8")) == given
    commands = next(action for action in _parser()._actions if action.dest == "command")
    assert isinstance(commands.choices, dict)
    options = {name[2:] for name in commands.choices["train"].options()}
    assert options - set(given) == {"help", "config", "resume", "out", "force", "json", "quiet"}


def test_the_file_is_there_when_training_begins(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def fit(*_: object, **__: object) -> None:
        seen.append(tomllib.loads(Path("out/run.toml").read_text(encoding="utf-8"))["epochs"])
        raise ValueError("enough")

    monkeypatch.setattr("minidl.Trainer.fit", fit)
    assert refused_after_start(run, "train", *QUICK, "--out", "out") == "enough"
    assert seen == [2]
    assert not Path("out").exists()


def refused_after_start(run: Run, *given: object) -> str:
    code, _, err = run(*given)
    assert code == 2
    return err.removeprefix("minidl: error: ").rstrip()


@pytest.mark.slow
@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "tab\there", "caf\u00e9", "del\x7f"])
def test_any_path_survives(run: Run, name: str) -> None:
    shutil.copytree(os.environ["MINIDL_DATA"], name)
    options = ["train", *QUICK, "--epochs", "1", "--quiet", "--data-folder", name, "--out", "out"]
    assert run(*options) == (0, "", "")
    told = tomllib.loads(Path("out/run.toml").read_text(encoding="utf-8"))
    assert told["data-folder"] == str(Path(name).resolve())


WRONG = {
    "epoch = 5": "unknown key 'epoch' in my.toml, line 2: perhaps 'epochs'?",
    "zzz = 5": "unknown key 'zzz' in my.toml, line 2: known are data, data-folder, download, ",
    "resume = 'x'": "unknown key 'resume' in my.toml, line 2: ",
    "[train]\nepochs = 5": "unknown key 'train' in my.toml, line 2: ",
    "epochs = '5'": 'my.toml, line 2: epochs: expected a number, without quotes, got "5"',
    "epochs = true": "my.toml, line 2: epochs: expected a number, without quotes, got true",
    "epochs = [1]": "my.toml, line 2: epochs: expected a number, without quotes, got [1]",
    "epochs = 0": "my.toml, line 2: epochs: expected a whole number of at least 1, got '0'",
    "epochs = 1.5": "my.toml, line 2: epochs: expected a whole number of at least 1, got '1.5'",
    "lr = inf": "my.toml, line 2: lr: expected a number above 0, got 'inf'",
    "model = 5": "my.toml, line 2: model: expected text in quotes, got 5",
    "model = 'lent'": "my.toml, line 2: model: expected lenet, vgg, resnet, mlp, got 'lent': ",
    "download = 'yes'": 'my.toml, line 2: download: expected true or false, got "yes"',
    "download = 1": "my.toml, line 2: download: expected true or false, got 1",
    "shape = '28'": "my.toml, line 2: shape: expected HEIGHTxWIDTHxCHANNELS such as 32x32x3",
    "lr = 2020-01-01": 'my.toml, line 2: lr: expected a number, without quotes, got "2020-01-01"',
    "batch-size = 5\nbatch_size = 6": "my.toml, line 3: 'batch_size' is there twice, with - and",
    "epochs: 5": "my.toml is no TOML, which has lines such as epochs = 5 and model = ",
    "epochs = 5\nepochs = 6": "my.toml is no TOML, which has lines such as epochs = 5 and model",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_name_the_file_and_the_place(run: Run, text: str) -> None:
    write(f"# mine\n{text}\n")
    assert refused(run, "train", "--config", "my.toml").startswith(WRONG[text])


def test_the_doctor_takes_a_run_s_file(run: Run) -> None:
    options = [
        "--plateau",
        "2",
        "--average",
        "0.9",
        "--time-budget",
        "9",
        "--checkpoint-every",
        "9",
    ]
    assert run("train", *QUICK, *options, "--out", "out", "--quiet") == (0, "", "")
    assert run("doctor", "--config", "out/run.toml")[0] in (0, 1)
    write("averag = 0.9")
    assert refused(run, "doctor", "--config", "my.toml").startswith("unknown key 'averag' in my.t")


def test_files_that_are_none(run: Run) -> None:
    assert refused(run, "train", "--config", "no.toml") == (
        "there is no file 'no.toml' to read options from"
    )
    Path("bytes.toml").write_bytes(b"\xff\xfe")
    assert refused(run, "train", "--config", "bytes.toml").startswith("bytes.toml is no TOML, ")
    assert refused(run, "train", "--config", ".") == "there is no file '.' to read options from"
