"""What is measured gets the CPU that devices disturb least."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rig.testbed import custom

INTERRUPTS = """\
           CPU0       CPU1       CPU3
 24:          1          0          7  IO-APIC   5-edge      ACPI:Ged
 36:         10    8731986         20 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0
NMI:          0          0          0   Non-maskable interrupts
LOC:    2698331       4271    9999999   Local timer interrupts
ERR:          0
"""


def test_only_the_numbered_rows_are_devices() -> None:
    assert custom.device_interrupts(INTERRUPTS) == {0: 11, 1: 8731986, 3: 27}


@pytest.mark.parametrize(
    ("usable", "counts", "own", "others"),
    [
        ({0, 1, 3}, INTERRUPTS, "0", "1,3"),
        ({1, 3}, INTERRUPTS, "3", "1"),
        ({1}, INTERRUPTS, "1", "1"),
        ({0, 1}, "   CPU0  CPU1\n 9:  5  5  x\n", "1", "0"),
        ({0, 5}, "   CPU0\n 9:  5  x\n", "5", "0"),
    ],
)
def test_the_measured_has_the_quietest_cpu_for_itself(
    usable: set[int], counts: str, own: str, others: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, *_: Any, **__: Any) -> str:
        assert str(path) == "/proc/interrupts"
        return counts

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: usable)
    monkeypatch.setattr(Path, "read_text", read)
    assert custom.processors() == (own, others)
