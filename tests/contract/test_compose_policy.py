"""What every container of every topology keeps to: hardening, limits, health, secrets.

Read from `docker compose config`, that is from what Compose makes of all the files together. Each rule is applied to
every service of every topology, and says all that break it at once. Exceptions are named here, with their reason.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.stack.topology import load

ROOT = Path(__file__).parents[2]
TOPOLOGIES = sorted(path.parent.name for path in (ROOT / "compose/topologies").glob("*/compose.yaml"))
each_topology = pytest.mark.parametrize("topology", TOPOLOGIES)

NO_HEALTH_CHECK = {
    "redis-exporter": "the official image holds one program, which cannot check itself; Prometheus' `up` tells",
}
# Paths that a service may write to on the host; anything else is mounted read-only.
WRITABLE = {"/ledger": "the ledger has to survive the container"}


def compose(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `docker compose` as in a fresh clone: nothing of this shell's environment gets into the files."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
    return subprocess.run(
        ["docker", "compose", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )


@cache
def project(topology: str) -> dict[str, Any]:
    done = compose("--profile", "*", "config", "--format", "json", TOPOLOGY=topology)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@each_topology
def test_a_topology_gives_each_of_its_services_a_role(topology: str) -> None:
    folder = ROOT / "compose" / "topologies" / topology
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    assert set(load(folder).services) == set(services)


RULES: dict[str, Callable[[str, dict[str, Any]], Any]] = {}


def rule(check: Callable[[str, dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
    """A rule takes a service's name and definition, and returns what is wrong, or nothing."""
    RULES[check.__name__] = check
    return check


@each_topology
def test_a_fresh_clone_is_clean(topology: str) -> None:
    done = compose("config", "--quiet", TOPOLOGY=topology)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_the_topology_is_rabbitmq_unless_told_otherwise() -> None:
    assert "rabbitmq" in compose("config", "--services").stdout.split()


@each_topology
def test_a_topology_stands_alone_and_takes_cells(topology: str, tmp_path: Path) -> None:
    """As an experiment uses it: the topology's file, and a generated one whose services extend our bases."""
    bases = {name: {"extends": {"file": str(ROOT / "compose/celery.yaml"), "service": name}}
             for name in ("celery", "worker", "locust")}
    cells = tmp_path / "cells.yaml"
    cells.write_text(json.dumps({"services": {f"my-{name}": base for name, base in bases.items()}}))
    files = ["--env-file", ".env", "-f", f"compose/topologies/{topology}/compose.yaml", "-f", str(cells)]
    done = compose("-p", "alone", *files, "config", "--format", "json", TOPOLOGY=topology)
    assert (done.returncode, done.stderr) == (0, "")
    alone = json.loads(done.stdout)
    assert alone["name"] == "alone"
    assert {"redis-results", "my-celery", "my-worker", "my-locust"} <= set(alone["services"])
    assert all(network["name"].startswith("alone_") for network in alone["networks"].values())
    assert all(volume["name"].startswith("alone_") for volume in alone["volumes"].values())
    for path in re.findall(r'"source": "(/[^"]+)"', done.stdout):
        assert Path(path).is_relative_to(ROOT), f"{path} is not in the checkout: a relative path started elsewhere"


@rule
def is_not_root(_: str, service: dict[str, Any]) -> Any:
    user = service.get("user", "").partition(":")[0]
    return not (user.isdecimal() and int(user)) and f"user is {user!r}: a number is needed, and not 0"


@rule
def has_no_capabilities_and_gets_no_more(_: str, service: dict[str, Any]) -> Any:
    if service.get("cap_drop") != ["ALL"]:
        return "cap_drop is not [ALL]"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        return "no-new-privileges is missing"
    return sorted({"cap_add", "privileged", "devices", "pid", "ipc", "network_mode", "userns_mode"} & set(service))


@rule
def writes_only_where_it_must(_: str, service: dict[str, Any]) -> Any:
    if service.get("read_only") is not True:
        return "its root is writable"
    return [
        volume["target"] for volume in service.get("volumes", [])
        if volume["type"] == "bind" and volume["target"] not in WRITABLE and not volume.get("read_only")
    ]


@rule
def mounts_what_there_is(_: str, service: dict[str, Any]) -> Any:
    """The engine makes an empty directory of a path that does not exist."""
    sources = [Path(volume["source"]) for volume in service.get("volumes", []) if volume["type"] == "bind"]
    return [str(path) for path in sources if not path.exists() and ROOT / ".rig" not in path.parents]


@rule
def cannot_reach_the_engine(_: str, service: dict[str, Any]) -> Any:
    sources = [volume.get("source", "") for volume in service.get("volumes", [])]
    return [source for source in sources if "docker.sock" in source or source in ("/", "/var/run", "/run")]


@rule
def has_limits(_: str, service: dict[str, Any]) -> Any:
    limits = {name: float(service.get(name, 0)) for name in ("mem_limit", "cpus", "pids_limit")}
    limits["nofile"] = "nofile" in service.get("ulimits", {})
    return [name for name, value in limits.items() if not value]


@rule
def rotates_its_log(_: str, service: dict[str, Any]) -> Any:
    return {"max-size", "max-file"} - set(service.get("logging", {}).get("options", {}))


@rule
def comes_back(_: str, service: dict[str, Any]) -> Any:
    return service.get("restart") != "unless-stopped" and f"restart is {service.get('restart')}"


@rule
def has_an_init(_: str, service: dict[str, Any]) -> Any:
    return service.get("init") is not True and "zombies pile up, and a signal may be ignored"


@rule
def says_how_it_is(name: str, service: dict[str, Any]) -> Any:
    check = service.get("healthcheck")
    if name in NO_HEALTH_CHECK:
        return check and "has a health check: take it off the list of those without"
    if not check or check.get("disable"):
        return "has no health check"
    missing = {"test", "interval", "timeout", "retries", "start_period"} - set(check)
    return missing and f"leaves {sorted(missing)} to the engine, whose defaults are for nobody"


@rule
def publishes_on_loopback_only(_: str, service: dict[str, Any]) -> Any:
    return [port["target"] for port in service.get("ports", []) if port.get("host_ip") != "127.0.0.1"]


@rule
def can_be_scaled_and_renamed(_: str, service: dict[str, Any]) -> Any:
    return "container_name" in service and "has a container_name"


@rule
def runs_a_pinned_image(_: str, service: dict[str, Any]) -> Any:
    tag = service["image"].rpartition("/")[2].partition(":")[2]
    return tag in ("", "latest") and service["image"]


@rule
def is_recreated_when_a_secret_changes(_: str, service: dict[str, Any]) -> Any:
    return "celery-rig.config-hash" not in service.get("labels", {}) and "no label celery-rig.config-hash"


@rule
def looks_names_up_in_the_project_only(_: str, service: dict[str, Any]) -> Any:
    return "ndots:1" not in service.get("dns_opt", []) and "waits 20 s for the name of a container that is down"


@rule
def has_no_password_where_others_can_read_it(_: str, service: dict[str, Any]) -> Any:
    """An environment can be read with `docker inspect`, a command line by every process of the host."""
    environment = {name: str(value) for name, value in service.get("environment", {}).items()}
    secret = re.compile("PASSWORD|PASSWD|SECRET|TOKEN|COOKIE|CREDENTIAL")
    login = re.compile(r"://[^/@\s]*:[^/@\s]+@")
    words = json.dumps([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
    return [
        *(name for name, value in environment.items() if secret.search(name) and not value.startswith("/run/secrets/")),
        *(name for name, value in environment.items() if login.search(value)),
        *login.findall(words), *re.findall(r"--(?:pass|password|requirepass|masterauth)\b", words),
    ]


@each_topology
@pytest.mark.parametrize("check", RULES.values(), ids=RULES.keys())
def test_every_service(topology: str, check: Callable[[str, dict[str, Any]], Any]) -> None:
    services = project(topology)["services"]
    assert not {name: wrong for name, service in services.items() if (wrong := check(name, service))}


@each_topology
def test_secrets_are_files_of_this_checkout(topology: str) -> None:
    defined = project(topology)["secrets"]
    used = {secret["source"] for service in project(topology)["services"].values()
            for secret in service.get("secrets", [])}
    assert used <= set(defined)
    for name in used:
        assert Path(defined[name]["file"]).is_relative_to(ROOT / ".rig/celery-rig/secrets"), name


@each_topology
def test_networks_are_split(topology: str) -> None:
    services = project(topology)["services"]
    on = {name: set(service["networks"]) for name, service in services.items()}
    assert on["prometheus"] == on["grafana"] == {"monitoring"}, "they need not reach broker or results"
    assert on["flower"] == {"broker", "results"}
    assert not on["redis-results"] & {"broker", "monitoring"}
    assert not {name for name, networks in on.items() if name.startswith("worker-")} & {
        name for name, networks in on.items() if "monitoring" in networks
    }
    for network in project(topology)["networks"].values():
        assert network["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"


@each_topology
def test_one_worker_a_queue_and_one_queue_a_worker(topology: str, settings: Any) -> None:
    consumed = []
    for name, service in project(topology)["services"].items():
        if name.startswith("worker-"):
            queue = re.search(r"-Q (\S+)", " ".join(service["command"]))
            assert queue, name
            consumed.append(queue[1])
    assert sorted(consumed) == sorted(settings.QUEUES)


@each_topology
def test_workers_have_time_to_stop(topology: str, settings: Any) -> None:
    for name, service in project(topology)["services"].items():
        if name.startswith("worker-"):
            grace = sum(int(number) * {"s": 1, "m": 60}[unit]
                        for number, unit in re.findall(r"(\d+)([ms])", service["stop_grace_period"]))
            assert service["environment"]["REMAP_SIGTERM"] == "SIGQUIT", "SIGTERM would wait for tasks for ever"
            assert grace > settings.worker_soft_shutdown_timeout, name


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The reference application's settings."""
    secret = tmp_path / "secret"
    secret.write_text("made up")
    for variable, value in {
        "BROKER_URL": "amqp://app@rabbitmq:5672/app", "RESULT_URL": "redis://app@redis-results:6379/0",
        "BROKER_PASSWORD_FILE": str(secret), "RESULT_PASSWORD_FILE": str(secret),
    }.items():
        monkeypatch.setenv(variable, value)
    import app.celeryconfig

    return importlib.reload(app.celeryconfig)


def test_rabbitmq_has_the_queues_of_the_application(settings: Any) -> None:
    text = (ROOT / "compose/topologies/rabbitmq/definitions.json.template").read_text()
    declared = {queue["name"]: queue["arguments"] for queue in json.loads(text)["queues"]}
    assert declared.pop(settings.DEAD_LETTERS)
    assert declared == {queue.name: queue.queue_arguments for queue in settings.task_queues}


def test_rabbitmq_knows_no_guest_and_keeps_the_application_out_of_its_management() -> None:
    text = (ROOT / "compose/topologies/rabbitmq/definitions.json.template").read_text()
    tags = {user["name"]: user["tags"] for user in json.loads(text)["users"]}
    assert tags == {"app": [], "admin": ["administrator"], "monitor": ["monitoring"]}


def test_pickle_is_refused(settings: Any) -> None:
    assert settings.accept_content == settings.result_accept_content == ["json"]


def test_defaults_in_the_files_are_those_of_env() -> None:
    """A topology used alone gets its defaults from the files, everybody else from .env: they must not drift apart."""
    env = dict(
        line.split("=", 1) for line in (ROOT / ".env").read_text().splitlines() if re.match(r"[A-Z0-9_]+=.", line)
    )
    for file in [ROOT / "compose.yaml", *(ROOT / "compose").rglob("*.yaml")]:
        for variable, default in re.findall(r"\$\{([A-Z0-9_]+):-([^${}]+)\}", file.read_text()):
            if variable in env:
                assert env[variable] == default, f"{file}: {variable}"
