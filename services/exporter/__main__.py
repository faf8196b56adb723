"""Run the exporter: `python -m exporter`, or `python -m exporter --check` as its health check.

Reads the ledger in $RIG_LEDGER_DIR and serves /metrics and /healthy on $EXPORTER_PORT.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from exporter.follow import Follower
from exporter.metrics import LedgerCollector
from exporter.server import STALE_AFTER, serve

POLL_EVERY: Final = 1.0  # seconds; a scrape polls too


def main() -> int:
    """Parse the command line and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="exporter", description=__doc__.splitlines()[0])
    parser.add_argument("--ledger", type=Path, default=os.environ.get("RIG_LEDGER_DIR"), help="the ledger's directory")
    parser.add_argument("--port", type=int, default=os.environ.get("EXPORTER_PORT", "9540"))
    parser.add_argument("--check", action="store_true", help="ask a running exporter whether it is healthy")
    options = parser.parse_args()
    if options.check:
        return check(options.port)
    if options.ledger is None or not options.ledger.is_dir():
        print(f"error: no such directory: {options.ledger}: set RIG_LEDGER_DIR, or --ledger", file=sys.stderr)
        return 2
    run(options.ledger, options.port)
    return 0


def run(ledger: Path, port: int) -> None:
    """Follow `ledger` and serve its metrics until the process is ended. Raises OSError if the port is taken."""
    follower = Follower(ledger)
    follower.window.take_memory()
    collector = LedgerCollector(follower)
    serve(collector, port)
    while True:
        collector.poll()
        time.sleep(POLL_EVERY)


def check(port: int) -> int:
    """Return 0 if the exporter on `port` has polled lately, else print why and return 1."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthy", timeout=STALE_AFTER):
            return 0
    except (urllib.error.URLError, TimeoutError) as error:
        print(f"exporter is not healthy: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
