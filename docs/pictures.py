"""Make the README's pictures: drawn digits, and the curves of a run.

From the top of the repository: ``python docs/pictures.py RUN``, where RUN is a folder that
``minidl train`` left.
"""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

import minidl as dl
from minidl import plotting

IMAGES = Path(__file__).parent / "images"


def digits() -> Figure:
    """Return drawn digits, four of each."""
    train, _ = dl.data.load("digits")
    figure = Figure(figsize=(8, 3.2), dpi=100)
    figure.subplots_adjust(0, 0, 1, 1, wspace=0, hspace=0)
    axes = figure.subplots(4, 10)
    for label in range(10):
        chosen = train.inputs[train.targets == label][:4, :, :, 0]  # (4, H, W)
        for axis, image in zip(axes[:, label], chosen):
            axis.imshow(image, cmap="gray")
            axis.set_axis_off()
    figure.set_facecolor("black")
    return figure


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    digits().savefig(IMAGES / "digits.png")
    history = dl.History(json.loads((Path(sys.argv[1]) / "history.json").read_text()))
    plotting.curves(history).savefig(IMAGES / "curves.png")
