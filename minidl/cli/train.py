"""``minidl train``: train a network, test it, and leave a run folder."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from minidl.cli import config, resuming, runs, session
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
    Parser,
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
from minidl.cli.output import version
from minidl.data import KNOWN, Dataset, load, split
from minidl.data.loader import batch_count
from minidl.doctor import doctor
from minidl.graph import Graph
from minidl.losses import SoftmaxCrossEntropy
from minidl.shapes import ShapeError

OWN_STEPS: Final = 500  # of a run on data of one's own

EPILOG = """\
Over the run 'one-cycle' climbs to the rate for 30 %, then falls to almost 0;
'cosine', 'linear', 'polynomial' (a parabola) fall to 0, 'cosine-restarts' so
three times; 'step' divides it by 10 after each third, 'multi-step' after 1/2
and 3/4; 'exponential' ends at a hundredth, 'inverse-time' at a tenth.

--augment changes images at random, in order, by up to so much or as here:
shift=2, crop=2, cutout=8 (pixels), rotate=10, shear=5 (degrees), elastic=34,
zoom=0.1, brightness=0.2, contrast=0.2, noise=0.05 (shares), flip=0.5 (chance).

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
        add_help=False,
    )
    add_task(parser.add_argument_group("what"))
    how = parser.add_argument_group("how")
    add_amount(how)
    add_optimization(how)
    _add_watching(parser.add_argument_group("watching"))
    _add_output(parser.add_argument_group("output"))
    parser.read_defaults = resuming.defaults
    parser.set_defaults(run=lambda args: run(parser, args))


def add_task(group: Group) -> None:
    """Add the options that say what is trained on what."""
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


def add_amount(group: Group) -> None:
    """Add the options that say how long, and on which samples."""
    add = group.add_argument
    passes = "passes over the data (digits: 8, mnist: 3, own: 3 to 50)"
    add("--epochs", metavar="N", type=COUNT, help=passes)
    add("--batch-size", metavar="N", type=COUNT, help="samples in a step (64; own: 16 to 64)")
    changes = "such as shift=2,rotate=10,flip, see below (none)"
    add("--augment", metavar="LIST", default="", help=changes)
    add("--seed", metavar="N", type=SEED, default=0, help="of first weights, order and split (0)")
    add("--workers", metavar="N", type=WORKERS, help="processors that train (as many as help)")


def add_optimization(group: Group) -> None:
    """Add the options of the optimizer."""

    def add(name: str, help: str, **options: Any) -> None:
        group.add_argument(name, help=help, **{"metavar": "X", **options})

    kinds, schedules = ({"metavar": "NAME", "choices": some} for some in (OPTIMIZERS, SCHEDULES))
    add("--optimizer", "sgd, adam, adamw, rmsprop or adagrad (sgd)", default="sgd", **kinds)
    rates = "learning rate (sgd: 0.05 or less, adagrad: 0.01, others: 0.001)"
    add("--lr", rates, type=POSITIVE)
    add("--momentum", "of sgd, or beta1 of adam and adamw (0.9); rmsprop: 0", type=SHARE)
    decay = "of L2 regularisation; adamw: apart from the gradient (0)"
    add("--weight-decay", decay, type=NOT_NEGATIVE, default=0.0)
    explained = "constant, or one of those explained below (one-cycle)"
    add("--schedule", explained, default="one-cycle", **schedules)
    rising = "steps in which the rate first rises to it (0)"
    add("--warm-up", rising, metavar="N", type=COUNT_OR_NONE, default=0)


def _add_watching(group: Group) -> None:
    add = group.add_argument
    add(
        "--early-stop", metavar="N", type=COUNT, help="end after N epochs without a better val_loss"
    )
    add("--plateau", metavar="N", type=COUNT, help="divide the rate by 10 after N such epochs")
    add("--average", metavar="X", type=SHARE, help="average weights, keeping this share, say 0.999")
    add("--time-budget", metavar="MIN", type=POSITIVE, help="end after so many minutes")


def _add_output(group: Group) -> None:
    add = group.add_argument
    add("--out", metavar="DIR", help="the run folder (runs/DATA-MODEL-NUMBER)")
    add("--force", action="store_true", help="overwrite the run in DIR")
    config.add_config(group)
    add("--resume", metavar="DIR", help="go on with the run in DIR, which was cut off")
    often = "save after every N steps too (each minute, each epoch)"
    add("--checkpoint-every", metavar="N", type=COUNT, help=often)
    add_json(group)
    add("--quiet", action="store_true", help="print nothing else")
    add("-h", "--help", action="help", help="show this help message and exit")


def run(parser: Parser, args: Namespace) -> int:
    """Train, test, save and tell; or go on with a run that was cut off."""
    if args.resume is None:
        return _start(args)
    folder = Path(args.resume)
    resuming.refuse_changes(parser, args)
    found = resuming.results(folder)
    if found is None:
        with runs.occupied(folder):
            return session.go(args, prepare(args), folder)
    ended = f"the run in {folder} was finished already, after {found['epochs']} epochs"
    session.tell_results(args, found, ended)
    return 0


def _start(args: Namespace) -> int:
    """Train in a folder of its own."""
    task = prepare(args)
    if not args.quiet:
        _warn(task, args.batch_size)
    with runs.claim(args.out, f"{task.train.name}-{args.model}", args.force) as folder:
        again = f"minidl {version()}; to train the same again: minidl train --config"
        config.write(folder / runs.SETTINGS, args, f"{again} {folder / runs.SETTINGS}")
        return session.go(args, task, folder)


def _warn(task: session.Task, batch_size: int) -> None:
    """Say on stderr what the doctor sees at a glance."""
    loss = SoftmaxCrossEntropy()
    for finding in doctor(
        task.model, loss, task.train, None, task.held, batch_size=batch_size, quick=True
    ):
        print(fill(f"minidl: {finding}", 79), file=sys.stderr)


def prepare(args: Namespace) -> session.Task:
    """Read the data and build the rest, before there is a folder: here most mistakes come out."""
    changes = build_augmentation(args.augment)
    options = {"download": args.download, "shape": args.shape, "label": args.label}
    train, test = load(args.data, args.data_folder, **options)
    if args.validation is None:
        args.validation = 0.1 if len(train) > 5 else 0.0
    train, held = split(train, args.validation, args.seed) if args.validation else (train, None)
    _complete(args, len(train))
    _check_watching(args)
    model = _built(args, train)
    optimizer = build_optimizer(args, args.epochs * batch_count(len(train), args.batch_size))
    return session.Task(model, optimizer, changes, train, held, test)


def _built(args: Namespace, train: Dataset) -> Graph:
    try:
        return build_model(args.model, train, args.seed)
    except ShapeError as error:
        hint = "choose --model mlp, or for images a larger --shape, 32x32x3 say"
        raise ValueError(f"{error}: {hint}") from None


def _complete(args: Namespace, samples: int) -> Namespace:
    """Fill in the defaults that depend on other arguments or on the data."""
    own = args.data not in KNOWN
    if own:
        args.data = _absolute(args.data)
    if args.data_folder is not None:
        args.data_folder = _absolute(args.data_folder)
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


def _absolute(path: str) -> str:
    """Return a path by which it is found again from elsewhere."""
    return str(Path(path).expanduser().resolve())


def _check_watching(args: Namespace) -> None:
    """Raise ``ValueError`` where an option looks at a validation that there is not."""
    for name in ("early_stop", "plateau"):
        if getattr(args, name) and not args.validation:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} looks at val_loss: it needs a --validation above 0")
