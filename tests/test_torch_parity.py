"""Values and gradients are PyTorch's, in float64, for everything that has a twin there.

A twin is written on tensors in minidl's layout and permutes inside, so that the gradients come back
in this layout too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from drawn import normal, windows
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl as dl
from minidl.module import Context, Run
from minidl.schedules import Cosine, ExponentialDecay, OneCycle, Schedule, StepDecay
from minidl.shapes import Window
from minidl.types import Array, Shape

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional
torch.set_num_threads(1)  # so small a tensor is slower on several, and others use the machine too

Twin = Callable[..., Any]


def close(a: Array, b: Array, tolerance: float = 1e-10) -> None:
    """Equal to the tolerance as docs/design.md defines it."""
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= tolerance * max(1.0, np.abs(b).max())


def leaf(array: Array) -> Any:
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def agree(
    module: dl.Module, twin: Twin, *shapes: Shape, train: bool = True, batch: int = 3
) -> None:
    """Compare ``module`` with ``twin(*xs, **params)``: the value, and the gradient of each."""
    xs = [normal(k, batch, *shape) for k, shape in enumerate(shapes)]
    params = {
        name: np.abs(normal(len(name), *spec.shape)) + 0.1
        for name, spec in module.parameters(*shapes).items()
    }
    trained = [name for name, spec in module.parameters(*shapes).items() if spec.trainable]
    wanted: frozenset[int | str] = frozenset([*range(len(xs)), *trained])
    y, pullback = module.forward(params, *xs, ctx=Context(train, wanted))
    dy = normal(99, *y.shape)
    assert pullback is not None
    dxs, dparams = pullback(dy)

    tensors = [leaf(x) for x in xs]
    leaves = {name: leaf(params[name]) for name in trained}
    fixed = {name: torch.tensor(params[name]) for name in params if name not in trained}
    expected = twin(*tensors, **leaves, **fixed)
    expected.backward(torch.tensor(dy))
    close(y, expected.detach().numpy())
    for dx, tensor in zip(dxs, tensors):
        assert dx is not None
        close(dx, tensor.grad.numpy())
    for name in trained:
        close(dparams[name], leaves[name].grad.numpy())


def first(x: Any) -> Any:
    """Channels first."""
    return x.permute(0, 3, 1, 2)


def last(y: Any) -> Any:
    """Channels last."""
    return y.permute(0, 2, 3, 1)


def filters_first(weight: Any) -> Any:
    """Return (F, C, kh, kw) of (kh, kw, C, F); PyTorch refuses a mere view here and there."""
    return weight.permute(3, 2, 0, 1).contiguous()


@settings(max_examples=50, deadline=None)
@given(window=windows(), channels=st.integers(1, 3), filters=st.integers(1, 3), bias=st.booleans())
def test_conv2d(window: Window, channels: int, filters: int, bias: bool) -> None:
    (top, bottom), (left, right) = window.padding

    def twin(x: Any, weight: Any, bias: Any = None) -> Any:
        padded = F.pad(first(x), (left, right, top, bottom))
        kernel = filters_first(weight)
        return last(F.conv2d(padded, kernel, bias, stride=window.stride, dilation=window.dilation))

    module = dl.Conv2d(
        filters,
        window.kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        bias=bias,
    )
    agree(module, twin, (*window.size, channels))


@settings(max_examples=20, deadline=None)
@given(kernel=st.integers(1, 5), dilation=st.integers(1, 2), size=st.integers(5, 9))
def test_same_padding_is_pytorchs_at_stride_1(kernel: int, dilation: int, size: int) -> None:
    def twin(x: Any, weight: Any, bias: Any) -> Any:
        span = dilation * (kernel - 1)
        pads = (span // 2, span - span // 2) * 2
        kernels = filters_first(weight)
        y = F.conv2d(F.pad(first(x), pads), kernels, bias, dilation=dilation)
        if kernel % 2:  # for even ones PyTorch warns that it pads by hand
            y = F.conv2d(first(x), kernels, bias, padding="same", dilation=dilation)
        return last(y)

    agree(dl.Conv2d(2, kernel, padding="same", dilation=dilation), twin, (size, size, 2))


def symmetric(window: Window) -> tuple[int, int]:
    """Return padding that PyTorch's pools take: equal on both sides, at most half the window."""
    rows, columns = (min(pads[0], size // 2) for pads, size in zip(window.padding, window.kernel))
    return rows, columns


POOLS = windows(kernel=4, dilation=1, pooling=True)


@settings(max_examples=40, deadline=None)
@given(window=POOLS, channels=st.integers(1, 3))
def test_pools(window: Window, channels: int) -> None:
    padding = symmetric(window)
    size = tuple(max(pair) for pair in zip(window.size, window.kernel))
    plan = {"stride": window.stride, "padding": padding}
    pairs: list[tuple[Callable[..., dl.Module], Twin]] = [
        (dl.MaxPool2d, F.max_pool2d),
        (dl.AvgPool2d, F.avg_pool2d),
    ]
    for kind, twin in pairs:
        agree(
            kind(window.kernel, **plan),
            lambda x, twin=twin: last(twin(first(x), window.kernel, **plan)),
            (*size, channels),
        )


@pytest.mark.parametrize(
    ("module", "twin", "shapes"),
    [
        (dl.Dense(4), lambda x, weight, bias: x @ weight + bias, [(7,)]),
        (dl.ReLU(), torch.relu, [(5, 3, 2)]),
        (dl.Sigmoid(), torch.sigmoid, [(9,)]),
        (dl.Tanh(), torch.tanh, [(9,)]),
        (dl.GlobalAvgPool2d(), lambda x: x.mean(dim=(1, 2)), [(4, 5, 3)]),
        (dl.Flatten(), lambda x: x.flatten(1), [(3, 2, 2)]),
        (dl.Add(), lambda *xs: sum(xs), [(3, 2)] * 3),
        (dl.Concatenate(), lambda *xs: torch.cat(xs, dim=-1), [(3, 2), (3, 4)]),
        (dl.Normalize(0.3, 0.7), lambda x: (x - 0.3) / 0.7, [(4, 3, 1)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, dl.Module) else "",
)
def test_modules_without_geometry(module: dl.Module, twin: Twin, shapes: list[Shape]) -> None:
    agree(module, twin, *shapes)


@pytest.mark.parametrize("shape", [(4, 3, 2), (5,)])
@pytest.mark.parametrize("train", [True, False])
def test_batch_norm(shape: Shape, train: bool) -> None:
    def twin(x: Any, weight: Any, bias: Any, running_mean: Any, running_variance: Any) -> Any:
        rows = x.reshape(-1, x.shape[-1])
        y = F.batch_norm(rows, running_mean, running_variance, weight, bias, train, 0.2, 1e-3)
        return y.reshape(x.shape)

    agree(dl.BatchNorm(momentum=0.2, epsilon=1e-3), twin, shape, train=train, batch=6)


def test_running_statistics_over_three_batches() -> None:
    module, twin = dl.BatchNorm(momentum=0.3), torch.nn.BatchNorm2d(3, momentum=0.3).double()
    params = {"weight": np.ones(3), "bias": np.zeros(3)}
    params |= {"running_mean": np.zeros(3), "running_variance": np.ones(3)}
    for step in range(3):
        x, run = normal(step, 4, 5, 2, 3) * 3 + 1, Run()
        module.forward(params, x, ctx=Context(True, run=run))
        params |= run.updates
        twin(first(torch.tensor(x)))
    close(params["running_mean"], twin.running_mean.numpy())
    close(params["running_variance"], twin.running_var.numpy())


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_softmax_cross_entropy(soft: bool, scale: float) -> None:
    logits = normal(0, 6, 5) * scale
    labels = np.array([0, 4, 2, 2, 1, 3])
    target = np.abs(normal(1, 6, 5)) if soft else labels
    target = target / target.sum(axis=1, keepdims=True) if soft else target
    value, gradient = dl.SoftmaxCrossEntropy()(logits, target)
    tensor = leaf(logits)
    expected = F.cross_entropy(tensor, torch.tensor(target))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-10, abs=1e-10)
    close(gradient, tensor.grad.numpy())


def test_mean_squared_error() -> None:
    output, target = normal(0, 4, 3, 2), normal(1, 4, 3, 2)
    value, gradient = dl.MeanSquaredError()(output, target)
    tensor = leaf(output)
    expected = F.mse_loss(tensor, torch.tensor(target))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    close(gradient, tensor.grad.numpy())


def test_a_whole_network() -> None:
    """Convolution, batch norm, skip connection, pooling and loss, through ``gradients``."""
    block = dl.residual(dl.Conv2d(4, 3, padding=1), dl.BatchNorm(), dl.ReLU())
    model = dl.Sequential(
        [dl.Conv2d(4, 3), block, dl.MaxPool2d(2), dl.Flatten(), dl.Dense(3)],
        input_shape=(8, 8, 2),
        dtype="float64",
    )
    x, labels = normal(0, 5, 8, 8, 2), np.array([0, 2, 1, 1, 0])
    tensors = {path: leaf(array) for path, array in model.arrays.items()}
    value, logits, grads = model.gradients(x, labels, dl.SoftmaxCrossEntropy())

    def conv(x: Any, node: str, **plan: int) -> Any:
        weight = filters_first(tensors[f"{node}.weight"])
        return F.conv2d(x, weight, tensors[f"{node}.bias"], **plan)

    stem = conv(first(torch.tensor(x)), "conv1")
    inner = conv(stem, "residual1.conv1", padding=1)
    scale, shift = tensors["residual1.batchnorm1.weight"], tensors["residual1.batchnorm1.bias"]
    inner = F.batch_norm(inner, None, None, scale, shift, training=True)
    pooled = last(F.max_pool2d(stem + torch.relu(inner), 2))
    y = pooled.reshape(5, -1) @ tensors["dense1.weight"] + tensors["dense1.bias"]
    loss = F.cross_entropy(y, torch.tensor(labels))
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    close(logits, y.detach().numpy())
    for path, grad in grads.items():
        close(grad, tensors[path].grad.numpy())


class Pair(NamedTuple):
    """An optimizer here, and the same there."""

    here: dl.Optimizer
    kind: str
    options: dict[str, Any]


OPTIMIZERS = [
    Pair(dl.SGD(0.1), "SGD", {"lr": 0.1}),
    Pair(dl.SGD(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    Pair(
        dl.SGD(0.1, momentum=0.9, nesterov=True),
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    Pair(
        dl.SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.1),
        "SGD",
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    ),
    Pair(dl.SGD(0.1, weight_decay=0.01), "SGD", {"lr": 0.1, "weight_decay": 0.01}),
    Pair(dl.Adam(0.01), "Adam", {"lr": 0.01}),
    Pair(
        dl.Adam(0.02, betas=(0.8, 0.95), epsilon=1e-4, weight_decay=0.1),
        "Adam",
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1},
    ),
]


@pytest.mark.parametrize("pair", OPTIMIZERS, ids=lambda pair: repr(pair.here))
def test_optimizers_over_20_steps(pair: Pair) -> None:
    arrays = {"weight": normal(0, 3, 4), "bias": normal(1, 4)}
    tensors = {path: leaf(array) for path, array in arrays.items()}
    there = getattr(torch.optim, pair.kind)(list(tensors.values()), **pair.options)
    optimizer = pair.here.replace()  # with no memory
    for step in range(20):
        grads = {path: normal(step, *array.shape) for path, array in arrays.items()}
        optimizer.step(arrays, grads)
        for path, tensor in tensors.items():
            tensor.grad = torch.tensor(grads[path])
        there.step()
    for path, tensor in tensors.items():
        close(arrays[path], tensor.detach().numpy(), 1e-12)


TOTAL = 40


def one_cycle(share: float) -> float:
    """Return the share of the way to the last step at which PyTorch's peak lies.

    It counts ``pct_start · total - 1``, we count a share of ``total - 1``.
    """
    return (share * TOTAL - 1) / (TOTAL - 1)


@pytest.mark.parametrize(
    ("here", "kind", "options"),
    [
        (Cosine(0.5), "CosineAnnealingLR", {"T_max": TOTAL}),
        (Cosine(0.5, final=0.1), "CosineAnnealingLR", {"T_max": TOTAL, "eta_min": 0.1}),
        (StepDecay(0.5, every=7, factor=0.3), "StepLR", {"step_size": 7, "gamma": 0.3}),
        (ExponentialDecay(0.5, factor=0.9), "ExponentialLR", {"gamma": 0.9}),
        (
            OneCycle(0.5, rise=one_cycle(0.3), end=25e4),
            "OneCycleLR",
            {"max_lr": 0.5, "total_steps": TOTAL},
        ),
        (
            OneCycle(0.5, rise=one_cycle(0.4), start=10, end=1e3),
            "OneCycleLR",
            {
                "max_lr": 0.5,
                "total_steps": TOTAL,
                "pct_start": 0.4,
                "div_factor": 10,
                "final_div_factor": 100,
            },
        ),
    ],
)
def test_schedules(here: Schedule, kind: str, options: dict[str, Any]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5, momentum=0.9)
    there = getattr(torch.optim.lr_scheduler, kind)(optimizer, **options)
    for step in range(TOTAL):
        assert here.value(step, TOTAL) == pytest.approx(there.get_last_lr()[0], rel=1e-12)
        optimizer.step()
        if step < TOTAL - 1:
            there.step()
