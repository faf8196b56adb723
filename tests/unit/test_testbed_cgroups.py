"""CPU counters of a container are found whichever cgroup version and driver the engine uses."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rig.errors import StackError
from rig.testbed import cgroups

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


STAT = "cpu  100 10 50 9999 777 1 2 40 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


def test_host_time_leaves_idle_out_and_tells_stolen_apart(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(STAT)
    assert cgroups.host_cpu_ns(stat, tmp_path) == (163 * 10_000_000, 40 * 10_000_000)


@pytest.mark.parametrize("mount", ["cpuacct", "cpu,cpuacct"])
def test_the_root_cgroup_s_own_sum_goes_before_what_is_counted_in_ticks(tmp_path: Path, mount: str) -> None:
    """Counted in ticks, a phase's host was less than the sum of its containers, which are counted exactly."""
    stat = tmp_path / "stat"
    stat.write_text(STAT)
    (tmp_path / mount).mkdir()
    (tmp_path / mount / "cpuacct.usage").write_text("1234567890123\n")
    assert cgroups.host_cpu_ns(stat, tmp_path) == (1234567890123, 40 * 10_000_000)


def test_own_time_is_that_of_this_process_and_of_children_that_it_has_waited_for() -> None:
    start = cgroups.own_cpu_ns()
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", spin], check=True)
    with_child = cgroups.own_cpu_ns()
    assert with_child - start >= 0.2e9
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert cgroups.own_cpu_ns() - with_child >= 0.05e9


SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens
Tcp: 1 200 120000 -1 {opened} 99
Udp: InDatagrams
Udp: 7
"""


def container(directory: Path, pid: int = 0, opened: int = 17, cpu_us: int = 5) -> cgroups.Cgroup:
    """A container as the kernel shows it, below a directory of its own."""
    directory.mkdir(exist_ok=True)
    (directory / "cpu.stat").write_text(f"usage_usec {cpu_us}\n")
    (directory / "snmp").write_text(SNMP.format(opened=opened))
    (directory / "cgroup.procs").write_text("")
    return cgroups.Cgroup(
        version=2, cpu=directory / "cpu.stat", memory=directory / "x", network=directory / "dev", pid=pid
    )  # fmt: skip


def test_connections_that_were_opened_are_counted_and_those_that_came_are_not(tmp_path: Path) -> None:
    assert container(tmp_path).opened() == 17


def put(proc: Path, pid: int, parent: int, name: str, *threads_ns: int) -> None:
    """A process as /proc shows it; its name may have blanks and parentheses."""
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0 -1 4194560 9 9 0 0 500 600 0\n")
    for number, used in enumerate(threads_ns):
        (proc / str(pid) / "task" / str(pid + number)).mkdir(parents=True)
        (proc / str(pid) / "task" / str(pid + number) / "schedstat").write_text(f"{used} 88 9\n")


def test_processes_have_parent_name_and_the_time_of_all_their_threads(tmp_path: Path) -> None:
    group, proc = container(tmp_path / "c", pid=10), tmp_path / "proc"
    put(proc, 10, 1, "celery: (main) x", 500, 60)
    put(proc, 11, 10, "celery", 7)
    (tmp_path / "c/cgroup.procs").write_text("10\n11\n12\n0\n")  # 12 has ended; 0 is of another namespace
    assert group.processes(proc) == [
        cgroups.Process(pid=10, parent=1, name="celery: (main) x", cpu_ns=560),
        cgroups.Process(pid=11, parent=10, name="celery", cpu_ns=7),
    ]


@pytest.mark.parametrize("init", cgroups.INITS)
def test_an_init_is_no_process_of_the_worker_and_its_child_is_the_main_one(tmp_path: Path, init: str) -> None:
    group, proc = container(tmp_path / "c", pid=10), tmp_path / "proc"
    put(proc, 10, 1, init, 5)
    put(proc, 11, 10, "celery", 7)
    put(proc, 12, 11, "celery", 8)
    put(proc, 13, 11, init, 9)  # a name alone makes no init: that is the container's first process
    (tmp_path / "c/cgroup.procs").write_text("10\n11\n12\n13\n")
    assert [process.pid for process in group.processes(proc)] == [11, 12, 13]


def test_own_processes_are_read_from_the_real_kernel(tmp_path: Path) -> None:
    group = container(tmp_path / "c", pid=os.getpid())
    (tmp_path / "c/cgroup.procs").write_text(f"{os.getpid()}\n")
    (process,) = group.processes()
    assert (process.pid, process.parent) == (os.getpid(), os.getppid())
    assert 0 < process.cpu_ns < 1.5 * time.process_time_ns() + 1e9


def test_a_reading_has_all_counters_and_connections_and_processes_of_those_that_are_asked_for(tmp_path: Path) -> None:
    groups = {
        "publisher": [container(tmp_path / "p", opened=3)],
        "broker": [container(tmp_path / "b1", cpu_us=10), container(tmp_path / "b2", cpu_us=20)],
        "worker": [container(tmp_path / "w1", opened=5), container(tmp_path / "w2", pid=os.getpid(), opened=6)],
        "results": [],
    }
    (tmp_path / "w2/cgroup.procs").write_text(f"{os.getpid()}\n")
    before = time.monotonic_ns()
    found = cgroups.read(groups, opened=("publisher", "worker"), inside="worker")
    assert before <= found.at_ns <= time.monotonic_ns()
    assert found.cpu_ns == {"publisher": 5000, "broker": 30_000, "worker": 10_000, "results": 0}
    assert found.opened == {"publisher": 3, "worker": 11}
    assert [process.pid for process in found.processes] == [os.getpid()]
    assert found.host_ns > 0
    assert 0 < found.rig_ns <= cgroups.own_cpu_ns()
    plain = cgroups.read(groups)
    assert (plain.opened, plain.processes) == ({}, [])
