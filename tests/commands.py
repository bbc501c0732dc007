"""What tests of the command line share: small data, and ways to run a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minidl as dl
from minidl.types import Array

QUICK = ["--data", "mnist", "--model", "mlp", "--epochs", "2"]

Run = Callable[..., tuple[int, str, str]]


def drawn(count: int, seed: int) -> tuple[Array, Array]:
    """Return images (count, 28, 28) with a bar whose place is the label, and labels."""
    labels = np.arange(count).astype(np.uint8) % 10
    images = np.random.default_rng(seed).integers(0, 120, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels):
        image[2 * label + 4 : 2 * label + 7] += 130
    return images, labels


def write_collection(folder: Path, test_seed: int = 1) -> Path:
    """Write 300 + 100 images as IDX files where ``mnist`` is looked for."""
    (folder / "mnist").mkdir(parents=True)
    for part, (images, labels) in (("train", drawn(300, 0)), ("t10k", drawn(100, test_seed))):
        dl.data.write_idx(folder / "mnist" / f"{part}-images-idx3-ubyte", images)
        dl.data.write_idx(folder / "mnist" / f"{part}-labels-idx1-ubyte", labels)
    return folder


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
    environment = {**os.environ, "PYTHONPATH": path, **options.pop("env", {"NO_COLOR": "1"})}
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
