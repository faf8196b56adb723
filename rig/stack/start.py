"""Starts a project's containers, shows how far they are, and tidies up after a first start that failed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rig.errors import StackError
from rig.stack.compose import PROJECT_LABEL, Compose, of_project
from rig.stack.docker import answers, last_lines

WAIT_S = 240  # seconds for all services to become healthy: a canary has then been executed on every queue
POLL_S = 1.0
PATIENCE_S = 45  # for containers that crash or are unhealthy beside a stack that works
_SHOWN_FAILURES = 4


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One container as `docker ps` shows it."""

    id: str
    service: str
    state: str
    status: str

    @property
    def ready(self) -> bool:
        """Runs, and its health check (if there is one) has passed."""
        waiting = ("(health: starting)", "(unhealthy)")
        return self.state == "running" and not self.status.endswith(waiting)

    @property
    def failed(self) -> bool:
        """Ended, or runs and its health check says no: not just slow."""
        return self.state != "running" or self.status.endswith("(unhealthy)")


def start(compose: Compose) -> None:
    """`docker compose up` for the whole project, waiting at most WAIT_S for health.

    When it fails or is interrupted, and the project had no container before, what was made is removed again; an
    existing stack is left as it is. Raises StackError with the services that failed and their last words.
    """
    first = not containers(compose.project)
    volumes = _volumes(compose.project)
    try:
        _up(compose)
    except (StackError, KeyboardInterrupt) as error:
        if not first:
            raise
        say(f"{'interrupted' if isinstance(error, KeyboardInterrupt) else 'failed'}: removing what was started")
        compose.down(grace_s=5)
        for volume in _volumes(compose.project) - volumes:
            answers("volume", "rm", volume)
        raise


def containers(project: str) -> list[Seen]:
    """Every container of a project, by service."""
    layout = '{{.ID}}\t{{.Label "com.docker.compose.service"}}\t{{.State}}\t{{.Status}}'
    listed = answers("ps", "--all", "--no-trunc", *of_project(project), f"--format={layout}")
    rows = [line.split("\t") for line in (listed or "").splitlines()]
    return sorted(
        (Seen(id=row[0], service=row[1], state=row[2], status=row[3]) for row in rows), key=lambda seen: seen.service
    )


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)


def _up(compose: Compose) -> None:
    # Not `--wait`: it gives up at the first container that ends, also where that is only ahead of its broker and the
    # restart policy is about to start it again. https://github.com/docker/compose/issues/12424
    options = ["--detach", "--remove-orphans", "--quiet-pull"]
    with tempfile.TemporaryFile("w+") as log:
        # A session of its own: Ctrl-C is for us to act on, and must not leave Compose half way by itself.
        process = subprocess.Popen(
            ["docker", *compose.command("up", *options)],
            env=compose.environment, cwd=compose.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )
        try:
            ready = _watch(process, compose.project)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        log.seek(0)
        if not ready:
            raise StackError(_failure(compose.project, log.read() if process.returncode else ""))


def _watch(process: subprocess.Popen[bytes], project: str) -> bool:
    """Show progress until every container is ready (True), or it is not worth waiting any longer (False)."""
    shown, patience, deadline = "", Patience(), time.monotonic() + WAIT_S
    try:
        while time.monotonic() < deadline:
            code, seen = process.poll(), containers(project)
            waiting = [container for container in seen if not container.ready]
            if code or (code == 0 and not waiting):
                return code == 0
            names = ", ".join(container.service for container in waiting)
            line = f"{len(seen) - len(waiting)} of {len(seen)} ready; waiting for {names or 'Compose'}"
            if line != shown:
                progress(line)
                shown = line
            failing = [container for container in waiting if container.failed or restarts([container.id])]
            if code == 0 and patience.ends(time.monotonic(), only_failing=len(failing) == len(waiting)):
                return False
            time.sleep(POLL_S)
        return False
    finally:
        progress("")


class Patience:
    """Ends when for PATIENCE_S nothing has been left to wait for but containers that crash or are unhealthy.

    As long as something else is on its way, a crash may be no more than a service that is ahead of its broker.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def ends(self, now: float, *, only_failing: bool) -> bool:
        """Whether to give up at `now` (seconds, monotonic)."""
        if not only_failing:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since > PATIENCE_S


def restarts(ids: list[str]) -> int:
    """How often the container that crashed most has been started again."""
    counts = answers("inspect", "--format={{.RestartCount}}", *ids) if ids else None
    return max((int(count) for count in (counts or "").split()), default=0)


def progress(line: str) -> None:
    """A line that the next one replaces; where nobody watches (no terminal), nothing."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:110]}", end="", file=sys.stderr, flush=True)


def _failure(project: str, log: str) -> str:
    """Which services did not come up, why their health checks say so, and the last lines of each."""
    waiting = [container for container in containers(project) if not container.ready]
    culprits = [container for container in waiting if container.failed or restarts([container.id])] or waiting
    others = [container.service for container in waiting if container not in culprits[:_SHOWN_FAILURES]]
    lines = [
        "the stack did not come up:", last_words(culprits),
        f"  not ready either: {', '.join(others)}" if others else "", last_lines(log),
    ]  # fmt: skip
    return "\n".join(line for line in lines if line)


def last_words(chosen: Sequence[Seen]) -> str:
    """What each of the first few containers is at, what its health check said last, and the last lines of its log."""
    lines = []
    for container in chosen[:_SHOWN_FAILURES]:
        lines += [f"  {container.service}: {container.status}", _last_check(container.id), _last_log(container.id)]
    return "\n".join(line for line in lines if line)


def _last_log(container: str) -> str:
    done = subprocess.run(
        ["docker", "logs", "--tail=12", container],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30,
    )
    return last_lines(done.stdout) or "    (it logged nothing)"


def _last_check(container: str) -> str:
    text = answers("inspect", "--format={{json .State.Health}}", container)
    health = json.loads(text) if text else None
    checks = (health or {}).get("Log") or []
    return f"    health check: {checks[-1]['Output'].strip()[-300:]}" if checks else ""


def _volumes(project: str) -> set[str]:
    return set((answers("volume", "ls", "--quiet", f"--filter=label={PROJECT_LABEL}={project}") or "").split())
