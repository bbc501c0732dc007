"""``minidl predict``: which class a saved model sees in a picture."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from minidl.cli.arguments import COUNT, Commands
from minidl.cli.output import class_names, complain, explain, print_json
from minidl.cli.runs import model_file
from minidl.data.images import picture_files
from minidl.data.picture import read_image
from minidl.engine.border import input_shapes
from minidl.files import load
from minidl.graph import Graph
from minidl.types import Array, Shape

BATCH: Final = 256  # pictures read and told at once

EPILOG = """\
Pictures are stretched and made grey or colour as the model reads them.

examples:
  minidl predict runs/pets-lenet-1 new/*.jpg
  minidl predict runs/pets-lenet-1 new --top 3
  minidl predict runs/pets-lenet-1 new --json >found.jsonl"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        usage="minidl predict [options] MODEL PICTURE...",
        help="tell what is in pictures",
        description="Tell the class of each picture, and how sure the model is.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="MODEL", help="a model file or a run folder")
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="+", help="a picture, or a folder of them"
    )
    parser.add_argument("--top", metavar="N", type=COUNT, default=1, help="likeliest classes (1)")
    parser.add_argument(
        "--json", action="store_true", help="a line of JSON a picture, with all classes"
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print a line a picture; go on after one that cannot be read, and exit with 2 in the end."""
    model = load(model_file(args.model))
    shape = input_shapes(model)[0]
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ValueError(f"{args.model} reads samples of shape {shape}, which are no pictures")
    paths = iter([path for name in args.pictures for path in _files(name)])
    broken = 0
    while batch := list(islice(paths, BATCH)):
        read = [(path, image) for path in batch if (image := _image(path, shape)) is not None]
        broken += len(batch) - len(read)
        if read:
            _tell(args, model, read)
    return 2 if broken else 0


def _files(name: str) -> list[Path]:
    """Return the pictures in a folder; of anything else, itself, so that one mistake is one."""
    path = Path(name)
    return picture_files(path) if path.is_dir() else [path]


def _image(path: Path, shape: Shape) -> Array | None:
    """Return a picture, or say what is wrong with it."""
    try:
        return read_image(path, shape)
    except (ValueError, OSError) as error:
        complain(f"error: {explain(error)}", 2)
        return None


def _tell(args: Namespace, model: Graph, read: list[tuple[Path, Array]]) -> None:
    shares = model.predict(np.stack([image for _, image in read]), probabilities=True)
    names = class_names(model.classes, shares.shape[1])
    for (path, _), row in zip(read, shares):
        likeliest = list(_likeliest(names, row))
        if args.json:
            name, share = likeliest[0]
            found = {"class": name, "probability": share, "probabilities": dict(likeliest)}
            print_json({"file": str(path), **found})
        else:
            told = ", ".join(f"{name} {share:.1%}" for name, share in likeliest[: args.top])
            print(f"{path}: {told}")


def _likeliest(names: tuple[str, ...], shares: Array) -> Iterator[tuple[str, float]]:
    """Yield classes and their probabilities, the likeliest first."""
    for label in np.argsort(-shares, kind="stable").tolist():
        yield names[label], round(float(shares[label]), 6)
