"""A dead run is told from a living one by its lock; that its containers go is for tests/stack/test_resume.py."""

import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rig.commands import doctor
from rig.errors import BadInput
from rig.testbed import leftovers

HOLDER = """
import sys, time
from pathlib import Path
from rig.testbed import leftovers
with leftovers.held(Path(sys.argv[1]), "celery-rig-bench-abc123", Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """An engine with a dead run's things and other people's; what was removed is under "removed"."""
    here: dict[str, list[str]] = {
        "ps": ["c1\tcelery-rig-bench-abc123-rabbitmq", "c2\tcelery-rig", "c3\tcelery-rig-bench-abc1234-rabbitmq"],
        "network": ["n1\tcelery-rig-bench-abc123-rabbitmq", "n2\t"],
        "volume": ["v1\tcelery-rig-bench-abc123-redis", "v2\tcelery-rig-bench-ffffff-redis"],
        "removed": [],
    }

    def remove(*words: str, **_: object) -> str:
        names = [word for word in words if word[0] in "cnv" and word[1:].isdigit()]
        here["removed"] += names
        for kind in ("ps", "network", "volume"):
            here[kind] = [row for row in here[kind] if row.split("\t")[0] not in names]
        return ""

    monkeypatch.setattr(leftovers, "answers", lambda *words: "\n".join(here[words[0]]))
    monkeypatch.setattr(leftovers, "docker", remove)
    return here


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "elsewhere" / "20250101-120000-small-abc123"
    (directory / "state").mkdir(parents=True)
    return directory


def holder(root: Path, directory: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", HOLDER, str(root), str(directory)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_living_run_is_left_alone_and_a_killed_one_is_removed(
    tmp_path: Path, directory: Path, engine: dict[str, list[str]]
) -> None:
    process = holder(tmp_path, directory)
    assert leftovers.remove(tmp_path) == []
    with pytest.raises(BadInput, match="is running"), leftovers.held(tmp_path, "celery-rig-bench-abc123", directory):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    line = f"{directory.name} was killed: removed the 1 container, 1 network, 1 volume that it left behind"
    assert leftovers.remove(tmp_path) == [line]
    assert engine["removed"] == ["c1", "n1", "v1"]
    assert not (directory / "state").exists()


def test_a_report_says_what_is_left_and_how_it_goes_and_changes_nothing(
    tmp_path: Path, directory: Path, engine: dict[str, list[str]]
) -> None:
    process = holder(tmp_path, directory)
    assert leftovers.report(tmp_path) == []  # it runs
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = {path: path.lstat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    (line,) = leftovers.report(tmp_path)
    assert line.startswith(f"{directory.name} was killed and left 1 container, 1 network, 1 volume behind: ")
    assert "`rig run`" in line
    assert "docker rm --force --volumes c1; docker network rm n1; docker volume rm v1" in line
    assert leftovers.report(tmp_path) == [line]
    assert engine["removed"] == []
    assert {path: path.lstat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before
    assert len(leftovers.remove(tmp_path)) == 1
    assert leftovers.report(tmp_path) == []


def test_a_report_makes_no_lock_where_there_is_none(
    tmp_path: Path, directory: Path, engine: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with leftovers.held(tmp_path, "celery-rig-bench-abc123", directory):
        pass
    (directory / leftovers.LOCK).unlink()
    assert len(leftovers.report(tmp_path)) == 1
    assert not (directory / leftovers.LOCK).exists()
    monkeypatch.setattr(leftovers, "answers", lambda *_: None)
    assert leftovers.report(tmp_path) == []
    assert engine["removed"] == []


def test_the_doctor_reports_and_removes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: list[str] = []
    monkeypatch.setattr(doctor.paths, "checkout", lambda: SimpleNamespace(root=tmp_path, wanted_topology="rabbitmq"))
    monkeypatch.setattr(doctor.preflight, "check", lambda *_: SimpleNamespace(topology="rabbitmq"))
    monkeypatch.setattr(doctor.engine, "info", dict)
    monkeypatch.setattr(doctor.engine, "compose_version", lambda: "2")
    for name in ("report", "remove"):
        monkeypatch.setattr(leftovers, name, lambda _, name=name: called.append(name) or [])
    assert doctor.run(Namespace(topology=None)) == 0
    assert called == ["report"]


def test_what_a_compose_that_outlived_its_run_makes_later_is_found_by_the_next_look(
    tmp_path: Path, directory: Path, engine: dict[str, list[str]]
) -> None:
    with leftovers.held(tmp_path, "celery-rig-bench-abc123", directory):
        pass
    assert len(leftovers.remove(tmp_path)) == 1
    engine["ps"].append("c9\tcelery-rig-bench-abc123-rabbitmq")
    assert len(leftovers.remove(tmp_path)) == 1
    assert leftovers.remove(tmp_path) == []
    engine["ps"].append("c10\tcelery-rig-bench-abc123-rabbitmq")
    assert leftovers.remove(tmp_path) == []  # forgotten: nothing was left the last time


@pytest.mark.usefixtures("engine")
def test_the_containers_of_a_run_whose_directory_is_gone_are_removed(tmp_path: Path, directory: Path) -> None:
    with leftovers.held(tmp_path, "celery-rig-bench-abc123", directory):
        pass
    for path in (directory / leftovers.LOCK, directory / "state"):
        path.unlink() if path.is_file() else path.rmdir()
    directory.rmdir()
    assert len(leftovers.remove(tmp_path)) == 1


def test_without_an_engine_nothing_is_forgotten(
    tmp_path: Path, directory: Path, engine: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with leftovers.held(tmp_path, "celery-rig-bench-abc123", directory):
        pass
    with monkeypatch.context() as without:
        without.setattr(leftovers, "answers", lambda *_: None)
        assert leftovers.remove(tmp_path) == []
    assert len(leftovers.remove(tmp_path)) == 1
    assert engine["removed"]
