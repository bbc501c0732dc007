"""The kill test: a run that is killed again and again ends as one that never was.

    python tests/kill.py --kills 100 --workers 2 --kind processes

A small network is trained in a process of its own, which is killed with SIGKILL at random moments,
every other time in the middle of writing a checkpoint, and resumed each time, until it ends. Its
parameters, its history and its logs must be those of an undisturbed run; no worker may outlive it,
and nothing may be left in the folder, nor in /dev/shm. Once it has ended, the next run begins,
until there were as many kills as asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minidl as dl
from minidl.augment import Rotate, Shift
from minidl.engine import workers
from minidl.files import write_whole
from minidl.training.history import CLOCK
from minidl.types import Array

CHECKPOINT, RESULT = "checkpoint.safetensors", "result.json"
SURVIVAL = 2.0
"""Seconds within which every worker of a killed process is to be gone."""


# What is killed


def pictures(count: int = 240, classes: int = 4) -> tuple[Array, Array]:
    """Return noisy images (count, 12, 12, 1), each with a bar whose row is mostly its label."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = rng.integers(0, 160, (count, 12, 12, 1)).astype(np.uint8)
    for image, label in zip(images, np.where(rng.random(count) < 0.7, labels, labels[::-1])):
        image[3 * label] += 80
    return images, labels


def trainer(folder: Path, count: int) -> dl.Trainer:
    """Return a trainer with every kind of memory that a run can have."""
    layers = [
        *(dl.Conv2d(6, 3), dl.BatchNorm(), dl.ReLU(), dl.MaxPool2d(2)),
        *(dl.Flatten(), dl.Dropout(0.3), dl.Dense(24), dl.ReLU(), dl.Dense(4)),
    ]
    callbacks = [
        dl.WeightAverage(0.95, warm_up=True),
        dl.ReduceOnPlateau(patience=1, factor=0.5),
        dl.EarlyStopping(patience=5),
        dl.KeepBest(path=folder / "best.safetensors"),
        dl.JSONLog(folder / "log.jsonl", every=1),
        dl.CSVLog(folder / "log.csv"),
        dl.Checkpoint(folder / CHECKPOINT, every_steps=3),
    ]
    model = dl.Sequential(layers, input_shape=(12, 12, 1))
    optimizer = dl.Adam(dl.schedules.Cosine(0.003), clip_norm=1.0)
    return dl.Trainer(
        model, dl.SoftmaxCrossEntropy(), optimizer, callbacks=callbacks, seed=3, workers=count
    )


def train(folder: Path, count: int, kind: str, epochs: int) -> None:
    """Train, from the checkpoint in the folder where there is one, and leave the results there."""
    workers.kind = lambda: kind
    run = trainer(folder, count)
    if (folder / CHECKPOINT).exists():
        run.restore(folder / CHECKPOINT)
    changes = [Shift(1), Rotate(10)]
    options: dict[str, Any] = {
        "validation": 0.25,
        "epochs": epochs,
        "batch_size": 16,
        "augment": changes,
    }
    run.fit(pictures(), progress=False, **options)
    results = {
        "parameters": run.model.arrays.sha256(),
        "history": [timeless(row) for row in run.history],
        "stopped": run.stopped and run.stopped.reason,
    }
    write_whole(folder / RESULT, json.dumps(results).encode())


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what was read off a clock."""
    return {name: value for name, value in row.items() if name not in CLOCK}


# What kills


def start(folder: Path, args: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Start a training process that leads a session of its own."""
    command = [sys.executable, __file__, "--train", str(folder), "--epochs", str(args.epochs)]
    command += ["--workers", str(args.workers), "--kind", args.kind]
    return subprocess.Popen(command, start_new_session=True)


def kill_once(folder: Path, args: argparse.Namespace, rng: random.Random) -> tuple[bool, bool]:
    """Start or resume, and kill after a while; say whether that was in time, and in a write."""
    old = leftovers(folder)
    process = start(folder, args)
    aims_at_a_write = rng.random() < 0.5
    end = time.monotonic() + rng.uniform(0.1, args.longest)
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    while aims_at_a_write and process.poll() is None and leftovers(folder) <= old:
        pass
    process.kill()
    check(process.wait() in (0, -signal.SIGKILL), f"the run ended with {process.returncode}")
    gone = time.monotonic() + SURVIVAL
    while survivors(process.pid) and time.monotonic() < gone:
        time.sleep(0.01)
    check(not survivors(process.pid), f"workers outlived {process.pid}")
    return process.returncode != 0, not leftovers(folder) <= old


def survivors(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, owner = path.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):  # it has just ended
            continue
        if int(owner) == session and state not in "ZX":
            found.append(int(path.parent.name))
    return found


def leftovers(folder: Path) -> set[str]:
    """Return the files that are only there while another is written."""
    return {name for name in os.listdir(folder) if name.startswith(".")}


def outcome(folder: Path) -> dict[str, Any]:
    """Return what a run left, without what was read off a clock."""
    logged = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    header, *lines = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    return {
        **json.loads((folder / RESULT).read_text()),
        "best": dl.load(folder / "best.safetensors").arrays.sha256(),
        "log": [timeless(row) for row in logged],
        "table": [timeless(dict(zip(header, line))) for line in lines],
        "files": sorted(os.listdir(folder)),
    }


def check(right: bool, what: str) -> None:
    """End with a message where something is wrong."""
    if not right:
        sys.exit(f"kill test: {what}")


def hunt(args: argparse.Namespace, folder: Path) -> None:
    """Kill runs as often as was asked for, and check each that ends."""
    rng, before = random.Random(args.seed), set(os.listdir("/dev/shm"))
    (folder / "quiet").mkdir()
    check(start(folder / "quiet", args).wait() == 0, "the undisturbed run failed")
    wanted, kills, torn, runs = outcome(folder / "quiet"), 0, 0, 0
    while kills < args.kills:
        run = folder / f"run-{runs}"
        run.mkdir()
        while kills < args.kills and not (run / RESULT).exists():
            killed, in_a_write = kill_once(run, args, rng)
            kills, torn = kills + killed, torn + in_a_write
        if not (run / RESULT).exists():
            check(start(run, args).wait() == 0, "the last resumed run failed")
        found = outcome(run)
        for name, value in wanted.items():
            check(found[name] == value, f"after {kills} kills {name} differs, see {run}")
        shutil.rmtree(run)
        runs += 1
    check(set(os.listdir("/dev/shm")) <= before, "something is left in /dev/shm")
    print(
        f"{kills} kills of {runs} runs with {args.workers} {args.kind}, {torn} in the middle of a"
        f" write: all ended as the undisturbed run of {len(wanted['history'])} epochs did"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=("processes", "threads"), default="processes")
    parser.add_argument("--seed", type=int, default=0, help="decides when to kill")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--longest", type=float, default=1.5, help="seconds before a kill")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.train:
        train(args.train, args.workers, args.kind, args.epochs)
        return
    folder = Path(tempfile.mkdtemp(prefix="minidl-kill-"))
    hunt(args, folder)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
