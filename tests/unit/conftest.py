"""Stages for the exporter's tests: a follower, alone or beside the writers of one cell. The compiled hooks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from compiled import compile_fast
from exporter.follow import Follower
from exporter_cell import Cell


@pytest.fixture
def follow() -> Iterator[Callable[[Path], Follower]]:
    with contextlib.ExitStack() as stack:

        def start(directory: Path) -> Follower:
            return stack.enter_context(contextlib.closing(Follower(directory)))

        yield start


@pytest.fixture
def make_cell(follow: Callable[[Path], Follower]) -> Callable[..., Cell]:
    return lambda directory, **options: Cell(directory, follow(directory), **options)


@pytest.fixture
def cell(tmp_path: Path, make_cell: Callable[..., Cell]) -> Cell:
    return make_cell(tmp_path)


@pytest.fixture(scope="session")
def rig_fast(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compile_fast(tmp_path_factory.mktemp("rig_fast"))
