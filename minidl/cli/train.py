"""``minidl train``: train a network, test it, and leave a run folder."""

from __future__ import annotations

import io
import json
import platform
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from minidl.augment import Augmentation
from minidl.cli import runs
from minidl.cli.arguments import (
    COUNT,
    COUNT_OR_NONE,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    WORKERS,
    Commands,
    Group,
    add_data,
    add_json,
    image_shape,
)
from minidl.cli.choices import (
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    build_augmentation,
    build_model,
    build_optimizer,
)
from minidl.cli.output import identity, numbered, print_json, version
from minidl.data import KNOWN, Dataset, batch_count, load, split
from minidl.files import save, write_whole
from minidl.losses import SoftmaxCrossEntropy
from minidl.shapes import ShapeError
from minidl.training import History, Trainer

OWN_STEPS: Final = 500  # of a run on data of one's own

EPILOG = """\
Over the run 'one-cycle' climbs to the rate for 30 %, then falls to almost 0;
'cosine', 'linear' and 'polynomial' (a parabola) fall from it to 0, and
'cosine-restarts' three times, each twice as long; 'step' divides it by 10
after each third, 'multi-step' after a half and after three quarters;
'exponential' brings it to a hundredth, 'inverse-time' to a tenth.

--augment changes images at random, in order, by up to as much as is told or
as here: shift=2, crop=2, cutout=8 (pixels), rotate=10, shear=5 (degrees),
zoom=0.1, elastic=34, flip=0.5 (probability), brightness=0.2, contrast=0.2,
noise=0.05 (shares of the full range).

examples:
  minidl train --data mnist --epochs 5 --lr 0.03 --out runs/mine
  minidl train --data pets     a folder with a subfolder of pictures a class"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        usage="minidl train [options]",
        help="train a network and test it",
        description="Train a network, test it, and leave a run folder. Defaults are in brackets.",
        epilog=EPILOG,
    )
    _add_task(parser.add_argument_group("what"))
    how = parser.add_argument_group("how")
    _add_amount(how)
    _add_optimization(how)
    _add_output(parser.add_argument_group("output"))
    parser.set_defaults(run=run)


def _add_task(group: Group) -> None:
    add_data(group, "digits", "digits")
    group.add_argument(
        "--shape",
        metavar="HxWxC",
        type=image_shape,
        help="that images are stretched and converted to (own)",
    )
    group.add_argument(
        "--validation",
        metavar="SHARE",
        type=SHARE,
        help="of the training set to hold out (0.1; 0: none)",
    )
    group.add_argument(
        "--model",
        metavar="NAME",
        choices=MODELS,
        default="lenet",
        help="lenet, vgg, resnet or mlp (lenet)",
    )


def _add_amount(group: Group) -> None:
    add = group.add_argument
    passes = "passes over the data (digits: 8, mnist: 3, own: 3 to 50)"
    add("--epochs", metavar="N", type=COUNT, help=passes)
    add("--batch-size", metavar="N", type=COUNT, help="samples in a step (64; own: 16 to 64)")
    changes = "such as shift=2,rotate=10,flip (see below)"
    add("--augment", metavar="LIST", default="", help=changes)
    add("--seed", metavar="N", type=SEED, default=0, help="of first weights, order and split (0)")
    add("--workers", metavar="N", type=WORKERS, help="processors that train (as many as help)")


def _add_optimization(group: Group) -> None:
    def add(name: str, help: str, **options: Any) -> None:
        group.add_argument(name, help=help, **{"metavar": "X", **options})

    kinds, schedules = ({"metavar": "NAME", "choices": some} for some in (OPTIMIZERS, SCHEDULES))
    add("--optimizer", "sgd, adam, adamw, rmsprop or adagrad (sgd)", default="sgd", **kinds)
    rates = "learning rate (sgd: 0.05, less in small steps; adagrad: 0.01; others: 0.001)"
    add("--lr", rates, type=POSITIVE)
    add("--momentum", "of sgd, or beta1 of adam and adamw (0.9); rmsprop: 0", type=SHARE)
    decay = "of L2 regularisation; adamw: apart from the gradient (0)"
    add("--weight-decay", decay, type=NOT_NEGATIVE, default=0.0)
    explained = "constant, or one of those explained below (one-cycle)"
    add("--schedule", explained, default="one-cycle", **schedules)
    rising = "steps in which the rate first rises to it (0)"
    add("--warm-up", rising, metavar="N", type=COUNT_OR_NONE, default=0)


def _add_output(group: Group) -> None:
    add_json(group)
    add = group.add_argument
    add("--quiet", action="store_true", help="print nothing else")
    add("--out", metavar="DIR", help="the run folder (runs/DATA-MODEL-NUMBER)")
    add("--force", action="store_true", help="overwrite the run in DIR")


def run(args: Namespace) -> int:
    """Train, test, save and tell."""
    changes = build_augmentation(args.augment)
    options = {"download": args.download, "shape": args.shape, "label": args.label}
    train, test = load(args.data, args.data_folder, **options)
    if args.validation is None:
        args.validation = 0.1 if len(train) > 5 else 0.0
    train, held = split(train, args.validation, args.seed) if args.validation else (train, None)
    trainer = _trainer(_complete(args, len(train)), train)
    with runs.claim(args.out, f"{train.name}-{args.model}", args.force) as folder:
        _tell(args, _task(args, train, held, test))
        seconds = _fit(args, trainer, train, held, changes)
        measured = trainer.evaluate(test)
        found = {"test_loss": measured["loss"], "test_accuracy": measured["accuracy"]}
        _tell(args, "test loss {test_loss:.4f}, test accuracy {test_accuracy:.4f}".format(**found))
        spent = {"epochs": len(trainer.history), "seconds": round(seconds, 3)}
        results = {**found, **spent, **identity(trainer.model), "out": str(folder)}
        _leave(args, folder, trainer, test, results)
    if args.json:
        print_json(results)
    return 0


def _complete(args: Namespace, samples: int) -> Namespace:
    """Fill in the defaults that depend on other arguments or on the data."""
    own = args.data not in KNOWN
    if own:
        args.data = str(Path(args.data).expanduser().resolve())  # to be found again from elsewhere
    if args.batch_size is None:
        args.batch_size = min(64, max(16, samples // 20)) if own else 64
    if args.epochs is None:
        usual = 8 if args.data == "digits" else 3
        steps = batch_count(samples, args.batch_size)
        args.epochs = min(50, max(3, -(-OWN_STEPS // steps))) if own else usual
    if args.lr is None:
        args.lr = OPTIMIZERS[args.optimizer].lr
        if own and args.optimizer == "sgd":  # the linear scaling rule (Goyal et al. 2017, 2.1)
            args.lr *= min(1, args.batch_size / 64)
    if args.momentum is None:
        args.momentum = OPTIMIZERS[args.optimizer].momentum
    return args


def _trainer(args: Namespace, train: Dataset) -> Trainer:
    try:
        model = build_model(args.model, train, args.seed)
    except ShapeError as error:
        hint = "choose --model mlp, or for images a larger --shape, 32x32x3 say"
        raise ValueError(f"{error}: {hint}") from None
    optimizer = build_optimizer(args, args.epochs * batch_count(len(train), args.batch_size))
    return Trainer(model, SoftmaxCrossEntropy(), optimizer, seed=args.seed, workers=args.workers)


def _tell(args: Namespace, text: str) -> None:
    if not args.quiet:
        print(text, flush=True)


def _task(args: Namespace, train: Dataset, held: Dataset | None, test: Dataset) -> str:
    """Return what is trained on what, and what the labels mean where that is not known."""
    validation = f", {len(held):,} to validate" if held else ""
    name = f"{args.model} on {train.name}"
    task = f"{name}: {len(train):,} to train{validation}, {len(test):,} to test"
    if args.data in KNOWN:
        return task
    shape = "x".join(map(str, train.inputs.shape[1:]))
    return f"{task}\ninputs {shape}, classes {numbered(train.classes)}"


def _fit(
    args: Namespace,
    trainer: Trainer,
    train: Dataset,
    held: Dataset | None,
    changes: list[Augmentation],
) -> float:
    """Train and return the seconds that it took."""
    began = time.perf_counter()
    trainer.fit(
        train,
        validation=held,
        epochs=args.epochs,
        batch_size=args.batch_size,
        augment=changes,
        progress=not args.quiet,
    )
    return time.perf_counter() - began


def _leave(
    args: Namespace,
    folder: Path,
    trainer: Trainer,
    test: Dataset,
    results: Mapping[str, object],
) -> None:
    """Write the run folder and say what is in it."""
    save(trainer.model, folder / runs.MODEL)
    trainer.history.save(folder / runs.HISTORY)
    drawn = _draw(args, trainer.history, folder / runs.CURVES)
    given = {name: value for name, value in vars(args).items() if name not in ("run", "command")}
    record = {
        "arguments": {**given, "out": str(folder)},
        "classes": test.classes,
        "test": test.fingerprint(),
        "results": results,
        "versions": {
            "minidl": version(),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
    }
    write_whole(folder / runs.RUN, (json.dumps(record, indent=1) + "\n").encode())
    names = [runs.MODEL, runs.HISTORY, *drawn, runs.RUN]
    _tell(args, f"in {folder}: {', '.join(names)}")


def _draw(args: Namespace, history: History, path: Path) -> list[str]:
    """Draw the curves where matplotlib is installed; return the names of the files made."""
    from minidl import plotting

    path.unlink(missing_ok=True)  # --force may have found an older run's
    try:
        figure = plotting.curves(history)
    except ImportError as error:
        _tell(args, f"no {path.name}: {error}")
        return []
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_whole(path, picture.getvalue())
    return [path.name]
