"""The examples run, and print what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minidl as dl

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
MNIST = dl.data.data_folder() / "mnist" / "train-images-idx3-ubyte.gz"
FASHION = dl.data.data_folder() / "fashion-mnist" / "train-images-idx3-ubyte.gz"


def run(folder: Path, name: str, *options: str) -> str:
    """Run an example in an empty folder, warnings being errors, and return what it printed."""
    package = str(Path(dl.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": package, "OPENBLAS_NUM_THREADS": "1"}
    if "--quick" in options:  # which needs no data
        environment["MINIDL_DATA"] = str(folder / "nothing")
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir()), "an example leaves no files behind"
    return done.stdout


def percent(printed: str, label: str) -> float:
    """Return the percentage printed after ``label``."""
    found = re.search(rf"{label}:? +(\d+\.\d+)%", printed)
    assert found, f"{label!r} and a percentage are not in:\n{printed}"
    return float(found[1])


def test_the_examples_are_those_that_are_tested() -> None:
    assert NAMES == [
        "custom_module.py",
        "fashion_best.py",
        "fashion_resnet.py",
        "finetune.py",
        "mnist_best.py",
        "own_loop.py",
        "speedrun_mnist.py",
        "tiny_mnist.py",
        "train_mnist.py",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str, tmp_path: Path) -> None:
    printed = run(tmp_path, name, "--help")
    assert "--quick" in printed
    assert "--seed" in printed


def test_train_mnist(tmp_path: Path) -> None:
    printed = run(tmp_path, "train_mnist.py", "--quick")
    assert "61,706 parameters" in printed
    assert percent(printed, "test accuracy on digits") > 92
    read, labels = (line.split()[2:] for line in printed.splitlines()[-2:])
    assert sum(a == b for a, b in zip(read, labels, strict=True)) >= 8


@pytest.mark.slow
def test_fashion_resnet(tmp_path: Path) -> None:
    printed = run(tmp_path, "fashion_resnet.py", "--quick")
    assert "skip" in printed
    assert percent(printed, "test accuracy") > 85


@pytest.mark.slow
def test_custom_module(tmp_path: Path) -> None:
    printed = run(tmp_path, "custom_module.py", "--quick")
    error = re.search(r"largest relative error (\S+)", printed)
    assert error
    assert float(error[1]) < 1e-6
    assert percent(printed, "test accuracy") > 88
    assert "loaded back: the same predictions: True" in printed


@pytest.mark.slow
def test_own_loop(tmp_path: Path) -> None:
    printed = run(tmp_path, "own_loop.py", "--quick")
    assert percent(printed, "test accuracy") > 90
    text = (EXAMPLES / "own_loop.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert "Trainer(" not in text


@pytest.mark.slow
def test_finetune(tmp_path: Path) -> None:
    printed = run(tmp_path, "finetune.py", "--quick")
    assert "taken over:   conv1.weight conv1.bias conv2.weight" in printed
    assert "does not fit: head.weight head.bias" in printed
    assert "frozen arrays unchanged: True" in printed
    assert percent(printed, "fine-tuned") > percent(printed, "from scratch") > 60


@pytest.mark.slow
def test_speedrun_mnist(tmp_path: Path) -> None:
    printed = run(tmp_path, "speedrun_mnist.py", "--quick")
    assert percent(printed, "seed 0") > 97


@pytest.mark.slow
def test_mnist_best(tmp_path: Path) -> None:
    printed = run(tmp_path, "mnist_best.py", "--quick")
    assert percent(printed, "mean of 1") > 95


@pytest.mark.slow
def test_tiny_mnist(tmp_path: Path) -> None:
    printed = run(tmp_path, "tiny_mnist.py", "--quick")
    assert percent(printed, "8,914 parameters read") > 97


@pytest.mark.slow
def test_fashion_best(tmp_path: Path) -> None:
    printed = run(tmp_path, "fashion_best.py", "--quick")
    assert percent(printed, "seen once") > 50
    assert percent(printed, "mirrored as well") > 50


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_file(), reason="MINIDL_DATA holds no mnist")
def test_speedrun_mnist_in_full(tmp_path: Path) -> None:
    printed = run(tmp_path, "speedrun_mnist.py")
    assert percent(printed, "seed 0") >= 99.0


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_file(), reason="MINIDL_DATA holds no fashion-mnist")
def test_fashion_resnet_in_full(tmp_path: Path) -> None:
    printed = run(tmp_path, "fashion_resnet.py")
    assert percent(printed, "test accuracy") >= 91.5
