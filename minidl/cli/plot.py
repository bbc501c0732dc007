"""``minidl plot``: pictures of a run."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from minidl import explain, plotting
from minidl.checks import perhaps
from minidl.cli import runs
from minidl.cli.arguments import Commands, add_data
from minidl.cli.evaluate import test_set
from minidl.cli.output import write_picture
from minidl.data import Dataset
from minidl.files import load
from minidl.graph import Graph
from minidl.losses import SoftmaxCrossEntropy
from minidl.metrics import confusion_matrix
from minidl.training import History
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH: Final = 64  # images whose gradients are drawn
EXPLAINED: Final = 6  # images whose saliency is drawn

EPILOG = """\
curves      the loss, the metrics and the learning rate by epoch
confusion   which classes of the test set were taken for which
filters     of the first convolution
features    the maps that each layer makes of a test image
mistakes    the test images with the highest loss
saliency    which pixels the predicted class hangs on, and Grad-CAM
gradients   how large the gradients of each layer are, in a batch of 64

What a run has no picture of (filters, of a model without convolutions) is told
and left out. The pictures go into the run folder.

examples:
  minidl plot runs/digits-lenet-1
  minidl plot runs/digits-lenet-1 --only confusion,mistakes --data mnist"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "plot",
        usage="minidl plot [options] RUN",
        help="draw pictures of a run",
        description="Draw what a run did, and what its model sees, as PNG files.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="RUN", help="a run folder, or a model file")
    add = parser.add_argument
    add("--only", metavar="LIST", help="the pictures to draw, with commas between (all)")
    add("--out", metavar="DIR", help="a folder for them (the run's)")
    add_data(parser, None, "the run's")
    parser.set_defaults(run=run)


class Subject:
    """The run that is drawn: each part is read when a picture first needs it."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self.folder = runs.model_file(args.model).parent

    @cached_property
    def model(self) -> Graph:
        """The trained model."""
        return load(runs.model_file(self._args.model))

    @cached_property
    def test(self) -> Dataset:
        """The images that it is tested on."""
        return test_set(self._args, self.model)

    @cached_property
    def logits(self) -> Array:
        """What the model gives for them, (N, classes)."""
        return self.model.predict(self.test.inputs)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, where they are known."""
        return self.model.classes or self.test.classes

    def some(self, count: int) -> Dataset:
        """Return so many test images, from all over the test set, which may be in order."""
        last = len(self.test) - 1
        return self.test[np.linspace(0, last, min(count, last + 1)).round().astype(int)]


def _curves(run: Subject) -> Figure:
    return plotting.curves(_history(run.folder / runs.HISTORY))


def _confusion(run: Subject) -> Figure:
    return plotting.confusion(confusion_matrix(run.logits, run.test.targets), run.classes)


def _filters(run: Subject) -> Figure:
    return plotting.filters(run.model)


def _features(run: Subject) -> Figure:
    return plotting.features(run.model, run.test.inputs[0])


def _mistakes(run: Subject) -> Figure:
    test = run.test
    return plotting.mistakes(test.inputs, test.targets, run.logits, run.classes)


def _saliency(run: Subject) -> Figure:
    some = run.some(EXPLAINED)
    return plotting.saliency(run.model, some.inputs, some.targets)


def _gradients(run: Subject) -> Figure:
    some = run.some(BATCH)
    loss = SoftmaxCrossEntropy()
    return plotting.gradients(explain.gradient_norms(run.model, some.inputs, some.targets, loss))


PICTURES: Final[MappingProxyType[str, Callable[[Subject], Any]]] = MappingProxyType(
    {
        "curves": _curves,
        "confusion": _confusion,
        "filters": _filters,
        "features": _features,
        "mistakes": _mistakes,
        "saliency": _saliency,
        "gradients": _gradients,
    }
)
"""The pictures by name; each raises ``ValueError`` or ``OSError`` where the run has none."""


def run(args: Namespace) -> int:
    """Draw the pictures and say where they are."""
    names = _chosen(args.only)
    if not Path(args.model).exists():
        raise FileNotFoundError(f"there is no run {args.model!r}: name its folder")
    subject = Subject(args)
    out = Path(args.out) if args.out else subject.folder
    out.mkdir(parents=True, exist_ok=True)
    drawn = [name for name in names if _draw(subject, name, out, bool(args.only))]
    print(f"in {out}: {', '.join(f'{name}.png' for name in drawn) or 'no picture'}")
    return 0 if drawn else 2


def _chosen(only: str | None) -> list[str]:
    """Return the names of the pictures that are wanted, in their order."""
    wanted = [name.strip() for name in only.split(",")] if only else list(PICTURES)
    for name in wanted:
        if name not in PICTURES:
            raise ValueError(
                f"--only: {name!r} is none of {', '.join(PICTURES)}{perhaps(name, PICTURES)}"
            )
    return [name for name in PICTURES if name in wanted]


def _draw(subject: Subject, name: str, out: Path, asked: bool) -> bool:
    """Draw a picture; where the run has none, raise if it was asked for, or else tell."""
    try:
        figure = PICTURES[name](subject)
    except (ValueError, OSError) as error:
        if asked:
            raise
        print(f"no {name}.png: {error}")
        return False
    write_picture(figure, out / f"{name}.png")
    return True


def _history(path: Path) -> History:
    """Return the history of a run; say what is wrong where there is none."""
    if not path.is_file():
        raise FileNotFoundError(f"the folder {path.parent} holds no {path.name}: name a run folder")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not all(_is_row(row) for row in rows):
        raise ValueError(f"{path} is no history: expected a list of rows of numbers, as fit saves")
    return History(rows)


def _is_row(row: object) -> bool:
    return (
        isinstance(row, dict)
        and "epoch" in row
        and all(isinstance(value, (int, float)) for value in row.values())
    )
