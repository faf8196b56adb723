"""Which containers of a run are started when: broker, then the queues, then those who use them."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection, Queue
from kombu.exceptions import ChannelError
from topologies import RABBITMQ

from rig.errors import BadInput, StackError
from rig.stack.compose import Compose
from rig.stack.start import Seen
from rig.testbed import cells, containers
from rig.testbed import ended as ending
from rig.testbed.ended import Ended
from rig.testbed.inside.declare import declare
from rig.testbed.interrupts import Terminated
from rig.testbed.variant import Variant, WorkerSpec

ONE = Variant(name="one")
TWO = Variant(
    name="two", queues={"short": "quick", "long": "slow"},
    workers=(WorkerSpec(worker="-c 1", queues=("quick",)), WorkerSpec(worker="-c 2", queues=("slow",))),
)  # fmt: skip


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order."""
    done: list[str] = []

    def files(compose: Compose) -> str:
        return " ".join(file.stem for file in compose.files)

    monkeypatch.setattr(containers.start, "start", lambda compose: done.append(f"start {files(compose)}"))
    monkeypatch.setattr(containers.health, "pass_once", lambda compose: done.append(f"check {files(compose)}"))
    monkeypatch.setattr(Compose, "run", lambda _, *words, **__: done.append(" ".join(words)))
    return done


@pytest.fixture
def site(tmp_path: Path) -> containers.Site:
    files = [Path(f"/x/{name}.yaml") for name in ("broker", "unchecked", "cells")]
    own = [
        cells.Cell(name=each.name, code=each.name, variant=each, topology=RABBITMQ, ledger=tmp_path)
        for each in (ONE, TWO)
    ]
    return containers.Site(topology=RABBITMQ, compose=Compose(project="p", files=files), cells=own)


def test_queues_of_a_cell_with_several_workers_are_there_before_its_workers(
    done: list[str], site: containers.Site
) -> None:
    """Each worker declares its own queue and binds those of all: whoever comes first would not find the other's."""
    containers.bring_up([site])
    *before, declared, last = done
    assert before == ["start broker unchecked", "check broker"]
    assert declared.startswith("run --rm ")
    assert declared.endswith(" worker-two.1 python -m rig.testbed.inside.declare")
    assert last == "start broker unchecked cells"


@pytest.mark.parametrize("ending", [StackError("no answer"), Terminated("SIGTERM")])
def test_what_declares_queues_does_not_outlive_its_run(
    done: list[str], site: containers.Site, monkeypatch: pytest.MonkeyPatch, ending: BaseException
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise ending

    monkeypatch.setattr(Compose, "run", fail)
    monkeypatch.setattr(containers, "answers", lambda *words: done.append(" ".join(words)))
    with pytest.raises(type(ending)):
        containers.bring_up([site])
    assert done[-1] == "rm --force p-declare-two"


def exists(queue: str, connection: Connection) -> bool:
    try:
        Queue(queue).bind(connection.channel()).queue_declare(passive=True)
    except ChannelError:
        return False
    return True


def test_every_queue_is_declared_that_a_worker_of_the_cell_knows(tmp_path: Path) -> None:
    cell = cells.Cell(name="two", code="c1", variant=TWO, topology=RABBITMQ, ledger=tmp_path)
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.update(cell.settings())
    with app.connection_for_write() as connection:
        assert not any(exists(queue, connection) for queue in cell.queues)
        declare(app)
        assert [queue for queue in cell.queues if exists(queue, connection)] == list(cell.queues)


STATES = {"worker-one": "true 0", "worker-two.1": "true 0", "worker-two.2": "true 0"}


@pytest.fixture
def states(done: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Whether each worker runs, and the exit code of one that does not; a test may change it."""
    states = dict(STATES)

    def seen(_: str) -> list[Seen]:
        return [Seen(id=f"id of {name}", service=name, state="", status="") for name in (*states, "rabbitmq")]

    monkeypatch.setattr(containers.start, "containers", seen)
    monkeypatch.setattr(ending, "docker", lambda *words: states[words[-1].removeprefix("id of ")])
    monkeypatch.setattr(ending, "_last_words", lambda container: f"words of {container}")
    assert done == []
    return states


def running(*workers: str) -> containers.Running:
    return containers.Running(
        cell=None, project="p", workers=workers, generator="g", url="", components={}, servers=[],  # type: ignore[arg-type]
    )  # fmt: skip


def test_how_a_worker_has_ended_is_told_with_its_last_words(states: dict[str, str]) -> None:
    assert running(*STATES).ended() is None
    states["worker-two.1"] = "false 137"
    assert running(*STATES).ended() == Ended(exit_code=137, last_words="words of worker-two.1")


@pytest.mark.parametrize(("code", "error"), [(2, BadInput), (137, StackError)])
def test_a_worker_that_has_ended_before_it_is_attached_is_named_with_its_last_words(
    site: containers.Site, states: dict[str, str], code: int, error: type[Exception]
) -> None:
    """It has no process any more whose counters could be found."""
    states["worker-two.2"] = f"false {code}"
    with pytest.raises(error, match=f"two: its worker has ended with {code}: words of id of worker-two.2"):
        containers.attach([site])


def test_a_stack_that_does_not_come_up_because_of_a_command_line_is_bad_input(
    site: containers.Site, states: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(compose: Compose) -> None:
        if len(compose.files) == 3:
            raise StackError("the stack did not come up")

    monkeypatch.setattr(containers.start, "start", fail)
    with pytest.raises(StackError, match="did not come up"):
        containers.bring_up([site])
    states["worker-one"] = "false 2"
    with pytest.raises(BadInput, match="one: its worker has ended with 2"):
        containers.bring_up([site])


@pytest.mark.parametrize(
    ("printed", "last"),
    [
        ("Traceback\nError: no such option\n\n", "Error: no such option"),
        ("╭─ Error ─╮\n│ No such option: --concurency │\n╰─────────╯\n", "No such option: --concurency"),
        ("", "it printed nothing"),
        ("\\377\n", "�"),
    ],
)
def test_last_words_are_the_last_line_without_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, last: str
) -> None:
    fake = tmp_path / "docker"
    fake.write_text(f"#!/bin/sh\nprintf '{printed}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert ending._last_words("x") == last


class Alone:
    """A docker command that notes what it is given, and fails where another one is still under way."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._busy = threading.Lock()

    def __call__(self, *words: str, **_: object) -> str:
        assert self._busy.acquire(blocking=False), f"{words} while another one is under way"
        time.sleep(0.01)
        self._busy.release()
        self.done.append(" ".join(words))
        return ""


def test_no_two_containers_leave_their_network_at_the_same_moment(
    site: containers.Site, states: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Engines before 20.10.27 can lock up for good then: https://github.com/moby/libnetwork/issues/2649"""
    docker = Alone()
    monkeypatch.setattr(containers, "docker", docker)
    monkeypatch.setattr("rig.stack.docker.answers", docker)
    containers.restart([running("one"), running("two.1", "two.2")])
    assert docker.done == [f"restart --time=0 {name}" for name in ("one", "g", "two.1", "two.2", "g")]
    docker.done.clear()
    monkeypatch.setattr(containers, "_save_logs", lambda *_: None)
    monkeypatch.setattr(Compose, "down", lambda *_, **__: docker.done.append("down"))
    site = replace(site, compose=replace(site.compose, env={"RIG_STATE": str(tmp_path / "state")}))
    assert containers.tear_down([site], tmp_path) == []
    assert docker.done == [*(f"kill id of {name}" for name in (*states, "rabbitmq")), "down"]


def test_an_engine_that_does_not_give_logs_leaves_them_out(
    site: containers.Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def hang(*_: object) -> None:
        raise subprocess.TimeoutExpired("docker logs", 30)

    monkeypatch.setattr(containers, "_save_logs", hang)
    monkeypatch.setattr(containers, "_remove", lambda _: [])
    site = replace(site, compose=replace(site.compose, env={"RIG_STATE": str(tmp_path / "state")}))
    assert containers.tear_down([site], tmp_path) == []
