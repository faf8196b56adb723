"""Compiles rig/instrument/fast.c for the Python that runs the tests, once in a session."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "rig" / "instrument" / "fast.c"


def compile_fast(directory: Path) -> Any:
    """The module rig_fast. Skips the test where there is no C compiler or Python came without its headers."""
    headers = Path(sysconfig.get_path("include"))
    if shutil.which("cc") is None:
        pytest.skip("no C compiler (cc): on Debian and Ubuntu apt-get install gcc libc6-dev")
    if not (headers / "Python.h").is_file():
        pytest.skip(f"no {headers / 'Python.h'}: on Debian and Ubuntu apt-get install libpython3-dev")
    built = directory / f"rig_fast{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = ["cc", "-std=c11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{headers}"]
    subprocess.run([*command, str(SOURCE), "-o", str(built)], check=True)
    spec = importlib.util.spec_from_file_location("rig_fast", built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
