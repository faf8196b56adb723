"""Each experiment is sound, its record was measured with the file as it is, and the documents say what came of it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from rig.experiment.read_spec import load_experiment
from rig.experiment.result import FILE, load
from rig.experiment.spec import Experiment
from rig.stack.paths import Checkout

ROOT = Path(__file__).parents[2]
FOLDER = Path("loadtests") / "experiments"
TOPOLOGIES = Checkout(root=ROOT, settings={}).topologies()
FILES = sorted((ROOT / FOLDER).glob("*.toml"))
RECORDED = [path for path in FILES if (ROOT / "docs" / "runs" / path.stem / FILE).exists()]


def _record_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record", ROOT / "docs" / "record.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


record = _record_script()


def read(path: Path) -> Experiment:
    return load_experiment(path, TOPOLOGIES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_experiment_names_a_public_claim_and_varies_what_it_says(path: Path) -> None:
    experiment = read(path)  # which raises BadInput where the variants differ in other factors than it says
    assert experiment.source.startswith("https://")
    assert path.read_text().startswith("# ")  # what it stresses, how to read it


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_record_was_measured_with_the_file_as_it_is(path: Path) -> None:
    measured = load(ROOT / "docs" / "runs" / path.stem).experiment
    assert measured.path == FOLDER / path.name
    assert measured == replace(read(path), path=measured.path), f"{path.name} has changed since: run it again"


def test_every_record_belongs_to_an_experiment() -> None:
    folders = {path.parent for path in (ROOT / "docs" / "runs").glob(f"*/{FILE}")}
    ours = {folder for folder in folders if load(folder).experiment.path.parent == FOLDER}
    assert {folder.name for folder in ours} == {path.stem for path in RECORDED}


@pytest.mark.parametrize("document", record.BLOCKS, ids=lambda path: path.name)
def test_a_document_says_what_the_records_say(document: Path) -> None:
    assert document.read_text() == record.renewed(document), "run .venv/bin/python docs/record.py"


def test_the_document_names_every_experiment_and_which_of_them_are_not_measured() -> None:
    lines = (ROOT / "docs" / "experiments.md").read_text().splitlines()
    rows = {path.stem: [line for line in lines if f"({'../' + str(FOLDER / path.name)}) |" in line] for path in FILES}
    assert {name for name, found in rows.items() if len(found) != 1} == set()
    unmeasured = {name for name, (line,) in rows.items() if record.UNMEASURED in line}
    assert unmeasured == {path.stem for path in FILES} - {path.stem for path in RECORDED}
