"""What goes away in mid-run: every host still has one outcome, nothing runs twice, nothing is left behind."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from support import (
    Coord, agent_pid, command_line, descendants, end_process, family, is_alive, pool_pid, remote_processes, wait_for,
    workers,
)

HOSTS = 80
POOL = 5
AGENTS = 4


class Counted:
    """A run in which each host counts how often its task was started."""

    def __init__(self, coord: Coord, flags: list[str], counters: Path, seconds: float = 1.5) -> None:
        self.counters = counters
        self.mark = f"COUNTED={counters}"
        command = f"export {self.mark}; echo x >> {counters}/$COORD_HOST; /bin/sh -c 'sleep {seconds}; true'"
        self.process = coord.start(
            "run", "-H", f"127.77.1.[1-{HOSTS}]", *flags, "--agents", str(AGENTS), "-z", str(POOL), "--output", "json",
            "--", command,
        )
        self.everybody: set[int] = set()
        wait_for(lambda: len(workers(self.process.pid)) == AGENTS * POOL, what="a full bubble")
        wait_for(lambda: self.started() >= AGENTS * POOL, what="a bubble of started tasks")
        self.everybody = set(descendants(self.process.pid))

    def started(self) -> int:
        return len(list(self.counters.iterdir()))

    def finish(self, seconds: float = 60) -> dict:
        stdout, self.stderr = self.process.communicate(timeout=seconds)
        return json.loads(stdout)

    def outcomes(self, document: dict) -> dict[str, int]:
        summary = document["summary"]
        assert sum(count for outcome, count in summary.items() if outcome != "hosts") == summary["hosts"] == HOSTS
        return {outcome: count for outcome, count in summary.items() if count and outcome != "hosts"}

    def check_counters(self) -> None:
        counts = collections.Counter(len(file.read_text().split()) for file in self.counters.iterdir())
        assert set(counts) <= {1}, counts

    def check_nothing_is_left(self, seconds: float = 20) -> None:
        wait_for(lambda: not any(is_ours(pid) for pid in self.everybody), seconds, "the end of all processes")
        wait_for(lambda: not remote_processes(self.mark), seconds, "the end of all remote commands")


def is_ours(pid: int) -> bool:
    return is_alive(pid) and command_line(pid)[:1] == ["coord-agent:"]


@pytest.fixture
def counted(coord: Coord, anywhere: list[str], open_folder: Path):
    run = Counted(coord, anywhere, open_folder)
    yield run
    end_process(run.process)


def kill_agent(run: Counted) -> None:
    os.kill(agent_pid(run.process.pid, "a2"), signal.SIGKILL)


def kill_pool(run: Counted) -> None:
    os.kill(pool_pid(run.process.pid, "a2"), signal.SIGKILL)


def stop_agent(run: Counted) -> None:
    os.kill(agent_pid(run.process.pid, "a2"), signal.SIGSTOP)


@pytest.mark.parametrize("harm", [kill_agent, kill_pool, stop_agent])
def test_an_agent_goes_away(counted: Counted, harm):
    harm(counted)
    document = counted.finish()
    outcomes = counted.outcomes(document)
    assert outcomes["lost"] <= POOL and outcomes["lost"] + outcomes["ok"] == HOSTS, (outcomes, counted.stderr)
    assert all(host["agent"] == "a2" for host in document["hosts"] if host["outcome"] == "lost")
    assert counted.process.returncode == 3
    assert counted.started() == HOSTS
    counted.check_counters()
    counted.check_nothing_is_left()


def test_an_agent_whose_loop_hangs_while_its_sockets_answer(counted: Counted):
    """The agent's main thread is stopped by ptrace(2); ZeroMQ's own threads go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    seize, interrupt = 0x4206, 0x4207
    pid = agent_pid(counted.process.pid, "a2")
    if libc.ptrace(seize, pid, None, None) != 0:
        pytest.skip(f"ptrace is not allowed here: {os.strerror(ctypes.get_errno())}")
    assert libc.ptrace(interrupt, pid, None, None) == 0
    started = time.monotonic()
    wait_for(lambda: os.waitpid(pid, os.WNOHANG | 0x40000000)[0] == pid, what="the stop of the loop")
    # A traced process stays a zombie of its parent until its tracer has seen its end.
    wait_for(lambda: ended(pid), 40, "the end of the hung agent")
    assert time.monotonic() - started > 10
    document = counted.finish()
    outcomes = counted.outcomes(document)
    assert 1 <= outcomes["lost"] <= POOL and outcomes["lost"] + outcomes["ok"] == HOSTS, outcomes
    counted.check_counters()
    counted.check_nothing_is_left()


def ended(pid: int) -> bool:
    try:
        found, status = os.waitpid(pid, os.WNOHANG | 0x40000000)
    except ChildProcessError:
        return True
    return found == pid and (os.WIFSIGNALED(status) or os.WIFEXITED(status))


def test_a_worker_is_killed(counted: Counted):
    victim, words = next((pid, words) for pid, words in family(counted.process.pid).items() if words[-1] == "[command]")
    os.kill(victim, signal.SIGKILL)
    document = counted.finish()
    assert counted.outcomes(document) == {"ok": HOSTS - 1, "lost": 1}
    [lost] = [host for host in document["hosts"] if host["outcome"] == "lost"]
    assert lost["host"] == words[1] and "signal 9" in lost["message"] and lost["possibly_running"]
    counted.check_counters()
    counted.check_nothing_is_left()


def test_the_coordinator_is_killed(counted: Counted):
    counted.process.kill()
    counted.process.wait()
    counted.check_nothing_is_left()
    assert counted.started() < HOSTS
    counted.check_counters()


def test_the_last_agent_keeps_dying(coord: Coord, anywhere: list[str]):
    process = coord.start("run", "-H", "127.77.1.[1-10]", *anywhere, "-z", "2", "--output", "json", "--", "sleep 30")
    try:
        for _ in range(4):
            pid = agent_pid(process.pid, "a1")
            wait_for(lambda: len(workers(process.pid)) == 2, what="two workers")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not is_alive(pid), what="the agent's end")
        stdout, stderr = process.communicate(timeout=60)
    finally:
        end_process(process)
    summary = json.loads(stdout)["summary"]
    assert summary["lost"] + summary["skipped"] + summary["unreachable"] == 10 and summary["ok"] == 0, (summary, stderr)
    assert summary["lost"] <= 8 and process.returncode == 3


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_interrupts(counted: Counted, signals):
    for number in signals:
        counted.process.send_signal(number)
    document = counted.finish()
    outcomes = counted.outcomes(document)
    assert counted.process.returncode == 130
    if signals == [signal.SIGINT]:
        assert outcomes["ok"] >= POOL * AGENTS and outcomes["cancelled"] == HOSTS - outcomes["ok"], outcomes
        assert b"Ctrl-C again" in counted.stderr
    else:
        assert outcomes["cancelled"] >= HOSTS - 2 * POOL * AGENTS, outcomes
        assert not any(host["possibly_running"] for host in document["hosts"])
        assert not remote_processes(counted.mark)
    counted.check_counters()
    counted.check_nothing_is_left(1)


def test_a_full_disk_grants_nothing_and_says_so(coord: Coord, anywhere: list[str], open_folder: Path, tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], check=True)
    try:
        coord.state = small
        command = f"echo x >> {open_folder}/$COORD_HOST; seq 3000"
        run = coord("run", "-H", f"127.77.1.[1-{HOSTS}]", *anywhere, "-z", "2", "--output", "json", "--", command)
        summary = run.json["summary"]
        assert summary["skipped"] > 0 and summary["ok"] < HOSTS and run.status not in (0, 2), (summary, run.errors)
        assert "disk is full" in run.errors or "No space left" in run.errors, run.errors
        started = {file.name for file in open_folder.iterdir()}
        [journal] = coord.journals()
        with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            granted = {
                host for (host,) in database.execute("SELECT host FROM entry JOIN grant_ ON entry.id = grant_.entry")
            }
        assert started <= granted
    finally:
        subprocess.run(["umount", str(small)], check=True)
