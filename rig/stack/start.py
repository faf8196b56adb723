"""Starts a project's containers, shows how far they are, and tidies up after a first start that failed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from rig.errors import StackError
from rig.stack.compose import PROJECT_LABEL, Compose
from rig.stack.docker import answers, last_lines

WAIT_S = 240  # seconds for all services to become healthy: a canary has then been executed on every queue
POLL_S = 1.0
MAX_RESTARTS = 3  # a container that has crashed this often will not come up by waiting
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
    listed = answers("ps", "--all", "--no-trunc", f"--filter=label={PROJECT_LABEL}={project}", f"--format={layout}")
    rows = [line.split("\t") for line in (listed or "").splitlines()]
    return sorted(
        (Seen(id=row[0], service=row[1], state=row[2], status=row[3]) for row in rows), key=lambda seen: seen.service
    )


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)


def _up(compose: Compose) -> None:
    options = ["--detach", "--remove-orphans", "--quiet-pull", "--wait", f"--wait-timeout={WAIT_S}"]
    with tempfile.TemporaryFile("w+") as log:
        # A session of its own: Ctrl-C is for us to act on, and must not leave Compose half way by itself.
        process = subprocess.Popen(
            ["docker", *compose.command("up", *options)],
            env=compose.environment, cwd=compose.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )
        try:
            hopeless = _watch(process, compose.project)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        log.seek(0)
        if hopeless or process.returncode:
            raise StackError(_failure(compose.project, log.read()))


def _watch(process: subprocess.Popen[bytes], project: str) -> bool:
    """Show progress until Compose is done. True when it is not worth waiting any longer: a container keeps crashing."""
    shown, deadline = "", time.monotonic() + WAIT_S + 60
    while process.poll() is None:
        seen = containers(project)
        waiting = [container.service for container in seen if not container.ready]
        line = f"{len(seen) - len(waiting)} of {len(seen)} ready; waiting for {', '.join(waiting) or 'no more'}"
        if seen and line != shown:
            progress(line)
            shown = line
        if time.monotonic() > deadline or _crash_loop(seen):
            break
        time.sleep(POLL_S)
    progress("")
    return process.poll() is None


def _crash_loop(seen: list[Seen]) -> bool:
    ids = [container.id for container in seen if container.state == "restarting"]
    counts = answers("inspect", "--format={{.RestartCount}}", *ids) if ids else None
    return any(int(count) >= MAX_RESTARTS for count in (counts or "").split())


def progress(line: str) -> None:
    """A line that the next one replaces; where nobody watches (no terminal), nothing."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:110]}", end="", file=sys.stderr, flush=True)


def _failure(project: str, log: str) -> str:
    """Which services did not come up, why their health checks say so, and the last lines of each."""
    lines = []
    failed = [container for container in containers(project) if not container.ready]
    for container in failed[:_SHOWN_FAILURES]:
        lines.append(f"  {container.service}: {container.status}")
        lines.append(_last_check(container.id))
        done = subprocess.run(
            ["docker", "logs", "--tail=12", container.id],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30,
        )
        lines.append(last_lines(done.stdout) or "    (it logged nothing)")
    if len(failed) > _SHOWN_FAILURES:
        lines.append(f"  and {', '.join(container.service for container in failed[_SHOWN_FAILURES:])}")
    if not failed:
        lines.append(last_lines(log))
    return "the stack did not come up:\n" + "\n".join(line for line in lines if line)


def _last_check(container: str) -> str:
    text = answers("inspect", "--format={{json .State.Health}}", container)
    health = json.loads(text) if text else None
    checks = (health or {}).get("Log") or []
    return f"    health check: {checks[-1]['Output'].strip()[-300:]}" if checks else ""


def _volumes(project: str) -> set[str]:
    return set((answers("volume", "ls", "--quiet", f"--filter=label={PROJECT_LABEL}={project}") or "").split())
