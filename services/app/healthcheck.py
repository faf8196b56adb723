"""Health checks that prove progress, and end a process that makes none.

    python3 /srv/app/healthcheck.py worker NAME QUEUE
    python3 /srv/app/healthcheck.py beat
    python3 /srv/app/healthcheck.py http URL

Exit status 0: healthy, 1: not; one line says why (`docker inspect` shows it).

A worker is healthy when a canary task has run on its queue lately; else when it answers and has tasks running, or has
started some since it was last asked (a long task, a backlog); else when a canary that this check sends is executed.
When the broker takes that canary and nobody executes it, several times in a row, the worker is alive and consumes
nothing, as has happened again and again after a reconnect (https://github.com/celery/celery/issues/10205). Docker
restarts what exits, never what is merely unhealthy (https://github.com/moby/moby/issues/28400), so the check then ends
the process and the restart policy starts another one.

Run as a script, so that the usual case is one stat() and does not import Celery: five workers are asked every 10 s.
"""

import json
import os
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path

CANARY_MARK = Path("/tmp/canary")  # noqa: S108 - the container's own tmpfs; touched by the task app.canary
BEAT_MARK = Path("/tmp/beat")  # noqa: S108 - touched whenever beat has published a task
STATE = Path("/tmp/healthcheck.json")  # noqa: S108 - {"failures": in a row, "started": tasks so far}

FRESH = 30.0  # seconds; three times the interval of beat's canaries
ANSWER_WAIT = 3.0  # seconds for an answer over remote control
CANARY_WAIT = 8.0  # seconds for the check's own canary
GIVE_UP_AFTER = 3  # checks in a row without progress: SIGTERM; one more: SIGKILL
BEAT_GIVE_UP = 60.0  # seconds without a published task: SIGTERM; half of it more: SIGKILL


def main(argv):
    """Run the check that `argv` names; return the exit status and the reason."""
    match argv:
        case ["worker", name, queue]:
            return check_worker(name, queue)
        case ["beat"]:
            return check_beat()
        case ["http", url]:
            return check_http(url)
    return 1, __doc__


def check_worker(name, queue):
    """Look for progress of the worker NAME@host on `queue`, from cheap to dear; end the worker if there is none."""
    age = age_of(CANARY_MARK)
    if age < FRESH:
        save_state(failures=0)
        return 0, f"a canary ran {age:.0f} s ago"
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from app import app  # here, and not above: it is what makes this way dear

    state = load_state()
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=ANSWER_WAIT)
            started, running = ask_worker(app, f"{name}@{socket.gethostname()}", connection)
            if running or started > state["started"]:
                save_state(failures=0, started=started)
                return 0, f"no canary for {age:.0f} s, but {running} tasks are running, {started} have been started"
            app.send_task("app.canary", (queue,), queue=queue, expires=FRESH, connection=connection, retry=False)
    except Exception as error:  # of whatever transport: the broker is at fault, and a new worker would not help
        return 1, f"no canary for {age:.0f} s, and the broker takes none: {error!r}"
    if wait_for_canary():
        save_state(failures=0)
        return 0, "no canary from beat, but one of this check's own was executed"
    failures = state["failures"] + 1
    save_state(failures=failures)
    if failures >= GIVE_UP_AFTER:
        end_main_process(hard=failures > GIVE_UP_AFTER)
    return 1, f"{failures} canaries of this check's own were not executed: {queue} is not consumed"


def ask_worker(app, node, connection):
    """Return how many tasks `node` has started so far and how many are running; zeros when it does not answer."""
    ask = app.control.inspect([node], timeout=ANSWER_WAIT, connection=connection)
    started = sum(((ask.stats() or {}).get(node, {}).get("total") or {}).values())
    return started, len((ask.active() or {}).get(node, []))


def wait_for_canary():
    """Wait until a canary has run since this was called; False after CANARY_WAIT."""
    end = time.monotonic() + CANARY_WAIT
    while time.monotonic() < end:
        if age_of(CANARY_MARK) < FRESH:
            return True
        time.sleep(0.1)
    return False


def check_beat():
    """Look at how long ago beat published a task; end it when that is too long."""
    age = age_of(BEAT_MARK)
    if age > BEAT_GIVE_UP and uptime_of_main_process() > BEAT_GIVE_UP:
        end_main_process(hard=age > 1.5 * BEAT_GIVE_UP)
    return int(age >= FRESH), f"the last task was published {age:.0f} s ago"


def check_http(url):
    """Ask for `url`, which answers with a status below 400 when all is well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the URL is compose's, not a user's
            return 0, f"{url} answers {answer.status}"
    except OSError as error:
        return 1, f"{url}: {error}"


def age_of(mark):
    """Return the seconds since `mark` was touched; infinity when it never was."""
    try:
        return time.time() - mark.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def load_state():
    """Return what the check before this one has noted."""
    try:
        return {"failures": 0, "started": 0} | json.loads(STATE.read_text())
    except (FileNotFoundError, ValueError):
        return {"failures": 0, "started": 0}


def save_state(**state):
    """Note `state` for the next check; what is not given stays, and nothing is written when nothing changes."""
    before = load_state()
    if before | state != before:
        STATE.write_text(json.dumps(before | state))


def main_process():
    """Return the pid of the container's main process: pid 1, or the child of an init (`init: true`)."""
    if Path("/proc/1/comm").read_text().strip() not in {"docker-init", "tini", "catatonit"}:
        return 1
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return min(pid for pid in pids if parent_of(pid) == 1)


def parent_of(pid):
    """Return the parent of `pid`; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def uptime_of_main_process():
    """Return for how many seconds the container's main process has been running."""
    started = int(Path(f"/proc/{main_process()}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def end_main_process(*, hard):
    """Ask the main process to stop (SIGTERM), or make it (SIGKILL)."""
    os.kill(main_process(), signal.SIGKILL if hard else signal.SIGTERM)


if __name__ == "__main__":
    status, reason = main(sys.argv[1:])
    print(reason)
    sys.exit(status)
