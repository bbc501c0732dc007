"""Read MNIST to 99 % and more after one epoch, each training image seen once.

MINIDL_DATA=folder python examples/speedrun_mnist.py

The clock counts from reading the files to the last test image. Everything was chosen on 10 000
images held out of the training set, where a high rate and smoothed labels were each worth more than
a tenth of a percent. Measured: 99.25 % with seeds 0 to 9 (99.18 to 99.34), 4.5 to 8 s each on four
cores of a shared machine.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import minidl as dl


def network(seed: int) -> dl.Sequential:
    """Return LeNet-5's shape, wider, and normalised after the second and the third layer.

    Pooling comes before batch norm and ReLU, which then have a quarter of the work.
    """
    layers = [
        dl.Conv2d(12, 5),
        dl.MaxPool2d(2),
        dl.ReLU(),  # (12, 12, 12)
        dl.Conv2d(48, 5, bias=False),
        dl.MaxPool2d(2),
        dl.BatchNorm(),
        dl.ReLU(),  # (4, 4, 48)
        dl.Flatten(),
        dl.Dense(128, bias=False),
        dl.BatchNorm(),
        dl.ReLU(),
        dl.Dense(10),
    ]
    return dl.Sequential(layers, input_shape=(28, 28, 1), seed=seed)


def smooth(labels: np.ndarray, share: float) -> np.ndarray:
    """Return rows of probabilities: ``share`` is spread over all classes, the label has the rest.

    Szegedy et al. 2016, *Rethinking the Inception architecture*, section 7.
    """
    rows = np.full((len(labels), 10), share / 10, np.float32)
    rows[np.arange(len(labels)), labels] += 1 - share
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Read MNIST to 99 % after one epoch.")
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--runs", type=int, default=1, help="how many, each with the next seed")
    parser.add_argument("--workers", type=int, help="processors (as many as help)")
    parser.add_argument("--quick", action="store_true", help="drawn digits instead of MNIST")
    args = parser.parse_args()

    accuracies = []
    for seed in range(args.seed, args.seed + args.runs):
        began = time.perf_counter()
        try:
            train, test = dl.data.load("digits" if args.quick else "mnist")
        except FileNotFoundError as error:
            parser.error(f"{error}, or try --quick")
        rate = dl.schedules.OneCycle(0.5)
        optimizer = dl.SGD(rate, momentum=0.9, nesterov=True)
        trainer = dl.Trainer(
            network(seed),
            dl.SoftmaxCrossEntropy(),
            optimizer,
            seed=seed,
            workers=args.workers,
        )
        trainer.fit((train.inputs, smooth(train.targets, 0.1)), batch_size=64, progress=False)
        accuracies.append(trainer.evaluate(test)["accuracy"])
        seconds = time.perf_counter() - began
        print(f"seed {seed}: {accuracies[-1]:.2%} of the test set in {seconds:.1f} s")
    if args.runs > 1:
        print(f"mean of {args.runs} runs: {np.mean(accuracies):.3%}")


if __name__ == "__main__":
    main()
