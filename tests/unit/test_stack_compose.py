"""What Compose and the engine print becomes plain data, and what is printed for people is aligned and complete."""

import json
from pathlib import Path

import pytest

from rig import cli
from rig.errors import BadInput, StackError
from rig.stack import compose, docker, start, table
from rig.stack.compose import Compose, Container

ROW = {
    "ID": "abc", "Name": "p-rabbitmq-1", "Service": "rabbitmq", "State": "running", "Health": "healthy", "ExitCode": 0,
    "Image": "rabbitmq:4", "Publishers": [
        {"URL": "127.0.0.1", "TargetPort": 5672, "PublishedPort": 49153, "Protocol": "tcp"},
        {"URL": "", "TargetPort": 4369, "PublishedPort": 0, "Protocol": "tcp"},
    ],
}
LABELS = {"celery-rig.port.5672": "amqp://{} app broker_password"}


def project() -> Compose:
    return Compose(project="p", files=[Path("/x/compose.yaml")], env={"A": "1"}, profiles=["grafana"])


@pytest.mark.parametrize("text", [json.dumps([ROW, ROW]), f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n"])
def test_both_forms_of_composes_rows(text: str) -> None:
    assert compose.parse_rows(text) == [ROW, ROW]


def test_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "docker", lambda *_, **__: json.dumps(ROW))
    (container,) = project().ps()
    assert container.ready
    assert container.ports == {5672: 49153}


def test_a_command_names_its_project_files_and_profiles() -> None:
    command = project().command("up", "--detach")
    assert command[:2] == ["compose", "--project-name=p"]
    assert {"--file=/x/compose.yaml", "--project-directory=/x", "--profile=grafana"} < set(command)
    assert docker.shown(command) == "docker compose up --detach"


@pytest.mark.parametrize(
    ("state", "status", "ready"),
    [
        ("running", "Up 3 seconds", True), ("running", "Up 3 seconds (healthy)", True),
        ("running", "Up 3 seconds (health: starting)", False), ("running", "Up 9 minutes (unhealthy)", False),
        ("exited", "Exited (0) 2 seconds ago", False), ("restarting", "Restarting (1) 1 second ago", False),
    ],
)
def test_when_a_container_counts_as_ready(state: str, status: str, ready: bool) -> None:
    assert start.Seen(id="a", service="s", state=state, status=status).ready is ready


def test_a_crash_is_forgiven_while_others_are_on_their_way() -> None:
    patience = start.Patience()
    assert not patience.ends(0.0, only_failing=True)
    assert not patience.ends(start.PATIENCE_S, only_failing=True)
    assert not patience.ends(start.PATIENCE_S + 1, only_failing=False)
    assert not patience.ends(start.PATIENCE_S + 2, only_failing=True)
    assert patience.ends(2 * start.PATIENCE_S + 3, only_failing=True)


def test_a_row_of_the_table() -> None:
    container = Container(
        id="a", name="n", service="rabbitmq", state="running", health="healthy", exit_code=0, image="i",
        ports={5672: 49153, 15672: 49154},
    )
    assert table.rows_of(container, LABELS, Path("secrets")) == [
        ("rabbitmq", "healthy", "amqp://127.0.0.1:49153", "app", "secrets/broker_password"),
        ("rabbitmq", "healthy", "127.0.0.1:49154", "", ""),
    ]


def test_a_service_without_ports_has_a_row_too() -> None:
    container = Container(id="a", name="n", service="beat", state="exited", health="", exit_code=1, image="i", ports={})
    assert table.rows_of(container, {}, Path("secrets")) == [("beat", "exited", "", "", "")]


def test_the_table_is_aligned_and_names_a_service_once() -> None:
    assert table.layout([("service", "state"), ("a", "healthy"), ("a", "healthy"), ("bb", "exited")]).splitlines() == [
        "service  state", "a        healthy", "         healthy", "bb       exited",
    ]


def test_a_missing_docker_is_bad_input_and_a_failing_one_a_stack_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="not installed"):
        docker.docker("info")
    script = tmp_path / "docker"
    script.write_text("#!/bin/sh\necho 'first'; echo 'the reason' >&2; exit 3\n")
    script.chmod(0o755)
    with pytest.raises(StackError, match="the reason"):
        docker.docker("compose", "--project-name=p", "up")
    assert docker.answers("info") is None


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (BadInput(["one", "two"]), 2, ["error: one", "error: two"]),
        (StackError("three"), 4, ["error: three"]),
        (KeyboardInterrupt(), 130, ["interrupted"]),
    ],
)
def test_how_errors_end(
    error: BaseException, code: int, lines: list[str],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("rig.stack.paths.checkout", fail)
    assert cli.main(["status"]) == code
    assert capsys.readouterr().err.splitlines() == lines
