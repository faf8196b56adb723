"""Where a load goes: the environment as it is in a container; on the host what `make up` wrote, as seen from the host.

| what | in a container | on the host, where the environment does not say |
|---|---|---|
| broker, result store | BROKER_URL, RESULT_URL | the topology's celery.env, at 127.0.0.1 and published ports |
| passwords | the files BROKER_PASSWORD_FILE, RESULT_PASSWORD_FILE, SENTINEL_PASSWORD_FILE | .rig/<project>/secrets/ |
| which stack | – | TOPOLOGY and *_PORT in .rig/<project>/state.env; <project>: COMPOSE_PROJECT_NAME in .env |
| ledger | RIG_LEDGER_DIR | .rig/<project>/ledger |
| RIG_ROLE, RIG_RUN_ID, RIG_SETTINGS, RIG_PUBLISHER | as set | as set |
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from rig import dotenv
from rig.errors import BadInput
from rig.load.ids import MAX_PUBLISHER

LOOPBACK = "127.0.0.1"
DEFAULT_PROJECT = "celery-rig"
_PORT_OF = {"redis-results": "RESULTS_PORT"}  # every other service: its name in upper case with _PORT


@dataclass(frozen=True, kw_only=True)
class Target:
    """A broker and a result store with what it takes to use them, and the ledger to write to.

    URLs carry their passwords; `ports` maps names that only containers can resolve to ports of 127.0.0.1 (empty in a
    container); `secrets` names the file each password came from, for messages.
    """

    topology: str
    broker_url: str = field(repr=False)
    result_url: str = field(repr=False)
    sentinel_master: str = ""
    sentinel_result_master: str = ""
    sentinel_password: str = field(default="", repr=False)
    ledger: Path
    role: str = "locust"
    run_id: str = ""  # empty: to be made up
    publisher: int = 0  # first of the publisher numbers in task ids
    settings: Mapping[str, Any] = field(default_factory=dict)  # Celery settings over ours
    ports: Mapping[str, int] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)


def resolve(environment: Mapping[str, str] = os.environ, root: Path | None = None) -> Target:
    """Return where to send to. `root` is the checkout (default: the working directory's, else the package's).

    Raises BadInput with every problem found.
    """
    found = _Finder(environment, root or _checkout())
    target = found.target()
    if found.problems:
        raise BadInput(found.problems)
    return target


def place(url: str) -> str:
    """Return host and port of a broker's or result store's URL, several with commas: what may be shown to anybody."""
    parts = [urlsplit(part) for part in url.split(";")]
    return ", ".join(f"{part.hostname}:{part.port}" if part.port else part.hostname or part.scheme for part in parts)


class _Finder:
    """Looks everything up once and collects what is wrong."""

    def __init__(self, environment: Mapping[str, str], root: Path | None) -> None:
        self.problems: list[str] = []
        self.values = {name: value for name, value in environment.items() if value}
        self.state: Path | None = None
        self.stack: dict[str, str] = {}
        if "BROKER_URL" not in self.values:
            self._read_stack(root)

    def _read_stack(self, root: Path | None) -> None:
        if root is None:
            self.problems.append(
                "no stack to send to: run locust in a checkout of celery-rig after `make up`, or set BROKER_URL"
            )
            return
        project = self.values.get("COMPOSE_PROJECT_NAME") or dotenv.read(root / ".env").get("COMPOSE_PROJECT_NAME")
        self.state = root / ".rig" / (project or DEFAULT_PROJECT)
        self.stack = dotenv.read(self.state / "state.env")
        if not self.stack:
            self.problems.append(f"no stack is up ({self.state / 'state.env'} is missing): `make up` starts one")
            return
        topology = self.stack.get("TOPOLOGY", "")
        celery_env = dotenv.read(root / "compose" / "topologies" / topology / "celery.env")
        if not celery_env.get("BROKER_URL"):
            self.problems.append(f"topology {topology!r} of the running stack has no BROKER_URL in its celery.env")
        self.values = celery_env | self.stack | self.values

    def target(self) -> Target:
        ports = self._ports()
        sentinel = any(self.values.get(name, "").startswith("sentinel") for name in ("BROKER_URL", "RESULT_URL"))
        return Target(
            topology=(self.stack or self.values).get("TOPOLOGY", ""),
            broker_url=self._url("BROKER", ports),
            result_url=self._url("RESULT", ports),
            sentinel_master=self.values.get("SENTINEL_MASTER", ""),
            sentinel_result_master=self.values.get("SENTINEL_RESULT_MASTER", ""),
            sentinel_password=self._password("SENTINEL") if sentinel else "",
            ledger=self._ledger(),
            role=self.values.get("RIG_ROLE", "locust"),
            run_id=self.values.get("RIG_RUN_ID", ""),
            publisher=self._publisher(),
            settings=self._settings(),
            ports=ports,
            secrets={name: path for name in ("BROKER", "RESULT", "SENTINEL") if (path := self._secret(name))},
        )

    def _ports(self) -> dict[str, int]:
        """Return service name -> port of 127.0.0.1 as `make up` found it: the environment may say 0, any."""
        service_of = {variable: service for service, variable in _PORT_OF.items()}
        return {
            service_of.get(name, name.removesuffix("_PORT").lower().replace("_", "-")): int(value)
            for name, value in self.stack.items()
            if name.endswith("_PORT") and value.isdecimal()
        }

    def _url(self, which: str, ports: Mapping[str, int]) -> str:
        urls = self.values.get(f"{which}_URL", "")
        if not urls:
            return ""
        password = self._password(which)
        return ";".join(_complete(url, password, ports) for url in urls.split(";"))

    def _secret(self, which: str) -> Path | None:
        """Return the file with a password: as the environment names it, else the one of that name `make up` wrote."""
        named = self.values.get(f"{which}_PASSWORD_FILE")
        if self.state is not None and (not named or not Path(named).exists()):
            return self.state / "secrets" / f"{which.lower()}_password"
        return Path(named) if named else None

    def _password(self, which: str) -> str:
        path = self._secret(which)
        if path is None:
            return ""
        try:
            return path.read_text().strip()
        except OSError as error:
            self.problems.append(
                f"the {which.lower()} password, {path}, cannot be read ({error.strerror}): `make up` writes it"
            )
            return ""

    def _ledger(self) -> Path:
        if named := self.values.get("RIG_LEDGER_DIR"):
            path = Path(named)
        elif self.state is not None:
            path = self.state / "ledger"
        else:
            if not self.problems:
                self.problems.append("RIG_LEDGER_DIR is not set: name a directory to record the sent tasks in")
            return Path()
        if not self.problems and not (path.is_dir() and os.access(path, os.W_OK)):
            self.problems.append(f"the ledger {path} is no directory that can be written to: `make up` makes it")
        return path

    def _publisher(self) -> int:
        text = self.values.get("RIG_PUBLISHER", "0")
        if text.isdecimal() and int(text) <= MAX_PUBLISHER:
            return int(text)
        self.problems.append(f"RIG_PUBLISHER={text}: a number from 0 to {MAX_PUBLISHER} is needed")
        return 0

    def _settings(self) -> dict[str, Any]:
        text = self.values.get("RIG_SETTINGS", "{}")
        try:
            settings = json.loads(text)
        except ValueError as error:
            self.problems.append(f"RIG_SETTINGS is not JSON ({error}): {text}")
            return {}
        if not isinstance(settings, dict):
            self.problems.append(f"RIG_SETTINGS must be a JSON object of Celery settings, not {text}")
            return {}
        return settings


def _complete(url: str, password: str, ports: Mapping[str, int]) -> str:
    """Return `url` with the password for its user, and with 127.0.0.1 and a published port for a service's name."""
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if not host:
        return url
    if host in ports:
        host, port = LOOPBACK, ports[host]
    where = f"{host}:{port}" if port else host
    secret = parts.password or quote(password, safe="")
    login = f"{parts.username or ''}:{secret}@" if secret else f"{parts.username}@" if parts.username else ""
    return parts._replace(netloc=login + where).geturl()


def _checkout() -> Path | None:
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        if (root / "compose" / "topologies").is_dir():
            return root
    return None
