"""``--resume`` and run folders: what is cut off goes on, what is foreign or in use is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import QUICK, Run, last_json, outcome, refused, start

import minidl as dl
from minidl import files
from minidl.cli import runs, session
from minidl.training import checkpoint

pytestmark = pytest.mark.usefixtures("own_folder", "bare_curves")

OPTIONS = [*QUICK, "--epochs", "3", "--plateau", "1", "--average", "0.9", "--batch-size", "30"]
STEPS = 27
posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


class Cut(BaseException):
    """What a test ends a run with, as little to be caught as a kill."""


@pytest.fixture(scope="session")
def whole(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was never stopped; not to be changed."""
    from minidl import cli

    out = tmp_path_factory.mktemp("runs") / "whole"
    given = ["train", *OPTIONS, "--data-folder", str(collection), "--out", str(out), "--quiet"]
    assert cli.main(given) == 0
    return out


def facts(folder: str | Path) -> tuple[str, list[Any], list[Any]]:
    """Return the hash of the parameters, the history and the log, without times."""
    rows = json.loads(Path(folder, "history.json").read_text(encoding="utf-8"))
    log = [json.loads(line) for line in Path(folder, "log.jsonl").read_text("utf-8").splitlines()]
    for row in (*rows, *log):
        for name in ("seconds", "images_per_second"):
            row.pop(name, None)
    return dl.load(Path(folder, "model.safetensors")).arrays.sha256(), rows, log


def cut_at(monkeypatch: pytest.MonkeyPatch, step: int, error: BaseException) -> None:
    """Have a run raise an error before a step of training, once."""
    real = dl.KeepBest.on_step_end

    def on_step_end(self: dl.KeepBest, event: dl.training.StepEnd) -> dl.training.Stop | None:
        if event.trainer.optimizer.state.steps == step:
            raise error
        return real(self, event)

    monkeypatch.setattr(dl.KeepBest, "on_step_end", on_step_end)


def cut_off(run: Run, monkeypatch: pytest.MonkeyPatch, step: int, *more: object) -> None:
    """Leave a run in ``out`` as if it had been killed at a step."""
    with monkeypatch.context() as patch:
        cut_at(patch, step, Cut("cut"))
        with pytest.raises(Cut, match="cut"):
            run("train", *OPTIONS, "--out", "out", *more)


@pytest.mark.parametrize(("step", "every"), [(5, 100), (5, 2), (14, 4), (27, 1)])
def test_a_run_goes_on_to_the_same_end(
    run: Run, monkeypatch: pytest.MonkeyPatch, whole: Path, step: int, every: int
) -> None:
    cut_off(run, monkeypatch, step, "--checkpoint-every", every)
    if not Path("out").exists():  # nothing was saved but the beginning
        assert (step, every) == (5, 100)
        return
    code, out, err = run("train", "--resume", "out", "--json", "--workers", "2")
    saved = max((step - 1) // every * every, (step - 1) // 9 * 9)
    assert (code, err) == (0, "")
    assert f"resumed after {saved} steps\n" in out
    assert facts("out") == facts(whole)
    assert last_json(out)["out"] == "out"
    assert {path.name for path in Path("out").iterdir()} == {path.name for path in whole.iterdir()}
    for model in ("best.safetensors", "model.safetensors"):
        assert dl.load(f"out/{model}").arrays.sha256() == dl.load(whole / model).arrays.sha256()


def test_a_run_that_died_before_it_began_begins(run: Run, whole: Path) -> None:
    Path("out").mkdir()
    settings = (whole / "run.toml").read_text(encoding="utf-8")
    Path("out/run.toml").write_text(settings, encoding="utf-8")
    assert run("train", "--resume", "out", "--quiet") == (0, "", "")
    assert facts("out") == facts(whole)


def test_a_run_that_died_while_it_was_written_is_written(run: Run, whole: Path) -> None:
    shutil.copytree(whole, "out")
    for name in ("run.json", "model.safetensors", "history.json"):
        Path("out", name).unlink()
    code, out, _ = run("train", "--resume", "out")
    assert code == 0
    assert "epoch" not in out
    assert facts("out") == facts(whole)


def test_a_finished_run_says_so(run: Run, whole: Path) -> None:
    results = json.loads((whole / "run.json").read_text(encoding="utf-8"))["results"]
    code, out, err = run("train", "--resume", whole, "--json")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert re.fullmatch(r"test loss \d\.\d{4}, test accuracy \d\.\d{4}", lines[0])
    assert lines[1] == f"the run in {whole} was finished already, after 3 epochs"
    assert json.loads(lines[2]) == results
    assert run("train", "--resume", whole, "--quiet") == (0, "", "")


def test_early_stopping_and_budget_end_a_run(run: Run) -> None:
    _, out, _ = run("train", *QUICK, "--epochs", "50", "--early-stop", "1", "--lr", "1e-9")
    assert re.search(r"^ended early: val_loss has been no better than [\d.]+ for 1 ep", out, re.M)
    _, out, _ = run("train", *QUICK, "--time-budget", "1e-9", "--json")
    assert "ended early: the time budget of 1e-09 minutes is spent\n" in out
    assert last_json(out)["epochs"] == 1
    folder = last_json(out)["out"]
    assert "was finished already, after 1 epochs" in run("train", "--resume", folder)[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--epochs", "9"], "--epochs 9 would change the run in"),
        (["--seed", "1", "--lr", "0.1"], "--lr 0.1, --seed 1 would|--seed 1, --lr 0.1 would"),
        (["--average", "0.5"], "--average 0.5 would change"),
        (["--force"], "--force would change"),
        (["--out", "there"], "--out there would change"),
        (["--config", "run.toml"], "--config run.toml would change"),
        (["--model", "lenet"], "--model lenet would change"),
    ],
)
def test_what_would_change_the_run_is_refused(
    run: Run, whole: Path, given: list[str], said: str
) -> None:
    """A default too, where the run was started with something else."""
    message = refused(run, "train", "--resume", whole, *given)
    assert re.match(said, message)
    assert f"for another run, name its file with --config {whole / 'run.toml'}" in message


def test_what_is_said_again_is_no_change(run: Run, whole: Path) -> None:
    assert run("train", "--resume", whole, "--epochs", "3", "--quiet")[0] == 0


def test_no_run_to_resume(run: Run) -> None:
    assert refused(run, "train", "--resume", "no") == "there is no run folder 'no' to resume"
    Path("out").mkdir()
    assert refused(run, "train", "--resume", "out").startswith(
        "the folder out holds no run.toml, so there is no run in it to resume: start a new one"
    )


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def foreign(path: Path) -> None:
    dl.save(dl.models.mlp(), path)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def newer(path: Path) -> None:
    header, arrays = files.read_arrays(path)
    files.write_arrays(path, arrays, {**header, "format": "minidl-checkpoint-99"})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (torn, "is no whole safetensors file"),
        (foreign, "is no checkpoint: its format is 'minidl-1'"),
        (flipped, "is damaged: its content does not fit its checksum"),
        (newer, "is a checkpoint of another version: its format is 'minidl-checkpoint-99'"),
    ],
)
def test_a_spoilt_checkpoint_is_refused_and_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, spoil: Any, said: str
) -> None:
    cut_off(run, monkeypatch, 11)
    path = Path("out/checkpoint.safetensors")
    spoil(path)
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    code, _, err = run("train", "--resume", "out")
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith(f"minidl: error: {path}")
    assert said in err
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


def test_a_checkpoint_of_another_model_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(run, monkeypatch, 11)
    settings = Path("out/run.toml")
    text = settings.read_text(encoding="utf-8")
    for old, new, said in (
        ('"mlp"', '"lenet"', "checkpoint.safetensors is of another run: "),
        ("seed = 0", "seed = 1", "checkpoint.safetensors is of another run: "),
        ("epochs = 3", "epochs = 4", "checkpoint.safetensors is of another run: epochs was 3"),
    ):
        settings.write_text(text.replace(old, new), encoding="utf-8")
        code, _, err = run("train", "--resume", "out")
        assert code == 2
        assert said in err


def test_a_log_of_another_run_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(run, monkeypatch, 11)
    Path("out/log.jsonl").write_text("dear diary\n" * 50, encoding="utf-8")
    code, _, err = run("train", "--resume", "out")
    assert code == 2
    assert "log.jsonl is not the log that the checkpoint knows: move it away" in err
    Path("out/run.json").write_text("[", encoding="utf-8")
    said = refused(run, "train", "--resume", "out")
    assert said.startswith(f"{Path('out/run.json')} is damaged, or not a run's: move it away")


def test_a_full_disk_keeps_the_last_checkpoint(
    run: Run, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    real = files.write_arrays
    count = iter(range(100))

    def write(path: Any, *rest: Any) -> None:
        if next(count) == 2:
            raise OSError(28, "No space left on device", str(path))
        real(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_arrays", write)
        code, _, err = run("train", *OPTIONS, "--out", "out")
    assert code == 2
    assert err.splitlines() == [
        "minidl: what was saved is kept: 'minidl train --resume out' goes on from there",
        f"minidl: error: {Path('out/checkpoint.safetensors')}: no space left on device",
    ]
    assert run("train", "--resume", "out", "--quiet") == (0, "", "")
    assert facts("out") == facts(whole)


def test_a_run_that_saved_nothing_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("old").mkdir()
    Path("old/letter.txt").write_text("dear", encoding="utf-8")
    for name in ("old", "new"):
        with monkeypatch.context() as patch:
            cut_at(patch, 3, Cut("cut"))
            with pytest.raises(Cut, match="cut"):
                run("train", *OPTIONS, "--out", name, "--force")
    assert [path.as_posix() for path in Path().rglob("*")] == ["old", "old/letter.txt"]


def test_force_leaves_nothing_of_the_run_before(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a resume would take up the wrong one."""
    cut_off(run, monkeypatch, 11)
    cut_at(monkeypatch, 1, Cut("cut"))
    with pytest.raises(Cut, match="cut"):
        run("train", *QUICK, "--out", "out", "--force")
    assert list(Path("out").iterdir()) == []


@posix
def test_a_folder_in_use_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    shutil.copytree(whole, "out")
    Path("out/run.json").unlink()  # so it is not finished
    left = sorted(Path("out").iterdir())
    monkeypatch.setattr(runs, "PATIENCE", 0.1)
    with runs.occupied(Path("out")):
        for given in (["--resume", "out"], [*QUICK, "--out", "out", "--force"]):
            assert refused(run, "train", *given) == (
                "a run is going on in out: wait for its end, or choose another --out"
            )
    assert sorted(Path("out").iterdir()) == left
    assert run("train", "--resume", "out", "--quiet")[0] == 0


def test_a_run_that_has_just_begun_is_not_overwritten(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PATIENCE", 0.1)
    with runs.claim("out", "any", False) as folder:
        (folder / "run.toml").write_text("")
        (folder / "log.jsonl").write_text("")
        said = refused(run, "train", *QUICK, "--out", "out", "--force")
        assert said.startswith("a run is going on in out: wait")
        assert {path.name for path in folder.iterdir()} == {"run.toml", "log.jsonl"}


def test_a_column_of_labels_is_resumed_and_repeated(run: Run) -> None:
    rows = [f"{n % 9},{n % 2 * 3},{'cat' if n % 2 else 'dog'}" for n in range(80)]
    Path("pets.csv").write_text("\n".join(["a,b,species", *rows]))
    given = ["--data", "pets.csv", "--model", "mlp", "--epochs", "2", "--quiet"]
    for label in ("species", "-1"):
        assert run("train", *given, f"--label={label}", "--out", f"by{label}") == (0, "", "")
        assert (
            run("train", "--config", f"by{label}/run.toml", "--out", f"2{label}", "--quiet")[0] == 0
        )
        assert facts(f"2{label}") == facts(f"by{label}")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(run: Run) -> None:
    Path("out").mkdir(mode=0o500)
    said = refused(run, "train", *QUICK, "--out", "out")
    assert said == "cannot write to the folder out: Permission denied"


@pytest.fixture
def long() -> Iterator[subprocess.Popen[str]]:
    """Start a run, and wait until it trains."""
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    given = [*OPTIONS, "--epochs", "400", "--out", "out", "--checkpoint-every", "5"]
    process = start("train", *given, **listen)
    assert process.stdout is not None
    try:
        while not process.stdout.readline().startswith("epoch 2"):
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


@posix
def test_ctrl_c_and_kill_in_a_process(run: Run, long: subprocess.Popen[str]) -> None:
    long.send_signal(signal.SIGINT)
    code, _, err = outcome(long)
    said = "minidl: interrupted: 'minidl train --resume out' goes on from here\n"
    assert (code, err) == (130, said)
    second = start("train", "--resume", "out")
    assert second.stdout is not None
    try:
        for line in second.stdout:
            if line.startswith("epoch"):
                break
    finally:
        second.kill()
        second.communicate()
    done = json.loads(Path("out/log.jsonl").read_text("utf-8").splitlines()[-1])["epoch"]
    assert 2 < done < 400
    content = checkpoint.read("out/checkpoint.safetensors")
    assert [row["epoch"] for row in content["history"]] == list(
        range(1, len(content["history"]) + 1)
    )


def test_interrupted_twice_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_at(monkeypatch, 11, KeyboardInterrupt())
    code, _, err = run("train", *OPTIONS, "--out", "out")
    said = "minidl: interrupted: 'minidl train --resume out' goes on from what was saved\n"
    assert (code, err) == (130, said)


def test_checkpoints_come_each_minute() -> None:
    assert session.MINUTES == 1
