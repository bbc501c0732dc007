"""Train a network without the Trainer: python examples/own_loop.py."""

import argparse

import minidl as dl

parser = argparse.ArgumentParser(description="A training loop of one's own, on drawn digits.")
parser.add_argument("--quick", action="store_true", help="one epoch instead of five")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

train, test = dl.data.load("digits")
model = dl.models.lenet(seed=args.seed)
loss = dl.SoftmaxCrossEntropy()
optimizer = dl.SGD(dl.schedules.OneCycle(0.1), momentum=0.9)
epochs, batch_size, step = 1 if args.quick else 5, 64, 0
optimizer.state.total = epochs * dl.data.batch_count(len(train), batch_size)

for epoch in range(1, epochs + 1):
    mean = 0.0
    for images, labels in dl.data.batches(train, batch_size, seed=args.seed, epoch=epoch):
        value, logits, grads = model.gradients(images, labels, loss, seed=args.seed, step=step)
        optimizer.step(model.arrays, grads)
        mean += value * len(images) / len(train)
        step += 1
    print(f"epoch {epoch}: loss {mean:.4f}")

right = model.predict(test.inputs).argmax(axis=-1) == test.targets
print(f"test accuracy: {right.mean():.2%}")
