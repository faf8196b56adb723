"""Lower never imports higher, and what stands side by side does not import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

RIG = Path(__file__).parents[2] / "rig"
# From the lowest to the highest; what shares a row stands side by side.
LAYERS = (
    ("errors", "dotenv", "buckets", "stats"),
    ("ledger",),
    ("instrument", "stack"),
    ("load",),
    ("testbed",),
    ("experiment",),
    ("report",),
    ("selfbench", "freeze"),
    ("commands",),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path for path in RIG.rglob("*.py") if path != RIG / "__init__.py")


def layer_of(path: Path) -> str:
    return path.relative_to(RIG).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Yield the layers that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            top, _, rest = node.module.partition(".")
            if top == "rig":
                yield from [rest.partition(".")[0]] if rest else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("rig."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(RIG)))
def test_no_module_imports_what_is_above_or_beside_it(path: Path) -> None:
    own = layer_of(path)
    wrong = {other for other in imported(path) if other != own and LEVEL[other] >= LEVEL[own]}
    assert not wrong, f"rig.{own} stands below or beside {', '.join(sorted(wrong))}"


def test_every_package_has_its_layer() -> None:
    assert {layer_of(path) for path in MODULES} == set(LEVEL)
