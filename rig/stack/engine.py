"""The container engine and Compose on this machine: are they there, do they answer, and what is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rig import dotenv
from rig.stack.docker import answers

MIN_COMPOSE = (2, 20)  # `include` in compose.yaml
ANSWER_LIMIT = 10.0  # seconds for an engine to say who it is
INSTALL_LIMIT = 900.0  # seconds for packages to be fetched and the engine to start
INSTALLER = Path("compose") / "install-docker.sh"

# Where the installer does not apply: the family in /etc/os-release and what to type there.
_COMMANDS = {
    "debian": f"sudo {INSTALLER}",
    "fedora": "sudo dnf install moby-engine docker-compose && sudo systemctl enable --now docker",
    "arch": "sudo pacman -S docker docker-compose && sudo systemctl enable --now docker",
    "alpine": "doas apk add docker docker-cli-compose && doas service docker start",
    "suse": "sudo zypper install docker docker-compose && sudo systemctl enable --now docker",
    "darwin": "brew install --cask docker && open -a Docker",
}


def info() -> dict[str, Any] | None:
    """What the engine says about itself (`docker info`), None where there is none or it does not answer in time."""
    text = answers("info", "--format={{json .}}", timeout=ANSWER_LIMIT)
    parsed: dict[str, Any] = json.loads(text) if text else {}
    return parsed if parsed.get("ServerVersion") else None


def compose_version() -> str | None:
    """The version of the Compose plugin as it prints it, None where there is none."""
    text = answers("compose", "version", "--short", timeout=ANSWER_LIMIT)
    return text.strip() if text else None


def version(text: str) -> tuple[int, ...]:
    """`v2.26.1-4` -> (2, 26, 1); empty where there is no number."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def problems() -> list[str]:
    """What keeps this machine from running a stack; empty when engine and Compose are there and answer."""
    if shutil.which("docker") is None:
        return [f"no container engine: {command()}"]
    found = []
    if info() is None:
        found.append(f"the container engine does not answer: {_why_silent()}")
    compose = compose_version()
    if compose is None:
        found.append(f"Docker Compose is missing: {command()}")
    elif version(compose) < MIN_COMPOSE:
        least = ".".join(map(str, MIN_COMPOSE))
        found.append(f"Docker Compose {compose} is too old, {least} is needed: {command()}")
    return found


def install(root: Path) -> bool:
    """Install or start what is missing, where that is allowed: Debian or Ubuntu, as root, without RIG_NO_INSTALL=1.

    Tells what it does on stdout. False where it is not allowed or did not work (its last words are on stderr).
    """
    if not may_install(os.environ, os.geteuid(), os_release()):
        return False
    done = subprocess.run([str(root / INSTALLER)], timeout=INSTALL_LIMIT, check=False)
    return done.returncode == 0


def may_install(environment: Mapping[str, str], user: int, release: Mapping[str, str]) -> bool:
    """Whether the installer may run: by this user, on this system, with this environment."""
    # An engine elsewhere that does not answer is not cured by one here.
    forbidden = environment.get("RIG_NO_INSTALL") == "1" or environment.get("DOCKER_HOST")
    return not forbidden and user == 0 and family(release) == "debian"


def command() -> str:
    """What to type on this machine to get engine and Compose."""
    known = _COMMANDS.get("darwin" if sys.platform == "darwin" else family(os_release()))
    return known or "install Docker Engine and its Compose plugin: https://docs.docker.com/engine/install/"


def family(release: Mapping[str, str]) -> str:
    """The distribution's family by /etc/os-release: debian for Debian, Ubuntu and what calls itself like them."""
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    for name in names:
        plain = "debian" if name == "ubuntu" else "suse" if "suse" in name else "fedora" if name == "rhel" else name
        if plain in _COMMANDS:
            return plain
    return names[0]


def os_release() -> dict[str, str]:
    """/etc/os-release as names and values; empty where there is none."""
    return dotenv.read(Path("/etc/os-release"))


def _why_silent() -> str:
    socket = Path("/var/run/docker.sock")
    if "DOCKER_HOST" in os.environ:
        return f"DOCKER_HOST is {os.environ['DOCKER_HOST']}; is it right, and does the engine run there?"
    if socket.exists() and not os.access(socket, os.R_OK | os.W_OK):
        return "you may not use it: sudo usermod -aG docker $USER, then log in again"
    return f"start it: {'sudo systemctl start docker' if shutil.which('systemctl') else command()}"
