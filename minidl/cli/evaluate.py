"""``minidl evaluate``: how well a saved model does on a test set."""

from __future__ import annotations

from argparse import Namespace

from minidl.cli.arguments import DATA, Commands, add_data, add_json
from minidl.cli.output import identity, print_json
from minidl.cli.runs import data_of, model_file
from minidl.data import load as load_data
from minidl.files import load
from minidl.losses import SoftmaxCrossEntropy
from minidl.optim import SGD
from minidl.training import Trainer


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        usage="minidl evaluate [options] MODEL",
        help="measure a model on a test set",
        description="Measure a model's loss and accuracy on the test set of a data set.",
        epilog="example:\n  minidl evaluate runs/digits-lenet-1 --data mnist",
    )
    parser.add_argument("model", metavar="MODEL", help="a model file or a run folder")
    add_data(parser, None, "the run's")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print the test loss and the test accuracy."""
    model = load(model_file(args.model))
    name = args.data or data_of(args.model)
    if name is None:
        raise ValueError(f"which data? {args.model} does not say: pass --data {'|'.join(DATA)}")
    test = load_data(name, args.data_folder)[1]
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(0.0001))  # which takes no step
    row = trainer.evaluate(test)
    print(
        f"{len(test):,} test images of {name}:"
        f" loss {row['loss']:.4f}, accuracy {row['accuracy']:.4f}"
    )
    if args.json:
        found = {"test_loss": row["loss"], "test_accuracy": row["accuracy"]}
        print_json({**found, "samples": len(test), **identity(model)})
    return 0
