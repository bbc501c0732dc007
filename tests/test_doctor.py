"""The doctor: each mistake is found where it is planted, and ten healthy runs are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl.data.digits import digits
from minidl.doctor.checks import FULL, QUICK
from minidl.doctor.hashing import hashes
from minidl.initializers import Normal
from minidl.types import Array

CE, BCE, MSE = dl.SoftmaxCrossEntropy(), dl.BinaryCrossEntropyWithLogits(), dl.MeanSquaredError()
IMAGES, LABELS = digits(1600, 0)[0]
FLOATS = IMAGES.astype("float32") / 255
STANDARD = (FLOATS - FLOATS.mean()) / FLOATS.std()
RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((600, 6)).astype("float32")
VALUES = TABLE @ RNG.standard_normal((6, 1)) + 0.1 * RNG.standard_normal((600, 1))
SIDES = (VALUES[:, 0] > 0).astype(int)
CURVE = dl.schedules.OneCycle(0.05)


def image_net(*layers: dl.Module, dtype: str = "float32") -> dl.Graph:
    """Return a small network on digits, which ends in ``layers``."""
    front = [dl.Conv2d(4, 5, stride=2), dl.ReLU(), dl.Flatten(), dl.Dense(32), dl.ReLU()]
    return dl.Sequential([*front, *layers], (28, 28, 1), dtype=dtype)


def table_net(*layers: dl.Module) -> dl.Graph:
    return dl.Sequential(layers, (6,))


def deep(activation: type[dl.Module], depth: int, init: Normal | None = None) -> dl.Graph:
    options: dict[str, Any] = {} if init is None else {"weight_init": init}
    layers: list[dl.Module] = [dl.Flatten()]
    for _ in range(depth):
        layers += [dl.Dense(48, **options), activation()]
    return dl.Sequential([*layers, dl.Dense(10)], (28, 28, 1))


def normed() -> dl.Graph:
    inner = [dl.Dense(32, bias=False), dl.BatchNorm(), dl.ReLU(), dl.Dense(10)]
    front = [dl.Conv2d(4, 3, stride=2, bias=False), dl.BatchNorm(), dl.ReLU(), dl.Flatten()]
    return dl.Sequential([*front, *inner], (28, 28, 1))


def skipping() -> dl.Graph:
    graph = dl.Graph(input_shape=(28, 28, 1))
    graph.add("narrow", dl.Conv2d(4, 3, stride=2, padding="same"))
    graph.add("deep", dl.Conv2d(4, 3, padding="same"), "narrow")
    graph.add("active", dl.Tanh(), "deep")
    graph.add("join", dl.Add(), "active", "narrow")
    graph.add("pool", dl.AvgPool2d(2))
    graph.add("flat", dl.Flatten())
    graph.add("out", dl.Dense(10))
    return graph


def imbalanced() -> tuple[Array, Array]:
    """Return digits of which 0 to 4 are five times as common."""
    kept = (LABELS < 5) | (np.arange(len(LABELS)) % 5 == 0)
    return IMAGES[kept], LABELS[kept]


SLICE = slice(0, 800)
HEALTHY: dict[str, tuple[Any, ...]] = {
    "lenet": (dl.models.lenet(), CE, (IMAGES, LABELS), dl.SGD(CURVE, momentum=0.9)),
    "lenet, standardised": (dl.models.lenet(), CE, (STANDARD, LABELS), dl.Adam(1e-3)),
    "mlp of floats": (dl.models.mlp(), CE, (FLOATS, LABELS), dl.Adam(1e-3)),
    "mlp, slow": (dl.models.mlp(), CE, (IMAGES, LABELS), dl.SGD(1e-3)),
    "regression": (
        table_net(dl.Dense(32), dl.ReLU(), dl.Dense(1)),
        MSE,
        (TABLE, VALUES),
        dl.SGD(0.01),
    ),
    "binary": (table_net(dl.Dense(16), dl.Tanh(), dl.Dense(1)), BCE, (TABLE, SIDES), dl.Adam(0.01)),
    "tiny": (dl.models.lenet(), CE, (IMAGES[:40], LABELS[:40]), dl.Adam(1e-3)),
    "imbalance": (dl.models.mlp(), CE, imbalanced(), dl.SGD(0.1)),
    "batch norm": (normed(), CE, (IMAGES, LABELS), dl.SGD(0.1, momentum=0.9)),
    "skip connections": (skipping(), CE, (IMAGES, LABELS), dl.RMSprop(1e-3)),
    "sigmoids": (deep(dl.Sigmoid, 2), CE, (IMAGES, LABELS), dl.Adam(1e-3)),
    "one-hot": (dl.models.mlp(), CE, (IMAGES, np.eye(10)[LABELS]), dl.AdamW(1e-3)),
    "autoencoder": (
        dl.Sequential([dl.Flatten(), dl.Dense(24), dl.Dense(784), dl.Sigmoid()], (28, 28, 1)),
        *(MSE, (IMAGES, FLOATS.reshape(-1, 784)), dl.Adam(1e-3)),
    ),
    "named classes": (
        image_net(dl.Dense(10)),
        *(CE, dl.data.Dataset(IMAGES, LABELS, tuple("0123456789")), dl.Adagrad(0.01)),
    ),
}


def held_out() -> dl.data.Dataset:
    return dl.data.Dataset(*digits(0, 200)[1])


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_runs_are_left_alone(name: str) -> None:
    model, loss, data, optimizer = HEALTHY[name]
    held = held_out() if "lenet" in name else None
    found = dl.doctor(model, loss, data, optimizer, held)
    assert [str(one) for one in found] == []


@pytest.mark.slow
@pytest.mark.parametrize("model", [dl.models.vgg(), dl.models.resnet()], ids=["vgg", "resnet"])
def test_larger_healthy_runs_are_left_alone(model: dl.Graph) -> None:
    assert dl.doctor(model, CE, (IMAGES, LABELS), dl.SGD(CURVE, momentum=0.9)) == ()


def names(found: Sequence[dl.Finding]) -> list[str]:
    return [one.what for one in found]


def shifted(labels: Array) -> Array:
    """Return labels that belong to other images."""
    return np.random.default_rng(1).permutation(labels)


def with_column(values: Any, column: int = 2) -> Array:
    table = TABLE.copy()
    table[:, column] = values
    return table


QUICKLY: dict[str, tuple[tuple[Any, ...], dict[str, Any], str, str, str]] = {
    "softmax": (
        (image_net(dl.Dense(10), dl.Softmax()), CE, (IMAGES, LABELS)),
        *({}, "softmax before the loss", "softmax1", "remove Softmax: SoftmaxCrossEntropy takes"),
    ),
    "log-softmax": (
        (image_net(dl.Dense(10), dl.LogSoftmax()), CE, (IMAGES, LABELS)),
        *({}, "logsoftmax before the loss", "logsoftmax1", "remove LogSoftmax"),
    ),
    "sigmoid": (
        (table_net(dl.Dense(1), dl.Sigmoid()), BCE, (TABLE, SIDES)),
        *({}, "sigmoid before the loss", "sigmoid1", "remove Sigmoid: BinaryCrossEntropyWithLog"),
    ),
    "relu": (
        (image_net(dl.Dense(10), dl.ReLU(), dl.Dropout(0.1)), CE, (IMAGES, LABELS)),
        *({}, "an activation on the logits", "relu3", "remove ReLU"),
    ),
    "range": (
        (table_net(dl.Dense(1), dl.Tanh()), MSE, (TABLE, 5 * VALUES)),
        *({}, "targets out of reach", "tanh1", "remove Tanh at the end, or scale the targets"),
    ),
    "linear": (
        (image_net(dl.Dense(64), dl.Dropout(0.5), dl.Dense(10)), CE, (IMAGES, LABELS)),
        *({}, "a missing activation", "dense2", r"add ReLU\(\) after dense2"),
    ),
    "frozen": (
        (image_net(dl.Dense(10)), CE, (IMAGES, LABELS)),
        *({}, "nothing to train", "model", r'model.unfreeze\("\*"\)'),
    ),
    "empty": (
        (dl.Sequential([dl.Flatten()], (28, 28, 1)), CE, (IMAGES, LABELS)),
        *({}, "nothing to train", "model", "add a layer such as Dense"),
    ),
    "float64": (
        (image_net(dl.Dense(10), dtype="float64"), CE, (IMAGES, LABELS)),
        *({}, "float64", "model", 'dtype="float32"'),
    ),
    "a batch of one": (
        (normed(), CE, (IMAGES, LABELS)),
        *({"batch_size": 1}, "batch norm of one sample", "batchnorm1", "raise batch_size to 16"),
    ),
    "a last batch of one": (
        (normed(), CE, (IMAGES[:129], LABELS[:129])),
        *({}, "batch norm of one sample", "batchnorm1", "choose another batch_size, such as 65"),
    ),
    "few outputs": (
        (image_net(dl.Dense(9)), CE, (IMAGES, LABELS)),
        *({}, "too few outputs", "targets", r"end the model with Dense\(10\)"),
    ),
    "one class": (
        (image_net(dl.Dense(10)), CE, (IMAGES, 0 * LABELS + 3)),
        *({}, "one class", "targets", "look at how the labels are read"),
    ),
    "labels from 1": (
        (image_net(dl.Dense(11)), CE, (IMAGES, LABELS + 1)),
        *({}, "a missing class", "targets", "numbered from 0"),
    ),
    "imbalance": (
        (table_net(dl.Dense(1)), BCE, (TABLE, np.arange(600) < 12)),
        *({}, "an extreme imbalance", "targets", "give the loss positive_weight"),
    ),
    "rare": (
        (table_net(dl.Dense(2)), CE, (TABLE, np.arange(600) < 12)),
        *({}, "an extreme imbalance", "targets", "give the loss class_weights"),
    ),
    "large targets": (
        (table_net(dl.Dense(1)), MSE, (TABLE, 1e4 * VALUES)),
        *({}, "targets of a large scale", "targets", r"train on \(targets - mean\) / deviation"),
    ),
    "far targets": (
        (table_net(dl.Dense(1)), MSE, (TABLE, VALUES + 500)),
        *({}, "targets of a large scale", "targets", r"train on \(targets - mean\) / deviation"),
    ),
    "equal targets": (
        (table_net(dl.Dense(1)), MSE, (TABLE, 0 * VALUES + 2)),
        *({}, "equal targets", "targets", "look at how the targets are read"),
    ),
    "equal inputs": (
        (image_net(dl.Dense(10)), CE, (0 * IMAGES, LABELS)),
        *({}, "equal inputs", "inputs", "look at how they are read"),
    ),
    "raw pixels": (
        (image_net(dl.Dense(10)), CE, (IMAGES.astype("float32"), LABELS)),
        *({}, "raw pixels", "inputs", "divide them by 255, or pass uint8"),
    ),
    "scaled twice": (
        (image_net(dl.Dense(10)), CE, (FLOATS / 255, LABELS)),
        *({}, "inputs of a small scale", "inputs", "Scale them once"),
    ),
    "large images": (
        (image_net(dl.Dense(10)), CE, (FLOATS * 4095, LABELS)),
        *({}, "inputs of a large scale", "inputs", r"begin the model with Normalize\("),
    ),
    "large table": (
        (table_net(dl.Dense(1)), MSE, (1000 * TABLE, VALUES)),
        *({}, "inputs of a large scale", "inputs", "subtract each feature's mean"),
    ),
    "different scale": (
        (table_net(dl.Dense(1)), MSE, (TABLE * [1e-3, 1, 1, 1, 1, 30], VALUES)),
        *({}, "features of different scale", "inputs", "subtract each feature's mean"),
    ),
    "constant feature": (
        (table_net(dl.Dense(1)), MSE, (with_column(7), VALUES)),
        *({}, "a constant feature", "inputs[:, 2]", "leave such columns out"),
    ),
    "leak": (
        (image_net(dl.Dense(10)), CE, (IMAGES, LABELS)),
        {"validation": (IMAGES[100:200], LABELS[100:200])},
        *("validation inside training", "validation", "split before samples are repeated"),
    ),
    "contradictions": (
        (image_net(dl.Dense(10)), CE, (np.r_[IMAGES, IMAGES[:99]], np.r_[LABELS, 9 - LABELS[:99]])),
        *({}, "contradicting labels", "targets", "correct the labels"),
    ),
}
QUICKLY["frozen"][0][0].freeze("*")


@pytest.mark.parametrize("name", QUICKLY)
def test_mistakes_that_show_at_a_glance(name: str) -> None:
    arguments, options, what, where, fix = QUICKLY[name]
    found = dl.doctor(*arguments, **options, quick=True)
    assert [(one.what, one.where) for one in found] == [(what, where)]
    with pytest.raises(ValueError, match=fix):
        raise ValueError(found[0].fix)


STANDARDISED = (STANDARD[SLICE], LABELS[SLICE])
PIXELS = (IMAGES[SLICE], LABELS[SLICE])
SLOWLY: dict[str, tuple[tuple[Any, ...], str, str, str]] = {
    "shuffled": (
        (image_net(dl.Dense(10)), CE, (IMAGES, shifted(LABELS)), dl.Adam(1e-3)),
        *("labels unrelated to inputs", "targets", "inputs and labels are in the same order"),
    ),
    "first loss": (
        (image_net(dl.Dense(10, weight_init=Normal(5.0))), CE, PIXELS),
        *("a first loss far off", "loss", "standardise inputs, keep weight_init"),
    ),
    "too high": (
        (image_net(dl.Dense(10)), CE, PIXELS, dl.SGD(5.0, momentum=0.9)),
        *("a learning rate too high", "optimizer", "use a rate of about 0.5$"),
    ),
    "far too high": (
        (image_net(dl.Dense(10)), CE, PIXELS, dl.Adam(1.0)),
        *("a learning rate too high", "optimizer", "use a rate of about 0.1$"),
    ),
    "too low": (
        (image_net(dl.Dense(10)), CE, PIXELS, dl.Adam(1e-6)),
        *("a learning rate too low", "optimizer", "use a rate of about 0.001$"),
    ),
    "dead": (
        (
            dl.Sequential(
                {
                    "flat": dl.Flatten(),
                    "hidden": dl.Dense(32, bias_init=dl.initializers.Constant(-9.0)),
                    "relu": dl.ReLU(),
                    "out": dl.Dense(10),
                },
                (28, 28, 1),
            ),
            *(CE, PIXELS),
        ),
        *("dead ReLUs", "relu", "lower the learning rate, standardise the inputs"),
    ),
    "saturated": (
        (deep(dl.Tanh, 2, Normal(1.0)), CE, STANDARDISED),
        *("a saturated activation", "tanh1", "standardise the inputs, use GlorotUniform"),
    ),
    "vanishing": (
        (deep(dl.Sigmoid, 8), CE, PIXELS),
        *("vanishing gradients", "dense1", "use ReLU and He weights"),
    ),
    "exploding": (
        (deep(dl.LeakyReLU, 8, Normal(0.8)), CE, PIXELS),
        *("exploding gradients", "dense1", "use smaller first weights"),
    ),
}


@pytest.mark.parametrize("name", SLOWLY)
def test_mistakes_that_show_in_the_first_steps(name: str) -> None:
    arguments, what, where, fix = SLOWLY[name]
    found = {one.what: one for one in dl.doctor(*arguments)}
    causes = {"a first loss far off"} if name == "exploding" else set()
    assert set(found) - causes == {what}
    assert found[what].where == where
    with pytest.raises(ValueError, match=fix):
        raise ValueError(found[what].fix)
    assert names(dl.doctor(*arguments, quick=True)) == []


def test_nothing_is_changed(capsys: pytest.CaptureFixture[str]) -> None:
    model, optimizer, inputs = normed(), dl.Adam(CURVE), IMAGES.copy()
    before = model.arrays.sha256()
    dl.doctor(model, CE, (inputs, LABELS), optimizer)
    assert model.arrays.sha256() == before
    assert (optimizer.state.steps, optimizer.state.slots, optimizer.state.total) == (0, {}, None)
    assert (inputs == IMAGES).all()
    assert capsys.readouterr() == ("", "")


def test_the_same_is_found_again() -> None:
    arguments = SLOWLY["too high"][0]
    assert dl.doctor(*arguments) == dl.doctor(*arguments)


@pytest.mark.parametrize("size", [1, 5, 16, 1000])
def test_rates_are_judged_with_batches_of_any_size(size: int) -> None:
    """The loss before and after is of the same samples, however few."""
    model = image_net(dl.Dense(10))
    found = dl.doctor(model, CE, PIXELS, dl.Adam(1e-6), batch_size=size)
    assert names(found) == ["a learning rate too low"]
    assert dl.doctor(model, CE, PIXELS, dl.Adam(1e-3), batch_size=size) == ()


def test_parameter_groups_are_tried_together() -> None:
    groups = dl.ParameterGroups({"*.bias": dl.SGD(5.0), "*": dl.SGD(5.0, momentum=0.9)})
    found = dl.doctor(image_net(dl.Dense(10)), CE, PIXELS, groups)
    assert names(found) == ["a learning rate too high"]


def test_a_loss_of_ones_own_is_left_alone() -> None:
    class Own(dl.MeanSquaredError):
        pass

    class Other(dl.Loss):
        def check(self, target: Array, output_shape: tuple[int, ...]) -> Array:
            return MSE.check(target, output_shape)

        def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
            return MSE(output, target)

    model = table_net(dl.Dense(8), dl.ReLU(), dl.Dense(1))
    for loss in (Own(), Other()):
        assert dl.doctor(model, loss, (TABLE, VALUES), dl.Adam(0.01)) == ()


def test_a_bottleneck_and_a_separable_convolution_are_left_alone() -> None:
    apart = [dl.Conv2d(8, 3), dl.ReLU(), dl.Conv2d(8, 3, groups=8), dl.Conv2d(16, 1), dl.ReLU()]
    model = dl.Sequential([*apart, dl.GlobalAvgPool2d(), dl.Dense(4), dl.Dense(10)], (28, 28, 1))
    assert dl.doctor(model, CE, (IMAGES, LABELS), quick=True) == ()


def test_a_normalising_layer_takes_inputs_of_any_scale() -> None:
    for norm in (dl.Normalize(33.0, 78.0), dl.BatchNorm()):
        model = dl.Sequential([norm, dl.Flatten(), dl.Dense(10)], (28, 28, 1))
        assert dl.doctor(model, CE, (IMAGES.astype("float32"), LABELS), quick=True) == ()
    table = TABLE * [1e-3, 1, 1, 1, 1, 30]
    assert dl.doctor(table_net(dl.BatchNorm(), dl.Dense(1)), MSE, (table, VALUES), quick=True) == ()


def test_frozen_batch_norm_takes_a_batch_of_one() -> None:
    model = normed()
    model.freeze("batchnorm*")
    assert dl.doctor(model, CE, (IMAGES, LABELS), batch_size=1, quick=True) == ()


def test_weights_that_answer_an_imbalance() -> None:
    data = (TABLE, np.arange(600) < 12)
    weighted = dl.BinaryCrossEntropyWithLogits(positive_weight=49.0)
    assert dl.doctor(table_net(dl.Dense(1)), weighted, data, quick=True) == ()


def test_labels_that_are_ignored_do_not_count() -> None:
    loss = dl.SoftmaxCrossEntropy(ignore_index=255)
    labels = np.where(np.arange(1600) % 7 == 0, 255, LABELS)
    assert dl.doctor(image_net(dl.Dense(10)), loss, (IMAGES, labels), quick=True) == ()


def test_equal_hashes_are_of_equal_samples() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (500, 21)).astype(np.uint8)
    found = hashes(np.concatenate([rows, rows[:100]]))
    assert (found[500:] == found[:100]).all()
    assert len(np.unique(found)) == 500
    flipped = rows.copy()
    flipped[:, [7, 15]] ^= 128  # the top bits of two words, whose sum overflows to the same
    assert (hashes(flipped) != found[:500]).all()


def test_what_cannot_be_examined_is_refused() -> None:
    model = image_net(dl.Dense(10))
    with pytest.raises(TypeError, match=r"doctor takes \(model, loss, data\), got 3"):
        dl.doctor(model, 3, (IMAGES, LABELS))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"optimizer should be one such as SGD\(0.1\), got 0.1"):
        dl.doctor(model, CE, (IMAGES, LABELS), 0.1)  # type: ignore[arg-type]
    with pytest.raises(dl.ShapeError, match="the model reads samples of shape"):
        dl.doctor(model, CE, (TABLE, SIDES))
    with pytest.raises(ValueError, match="wants integer labels or rows"):
        dl.doctor(model, CE, (IMAGES, LABELS / 2))
    with pytest.raises(ValueError, match="labels should lie between 0 and 9"):
        dl.doctor(model, CE, (IMAGES, LABELS - 1))
    two = dl.Graph(input_shape={"left": (2,), "right": (2,)})
    two.add("join", dl.Add(), "left", "right")
    with pytest.raises(ValueError, match="models of one input, this one has left, right"):
        dl.doctor(two, CE, (IMAGES, LABELS))


def test_a_finding_reads_as_a_line() -> None:
    finding = dl.Finding("what", "where", "seen", "do")
    assert str(finding) == "warning: what (where): seen; do"
    assert len(FULL) > len(QUICK) > 10


def test_a_table_of_categories_repeats_itself() -> None:
    """Rows of few categories are equal by chance: that validation has them too means nothing."""
    kinds = np.random.default_rng(0).integers(0, 6, (3000, 3))
    inputs = np.eye(6, dtype=np.float32)[kinds].reshape(3000, 18)
    train, held = dl.data.split((inputs, kinds.sum(axis=1) % 2), 0.2)
    model = dl.Sequential([dl.Dense(32), dl.ReLU(), dl.Dense(2)], (18,))
    assert dl.doctor(model, dl.SoftmaxCrossEntropy(), train, dl.Adam(1e-2), held) == ()


def test_a_loss_of_ones_own_may_want_probabilities() -> None:
    class LogLoss(dl.Loss):
        def check(self, target: Array, output_shape: tuple[int, ...]) -> Array:
            return target

        def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
            rows = np.arange(len(output))
            gradient = np.zeros_like(output)
            gradient[rows, target] = -1 / output[rows, target] / len(output)
            return float(-np.log(output[rows, target]).mean()), gradient

    inputs = np.random.default_rng(0).normal(size=(600, 4)).astype("float32")
    model = dl.Sequential([dl.Dense(32), dl.ReLU(), dl.Dense(3), dl.Softmax()], (4,))
    labels = inputs[:, :3].argmax(axis=1)
    assert dl.doctor(model, LogLoss(), (inputs, labels), dl.Adam(1e-2)) == ()
