"""Compiled layers learn what the layers as they are learn, and a run goes on without them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from tests.work import fine_tune, lines, load_tiny
from workbench.runs import Run
from workbench.training.compiling import has_compiler

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C compiler here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiling")


@pytest.fixture(scope="module")
def plain(folder: Path) -> list[float]:
    return losses(run(folder, "plain", torch_compile="off"))


def run(folder: Path, name: str, **training: Any) -> Run:
    return fine_tune(load_tiny(folder), folder, name, max_steps=3, **training)


def losses(made: Run) -> list[float]:
    return lines(made, "metrics", "loss")


def problems(made: Run) -> list[str]:
    return [one for one in lines(made, "events", "message") if "not compiled" in one]


def test_losses_are_those_of_the_layers_as_they_are(
    folder: Path, plain: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of torch.compile but for the code that it generates, which takes minutes of a processor:
    `benchmarks/gpu_checks.py` compares that."""
    own = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *a, **n: own(*a, **n, backend="aot_eager"))
    monkeypatch.setattr("workbench.training.compiling.has_compiler", lambda: True)
    model = load_tiny(folder)
    made = fine_tune(model, folder, "compiled", max_steps=3, torch_compile="on")
    assert problems(made) == []
    assert losses(made) == pytest.approx(plain, rel=1e-4)
    assert all(one._compiled_call_impl is None for one in model.model.modules())


@needs_compiler
def test_where_compiling_fails_the_run_says_so_once_and_goes_on(
    folder: Path, plain: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise TorchDynamoException("no such instruction")

        return call

    monkeypatch.setattr(torch, "compile", fails)
    made = run(folder, "failing", torch_compile="on")
    assert len(problems(made)) == 1
    assert "no such instruction" in problems(made)[0]
    assert losses(made) == plain


def test_without_a_compiler_the_run_says_so_and_goes_on(
    folder: Path, plain: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.compiling.has_compiler", lambda: False)
    made = run(folder, "without", torch_compile="on")
    assert "install gcc" in problems(made)[0]
    assert losses(made) == plain
