"""`rig up`: from a checkout to a running stack, in the order in which things can fail."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace

from rig import dotenv
from rig.errors import StackError
from rig.stack import build, engine, images, machine, preflight, secrets, start, templates
from rig.stack.compose import Compose
from rig.stack.paths import Checkout

GRAFANA = "GRAFANA_IMAGE"
STATE_HEADER = "Written by `rig up`: what runs, on which images, at which ports of 127.0.0.1."


def up(checkout: Checkout, topology: str) -> Compose:
    """Start (or change to) a stack on `topology` and wait until it works. Safe to repeat.

    Raises BadInput with every problem of the pre-flight, StackError where a build, a pull or a service fails.
    """
    here = ready(checkout, topology)
    start.say(f"starting {checkout.project} on {topology}; it is ready when a canary task has run on every queue")
    start.start(here.compose)
    write_state(checkout, here)
    return here.compose


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Everything that has to be there before a container starts."""

    plan: preflight.Plan
    images: images.Images
    compose: Compose


def ready(checkout: Checkout, topology: str) -> Ready:
    """Do what comes before a start, for a deployment and for a run alike: pre-flight, images, secrets, configuration.

    Raises BadInput with every problem of the pre-flight, StackError where a build or a pull fails.
    """
    plan = preflight.check(checkout, topology)
    chosen = images.decide(
        checkout.settings.get("IMAGES", ""), plan.official, checkout.root / "compose" / "images",
        present=images.present, registry_answers=images.registry_answers,
    )
    start.say(chosen.why)
    if GRAFANA in plan.official and not chosen.grafana:
        start.say("Grafana is left out: it is in no Debian release (dashboards need IMAGES=official)")
    pull(plan, chosen)
    build.ensure(checkout.root, chosen)
    return Ready(plan=plan, images=chosen, compose=prepare(checkout, plan, chosen))


def prepare(checkout: Checkout, plan: preflight.Plan, chosen: images.Images) -> Compose:
    """Write secrets, rendered configuration and the ledger's directory; the Compose project that uses them."""
    passwords = secrets.ensure(checkout.settings, checkout.secrets)
    values = {**checkout.settings, **secrets.variables(passwords)}
    rendered = templates.render(checkout.root / "compose", checkout.secrets, values)
    checkout.ledger.mkdir(parents=True, exist_ok=True)
    checkout.ledger.chmod(0o777)  # containers write there under uids of their own
    files = [checkout.secrets / name.lower() for name in passwords] + rendered
    limits = machine.cpu_limits(checkout.settings, int((engine.info() or {}).get("NCPU", 0)))
    variables = {**chosen.variables, **limits, "RIG_CONFIG_HASH": templates.digest(files)}
    compose = preflight.compose_for(checkout, plan.topology, **variables)
    return compose if chosen.grafana else without_grafana(compose)


def without_grafana(compose: Compose) -> Compose:
    """The same project without Grafana; one that ran on an official image before is removed."""
    if any(container.service == preflight.GRAFANA for container in compose.ps()):
        compose.run("rm", "--stop", "--force", preflight.GRAFANA, timeout=60)
    return replace(compose, profiles=[])


def pull(plan: preflight.Plan, chosen: images.Images) -> None:
    """Fetch the official images that are missing, in sight. Raises StackError for the first that cannot be had."""
    for image in images.to_pull(plan.official, chosen):
        start.say(f"pulling {image}")
        if subprocess.run(["docker", "pull", "--quiet", image], check=False).returncode:
            raise StackError(f"{image} could not be pulled: try again, or use the stand-ins: make up IMAGES=debian")


def write_state(checkout: Checkout, here: Ready) -> None:
    """Write `state.env`: topology, project, family, images, and each published port as the engine assigned it."""
    containers = here.compose.ps()
    at = {(container.service, inside): port for container in containers for inside, port in container.ports.items()}
    published = {port.variable: at.get((port.service, port.target)) for port in here.plan.ports}
    dotenv.write(
        checkout.state_file,
        {
            "TOPOLOGY": here.plan.topology,
            "COMPOSE_PROJECT_NAME": checkout.project,
            **here.images.variables,
            **{variable: str(number) for variable, number in published.items() if number},
        },
        STATE_HEADER,
    )
