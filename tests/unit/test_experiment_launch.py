"""A run that ends before its first turn leaves the reason behind."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import made_up
import pytest

from rig.errors import StackError
from rig.experiment import launch, result


def test_what_kept_a_run_from_starting_is_kept_for_rig_list(tmp_path: Path) -> None:
    def execute() -> NoReturn:
        raise StackError("broker did not start\nits last line")

    nothing = replace(made_up.result(), turns=[])
    run: Any = SimpleNamespace(execute=execute, result=nothing, directory=tmp_path)
    with pytest.raises(StackError):
        launch._finish(run, give_up=lambda: None)
    assert result.load(tmp_path).interrupted == "broker did not start … its last line"
