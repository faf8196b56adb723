"""The passwords of a checkout's stack: generated once, kept as files, or taken from `.env` where the user set one."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets as randomness
from collections.abc import Mapping
from pathlib import Path

# What each password opens. The file of each is its name in lower case.
PASSWORDS: Mapping[str, str] = {
    "BROKER_PASSWORD": "the application's user on the broker",
    "RESULT_PASSWORD": "the application's user on the result store",
    "RABBITMQ_ADMIN_PASSWORD": "RabbitMQ's management UI, user admin",
    "MONITOR_PASSWORD": "what only reads: exporters and health checks",
    "REPLICA_PASSWORD": "Redis replicas at their primary",
    "SENTINEL_PASSWORD": "clients and sentinels at a sentinel",
    "FLOWER_PASSWORD": "Flower's pages, user admin",
    "GRAFANA_PASSWORD": "Grafana, user admin",
    "ERLANG_COOKIE": "RabbitMQ's nodes and command line tools among themselves",
}
MIN_LENGTH = 12
# These need no escape in a URL, a Redis ACL file, rabbitmq.conf or a shell.
_ALLOWED = re.compile(r"[A-Za-z0-9_.~-]+")

FILE_MODE = 0o444  # read by containers of several uids, each through its own single-file mount
DIRECTORY_MODE = 0o700  # which keeps the files from everybody else on the host


def problems(settings: Mapping[str, str], directory: Path, *, stack_exists: bool) -> list[str]:
    """What is wrong with the passwords set in `.env`: unusable, or not those that the existing stack was made with."""
    found = []
    for name, value in _set_by_user(settings).items():
        if len(value) < MIN_LENGTH:
            found.append(
                f"{name} in .env has {len(value)} characters: use at least {MIN_LENGTH}, or leave it empty to get one"
            )
        elif not _ALLOWED.fullmatch(value):
            bad = " ".join(sorted({repr(character) for character in value if not _ALLOWED.fullmatch(character)}))
            found.append(f"{name} in .env contains {bad}, which breaks a URL: use letters, digits and _ . ~ -")
        elif stack_exists and _stored(directory, name) not in (None, value):
            found.append(
                f"{name} in .env is not the password that this checkout's stack was made with: "
                f"empty it in .env to keep that one ({_file(directory, name)}), "
                "or `make down VOLUMES=1` (deletes the stack's data) and `make up`"
            )
    return found


def ensure(settings: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Every password by name: the user's, else the one on file, else a new one. Writes the files that are missing."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(DIRECTORY_MODE)
    chosen = _set_by_user(settings)
    passwords = {
        name: chosen.get(name) or _stored(directory, name) or randomness.token_hex(16).upper() for name in PASSWORDS
    }
    for name, value in passwords.items():
        write(_file(directory, name), value)
    return passwords


def variables(passwords: Mapping[str, str]) -> dict[str, str]:
    """What a template may name: NAME, NAME_SHA256 (for a Redis ACL) and NAME_RABBITMQ (a RabbitMQ password_hash)."""
    filled = dict(passwords)
    for name, value in passwords.items():
        filled[f"{name}_SHA256"] = hashlib.sha256(value.encode()).hexdigest()
        filled[f"{name}_RABBITMQ"] = rabbitmq_hash(value)
    return filled


def rabbitmq_hash(password: str) -> str:
    """RabbitMQ's `password_hash` (its SHA-256 kind): base64 of a salt of 4 bytes and SHA-256(salt + password).

    The salt comes from the password, so that the same password always renders to the same file.
    """
    salt = hashlib.sha256(b"celery-rig salt " + password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def write(path: Path, text: str) -> None:
    """Write a secret file unless it already says that: a running container holds the old file, not the name."""
    if path.exists() and path.read_text() == text:
        return
    path.unlink(missing_ok=True)  # read-only files are replaced, not written to
    path.write_text(text)
    path.chmod(FILE_MODE)


def _set_by_user(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: settings[name] for name in PASSWORDS if settings.get(name)}


def _stored(directory: Path, name: str) -> str | None:
    path = _file(directory, name)
    return path.read_text() if path.exists() else None


def _file(directory: Path, name: str) -> Path:
    return directory / name.lower()
