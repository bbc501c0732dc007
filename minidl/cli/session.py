"""One training run: from its task to what it leaves, through all that may cut it off."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from minidl.augment import Augmentation
from minidl.cli import runs
from minidl.cli.leaving import leave
from minidl.cli.output import complain, identity, numbered, print_json
from minidl.data import KNOWN, Dataset
from minidl.graph import Graph
from minidl.losses import SoftmaxCrossEntropy
from minidl.optim import Optimizer
from minidl.training import (
    Callback,
    Checkpoint,
    EarlyStopping,
    JSONLog,
    KeepBest,
    ReduceOnPlateau,
    TimeBudget,
    Trainer,
    WeightAverage,
)

MINUTES: Final = 1.0  # between two checkpoints


class Task(NamedTuple):
    """What is trained, and on what."""

    model: Graph
    optimizer: Optimizer
    changes: list[Augmentation]
    train: Dataset
    held: Dataset | None
    test: Dataset


def tell(args: Namespace, text: str) -> None:
    """Print a line, unless it should be quiet."""
    if not args.quiet:
        print(text, flush=True)


def tell_results(args: Namespace, results: Mapping[str, object], left: str) -> None:
    """Print what came out and what is left, and as JSON where that is wanted."""
    text = "test loss {test_loss:.4f}, test accuracy {test_accuracy:.4f}"
    tell(args, f"{text.format(**results)}\n{left}")
    if args.json:
        print_json(results)


def go(args: Namespace, task: Task, folder: Path) -> int:
    """Do a task, or the rest of it, and return the exit code."""
    try:
        return _train(args, task, folder)
    except KeyboardInterrupt:
        if runs.is_begun(folder):
            return complain(f"interrupted: {_hint(folder)} from what was saved", 130)
        raise
    except BrokenPipeError:
        raise
    except (OSError, MemoryError):
        if runs.is_begun(folder):
            complain(f"what was saved is kept: {_hint(folder)} from there", 2)
        raise


def _hint(folder: Path) -> str:
    return f"'minidl train --resume {folder}' goes on"


def _train(args: Namespace, task: Task, folder: Path) -> int:
    """Train from the beginning or from a checkpoint, then test and save."""
    trainer = Trainer(
        task.model,
        SoftmaxCrossEntropy(),
        task.optimizer,
        callbacks=_callbacks(args, folder),
        seed=args.seed,
        workers=args.workers,
    )
    resumed = (folder / runs.CHECKPOINT).exists()
    if resumed:
        trainer.restore(folder / runs.CHECKPOINT)
    tell(args, _described(args, task))
    if resumed:
        tell(args, f"resumed after {trainer.optimizer.state.steps:,} steps")
    trainer.fit(
        task.train,
        validation=task.held,
        epochs=args.epochs,
        batch_size=args.batch_size,
        augment=task.changes,
        progress=not args.quiet,
    )
    if trainer.stopped is not None and trainer.stopped.resumable:
        return complain(f"interrupted: {_hint(folder)} from here", 130)
    _finish(args, task, trainer, folder)
    return 0


def _callbacks(args: Namespace, folder: Path) -> list[Callback]:
    """Return what watches a run; an average comes before what keeps the best of it."""
    found: list[Callback] = [JSONLog(folder / runs.LOG)]
    if args.average is not None:
        found.append(WeightAverage(args.average, warm_up=True))
    if args.validation:
        found.append(KeepBest(restore=False, path=folder / runs.BEST))
    if args.plateau is not None:
        found.append(ReduceOnPlateau(patience=args.plateau - 1))
    if args.early_stop is not None:
        found.append(EarlyStopping(patience=args.early_stop - 1))
    if args.time_budget is not None:
        found.append(TimeBudget(args.time_budget))
    path, every = folder / runs.CHECKPOINT, args.checkpoint_every
    return [*found, Checkpoint(path, every_steps=every, every_minutes=MINUTES)]


def _described(args: Namespace, task: Task) -> str:
    """Return what is trained on what, and what the labels mean where that is not known."""
    train, held = task.train, task.held
    validation = f", {len(held):,} to validate" if held else ""
    name = f"{args.model} on {train.name}"
    text = f"{name}: {len(train):,} to train{validation}, {len(task.test):,} to test"
    if args.data in KNOWN:
        return text
    shape = "x".join(map(str, train.inputs.shape[1:]))
    return f"{text}\ninputs {shape}, classes {numbered(train.classes)}"


def _finish(args: Namespace, task: Task, trainer: Trainer, folder: Path) -> None:
    """Test, save and tell."""
    if trainer.stopped is not None:
        tell(args, f"ended early: {trainer.stopped.reason}")
    measured = trainer.evaluate(task.test)
    seconds = sum(row["seconds"] for row in trainer.history)
    results = {
        **{f"test_{name}": measured[name] for name in ("loss", "accuracy")},
        **{"epochs": len(trainer.history), "seconds": round(seconds, 3)},
        **identity(trainer.model),
        "out": str(folder),
    }
    left = leave(folder, trainer, args, task.test, results)
    tell_results(args, results, left)
