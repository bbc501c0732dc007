"""The benchmark: what it measures, how it tells, and that PyTorch computes the same."""

from __future__ import annotations

import json
import mmap
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl import bench, cli, plotting
from minidl.bench import jobs, measuring, memory, networks, tasks, timing, torch_twin
from minidl.bench.jobs import Job, run_job
from minidl.bench.networks import NETWORKS, OTHERS

STEP = bench.Figures(5.0, 10.0, 0.5, 0.45, 0.55)


def made_up(torch: bool = True, memory: bool = True) -> bench.Record:
    """Return a record that nobody measured, of figures as wide as they come."""
    figures = STEP if torch else bench.Figures(5.0)
    wide = bench.Figures(1234.5, 12345.6, 0.1, 0.1, 0.1) if torch else bench.Figures(1234.5)
    results = [
        bench.Result(cell, 0.16, step, figures, figures, figures if memory else None)
        for cell, step in (
            (bench.Cell("lenet", 64, 1, 1), figures),
            (bench.Cell("middling", 256, 1, 4), wide),
        )
    ]
    return bench.Record(
        machine={"processor": "A processor", "usable_cores": 4},
        versions={"minidl": "1.0", "numpy": "2.0", **({"torch": "2.13"} if torch else {})},
        method={"rounds": 30},
        peaks={1: 64.0, 4: 200.0},
        results=results,
    )


# Tables


def test_the_tables() -> None:
    lines = bench.tables(made_up()).splitlines()
    assert lines[0] == "A processor, 4 usable core(s)"
    assert lines[1] == "minidl 1.0, numpy 2.0, torch 2.13"
    assert lines[2].startswith("sgemm peak: 64 GFLOP/s with 1 thread, 200 GFLOP/s with 4 threads")
    header = ["network", "batch", "workers", "ms", "img/s", "of", "peak", "PyTorch", "ratio"]
    start = lines.index("training step") + 1
    assert lines[start].split() == [*header, "MB", "PyTorch", "ratio"]
    assert lines[start + 2].split() == (
        ["lenet", "64", "1", "5.00", "12,800", "50%", "10.0", "0.50", "5.00", "10.0", "0.50"]
    )
    assert lines[start + 3].split()[:3] == ["middling", "256", "1/4"]
    assert "1/4 workers: 1 of minidl" in " ".join(lines)
    assert max(map(len, lines)) < 80


def test_the_tables_without_pytorch_or_memory() -> None:
    text = bench.tables(made_up(torch=False, memory=False))
    lines = text.splitlines()
    row = lines[lines.index("training step") + 3]
    assert row.split() == ["lenet", "64", "1", "5.00", "12,800", "50%"]
    assert "PyTorch" not in text
    assert max(map(len, lines)) < 80


def test_inference_has_one_row_for_a_network_and_its_threads() -> None:
    record = made_up()
    record.results.append(record.results[0])
    lines = bench.tables(record).splitlines()
    start = lines.index("inference, in ms") + 3
    rows = [line.split()[:2] for line in lines[start : lines.index("", start)]]
    assert rows == [["lenet", "1"], ["middling", "4"]]


def test_the_record_as_json() -> None:
    found = json.loads(json.dumps(made_up().as_json()))
    assert list(found) == ["machine", "versions", "method", "sgemm_peak_gflops", "results"]
    assert found["sgemm_peak_gflops"] == {"1": 64.0, "4": 200.0}
    row = found["results"][0]
    assert row["step_ms"] == {
        **{"minidl": 5.0, "pytorch": 10.0, "ratio": 0.5, "low": 0.45, "high": 0.55}
    }
    assert {name: row[name] for name in ("network", "batch", "workers", "threads")} == {
        **{"network": "lenet", "batch": 64, "workers": 1, "threads": 1}
    }
    assert row["images_per_second"] == 12800
    assert row["share_of_peak"] == 0.5
    assert made_up(torch=False).as_json()["results"][0]["memory_mb"] == {"minidl": 5.0}
    assert made_up(memory=False).as_json()["results"][0]["memory_mb"] is None


def test_geometric_means() -> None:
    means = bench.geometric_means(made_up(), ["lenet", "middling"])
    assert means == {
        "training step": pytest.approx((0.5 * 0.1) ** 0.5),
        "inference, 1 image": pytest.approx(0.5),
        "inference, 256 images": pytest.approx(0.5),
        "memory": pytest.approx(0.5),
        "training step, workers: 1": pytest.approx((0.5 * 0.1) ** 0.5),
    }
    assert bench.geometric_means(made_up(), ["lenet"])["training step"] == pytest.approx(0.5)
    assert bench.geometric_means(made_up(torch=False), ["lenet"]) == {}


def test_the_picture_of_ratios() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    found = bench.ratios(made_up())
    labels = ["lenet, batch 64, 1 worker", "middling, batch 256, 1 worker"]
    assert found["training step"] == dict(zip(labels, [0.5, 0.1]))
    figure = plotting.ratios(found)
    assert [axes.get_title() for axes in figure.axes] == list(found)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.5, 0.1]  # type: ignore[attr-defined]


def test_a_picture_of_nothing_is_refused() -> None:
    assert bench.ratios(made_up(torch=False)) == {}
    with pytest.raises(ValueError, match="nothing to draw: no ratios were measured"):
        plotting.ratios({})


# What is measured


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="no network 'alexnet' to measure: expected lenet, ptm"):
        bench.cells(["lenet", "alexnet"], 64)


def test_more_workers_than_cores_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "usable_cores", lambda: 2)
    assert cli.main(["bench", "--networks", "mlp", "--workers", "3"]) == 2
    assert capsys.readouterr().err == (
        "minidl: error: 3 workers are more than the 2 core(s) that this process may use, and would"
        " measure waiting: choose 1 to 2\n"
    )


def test_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "usable_cores", lambda: 4)
    monkeypatch.setattr(measuring, "helpful_workers", lambda model, batch: 2)
    one, several = bench.Cell("mlp", 64, 1, 1), bench.Cell("mlp", 64, 2, 4)
    assert bench.cells(["mlp"], 64) == [one, several]
    assert bench.cells(["mlp"], 64, 1) == [one]
    assert bench.cells(["mlp"], 64, 3) == [one, bench.Cell("mlp", 64, 3, 3)]


@pytest.mark.parametrize(("name", "million"), [("lenet", 2.5), ("ptmnist", 72), ("mlp", 1.22)])
def test_the_nominal_work(name: str, million: float) -> None:
    work = networks.step_flops(networks.build(name), 10)
    assert work / 10e6 == pytest.approx(million, rel=0.01)


def test_a_race_calls_both_sides_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    called: list[str] = []
    figures = timing.race(lambda: called.append("a"), lambda: called.append("b"), 2)
    turn = f"{'a' * (1 + timing.MOST)}{'b' * (1 + timing.MOST)}"  # these calls take no time
    assert "".join(called) == "ababab" + turn * 2
    assert figures.ratio is not None
    assert timing.race(lambda: None, None, 1).ratio is None


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="/proc tells nothing")
def test_memory_is_seen() -> None:
    before = memory.held()
    block = mmap.mmap(-1, 32_000_000)  # which nobody has touched before
    np.frombuffer(block, np.uint8)[:] = 1
    after = memory.held()
    assert before is not None
    assert after is not None
    assert 20 < after - before < 45, len(block)


def test_memory_is_left_out_where_nothing_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "PROC", tmp_path)
    assert memory.held() is None
    assert tasks.memory(Job("memory", "mlp"))["megabytes"] is None


# Runs


def test_a_run_in_small(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--networks", "mlp", "--workers", "1", "--batch-size", "8", "--rounds", "2"]
    assert cli.main(["bench", *options, "--no-torch", "--json"]) == 0
    out, err = capsys.readouterr()
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    (row,) = found["results"]
    assert err == ""
    assert (row["network"], row["batch"], row["workers"]) == ("mlp", 8, 1)
    assert 0 < row["step_ms"]["minidl"] < 1000
    assert row["step_ms"].keys() == {"minidl"}
    assert found["method"]["rounds"] == 2
    assert found["method"]["MALLOC_TRIM_THRESHOLD_"] == str(1 << 32)
    assert "torch" not in found["versions"]
    assert "pip install" not in out or not torch_twin.is_installed()


def test_without_pytorch_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "is_installed", lambda: False)
    monkeypatch.setattr(bench, "measure", lambda *_: made_up(torch=False))
    assert cli.main(["bench", "--networks", "mlp"]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("for PyTorch's figures next to these: pip install 'minidl[torch]'\n")
    assert (out.lower().count("pytorch's figures"), err) == (1, "")


def test_a_picture_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setattr(bench, "is_installed", lambda: True)
    monkeypatch.setattr(bench, "measure", lambda *_: made_up())
    path = tmp_path / "ratios.png"
    assert cli.main(["bench", "--networks", "mlp", "--out", str(path)]) == 0
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert capsys.readouterr().out.endswith(f"in {path}: the ratios\n")


def test_a_picture_that_cannot_be_written_is_refused_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "is_installed", lambda: True)
    path = tmp_path / "no" / "ratios.png"
    assert cli.main(["bench", "--networks", "mlp", "--out", str(path)]) == 2
    assert "should be a file in a folder that exists" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert cli.main(["bench", "--networks", "mlp", "--out", str(tmp_path / "a.png")]) == 2
    assert "plotting needs matplotlib: pip install" in capsys.readouterr().err


def test_a_child_has_the_settings_and_tells_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = jobs._environment()
    assert environment["MALLOC_MMAP_THRESHOLD_"] == str(1 << 32)
    assert environment["PYTHONPATH"].split(os.pathsep)[1:] == ["elsewhere"]
    with pytest.raises(OSError, match="measuring alexnet failed: ValueError: no network 'alexnet'"):
        run_job(Job("race", "alexnet"))


# PyTorch

needs_torch = pytest.mark.skipif(not torch_twin.is_installed(), reason="PyTorch is not installed")


@needs_torch
@pytest.mark.parametrize("name", [*NETWORKS, *OTHERS])
def test_the_twin_computes_the_same(name: str) -> None:
    model = networks.build(name)
    x, y = tasks._batches(model, 4)[0]
    twin = torch_twin.Twin(model, 1, tasks.LR, tasks.MOMENTUM)
    images, labels = torch_twin.images(x), torch_twin.labels(y)
    optimizer = dl.SGD(tasks.LR, momentum=tasks.MOMENTUM)
    for _ in range(2):
        value, _, grads = model.gradients(x, y, dl.SoftmaxCrossEntropy())
        optimizer.step(model.arrays, grads)
        assert twin.step(images, labels) == pytest.approx(value, rel=1e-5)
    logits, expected = model.predict(x), twin.evaluating().predict(images).numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * max(1, abs(expected).max()))


@needs_torch
def test_what_has_no_twin_is_refused() -> None:
    model = dl.Sequential([dl.Flatten(), dl.Dense(3), dl.Tanh()], (2, 2, 1))
    with pytest.raises(TypeError, match=r"Tanh.* has no twin in PyTorch yet"):
        torch_twin.Twin(model, 1, 0.1, 0.9)
    graph = dl.Graph(input_shape=(4,))
    graph.add("left", dl.Dense(4))
    graph.add("right", dl.Dense(4), "input")
    with pytest.raises(ValueError, match="a twin is a chain of nodes: 'right' reads"):
        torch_twin.Twin(graph, 1, 0.1, 0.9)


@needs_torch
def test_a_race_against_pytorch() -> None:
    found = run_job(Job("race", "lenet", 4, rounds=2, torch=True))
    for name in ("step", "one", "many"):
        figures = bench.Figures(*found[name])
        assert figures.ratio is not None
        assert figures.ratio > 0
