"""Make the pictures: drawn digits, what augmentations make of them, and the curves of a run.

From the top of the repository: ``python docs/pictures.py RUN``, where RUN is a folder that
``minidl train`` left.
"""

import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import minidl as dl
from minidl import plotting

IMAGES = Path(__file__).parent / "images"

SHOWN = {
    "Shift(4)": dl.augment.Shift(4),
    "Rotate(30)": dl.augment.Rotate(30),
    "Zoom(0.3)": dl.augment.Zoom(0.3),
    "Shear(25)": dl.augment.Shear(25),
    "Elastic(34, 4)": dl.augment.Elastic(34, 4),
    "Flip()": dl.augment.Flip(),
    "Crop(4)": dl.augment.Crop(4),
    "Cutout(10)": dl.augment.Cutout(10),
    "Brightness(0.4)": dl.augment.Brightness(0.4),
    "Contrast(0.7)": dl.augment.Contrast(0.7),
    "Noise(0.15)": dl.augment.Noise(0.15),
    "Mixup(1)": dl.augment.Mixup(1),
    "Shift, Rotate, Elastic": dl.augment.Compose(
        [dl.augment.Shift(2), dl.augment.Rotate(15), dl.augment.Elastic(34, 4)]
    ),
    "Sometimes(0.5, Cutout(10))": dl.augment.Sometimes(0.5, dl.augment.Cutout(10)),
}


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


def augmentation() -> Figure:
    """Return drawn digits as they are, and a row of them for each augmentation."""
    train, _ = dl.data.load("digits")
    chosen = [np.flatnonzero(train.targets == label)[0] for label in range(10)]
    images, labels = train.inputs[chosen], np.eye(10, dtype=np.float32)
    figure = Figure(figsize=(8, 0.66 * (len(SHOWN) + 1)), dpi=100, facecolor="black")
    figure.subplots_adjust(0.27, 0, 1, 1, wspace=0.06, hspace=0.06)
    axes = figure.subplots(len(SHOWN) + 1, 10)
    show(axes[0], "as they are", images)
    for row, (name, change) in zip(axes[1:], SHOWN.items()):
        show(row, name, change.batch(images, labels, dl.augment.Draw(1, 0, 0, 10))[0])
    return figure


def show(axes: np.ndarray, name: str, images: np.ndarray) -> None:
    """Draw a row of images, (N, H, W, 1), with a name before them."""
    for axis, image in zip(axes, images):
        axis.imshow(image[:, :, 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_axis_off()
    middle = {"xytext": (-8, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    axes[0].annotate(name, (0, 0.5), xycoords="axes fraction", color="white", size=9, **middle)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    augmentation().savefig(IMAGES / "augmentation.png")
    digits().savefig(IMAGES / "digits.png")
    history = dl.History(json.loads((Path(sys.argv[1]) / "history.json").read_text()))
    plotting.curves(history).savefig(IMAGES / "curves.png")
