"""The generated Compose file: what each cell has of its own."""

import json
from pathlib import Path

import made_up
import pytest
import yaml

from rig.experiment import cells
from rig.experiment.spec import CONTROL, Variant, WorkerSpec


@pytest.fixture
def services(tmp_path: Path) -> dict[str, dict]:
    text = cells.compose_file(cells.cells_of(made_up.experiment(), tmp_path), Path("/repo/compose"), "run-1")
    return yaml.safe_load(text)["services"]


def test_control_is_the_first_variant_in_a_cell_of_its_own(tmp_path: Path) -> None:
    built = {cell.name: cell for cell in cells.cells_of(made_up.experiment(), tmp_path)}
    assert list(built) == ["stored", "ignored", CONTROL]
    assert built[CONTROL].variant is built["stored"].variant
    assert built[CONTROL].queue == "bench.control"


def test_no_two_cells_share_a_queue_or_a_ledger(services: dict[str, dict]) -> None:
    workers = [service for name, service in services.items() if name.startswith("worker-")]
    assert len(workers) == 3
    assert len({service["command"][service["command"].index("-Q") + 1] for service in workers}) == 3
    assert len({service["volumes"][0] for service in workers}) == 3


def test_worker_and_generator_of_a_cell_share_ledger_and_settings(services: dict[str, dict]) -> None:
    worker, generator = services["worker-ignored"], services["generator-ignored"]
    assert worker["volumes"] == generator["volumes"]
    for service in (worker, generator):
        assert json.loads(service["environment"]["RIG_SETTINGS"]) == {"task_ignore_result": True}


def test_generators_are_published_on_loopback_only(services: dict[str, dict]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:0:8089"] * 3


def test_variant_options_follow_the_engines_own_on_the_command_line(tmp_path: Path) -> None:
    variant = Variant(name="a", workers=(WorkerSpec(worker="--pool threads -c 8"),))
    cell = cells.Cell(name="a", variant=variant, ledger=tmp_path)
    assert cells.worker_command(cell)[-4:] == ["--pool", "threads", "-c", "8"]


def test_yaml_survives_what_settings_may_contain() -> None:
    nested = {"a": {"text": 'x: "y" # {z}', "number": 3, "list": ["-c", "2"]}, "b-c": False}
    assert yaml.safe_load(cells.yaml(nested)) == nested
    assert "$$HOME" in cells.yaml({"a": "$HOME"})
