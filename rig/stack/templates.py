"""Fills in the configuration files that hold a password or a hash of one: `compose/**/*.template`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from rig.errors import BadInput
from rig.stack import secrets

SUFFIX = ".template"
# Not string.Template, for which the `$` of a regular expression ("^$") is an error.
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")


def render(compose: Path, directory: Path, values: Mapping[str, str]) -> list[Path]:
    """Render each `*.template` below `compose` into `directory`; the paths written, sorted.

    `compose/topologies/redis/users.acl.template` becomes `redis/users.acl`, `compose/x/y.template` becomes `x/y`.
    A template names a variable as `${NAME}`; any other dollar stands for itself (`$$` for one before a brace).
    Raises BadInput for unknown variables, all at once.
    """
    problems, rendered = [], {}
    for template in sorted(compose.rglob(f"*{SUFFIX}")):
        try:
            rendered[directory / target(template.relative_to(compose))] = fill(template.read_text(), values)
        except KeyError as error:
            problems.append(f"{template} names the unknown variable {error.args[0]}: see rig/stack/secrets.py")
    if problems:
        raise BadInput(problems)
    for path, text in rendered.items():
        path.parent.mkdir(mode=secrets.DIRECTORY_MODE, parents=True, exist_ok=True)
        secrets.write(path, text)
    return list(rendered)


def target(template: Path) -> Path:
    """Where a template (relative to `compose/`) is rendered to, relative to the secrets."""
    parts = template.parts[1:] if template.parts[0] == "topologies" else template.parts
    return Path(*parts).with_name(template.name.removesuffix(SUFFIX))


def digest(paths: list[Path]) -> str:
    """A short hash of what the files say. Compose gets it as RIG_CONFIG_HASH, so that a change recreates containers."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template's text with every variable filled in. Raises KeyError for an unknown one."""
    return _VARIABLE.sub(lambda match: "$" if match[1] is None else values[match[1]], text)
