"""Train a small residual network on Fashion-MNIST to 92 % in six epochs.

python examples/fashion_resnet.py

Fashion-MNIST is read from the folder that MINIDL_DATA names. The network and the numbers below were
chosen by the accuracy on a held-out tenth of the training set. Measured: 92.19 and 92.28 % of the
test set with seeds 0 and 1; 50 s (seed 0) on four cores of a shared machine.
"""

from __future__ import annotations

import argparse
import time

import minidl as dl


def normed(filters: int, stride: int = 1) -> list[dl.Module]:
    """Return a 3x3 convolution and the batch norm whose shift makes a bias needless."""
    conv = dl.Conv2d(filters, 3, stride=stride, padding="same", bias=False)
    return [conv, dl.BatchNorm()]


def block(filters: int) -> list[dl.Module]:
    """Return a residual block that halves the image (He et al. 2016, figure 2).

    Its chain learns what to add to its input; a 1x1 convolution with a stride of 2 projects the
    input to the chain's size and channels, so that the two can be added.
    """
    chain = [*normed(filters, stride=2), dl.ReLU(), *normed(filters)]
    return [dl.residual(*chain, skip=dl.Conv2d(filters, 1, stride=2, bias=False)), dl.ReLU()]


def network(seed: int) -> dl.Sequential:
    """Return a network that shrinks the image early, since large images are what costs time."""
    stem = [
        dl.Conv2d(16, 3, padding="same", bias=False),
        dl.MaxPool2d(2),  # before the batch norm, which then has a quarter of the work
        dl.BatchNorm(),
        dl.ReLU(),
    ]  # (28, 28, 1) to (14, 14, 16)
    blocks = [*block(32), *block(64)]  # to (7, 7, 32), to (4, 4, 64)
    head = [dl.GlobalAvgPool2d(), dl.Dense(10)]
    return dl.Sequential([*stem, *blocks, *head], input_shape=(28, 28, 1), seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a residual network on Fashion-MNIST.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processors (as many as help)")
    parser.add_argument("--quick", action="store_true", help="one epoch on drawn digits")
    args = parser.parse_args()

    try:
        train, test = dl.data.load("digits" if args.quick else "fashion-mnist")
    except FileNotFoundError as error:
        parser.error(f"{error}, or try --quick")
    epochs = 1 if args.quick else args.epochs
    model = network(args.seed)
    print(model.summary())

    # One cycle: the rate rises, so that batch norm can settle, and falls to nothing.
    rate = dl.schedules.OneCycle(0.1)
    optimizer = dl.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    trainer = dl.Trainer(
        model, dl.SoftmaxCrossEntropy(), optimizer, seed=args.seed, workers=args.workers
    )
    began = time.perf_counter()
    trainer.fit(train, validation=0.1, epochs=epochs, batch_size=64)
    print(f"trained in {time.perf_counter() - began:.0f} s")
    print(f"test accuracy: {trainer.evaluate(test)['accuracy']:.2%}")


if __name__ == "__main__":
    main()
