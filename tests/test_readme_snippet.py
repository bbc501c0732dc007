"""The Python example that a newcomer meets first, as it stands in the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

SNIPPET = """\
import minidl as dl

train, test = dl.data.load("digits")        # or "mnist", "fashion-mnist"
model = dl.Sequential(
    [
        dl.Conv2d(6, 5, padding="same"), dl.ReLU(), dl.MaxPool2d(2),
        dl.Conv2d(16, 5), dl.ReLU(), dl.MaxPool2d(2),
        dl.Flatten(), dl.Dense(120), dl.ReLU(), dl.Dense(84), dl.ReLU(), dl.Dense(10),
    ],
    input_shape=(28, 28, 1),
    seed=0,
)
trainer = dl.Trainer(model, dl.SoftmaxCrossEntropy(), dl.SGD(0.05, momentum=0.9), seed=0)
history = trainer.fit(train, validation=0.1, epochs=3, batch_size=64)
print(trainer.evaluate(test))               # {"loss": ..., "accuracy": ...}
print(model.summary())                      # layer, output shape, parameters, FLOPs
dl.save(model, "lenet.safetensors")
labels = dl.load("lenet.safetensors").predict(test.inputs[:5]).argmax(axis=-1)
"""
PAGES = [Path(__file__).with_name("README.md"), Path(__file__).parents[1] / "README.md"]


def test_the_snippet_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(SNIPPET, names)
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [
        ["epoch", "1"],
        ["epoch", "2"],
        ["epoch", "3"],
    ]
    assert out.splitlines()[3].startswith("{'loss': ")
    assert "61,706 parameters" in out.splitlines()[-1]
    assert not err
    assert names["history"]["val_accuracy"][-1] > 0.9
    assert (names["labels"] == names["test"].targets[:5]).mean() >= 0.8
    assert names["labels"].dtype == np.int64
    assert [path.name for path in tmp_path.iterdir()] == ["lenet.safetensors"]


@pytest.mark.skipif(not any(map(Path.exists, PAGES)), reason="there is no README.md here")
def test_the_readme_shows_the_snippet() -> None:
    page = next(path for path in PAGES if path.exists())
    assert f"```python\n{SNIPPET}```" in page.read_text(encoding="utf-8")
