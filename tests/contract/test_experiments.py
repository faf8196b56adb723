"""Each experiment is sound, its record was measured with the file as it is, and the documents say what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.experiment.file.read import load_experiment
from rig.experiment.file.spec import Experiment
from rig.experiment.result import load_all
from rig.stack.paths import Checkout
from tests.records import CURRENT, RECORDS, ROOT, record

FOLDER = Path("loadtests") / "experiments"
TOPOLOGIES = Checkout(root=ROOT, settings={}).topologies()
FILES = sorted((ROOT / FOLDER).glob("*.toml"))
RECORDED = [path for path in FILES if ROOT / "docs" / "runs" / path.stem in CURRENT]


def read(path: Path) -> Experiment:
    return load_experiment(path, TOPOLOGIES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_experiment_names_a_public_claim_and_varies_what_it_says(path: Path) -> None:
    experiment = read(path)  # which raises BadInput where the variants differ in other factors than it says
    assert experiment.source.startswith("https://")
    assert path.read_text().startswith("# ")  # what it stresses, how to read it


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_record_was_measured_with_the_file_as_it_is(path: Path) -> None:
    for result in load_all(ROOT / "docs" / "runs" / path.stem):
        measured = result.experiment
        assert measured.path == FOLDER / path.name
        asked = replace(read(path), path=measured.path, rounds=measured.rounds)  # `--rounds` is no other experiment
        assert measured == asked, f"{path.name} has changed since: run it again"


def test_every_record_belongs_to_an_experiment() -> None:
    known = {record.target_of(experiment) for experiment in record.experiments()}
    assert {directory for directory in RECORDS if directory.parent == record.RECORDS} <= known | {record.TRUTH}
    assert {load_all(directory)[0].experiment.name for directory in CURRENT} == {path.name for path in CURRENT}


@pytest.mark.parametrize("document", record.BLOCKS, ids=lambda path: path.name)
def test_a_document_says_what_the_records_say(document: Path) -> None:
    assert document.read_text() == record.renewed(document), "run .venv/bin/python docs/record.py"


def test_the_document_names_every_experiment_and_which_of_them_are_not_measured() -> None:
    lines = (ROOT / "docs" / "experiments.md").read_text().splitlines()
    rows = {path.stem: [line for line in lines if f"({'../' + str(FOLDER / path.name)}) |" in line] for path in FILES}
    assert {name for name, found in rows.items() if len(found) != 1} == set()
    quoted = {name for name, (line,) in rows.items() if record.UNMEASURED not in line and record.WITHDRAWN not in line}
    assert quoted == {path.stem for path in RECORDED}
