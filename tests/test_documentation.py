"""The documentation names what exists, copies what is recorded, and promises what holds."""

from __future__ import annotations

import ast
import re
import runpy
from functools import reduce
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
import pytest
from test_imports import ORDER, PACKAGE

import minidl as dl
from minidl.cli import main, runs
from minidl.training.events import Callback

TOP = Path(__file__).parent.parent
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("[!_]*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts and page.is_file()]
DOCS = TOP / "docs"
FROM_PYTORCH = DOCS / "howto" / "from-pytorch.md"
PERFORMANCE = DOCS / "explanation" / "performance.md"
SAME_NAMES = ["ReLU", "GELU", "SiLU", "PReLU", "Flatten", "Upsample", "Dropout", "Dropout2d"]

Row = tuple[str, ...]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_names_what_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in sorted(set(re.findall(r"\bdl\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", text))):
        reduce(getattr, name.split("."), dl)  # or AttributeError, with the name


def blocks(page: Path) -> list[str]:
    """Return the page's blocks of Python."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def rows(page: Path) -> list[Row]:
    """Return the rows of the page's tables, without what makes letters bold."""
    lines = re.findall(r"^\|(.+)\|$", page.read_text("utf-8"), re.MULTILINE)
    return [tuple(cell.strip(" *") for cell in line.split("|")) for line in lines]


def section(page: Path, title: str) -> str:
    """Return what stands below a heading."""
    return page.read_text("utf-8").split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_pytorch_and_minidl_side_by_side() -> None:
    """One step of the page's two programs, from the same weights, ends in the same weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs, ours, conversion = blocks(FROM_PYTORCH)
    random = np.random.default_rng(0)
    images, labels = random.random((64, 28, 28, 1), np.float32), random.integers(0, 10, 64)
    batch = torch.tensor(images).permute(0, 3, 1, 2), torch.tensor(labels)

    torch.manual_seed(0)
    their: dict[str, Any] = {"torch": torch, "nn": torch.nn, "train": None}
    their["DataLoader"] = lambda *_, **__: [batch]
    build, loop = theirs.split("optimizer =", 1)
    exec(build, their)
    before = {name: value.clone() for name, value in their["model"].state_dict().items()}
    exec("optimizer =" + loop, their)

    our: dict[str, Any] = {"dl": dl, "train": (images, labels)}
    build, loop = ours.split("loss, optimizer =", 1)
    exec(build + conversion, our)
    model = our["model"]
    our["take_over"](model, before)
    exec("loss, optimizer =" + loop, our)

    assert our["value"] == pytest.approx(float(their["loss"].detach()), rel=1e-5)
    stepped = model.arrays.copies()
    our["take_over"](model, their["model"].state_dict())
    for path, array in model.arrays.items():
        np.testing.assert_allclose(stepped[path], array, rtol=0, atol=1e-6)


def test_names_of_pytorch_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    page = FROM_PYTORCH.read_text("utf-8")
    for name in re.findall(r"\bnn\.([A-Z]\w+)", page):
        assert hasattr(torch.nn, name)
    for name in re.findall(r"`(?:lr_scheduler\.)?([A-Z]\w+LR|ReduceLROnPlateau)`", page):
        assert hasattr(torch.optim.lr_scheduler, name)
    for name in SAME_NAMES:
        assert hasattr(torch.nn, name)
        assert hasattr(dl, name)
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        assert hasattr(torch.optim, name)
        assert hasattr(dl, name)


def test_what_a_frozen_batch_norm_does_differs_as_the_page_says() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.BatchNorm1d(1).requires_grad_(False)
    theirs(torch.tensor([[0.0], [2.0]]))
    assert float(theirs.running_mean) != 0
    ours = dl.Sequential({"norm": dl.BatchNorm(), "out": dl.Dense(2)}, input_shape=(1,))
    ours.freeze("norm")
    ours.gradients(np.array([[0.0], [2.0]], np.float32), [0, 1], dl.SoftmaxCrossEntropy())
    assert float(ours.arrays["norm.running_mean"][0]) == 0


@pytest.mark.parametrize("name", ["from-pytorch", "from-keras"])
def test_code_beside_that_of_others_is_python(name: str) -> None:
    for block in blocks(DOCS / "howto" / f"{name}.md"):
        ast.parse(block)


def test_the_program_beside_that_of_keras_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (40, 28, 28, 1), np.uint8), random.integers(0, 10, 40)
    names: dict[str, Any] = {"dl": dl, "x": x, "y": y, "x_test": x, "y_test": y, "x_new": x[:3]}
    exec(blocks(DOCS / "howto" / "from-keras.md")[1], names)
    assert "val_accuracy" in names["history"].columns
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_performance_is_that_recorded() -> None:
    """Every row of figures is one of the records; batches of 64 leave their number out."""
    record = rows(TOP / "benchmarks" / "README.md")
    known = {*record, *(row[:1] + row[2:] for row in record if row[1:2] == ("64",))}
    results = dict(row for row in rows(TOP / "README.md") if len(row) == 2)
    ratios = {row[:3]: row[5] for row in record if len(row) == 9}
    figures = 0
    for row in rows(PERFORMANCE):
        if row[0] in ("network", "part", "command") or set(row[0]) == {"-"}:
            continue
        figures += 1
        if row[0] in results:
            assert results[row[0]].startswith(row[1])
        elif len(row) == 3:  # of one network and batch, for 1, 2 and 4 workers
            cells = [ratio for cell, ratio in ratios.items() if cell[:2] == row[:2]]
            assert re.findall(r"\d\.\d\d", row[2]) == cells
        else:
            assert row in known
    assert figures > 40


def test_the_picture_of_performance_draws_what_is_recorded() -> None:
    record = [row for row in rows(TOP / "benchmarks" / "README.md") if len(row) == 9]
    page, cells = PERFORMANCE.read_text("utf-8"), list[float]()
    for network in ("lenet", "ptmnist", "vggish"):
        drawn = re.search(rf'"{network}": \[(.+)\]', page)
        assert drawn
        assert drawn[1].split(", ") == [row[5] for row in record if row[0] == network]
        cells += map(float, drawn[1].split(", "))
    assert f"geometric mean is **{geometric_mean(cells):.2f}**, the largest {max(cells)}" in page


def test_all_slow_parts_are_named() -> None:
    parts = [row for row in rows(TOP / "benchmarks" / "README.md") if len(row) == 2]
    slow = {row for row in parts if re.fullmatch(r"\d\.\d\d", row[1]) and float(row[1]) > 3}
    assert slow == {row for row in rows(PERFORMANCE) if row in parts and "(" in row[0]}
    assert len(slow) == 9


def test_sentences_about_performance_have_recorded_figures() -> None:
    record = (TOP / "benchmarks" / "README.md").read_text("utf-8")
    page = re.sub(r"^```.*?^```$|^\|[^\n]*$", "", PERFORMANCE.read_text("utf-8"), flags=re.M | re.S)
    figures = set(re.findall(r"\b\d+\.\d+\b", page))
    assert figures
    assert [
        figure
        for figure in figures
        if not re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d])", record)
    ] == []


@pytest.mark.parametrize("script", sorted(path.name for path in (TOP / "examples").glob("*.py")))
def test_what_an_example_reached_is_recorded(script: str) -> None:
    """In the script itself or in the README."""
    page = (DOCS / "examples.md").read_text("utf-8")
    told = next(part for part in page.split("\n## ") if f"../examples/{script}" in part)
    prose = re.sub(r"\s+", " ", re.sub(r"^```.*?^```$", "", told, flags=re.M | re.S))
    record = (TOP / "README.md").read_text("utf-8") + (TOP / "examples" / script).read_text("utf-8")
    for figure in re.findall(
        r"\b\d+\.\d+\b|\b\d{1,3}(?:,\d{3})+\b|\b\d+ (?=seconds|minutes)", prose
    ):
        assert re.search(rf"(?<![\d.]){re.escape(figure.strip())}(?!\d)", record), figure


def test_the_design_lists_the_rooms_in_the_order_of_imports() -> None:
    listed = section(DOCS / "design.md", "The shape").split("```")[1]
    names = [
        name.strip(" /")
        for line in listed.splitlines()[1:]
        for name in line.split("  ", 1)[0].split(",")
    ]
    there = [room for room in ORDER if list(PACKAGE.glob(room)) + list(PACKAGE.glob(f"{room}.py"))]
    assert names == there


def test_a_run_folder_is_described_whole() -> None:
    described = re.findall(
        r"^\| `(.+?)` \|", section(DOCS / "reference" / "files.md", "Run folders"), re.M
    )
    assert sorted(described) == sorted(runs.FILES)


def test_every_command_is_in_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "reference" / "command-line.md").read_text("utf-8")
    titles = re.findall(r"^## minidl ?(.*)$", page, re.MULTILINE)
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.split("commands:")[1].split("examples:")[0]
    commands = re.findall(r"^ {2,4}([a-z]+)(?:  |$)", listed, re.MULTILINE)
    assert {title.split()[0] for title in titles if title} == set(commands)
    assert page.count("_ = main([") == len(titles)


def test_tables_of_the_howto_pages_are_complete() -> None:
    augment = (DOCS / "howto" / "augment.md").read_text("utf-8")
    for name in dl.augment.__all__:
        if name not in ("compose", "Augmentation", "Draw"):
            assert f"| `{name}(" in augment
    watch = section(DOCS / "howto" / "watch.md", "End it in time, and keep the best")
    callbacks = {
        name
        for name in dl.__all__
        if isinstance(value := getattr(dl, name), type) and issubclass(value, Callback)
    }
    assert callbacks - {"Callback"} == named(watch)


def named(text: str) -> set[str]:
    """Return the names in the first column of a table."""
    cells = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    ("latex", "right"),
    [
        (r"\sum_{i=0}^{k-1} x_{p+i} \, w_i", True),
        (r"\left\lfloor \frac{n}{s} \right\rfloor", True),
        (r"\unknown x", False),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", False),
        (r"\begin{foo} x \end{foo}", False),
        (r"x_{1", False),
        (r"\frac{1}", False),
    ],
)
def test_formulas_that_would_be_drawn_wrongly_are_told(latex: str, right: bool) -> None:
    pytest.importorskip("sphinx", reason="Sphinx is not installed")
    pytest.importorskip("latex2mathml", reason="latex2mathml is not installed")
    extension = runpy.run_path(str(DOCS / "_ext" / "mathml.py"))
    assert extension["understood"](latex, "inline")[1] is right
