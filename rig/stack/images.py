"""Which images a stack runs on: the official ones, or the Debian-built stand-ins where no registry answers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rig.stack.docker import answers

OFFICIAL, DEBIAN = "official", "debian"
FAMILIES = (OFFICIAL, DEBIAN)
REGISTRY_DEADLINE = 8.0  # seconds for the first word of a registry

OWN = ("celery-rig/app", "celery-rig/rig")  # built from services/Dockerfile, one tag a family
_PIN = "_IMAGE"


@dataclass(frozen=True, kw_only=True)
class Images:
    """The decision: a family, the image behind each `*_IMAGE` variable, and why in words."""

    family: str
    names: Mapping[str, str]  # variable -> image, as compose.yaml is filled in with it
    grafana: bool  # Grafana is in no Debian release: without the official image it is left out
    why: str

    @property
    def variables(self) -> dict[str, str]:
        """What Compose must be told."""
        return {"IMAGE_FAMILY": self.family, **self.names}


def pins(settings: Mapping[str, str]) -> dict[str, str]:
    """The official images by variable: every `*_IMAGE` in `.env`."""
    return {name: value for name, value in settings.items() if name.endswith(_PIN)}


def stand_in(variable: str, folder: Path) -> str | None:
    """The stand-in of REDIS_EXPORTER_IMAGE is celery-rig/redis-exporter:debian if `folder` has its Dockerfile."""
    name = variable.removesuffix(_PIN).lower().replace("_", "-")
    return f"celery-rig/{name}:{DEBIAN}" if (folder / name / "Dockerfile").exists() else None


def decide(
    wish: str,
    official: Mapping[str, str],
    folder: Path,
    *,
    present: Callable[[str], bool],
    registry_answers: Callable[[str], bool],
) -> Images:
    """Choose a family for the images in `official` (variable -> pinned image).

    `wish` is IMAGES: official, debian or empty (decide). `present` tells whether the engine has an image already, and
    `registry_answers` whether the registry of an image says anything within seconds; it is asked once at most.
    """
    local = {variable: name for variable in official if (name := stand_in(variable, folder))}
    missing = [image for variable, image in official.items() if variable in local and not present(image)]

    def chosen(family: str, why: str) -> Images:
        names = {**official, **local} if family == DEBIAN else dict(official)
        grafana = family == OFFICIAL or present(official.get("GRAFANA_IMAGE", ""))
        return Images(family=family, names=names, grafana=grafana, why=f"images: {family} ({why})")

    if wish:
        return chosen(wish, "IMAGES says so")
    if not missing:
        return chosen(OFFICIAL, "all here already")
    if all(present(image) for image in local.values()):
        return chosen(DEBIAN, "built here before; IMAGES=official asks the registry again")
    if registry_answers(missing[0]):
        return chosen(OFFICIAL, "the registry answers")
    return chosen(DEBIAN, f"no registry gives {missing[0]}")


def present(image: str) -> bool:
    """Whether the engine has an image."""
    return bool(image) and answers("image", "inspect", "--format={{.Id}}", image) is not None


def registry_answers(image: str, deadline: float = REGISTRY_DEADLINE) -> bool:
    """Whether the engine gets a word from an image's registry within `deadline` seconds.

    Asked by starting a pull, since that goes the way of a real pull: the engine's own DNS, proxy and mirrors. The first
    line ("latest: Pulling from library/redis") is printed when the registry has answered for that image.
    """
    command = ["docker", "pull", image]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as pull:
        clock = threading.Timer(deadline, pull.kill)
        clock.start()
        first = pull.stdout.readline() if pull.stdout else ""
        clock.cancel()
        pull.kill()
    return "Pulling from" in first


def to_pull(official: Mapping[str, str], chosen: Images) -> list[str]:
    """The pinned images that have to be fetched: chosen, not with the engine yet, and Grafana only where it runs."""
    wanted = {name: image for name, image in official.items() if chosen.names[name] == image}
    if not chosen.grafana:
        wanted.pop("GRAFANA_IMAGE", None)
    return [image for image in dict.fromkeys(wanted.values()) if not present(image)]
