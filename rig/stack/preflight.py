"""Everything that can be known to be wrong before anything is touched, as one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rig.errors import BadInput, StackError
from rig.stack import engine, images, machine, ports, secrets
from rig.stack.compose import DIRECTORY_LABEL, PROJECT_LABEL, Compose, of_project
from rig.stack.docker import answers
from rig.stack.paths import Checkout

GRAFANA = "grafana"  # the profile, and its only service, that needs an image which is in no Debian release


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What pre-flight established about the stack to be started."""

    topology: str
    compose: Compose
    ports: Sequence[ports.Published]
    official: Mapping[str, str]  # variable -> pinned image, of the images that this topology uses


def check(checkout: Checkout, topology: str) -> Plan:
    """The plan for a stack on `topology`. Raises BadInput with every problem that can be found.

    Installs engine and Compose first where that is allowed.
    """
    missing = engine.problems()
    if missing and engine.install(checkout.root):
        missing = engine.problems()
    exists = not missing and stack_exists(checkout.project)
    numbers, problems = ports.wanted(checkout.settings)
    problems = [
        *missing,
        *topology_problems(topology, checkout.topology_names()),
        *family_problems(checkout.settings.get("IMAGES", "")),
        *problems,
        *secrets.problems(checkout.settings, checkout.secrets, stack_exists=exists),
    ]
    plan = None
    if not missing:
        problems += [*_foreign(checkout), *_resources(checkout)]
        if topology in checkout.topology_names() and len(numbers) == len(ports.markers(checkout.settings)):
            plan = make_plan(checkout, topology, numbers)
            problems += ports.taken(plan.ports, checkout.project)
    if problems or plan is None:
        raise BadInput(problems)
    return plan


def make_plan(checkout: Checkout, topology: str, numbers: Mapping[str, int]) -> Plan:
    """What Compose makes of the files for a topology. Raises BadInput where it refuses them."""
    compose = compose_for(checkout, topology)
    marked = ports.markers(checkout.settings)
    try:
        config: dict[str, Any] = replace(compose, env={**compose.env, **marked}).config()
    except StackError as error:
        raise BadInput([f"Compose refuses the files of the topology {topology}: {error}"]) from None
    used = {service.get("image") for service in config["services"].values()}
    official = {
        variable: image for variable, image in images.pins(checkout.settings).items()
        if image in used or variable == "PYTHON_IMAGE"  # what our own images are built on
    }
    return Plan(
        topology=topology, compose=compose, ports=ports.published(config, marked, numbers), official=official,
    )


def compose_for(checkout: Checkout, topology: str, **variables: str) -> Compose:
    """The Compose project of a checkout, filled in from `.env`, the environment, and `variables` over both."""
    places = {"RIG_STATE": str(checkout.state_dir), "RIG_LEDGER": str(checkout.ledger)}
    names = {"TOPOLOGY": topology, "COMPOSE_PROJECT_NAME": checkout.project}
    return Compose(
        project=checkout.project,
        files=checkout.compose_files(topology),
        env={**checkout.settings, **places, **variables, **names},
        profiles=[GRAFANA],  # without it Compose would not see, and not stop, a Grafana that runs
    )


def stack_exists(project: str) -> bool:
    """Whether anything of a project is left: a container, running or not, or a volume with its data."""
    kept = answers("volume", "ls", "--quiet", f"--filter=label={PROJECT_LABEL}={project}")
    return bool(kept or answers("ps", "--all", "--quiet", *of_project(project)))


def topology_problems(topology: str, known: Sequence[str]) -> list[str]:
    """A topology is a folder of compose/topologies."""
    return [] if topology in known else [f"TOPOLOGY={topology} does not exist: use one of {', '.join(known)}"]


def family_problems(wish: str) -> list[str]:
    """IMAGES is a family or empty."""
    if wish in ("", *images.FAMILIES):
        return []
    return [f"IMAGES={wish} does not exist: use {' or '.join(images.FAMILIES)}, or leave it empty to let rig decide"]


def _foreign(checkout: Checkout) -> list[str]:
    """Another checkout's containers under this project's name: Compose would take them for ours and replace them."""
    listed = answers("ps", "--all", *of_project(checkout.project), f'--format={{{{.Label "{DIRECTORY_LABEL}"}}}}')
    others = sorted(set((listed or "").split("\n")) - {"", str(checkout.root)})
    return [
        f"the project {checkout.project} is already in use by the checkout {other}: `make down` there, "
        "or set COMPOSE_PROJECT_NAME (and other ports) in this one's .env"
        for other in others
    ]


def _resources(checkout: Checkout) -> list[str]:
    about = engine.info() or {}
    running = bool(answers("ps", "--quiet", *of_project(checkout.project)))
    meminfo = Path("/proc/meminfo")
    built = any(images.present(f"{images.OWN[-1]}:{family}") for family in images.FAMILIES)
    needed = machine.NEEDED_DISK if built else machine.NEEDED_DISK_IMAGES
    return [
        *machine.memory_problems(about, meminfo.read_text() if meminfo.exists() else "", running=running),
        *machine.disk_problems({
            "the engine's data": (Path(about.get("DockerRootDir", "/nonexistent")), needed),
            "this checkout": (checkout.root, machine.NEEDED_CHECKOUT),
        }),
    ]
