"""Ctrl-C as a terminal sends it, once and twice, wherever a run happens to be."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from support import Coord, Run, descendants, end_process, kill_all, remote_processes, wait_for, workers


class Interrupted:
    """A run in a session of its own, so that a signal to its process group is what Ctrl-C in a terminal is."""

    def __init__(self, coord: Coord, mark: str, *arguments: str, **options) -> None:
        self.coord, self.mark, self.arguments = coord, mark, arguments
        self.process = coord.start(*arguments, start_new_session=True, **options)

    def wait_for_workers(self, count: int) -> None:
        wait_for(lambda: len(workers(self.process.pid)) == count, what=f"{count} workers")

    def wait_for_commands(self, count: int) -> None:
        """Waits until commands run on that many hosts."""
        hosts = f"commands on {count} hosts"
        wait_for(lambda: len({host_of(pid) for pid in self.commands()} - {""}) == count, what=hosts)

    def commands(self) -> list[int]:
        return remote_processes(self.mark)

    def press(self, times: int = 1) -> None:
        """One at a time: signals that wait for delivery at the same moment are one."""
        for _ in range(times):
            os.killpg(self.process.pid, signal.SIGINT)
            wait_for(lambda: not has_pending_signals(self.process.pid), what="the signal's delivery")

    def finish(self, seconds: float = 40) -> Run:
        stdout, stderr = self.process.communicate(timeout=seconds)
        return Run(["coord", *self.arguments], self.process.returncode, stdout, stderr)


def host_of(pid: int) -> str:
    """COORD_HOST in the environment of a remote command; nothing when it has ended."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    except OSError:
        return ""
    return next((entry.split("=", 1)[1] for entry in entries if entry.startswith("COORD_HOST=")), "")


def has_pending_signals(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd:", "ShdPnd:")))


@pytest.fixture
def interrupted(coord: Coord, tmp_path: Path):
    """Starts runs whose commands carry a mark; nothing of them outlives the test."""
    started: list[Interrupted] = []
    mark = f"INTERRUPTED={tmp_path}"

    def start(*arguments: str, command: str, **options) -> Interrupted:
        run = Interrupted(coord, mark, *arguments, "--", f"export {mark}; {command}", **options)
        started.append(run)
        return run

    yield start
    for run in started:
        below = descendants(run.process.pid)
        end_process(run.process)
        kill_all(below)
    kill_all(remote_processes(mark))


def journalled(coord: Coord) -> tuple[int, dict[str, int]]:
    """How many grants hold, and how often each outcome stands in the only journal."""
    [journal] = coord.journals()
    with contextlib.closing(sqlite3.connect(journal)) as database:
        [(grants,)] = database.execute("SELECT count(*) FROM grant_ WHERE withdrawn = 0").fetchall()
        return grants, dict(database.execute("SELECT outcome, count(*) FROM outcome GROUP BY 1").fetchall())


def counts(run: Run) -> dict[str, int]:
    return {name: count for name, count in run.json["summary"].items() if count and name != "hosts"}


def test_once_lets_what_runs_finish(coord: Coord, interrupted, open_folder: Path):
    gate = open_folder / "gate"
    command = f"while ! test -e {gate}; do sleep 0.2; done; echo done"
    run = interrupted("run", "-R", "servers", "--agents", "2", "-z", "3", "--output", "json", command=command)
    run.wait_for_workers(6)
    run.wait_for_commands(6)
    run.press()
    time_of_press = time.monotonic()
    # The agents are in the same terminal's reach, and must not have ended.
    assert len(workers(run.process.pid)) == 6
    gate.touch()
    result = run.finish()
    assert time.monotonic() - time_of_press < 20
    assert counts(result) == {"ok": 6, "cancelled": 47} and result.status == 130, result
    assert all(host["stdout"] == "done\n" for host in result.json["hosts"] if host["outcome"] == "ok"), result
    assert all(host["agent"] is None for host in result.json["hosts"] if host["outcome"] == "cancelled"), result
    assert "6 hosts still running" in result.errors, result
    assert journalled(coord) == (6, {"ok": 6, "cancelled": 47})
    assert run.commands() == []


@pytest.mark.parametrize(
    "command",
    [
        "sleep 71; true",
        "sleep 71 & sleep 72; true",
        "trap '' INT TERM HUP; sleep 71 & sleep 72; true",
        "setsid sleep 71 & sleep 72; true",
        "nohup sleep 71 >/dev/null 2>&1 & sleep 72; true",
        "yes",
    ],
)
def test_twice_ends_what_runs_on_the_hosts_too(coord: Coord, interrupted, command: str):
    run = interrupted(
        "run", "-R", "servers", "--agents", "2", "-z", "2", "--output", "json", command=f"echo begun; {command}"
    )
    run.wait_for_workers(4)
    run.wait_for_commands(4)
    run.press(2)
    result = run.finish()
    left = remote_processes(f"COORD_RUN={result.json['run']['id']}\0") + run.commands()
    kill_all(left)
    assert counts(result) == {"cancelled": 53} and result.status == 130, result
    begun = [host for host in result.json["hosts"] if host["agent"] is not None]
    assert len(begun) == 4 and not any(host["possibly_running"] for host in begun), result
    assert left == [], result
    assert journalled(coord) == (4, {"cancelled": 53})


def test_a_sequence_ends_after_its_running_host(interrupted, open_folder: Path):
    gate = open_folder / "gate"
    command = f"while ! test -e {gate}; do sleep 0.2; done"
    run = interrupted("run", "-R", "servers", "--sequential", command=command)
    run.wait_for_commands(1)
    run.press()
    gate.touch()
    result = run.finish()
    assert result.status == 130 and "1 host still running" in result.errors, result
    assert "1 ok" in result.errors and "52 cancelled" in result.errors, result
    assert "coord:   cancelled (52): 127.77.0.[2-53]" in result.errors.splitlines(), result


def test_before_any_host_has_answered(coord: Coord, interrupted):
    """Workers that wait for a server that never speaks are not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        hosts = ",".join(f"127.0.0.1:{server.getsockname()[1]}" for _ in range(9))
        flags = ["-H", hosts, "--keep-duplicates", "-z", "3", "-t", "50s", "--output", "json"]
        run = interrupted("run", *flags, command="true")
        run.wait_for_workers(3)
        started = time.monotonic()
        run.press(2)
        result = run.finish()
        assert time.monotonic() - started < 20
    assert counts(result) == {"cancelled": 9} and result.status == 130, result
    assert journalled(coord) == (0, {"cancelled": 9})


def test_twice_although_nobody_reads_the_output(interrupted):
    """A stopped reader holds back neither the end of the remote commands nor, pressed once more, that of coord."""
    reader, writer = os.pipe()
    try:
        pipes = {"stdout": writer, "stderr": subprocess.DEVNULL}
        run = interrupted("run", "-H", "127.77.0.[1-3]", "-z", "3", command="yes", **pipes)
        os.close(writer)
        run.wait_for_commands(3)
        assert os.read(reader, 100)
        run.press(2)
        wait_for(lambda: not run.commands(), 20, "the end of the remote commands")
        run.press()
        assert run.process.wait(timeout=20) == 130
    finally:
        os.close(reader)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ends_that_nobody_can_press_twice(coord: Coord, interrupted, number: signal.Signals):
    run = interrupted("run", "-R", "servers", "-z", "4", "--output", "json", command="sleep 71; true")
    run.wait_for_commands(4)
    run.process.send_signal(number)
    result = run.finish()
    assert counts(result) == {"cancelled": 53} and result.status == 130, result
    assert run.commands() == []
    assert journalled(coord) == (4, {"cancelled": 53})
