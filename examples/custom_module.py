"""A module of your own: squeeze-and-excitation, checked, trained, saved and loaded back.

python examples/custom_module.py

The package is not touched: a module is a class with its hyper-parameters as fields, the shapes of
its parameters, and a forward pass that also returns the way back, the pullback.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import minidl as dl
from minidl.types import Array, Arrays, Pullback, Shape


class SqueezeExcite(dl.Module):
    """Weigh each channel by what all channels together say about the image.

    ``y = x · sigmoid(relu(mean(x) @ squeeze) @ excite)``, the mean over all pixels (Hu et al. 2018,
    *Squeeze-and-excitation networks*, equations 2 to 4).
    """

    reduction: int = 4

    sample_local = True  # output sample i depends on input sample i alone

    def parameters(self, shape: Shape) -> dict[str, dl.ParameterSpec]:
        wide, narrow = shape[-1], max(1, shape[-1] // self.reduction)
        he = dl.initializers.HeUniform()
        return {
            "squeeze": dl.ParameterSpec((wide, narrow), he, fans=(wide, narrow)),
            "excite": dl.ParameterSpec((narrow, wide), he, fans=(narrow, wide)),
        }

    def forward(
        self, params: Arrays, x: Array, *, ctx: dl.Context
    ) -> tuple[Array, Pullback | None]:
        mean = x.mean(axis=(1, 2))  # (N, C)
        hidden = np.maximum(mean @ params["squeeze"], 0)  # (N, C / reduction)
        gate = 0.5 + 0.5 * np.tanh(0.5 * hidden @ params["excite"])  # a sigmoid, (N, C)

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            dgate = (dy * x).sum(axis=(1, 2)) * gate * (1 - gate)  # (N, C)
            dhidden = (dgate @ params["excite"].T) * (hidden > 0)
            dmean = dhidden @ params["squeeze"].T / (x.shape[1] * x.shape[2])
            dx = dy * gate[:, None, None] + dmean[:, None, None]  # (N, H, W, C)
            dparams = {"squeeze": mean.T @ dhidden, "excite": hidden.T @ dgate}
            return (dx,), {name: dparams[name] for name in dparams if name in ctx.wanted}

        return x * gate[:, None, None], pullback if ctx.wanted else None


def network(seed: int) -> dl.Sequential:
    return dl.Sequential(
        [
            *(dl.Conv2d(8, 5, stride=2, padding="same"), dl.ReLU(), SqueezeExcite()),
            *(dl.Conv2d(16, 3, stride=2, padding="same"), dl.ReLU(), SqueezeExcite(reduction=2)),
            *(dl.Flatten(), dl.Dense(10)),
        ],
        input_shape=(28, 28, 1),
        seed=seed,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Define a module, check it, train with it.")
    parser.add_argument("--quick", action="store_true", help="three epochs instead of ten")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    print(dl.gradcheck(SqueezeExcite(), (5, 7, 8), seed=args.seed))

    train, test = dl.data.load("digits")
    model = network(args.seed)
    optimizer = dl.SGD(dl.schedules.Cosine(0.05), momentum=0.9)
    trainer = dl.Trainer(model, dl.SoftmaxCrossEntropy(), optimizer, seed=args.seed)
    trainer.fit(train, epochs=3 if args.quick else 10)
    print(f"test accuracy: {trainer.evaluate(test)['accuracy']:.2%}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "squeeze.safetensors"
        dl.save(model, path)
        # A file names its modules and holds no code: the loader is told the class.
        loaded = dl.load(path, modules=[SqueezeExcite])
    same = np.array_equal(loaded.predict(test.inputs), model.predict(test.inputs))
    print(f"loaded back: the same predictions: {same}")


if __name__ == "__main__":
    main()
