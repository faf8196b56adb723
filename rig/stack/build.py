"""Builds the images of our own and the Debian stand-ins, each again only when what goes into it has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.errors import BadInput, StackError
from rig.stack.docker import answers, last_lines
from rig.stack.images import DEBIAN, OWN, Images

LABEL = "celery-rig.inputs"  # the hash of what an image was built from
BASE = f"celery-rig/base:{DEBIAN}"
BUILD_PROJECT = "celery-rig-images"  # goes into a label of every image; never the name of a stack
BUILD_LIMIT = 1800.0  # seconds for one build; a slow mirror, not a slow machine
_SKIPPED = {"__pycache__"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one image is built, and the hash of everything that the result depends on."""

    image: str
    inputs: str
    build: Mapping[str, Any] = field(default_factory=dict)  # Compose's `build` section


def recipes(root: Path, images: Images) -> list[Recipe]:
    """What must exist before a stack on `images` can start, in the order in which it can be built."""
    found = _stand_ins(root, images) if images.family == DEBIAN else []
    inputs = {recipe.image: recipe.inputs for recipe in found}
    python = images.names["PYTHON_IMAGE"]
    return found + _own(root, images.family, python, inputs.get(python, python))


def ensure(root: Path, images: Images) -> list[str]:
    """Build what is missing or out of date; the names built. Raises StackError with a failed build's last lines."""
    stale = [recipe for recipe in recipes(root, images) if built_from(recipe.image) != recipe.inputs]
    if not stale:
        return []
    before = {recipe.image: image_id(recipe.image) for recipe in stale}
    print(f"building {', '.join(recipe.image for recipe in stale)} (about a minute for all)", flush=True)
    for recipe in stale:
        if recipe.image == BASE:
            _build_base(root, recipe)
    with tempfile.TemporaryDirectory(prefix="celery-rig-build-") as directory:
        # The stand-in for Python must be there before what is built on it: Compose builds one call's images at once.
        for stage in (False, True):
            wanted = [recipe for recipe in stale if recipe.build and _is_own(recipe) == stage]  # the base has none
            _compose_build(root, wanted, Path(directory))
    for image, old in before.items():
        if old and old != image_id(image):
            answers("image", "rm", old)  # still used by a running container: it stays, without a name
    return [recipe.image for recipe in stale]


def digest(paths: Iterable[Path], *more: str) -> str:
    """The hash of files (folders: everything in them) and words: names, contents and the executable bit."""
    whole = hashlib.sha256("\0".join(more).encode())
    for path in paths:
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in files:
            if not _SKIPPED & set(file.parts):
                executable = os.access(file, os.X_OK)
                whole.update(f"\0{file.relative_to(path.parent)} {executable}\0".encode() + file.read_bytes())
    return whole.hexdigest()[:16]


def built_from(image: str) -> str | None:
    """The inputs an image was built from; None where it does not exist or is not ours."""
    label = answers("image", "inspect", f'--format={{{{index .Config.Labels "{LABEL}"}}}}', image)
    return label.strip() if label else None


def image_id(image: str) -> str | None:
    """The engine's id of an image, None where it has none of that name."""
    found = answers("image", "inspect", "--format={{.Id}}", image)
    return found.strip() if found else None


def _stand_ins(root: Path, images: Images) -> list[Recipe]:
    folder = root / "compose" / "images"
    base = Recipe(image=BASE, inputs=digest([folder / "base", folder / "debian-sources.sh"]))
    names = sorted(name.removeprefix("celery-rig/").removesuffix(f":{DEBIAN}")
                   for name in images.names.values() if name.startswith("celery-rig/"))
    return [base] + [
        Recipe(
            image=f"celery-rig/{name}:{DEBIAN}",
            inputs=digest([folder / name], base.inputs),
            build={"context": str(folder / name)},
        )
        for name in names
    ]


def _own(root: Path, family: str, python: str, python_inputs: str) -> list[Recipe]:
    services, requirements = root / "services", root / "requirements"
    inputs = digest(
        [
            services / "Dockerfile", services / "Dockerfile.dockerignore", services / "app", requirements / "app.txt",
            root / "rig" / "instrument" / "fast.c",
        ],
        python_inputs,
    )
    found = []
    for name in OWN:
        target = name.removeprefix("celery-rig/")
        inputs = digest([requirements / f"{target}.txt"], inputs)  # rig is built on app
        build = {
            "context": str(root), "dockerfile": "services/Dockerfile", "target": target,
            "args": {"PYTHON_IMAGE": python}, "secrets": ["ca", "pip"],
        }
        found.append(Recipe(image=f"{name}:{family}", inputs=inputs, build=build))
    return found


def _is_own(recipe: Recipe) -> bool:
    return recipe.image.partition(":")[0] in OWN


def _build_base(root: Path, recipe: Recipe) -> None:
    script = root / "compose" / "images" / "base" / "build.sh"
    done = subprocess.run(
        [str(script), recipe.image, f"{LABEL}={recipe.inputs}"],
        capture_output=True, text=True, timeout=BUILD_LIMIT, check=False,
    )
    if done.returncode == 2:
        raise BadInput([done.stderr.strip().removeprefix("error: ")])
    if done.returncode:
        raise StackError(f"{script.relative_to(root)} failed:\n{last_lines(done.stderr)}")


def _compose_build(root: Path, wanted: list[Recipe], directory: Path) -> None:
    if not wanted:
        return
    services = {
        recipe.image.removeprefix("celery-rig/").partition(":")[0]: {
            "image": recipe.image, "build": {**recipe.build, "labels": {LABEL: recipe.inputs}},
        }
        for recipe in wanted
    }
    secrets = {"ca": {"file": str(_ca_bundle(directory))}, "pip": {"file": str(_pip_settings(directory))}}
    project = {"services": services, "secrets": secrets}
    log = root / ".rig" / "build.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        done = subprocess.run(
            [
                "docker", "compose", "--file=-", f"--project-name={BUILD_PROJECT}", f"--project-directory={root}",
                "--ansi=never", "build",
            ],
            input=json.dumps(project), stdout=output, stderr=output, text=True, timeout=BUILD_LIMIT, check=False,
        )
    if done.returncode:
        raise StackError(f"the build of {', '.join(services)} failed (whole log: {log}):\n{errors(log.read_text())}")


def errors(log: str) -> str:
    """What went wrong in a build's log: every line with an error, which is seldom the last, and the lines before it."""
    lines = log.splitlines()
    wrong = [number for number, line in enumerate(lines) if "ERROR" in line or "failed to solve" in line]
    kept = sorted({number for last in wrong for number in range(max(0, last - 3), last + 1)})
    return last_lines("\n".join(lines[number][:300] for number in kept), count=24)


def _ca_bundle(directory: Path) -> Path:
    """A copy of the certificates this machine trusts: its network may have an authority of its own."""
    bundle = directory / "ca.pem"
    candidates = [os.environ.get("PIP_CERT"), ssl.get_default_verify_paths().cafile]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            shutil.copyfile(candidate, bundle)
            return bundle
    import certifi

    shutil.copyfile(certifi.where(), bundle)
    return bundle


def _pip_settings(directory: Path) -> Path:
    """This machine's own pip settings about the package index, as a pip.conf; empty where it has none."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    settings = directory / "pip.conf"
    settings.write_text(pip_conf(listed))
    return settings


def pip_conf(listed: str) -> str:
    """A pip.conf of the index settings in the output of `pip config list`: paths of this machine are left out."""
    wanted = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
    lines = ["[global]"]
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        option = name.removeprefix(":env:.").rpartition(".")[2]
        if option in wanted:
            lines.append(f"{option} = {value.strip().strip(chr(39))}")
    return "\n".join(lines) + "\n"
