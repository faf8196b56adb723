"""CPU counters of a container are found whichever cgroup version and driver the engine uses."""

import os
import time
from pathlib import Path

import pytest

from rig.errors import StackError
from rig.stack import cgroups

# What /proc/<pid>/cgroup of a container's process says, and where its CPU counter lies then.
LAYOUTS = {
    "v1 cgroupfs": ("4:memory:/docker/c\n2:cpuacct:/docker/c\n0::/\n", "cpuacct/docker/c/cpuacct.usage", "5000\n"),
    "v1 joined": ("3:cpu,cpuacct:/docker/c\n2:memory:/docker/c\n", "cpu,cpuacct/docker/c/cpuacct.usage", "5000\n"),
    "v1 systemd": (
        "2:cpuacct:/system.slice/docker-c.scope\n4:memory:/system.slice/docker-c.scope\n0::/system.slice/docker-c.scope\n",
        "cpuacct/system.slice/docker-c.scope/cpuacct.usage",
        "5000\n",
    ),
    "v2 systemd": (
        "0::/system.slice/docker-c.scope\n",
        "system.slice/docker-c.scope/cpu.stat",
        "usage_usec 5\nuser_usec 3\nsystem_usec 2\n",
    ),
    "v2 cgroupfs": ("0::/docker/c\n", "docker/c/cpu.stat", "user_usec 3\nusage_usec 5\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counter_is_found_and_read_in_nanoseconds(tmp_path: Path, layout: str) -> None:
    text, counter, content = LAYOUTS[layout]
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cgroup").write_text(text)
    path = tmp_path / "sys" / counter
    path.parent.mkdir(parents=True)
    path.write_text(content)
    found = cgroups.find(7, tmp_path / "proc", tmp_path / "sys")
    assert found.cpu == path
    assert found.cpu_ns() == 5000


@pytest.mark.parametrize(
    ("layout", "content"),
    [
        ("v1 cgroupfs", "cache 99\nrss 1\ntotal_cache 999\ntotal_rss 4096\n"),
        ("v2 cgroupfs", "anon 4096\nfile 999\nanon_thp 1\n"),
    ],
)
def test_memory_is_what_the_processes_hold_without_page_cache(tmp_path: Path, layout: str, content: str) -> None:
    text, counter, cpu = LAYOUTS[layout]
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cgroup").write_text(text)
    for path in (tmp_path / "sys" / counter, tmp_path / "sys/memory/docker/c/memory.stat"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(cpu)
        path.with_name("memory.stat").write_text(content)
    assert cgroups.find(7, tmp_path / "proc", tmp_path / "sys").memory_bytes() == 4096


def test_network_bytes_are_in_and_out_of_all_interfaces_but_the_loopback(tmp_path: Path) -> None:
    table = tmp_path / "dev"
    table.write_text(
        "Inter-|   Receive                                      |  Transmit\n"
        " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls ...\n"
        "    lo:     111       2    0    0    0     0          0         0      111       2    0    0    0     0\n"
        "  eth0:    1000      10    0    0    0     0          0         0      200       3    0    0    0     0\n"
        "  eth1:30 1 0 0 0 0 0 0 4 1 0 0 0 0 0 0\n"
    )  # fmt: skip
    group = cgroups.Cgroup(version=2, cpu=table, memory=table, network=table)
    assert group.network_bytes() == 1234


def test_an_engine_elsewhere_is_said_to_be_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="in a VM"):
        cgroups.find(7, tmp_path, tmp_path)


def test_a_missing_counter_names_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text("0::/docker/c\n")
    with pytest.raises(StackError, match=r"docker/c/cpu\.stat"):
        cgroups.find(7, tmp_path, tmp_path / "sys")


def test_a_container_that_stopped_is_said_to_have_stopped(tmp_path: Path) -> None:
    group = cgroups.Cgroup(version=1, cpu=tmp_path / "gone", memory=tmp_path / "gone", network=tmp_path / "gone")
    with pytest.raises(StackError, match="did its container stop"):
        group.cpu_ns()


def test_host_time_grows_with_work_and_is_in_nanoseconds() -> None:
    before, _ = cgroups.host_cpu_ns()
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    after, _ = cgroups.host_cpu_ns()
    assert 0.1e9 < after - before < 0.2e9 * 20 * (os.cpu_count() or 1)


def test_host_time_leaves_idle_out_and_tells_stolen_apart(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 10 50 9999 777 1 2 40 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert cgroups.host_cpu_ns(stat) == (163 * 10_000_000, 40 * 10_000_000)
