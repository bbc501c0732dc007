"""Shell completion, asked of the shells themselves where they are installed."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from minidl import cli
from minidl.cli.choices import MODELS

SHELLS = ["bash", "zsh", "fish"]


def script(capsys: pytest.CaptureFixture[str], shell: str) -> str:
    assert cli.main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


Complete = Callable[[str], set[str]]


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env={**os.environ, **environment}
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def bash(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Complete:
    """Return what bash offers after a line, which it cuts into words as readline does."""
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    source = tmp_path / "minidl.bash"
    source.write_text(script(capsys, "bash"), encoding="utf-8")

    def complete(line: str) -> set[str]:
        words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
        quoted = " ".join(f"'{word}'" for word in words)
        asked = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _minidl; "
        say = 'printf "%s\\n" "${COMPREPLY[@]}"; compopt() { :; }'
        return set(run(["bash", "-c", f". '{source}'; {asked} {say}"]).split())

    return complete


@pytest.fixture
def fish(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Complete:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    source = tmp_path / "minidl.fish"
    source.write_text(script(capsys, "fish"), encoding="utf-8")

    def complete(line: str) -> set[str]:
        out = run(
            ["fish", "--no-config", "-c", f"source '{source}'; complete -C '{line}'"],
            HOME=str(tmp_path),
        )
        return {offered.split("\t")[0] for offered in out.splitlines()}

    return complete


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_commands_options_and_choices(request: pytest.FixtureRequest, shell: str) -> None:
    complete: Complete = request.getfixturevalue(shell)
    assert {"train", "predict", "data", "completion"} <= complete("minidl ")
    assert complete("minidl tra") == {"train"}
    assert complete("minidl --vers") == {"--version"}
    assert complete("minidl train --mo") == {"--model", "--momentum"}
    assert complete("minidl train --model ") == set(MODELS)
    assert complete("minidl train --epochs 3 --optimizer ad") == {"adam", "adamw", "adagrad"}
    assert complete("minidl data ") >= {"fetch", "list", "verify", "where"}
    assert complete("minidl data fetch ") == {"mnist", "fashion-mnist"}
    assert complete("minidl data fetch --mi") == {"--mirror"}
    assert complete("minidl completion z") == {"zsh"}
    assert complete("minidl train --epochs ") == set()
    assert "--epochs" not in complete("minidl evaluate --")


def test_bash_completes_after_an_equals_sign(bash: Complete) -> None:
    assert bash("minidl train --model=") == set(MODELS)
    assert bash("minidl train --model=le") == {"lenet"}


def test_a_value_is_no_command(bash: Complete) -> None:
    assert bash("minidl train --out data --mode") == {"--model"}


def test_fish_offers_files_where_they_fit(
    fish: Complete, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pets").mkdir()
    assert fish("minidl train --out pe") == {"pets/"}
    assert fish("minidl evaluate pe") == {"pets/"}
    assert fish("minidl train --epochs pe") == set()
    assert {"mnist", "pets/"} <= fish("minidl train --data ")


def typed(shell: list[str], lines: list[str], until: str, home: Path) -> str:
    """Type lines into a shell on a terminal and return what is shown until a text appears."""
    import pty

    process, descriptor = pty.fork()
    if not process:
        os.environ.update(HOME=str(home), TERM="dumb", PS1="> ", ZDOTDIR=str(home))
        os.execvp(shell[0], shell)
    shown, deadline = "", time.monotonic() + 20
    try:
        for line in lines:
            os.write(descriptor, line.encode())
            time.sleep(0.1)
        while until not in shown and time.monotonic() < deadline:
            if select.select([descriptor], [], [], 0.1)[0]:
                shown += os.read(descriptor, 65536).decode(errors="replace")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(descriptor)
    return shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("minidl trai\t", "train"),
        ("minidl train --schedule inv\t", "train --schedule inverse-time"),
        ("minidl data fetch fash\t", "data fetch fashion-mnist"),
        ("minidl evaluate pe\t", "evaluate pets"),  # and in bash a /
    ],
)
@pytest.mark.parametrize(
    "shell", [["bash", "--norc", "-i"], ["zsh", "-f", "-i"]], ids=["bash", "zsh"]
)
def test_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shell: list[str],
    line: str,
    completed: str,
) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    monkeypatch.chdir(tmp_path)
    Path("pets").mkdir()
    Path("script").write_text(script(capsys, shell[0]), encoding="utf-8")
    begin = "autoload -U compinit; compinit -u -D; " if shell[0] == "zsh" else ""
    begin += 'minidl() { echo "<$*>"; }; . ./script\n'
    assert f"<{completed}" in typed(shell, [begin, line, "\n"], f"<{completed}", tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shell: str
) -> None:
    text = script(capsys, shell)
    assert "early-stop" in text
    if shutil.which(shell):
        (tmp_path / "script").write_text(text, encoding="utf-8")
        run([shell, "-n", str(tmp_path / "script")])
