"""What tests of the command line have in common; the fixture ``run`` is in conftest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minidl as dl

Run = Callable[..., tuple[int, str, str]]


def refused(run: Run, *arguments: object) -> str:
    """Run a command that should be refused and return what it says, without the beginning."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("minidl: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("minidl: error: ").rstrip()


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a command as a process of its own."""
    path = str(Path(dl.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(
        [sys.executable, "-m", "minidl", *arguments], text=True, env=environment, **pipes
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a process: (exit code, stdout, stderr)."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def last_json(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found
