"""Read MNIST to 99.6 % and better: convolutions, batch norm, and images that never come twice.

MINIDL_DATA=folder python examples/mnist_best.py --runs 3

Network, augmentation and rate were chosen on a held-out sixth of the training set (99.58 % of it).
Measured: 99.71, 99.61 and 99.67 % of the test set with seeds 0, 1 and 2.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import minidl as dl
from minidl.augment import Rotate, Shear, Shift, Zoom

CHANGES = [Rotate(15), Shear(8), Zoom(0.15), Shift(3)]  # multiplied, so sampled once


def layer(
    filters: int, size: int = 3, padding: str | int = "same", pool: bool = False
) -> list[dl.Module]:
    """Return a convolution, pooled first so that what follows has a quarter of the work."""
    conv = dl.Conv2d(filters, size, padding=padding, bias=False)  # batch norm has one
    return [conv, *([dl.MaxPool2d(2)] if pool else []), dl.BatchNorm(), dl.ReLU()]


def network(seed: int) -> dl.Sequential:
    """Return five convolutions; of the last one's nine places, the strongest answers count."""
    layers = [
        *layer(24, 5, pool=True),  # (14, 14, 24)
        *layer(48),
        *layer(48, pool=True),  # (7, 7, 48)
        *layer(96, padding=0),
        *layer(96, padding=0),  # (3, 3, 96)
        *(dl.GlobalMaxPool2d(), dl.Dropout(0.3), dl.Dense(10)),
    ]
    return dl.Sequential(layers, input_shape=(28, 28, 1), seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description="Read MNIST to 99.6 % and better.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--runs", type=int, default=1, help="how many, each with the next seed")
    parser.add_argument("--workers", type=int, help="processors (as many as help)")
    parser.add_argument("--validate", action="store_true", help="measure a held-out sixth instead")
    parser.add_argument("--quick", action="store_true", help="one epoch of drawn digits")
    args = parser.parse_args()
    try:
        train, test = dl.data.load("digits" if args.quick else "mnist")
    except FileNotFoundError as error:
        parser.error(f"{error}, or try --quick")
    if args.validate:
        train, test = dl.data.split(train, 1 / 6)

    accuracies = []
    for seed in range(args.seed, args.seed + args.runs):
        began = time.perf_counter()
        optimizer = dl.SGD(
            dl.schedules.OneCycle(0.1), momentum=0.9, nesterov=True, weight_decay=1e-4
        )
        trainer = dl.Trainer(
            network(seed),
            dl.SoftmaxCrossEntropy(label_smoothing=0.05),
            optimizer,
            callbacks=[dl.WeightAverage(0.998, warm_up=True)],
            seed=seed,
            workers=args.workers,
        )
        epochs = 1 if args.quick else args.epochs
        trainer.fit(train, epochs=epochs, batch_size=128, augment=CHANGES)
        accuracies.append(trainer.evaluate(test)["accuracy"])
        seconds = time.perf_counter() - began
        print(f"seed {seed}: {accuracies[-1]:.2%} in {seconds:.0f} s")
    print(f"mean of {args.runs}: {np.mean(accuracies):.3%}")


if __name__ == "__main__":
    main()
