"""``minidl evaluate``: how well a saved model does on a test set."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from minidl.cli.arguments import Commands, add_data, add_json
from minidl.cli.output import class_names, identity, print_json
from minidl.cli.runs import Trained, model_file, trained_on
from minidl.data import KNOWN, Dataset
from minidl.data import load as load_data
from minidl.data.labels import shown
from minidl.data.own import read_parts
from minidl.engine.border import input_shapes
from minidl.files import load
from minidl.graph import Graph
from minidl.losses import SoftmaxCrossEntropy
from minidl.metrics import confusion_matrix
from minidl.types import Array, Shape

EPILOG = """\
A path of your own is measured whole, or its test part where it has one; of the
data that the run was trained on, what was held out.

examples:
  minidl evaluate runs/digits-lenet-1 --data mnist
  minidl evaluate runs/pets-lenet-1 --data more-pets"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        usage="minidl evaluate [options] MODEL",
        help="measure a model on a test set",
        description="Measure a model's loss and accuracy, and each class's accuracy.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="MODEL", help="a model file or a run folder")
    add_data(parser, None, "the run's")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print the test loss, the test accuracy, and how each class was read."""
    model = load(model_file(args.model))
    test = test_set(args, model)
    loss = SoftmaxCrossEntropy()
    output = model.predict(test.inputs)
    targets = loss.check(test.targets, output.shape[1:])
    value, counts = loss(output, targets)[0], confusion_matrix(output, targets)
    accuracy = float(counts.trace() / counts.sum())
    names = class_names(model.classes or test.classes, len(counts))
    print(f"{len(test):,} samples of {test.name}: loss {value:.4f}, accuracy {accuracy:.4f}")
    print("\n".join(_table(names, counts)))
    if args.json:
        of_classes = {
            name: row[label] / row.sum()
            for label, (name, row) in enumerate(zip(names, counts))
            if row.sum()
        }
        found = {"test_loss": value, "test_accuracy": accuracy, "class_accuracy": of_classes}
        print_json({**found, "samples": len(test), **identity(model)})
    return 0


def test_set(args: Namespace, model: Graph) -> Dataset:
    """Return what to measure, read as the model reads it."""
    known = trained_on(args.model)
    name = args.data or (known and known.data)
    if name is None:
        names = "|".join((*KNOWN, "PATH"))
        raise ValueError(f"which data? {args.model} does not say: pass --data {names}")
    shape, classes = input_shapes(model)[0], model.classes or None
    if name in KNOWN:
        test = load_data(name, args.data_folder, download=args.download, shape=shape)[1]
        if classes and test.classes != classes:  # only those of the known names are what they are
            raise ValueError(
                f"{name} has the classes {shown(test.classes)}, the model knows {shown(classes)}:"
                " name other data with --data"
            )
        return test
    if known is not None and Path(name).expanduser().resolve() == Path(known.data):
        return _held_out(known, shape, classes)
    whole, part = read_parts(name, shape, classes, args.label)
    return whole if part is None else part


def _held_out(known: Trained, shape: Shape, classes: tuple[str, ...] | None) -> Dataset:
    """Return what a run on data of one's own did not train on, if that can still be told."""
    test = load_data(known.data, shape=shape, classes=classes, label=known.label)[1]
    if test.fingerprint() != known.test:
        raise ValueError(
            f"{known.data} is not as it was when the model was trained: what is held out now may"
            " have been trained on. Pass other data, or a copy of these, with --data"
        )
    return test


def _table(names: tuple[str, ...], counts: Array) -> list[str]:
    """Return a line a class: how many there were, how many were right, what most others became."""
    width = max(len("class"), *map(len, names))
    lines = [f"{'class':{width}}  samples  accuracy  most often taken for"]
    for label, (name, row) in enumerate(zip(names, counts)):
        if not row.sum():
            continue
        wrong = row.copy()
        wrong[label] = 0
        worst = f"{names[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else ""
        share = row[label] / row.sum()
        lines.append(f"{name:{width}}  {row.sum():7,}  {share:8.4f}  {worst}".rstrip())
    return lines
