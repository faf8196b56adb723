"""Which containers of a run are started when: broker, then the queues, then those who use them."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection, Queue
from kombu.exceptions import ChannelError

from rig.errors import StackError
from rig.experiment import bench, cells
from rig.experiment.declare import declare
from rig.experiment.interrupts import Terminated
from rig.experiment.spec import Variant, WorkerSpec
from rig.stack.compose import Compose

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

    monkeypatch.setattr(bench.start, "start", lambda compose: done.append(f"start {files(compose)}"))
    monkeypatch.setattr(bench.checks, "pass_once", lambda compose: done.append(f"check {files(compose)}"))
    monkeypatch.setattr(Compose, "run", lambda _, *words, **__: done.append(" ".join(words)))
    return done


@pytest.fixture
def site(tmp_path: Path) -> bench.Site:
    files = [Path(f"/x/{name}.yaml") for name in ("broker", "unchecked", "cells")]
    own = [cells.Cell(name=each.name, code=each.name, variant=each, ledger=tmp_path) for each in (ONE, TWO)]
    return bench.Site(topology="rabbitmq", compose=Compose(project="p", files=files), cells=own)


def test_queues_of_a_cell_with_several_workers_are_there_before_its_workers(done: list[str], site: bench.Site) -> None:
    """Each worker declares its own queue and binds those of all: whoever comes first would not find the other's."""
    bench.bring_up([site])
    *before, declared, last = done
    assert before == ["start broker unchecked", "check broker"]
    assert declared.startswith("run --rm ")
    assert declared.endswith(" worker-two.1 python -m rig.experiment.declare")
    assert last == "start broker unchecked cells"


@pytest.mark.parametrize("ending", [StackError("no answer"), Terminated("SIGTERM")])
def test_what_declares_queues_does_not_outlive_its_run(
    done: list[str], site: bench.Site, monkeypatch: pytest.MonkeyPatch, ending: BaseException
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise ending

    monkeypatch.setattr(Compose, "run", fail)
    monkeypatch.setattr(bench, "answers", lambda *words: done.append(" ".join(words)))
    with pytest.raises(type(ending)):
        bench.bring_up([site])
    assert done[-1] == "rm --force p-declare-two"


def exists(queue: str, connection: Connection) -> bool:
    try:
        Queue(queue).bind(connection.channel()).queue_declare(passive=True)
    except ChannelError:
        return False
    return True


def test_every_queue_is_declared_that_a_worker_of_the_cell_knows(tmp_path: Path) -> None:
    cell = cells.Cell(name="two", code="c1", variant=TWO, ledger=tmp_path)
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.update(cell.settings())
    with app.connection_for_write() as connection:
        assert not any(exists(queue, connection) for queue in cell.queues)
        declare(app)
        assert [queue for queue in cell.queues if exists(queue, connection)] == list(cell.queues)
