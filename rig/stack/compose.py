"""A thin runner for `docker compose`: one object a project, one method a verb, plain data back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.stack.docker import docker

PROJECT_LABEL = "com.docker.compose.project"
DIRECTORY_LABEL = "com.docker.compose.project.working_dir"
_ONE_OFF_LABEL = "com.docker.compose.oneoff"


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a project, running or not."""

    id: str
    name: str
    service: str
    state: str  # created, running, paused, restarting, exited, dead
    health: str  # starting, healthy, unhealthy; empty without a health check
    exit_code: int
    image: str
    ports: Mapping[int, int]  # port inside -> port on 127.0.0.1

    @property
    def ready(self) -> bool:
        """Runs, and its health check (if there is one) has passed."""
        return self.state == "running" and self.health in ("", "healthy")


@dataclass(frozen=True, kw_only=True)
class Compose:
    """One Compose project: its files, what it is called, and the variables the files are filled in with.

    Every method raises StackError with the tool's last lines where Compose fails.
    """

    project: str
    files: Sequence[Path]
    env: Mapping[str, str] = field(default_factory=dict)
    profiles: Sequence[str] = ()

    def run(self, *arguments: str, timeout: float | None = None, stdin: str | None = None) -> str:
        """What `docker compose ARGUMENTS` prints for this project."""
        return docker(*self.command(*arguments), env=self.env, cwd=self.directory, stdin=stdin, timeout=timeout)

    def command(self, *arguments: str) -> list[str]:
        """The arguments that follow `docker`, for who must run it by another way."""
        options = [f"--project-name={self.project}", f"--project-directory={self.directory}"]
        options += [f"--file={file}" for file in self.files] + [f"--profile={profile}" for profile in self.profiles]
        return ["compose", *options, "--ansi=never", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment that Compose gets: this process's with `env` over it."""
        return {**os.environ, **self.env}

    @property
    def directory(self) -> Path:
        """What relative paths in the files start from, and where `.env` is read."""
        return self.files[0].resolve().parent

    def config(self) -> dict[str, Any]:
        """The whole project with every variable filled in, as Compose understands it."""
        parsed: dict[str, Any] = json.loads(self.run("config", "--format=json", timeout=60))
        return parsed

    def down(self, *, volumes: bool = False, grace_s: int = 10) -> None:
        """Stop and remove the project's containers and networks, also those that its files no longer name."""
        options = ["--volumes"] if volumes else []
        self.run("down", "--remove-orphans", f"--timeout={grace_s}", *options, timeout=grace_s * 10 + 120)

    def ps(self) -> list[Container]:
        """Every container of the project, running or not, by service name."""
        rows = parse_rows(self.run("ps", "--all", "--format=json", timeout=60))
        return sorted((_container(row) for row in rows), key=lambda container: (container.service, container.name))


def of_project(project: str) -> list[str]:
    """Filters for `docker ps`: the containers of a project's services.

    The project's label alone is not enough: Compose also puts it on the images that it builds, and every container of
    such an image inherits it.
    """
    return [f"--filter=label={PROJECT_LABEL}={project}", f"--filter=label={_ONE_OFF_LABEL}=False"]


def parse_rows(text: str) -> list[dict[str, Any]]:
    """Rows of `--format json`: one object a line since Compose 2.21, one array before."""
    text = text.strip()
    if text.startswith("["):
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    return [json.loads(line) for line in text.splitlines() if line]


def _container(row: Mapping[str, Any]) -> Container:
    return Container(
        id=row["ID"], name=row["Name"], service=row["Service"], state=row["State"], health=row.get("Health", ""),
        exit_code=int(row.get("ExitCode", 0)), image=row.get("Image", ""),
        ports={
            port["TargetPort"]: port["PublishedPort"] for port in row.get("Publishers") or [] if port["PublishedPort"]
        },
    )
