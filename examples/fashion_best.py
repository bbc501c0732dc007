"""Tell Fashion-MNIST's clothes apart, to 94 %, with a residual network.

MINIDL_DATA=folder python examples/fashion_best.py

The network was tried on a held-out sixth of the training set: after 26 epochs it told 94.13 %,
94.34 % where each image was also seen mirrored. Measured on the test set with seed 0: 93.68 and
93.96 % after 20 epochs, 12 minutes on four cores; 94.05 and 94.36 % with --epochs 26, 16 minutes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import minidl as dl
from minidl.augment import Crop, Flip


def layer(filters: int) -> list[dl.Module]:
    """Return a 3x3 convolution, batch norm and ReLU."""
    return [dl.Conv2d(filters, 3, padding="same", bias=False), dl.BatchNorm(), dl.ReLU()]


def network(seed: int) -> dl.Sequential:
    """Return a stem and two residual blocks, at three sizes of the image (He et al. 2016)."""
    stem = dl.Conv2d(32, 3, padding="same", bias=False)
    layers = [
        *(stem, dl.MaxPool2d(2), dl.BatchNorm(), dl.ReLU()),  # (14, 14, 32)
        *layer(48),
        *(dl.residual(*layer(48), *layer(48)), dl.MaxPool2d(2)),  # (7, 7, 48)
        *layer(96),
        *(dl.residual(*layer(96), *layer(96)), dl.GlobalMaxPool2d()),  # (96,)
        dl.Dense(10),
    ]
    return dl.Sequential(layers, input_shape=(28, 28, 1), seed=seed)


def accuracy(model: dl.Graph, data: dl.data.Dataset) -> float:
    """Return the share that is right when each image is seen twice, the second time mirrored."""
    mirrored = np.ascontiguousarray(data.inputs[:, :, ::-1])
    shares = model.predict(data.inputs, probabilities=True)
    shares += model.predict(mirrored, probabilities=True)
    return float((shares.argmax(axis=1) == data.targets).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Tell Fashion-MNIST's clothes apart.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processors (as many as help)")
    parser.add_argument("--validate", action="store_true", help="measure a held-out sixth instead")
    parser.add_argument("--quick", action="store_true", help="two epochs of 2,000 drawn digits")
    args = parser.parse_args()
    try:
        train, test = dl.data.load("digits" if args.quick else "fashion-mnist")
    except FileNotFoundError as error:
        parser.error(f"{error}, or try --quick")
    if args.validate:
        train, test = dl.data.split(train, 1 / 6)
    if args.quick:
        train = train[:2_000]

    model = network(args.seed)
    print(f"{model.parameter_count:,} parameters")
    rate = dl.schedules.OneCycle(0.02 if args.quick else 0.1)
    trainer = dl.Trainer(
        model,
        dl.SoftmaxCrossEntropy(label_smoothing=0.1),
        dl.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
        callbacks=[dl.WeightAverage(0.998, warm_up=True)],
        seed=args.seed,
        workers=args.workers,
    )
    began = time.perf_counter()
    epochs = 2 if args.quick else args.epochs
    trainer.fit(train, epochs=epochs, batch_size=128, augment=[Flip(), Crop(2)])
    once = trainer.evaluate(test)["accuracy"]
    print(f"seen once: {once:.2%}, and mirrored as well: {accuracy(model, test):.2%}")
    print(f"in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
