"""The bubble: how many run at once, where, and in which order."""

from __future__ import annotations

import collections
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support import Coord, Sandbox, end_process, wait_for, workers


@pytest.fixture
def tasks(sandbox: Sandbox, tmp_path: Path):
    """Writes a task file beside the sandbox's own, with its hosts and settings."""
    path = sandbox.folder / f"{tmp_path.name}.yaml"

    def write(text: str) -> list[str]:
        path.write_text((sandbox.folder / "Coordfile.yaml").read_text().split("tasks:")[0] + "tasks:\n" + text)
        return ["-f", str(path)]

    yield write
    path.unlink(missing_ok=True)


def test_twenty_at_once_and_never_more(coord: Coord):
    started = time.monotonic()
    process = coord.start("run", "-R", "servers", "-P", "-z", "20", "--output", "json", "--", "sleep 2")
    try:
        wait_for(lambda: len(workers(process.pid)) == 20, what="twenty workers")
        tree = subprocess.run(["pstree", "-a", str(process.pid)], capture_output=True, text=True, check=True).stdout
        assert sum("127.77.0." in line and "[command]" in line for line in tree.splitlines()) == 20, tree
        seen = set()
        while process.poll() is None:
            now = workers(process.pid)
            assert len(now) <= 20 and len(set(now)) == len(now)
            seen |= set(now)
            time.sleep(0.05)
        document = json.loads(process.stdout.read())
    finally:
        end_process(process)
    assert time.monotonic() - started >= 6
    assert document["run"]["pool_size"] == 20 and document["run"]["bubble"] == 20 and document["run"]["agents"] == 1
    assert document["summary"]["ok"] == 53 and len(seen) == 53


def test_four_agents_run_everything_in_one_wave(coord: Coord):
    run = coord("run", "-R", "servers", "--agents", "4", "-z", "20", "--output", "json", "--", "sleep 2")
    document = run.json
    agents = collections.Counter(host["agent"] for host in document["hosts"])
    assert sorted(agents.values()) == [13, 13, 13, 14] and set(agents) == {"a1", "a2", "a3", "a4"}
    assert document["run"] | {"agents": 4, "pool_size": 20, "bubble": 53} == document["run"]
    assert [host["host"] for host in document["hosts"]] == [f"127.77.0.{number}" for number in range(1, 54)]


def test_half_the_hosts_when_nobody_says(coord: Coord):
    run = coord("run", "-R", "servers", "-P", "--output", "json", "--", "true")
    assert (run.json["run"]["pool_size"], run.json["run"]["bubble"]) == (26, 26)
    run = coord("run", "-R", "servers", "--agents", "4", "--output", "json", "--", "true")
    assert (run.json["run"]["pool_size"], run.json["run"]["bubble"]) == (7, 28)
    run = coord("run", "-H", "127.77.0.[1-2]", "--agents", "9", "--output", "json", "--", "true")
    assert (run.json["run"]["agents"], run.json["run"]["bubble"]) == (2, 2)


LOG = "log: {hosts: ['127.77.0.[1-4]'], MODErun: 'echo + >> FILE; sleep 0.3; echo $COORD_HOST - >> FILE'}"


@pytest.mark.parametrize(
    "mode, flags, is_sequential",
    [
        ("", [], True), ("", ["-P"], False), ("", ["-z", "4"], False), ("", ["--agents", "4", "-z", "4"], False),
        ("mode: sequential, ", ["-P", "-z", "4"], True), ("mode: parallel, ", ["--sequential"], False),
        ("", ["--sequential", "-z", "4"], True),
    ],
)
def test_modes(coord: Coord, tasks, open_folder: Path, mode, flags, is_sequential):
    file = open_folder / "log"
    file.touch()
    file.chmod(0o666)
    run = coord("run", *tasks("  " + LOG.replace("MODE", mode).replace("FILE", str(file)) + "\n"), *flags, "log")
    assert run.status == 0, run
    lines = file.read_text().splitlines()
    in_order = [line for number in range(1, 5) for line in ("+", f"127.77.0.{number} -")]
    assert (lines == in_order) == is_sequential, lines


def test_a_sequence_stops_at_the_first_that_is_not_ok(coord: Coord, tasks):
    flags = tasks("  third: {roles: [servers], run: 'test $COORD_INDEX != 2'}\n")
    run = coord("run", *flags, "third", "-x", "127.77.0.[6-53]", "--output", "json")
    assert [host["outcome"] for host in run.json["hosts"]] == ["ok", "ok", "failed", "skipped", "skipped"], run
    assert run.status == 1
    run = coord("run", *flags, "third", "-x", "127.77.0.[6-53]", "-w", "--output", "json")
    assert [host["outcome"] for host in run.json["hosts"]] == ["ok", "ok", "failed", "ok", "ok"], run
    assert run.status == 0


def test_tasks_run_in_order_and_stop_after_a_failure(coord: Coord, tasks):
    flags = tasks(
        "  one: {hosts: ['127.77.0.[1-3]'], mode: parallel, run: 'test $COORD_INDEX != 1'}\n"
        "  two: {hosts: ['127.77.0.[1-2]'], steps: [{run: echo first}, {run: echo second}]}\n"
    )
    run = coord("run", *flags, "one", "two", "--output", "json")
    assert [(h["task"], h["outcome"]) for h in run.json["hosts"]] == [
        ("one", "ok"), ("one", "failed"), ("one", "ok"), ("two", "skipped"), ("two", "skipped"),
    ], run
    run = coord("run", *flags, "one", "two", "-w", "--output", "json")
    assert [host["stdout"] for host in run.json["hosts"]] == ["", "", "", "first\nsecond\n", "first\nsecond\n"], run


def test_the_sandbox_comes_and_goes(tmp_path: Path):
    folder = Path("/tmp") / f"coord-{tmp_path.parent.name}-{tmp_path.name}"
    coord = Coord(tmp_path, tmp_path / "state")
    try:
        assert coord("sandbox", "up", "--hosts", "3", "--dir", str(folder)).status == 0
        assert "was up already" in coord("sandbox", "up", "--hosts", "3", "--dir", str(folder)).text
        status = coord("sandbox", "status", "--dir", str(folder)).text
        assert "3: 127.77.0.[1-3]" in status
        inside = Coord(folder, tmp_path / "state")
        assert inside("run", "-R", "servers", "--output", "json", "--", "true").json["summary"]["ok"] == 3
        assert coord("sandbox", "down", "--dir", str(folder)).status == 0
        assert not folder.exists()
        found = subprocess.run(["pgrep", "-f", f"sshd.*{folder}/sshd_config"], capture_output=True, text=True).stdout
        assert [pid for pid in found.split() if "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]] == []
        assert "no sandbox" in coord("sandbox", "status", "--dir", str(folder)).text
        assert coord("sandbox", "down", "--dir", str(folder)).status == 0
    finally:
        if folder.exists():
            coord("sandbox", "down", "--dir", str(folder))
            shutil.rmtree(folder, ignore_errors=True)


def test_a_folder_that_is_no_sandbox_is_left_alone(tmp_path: Path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "file").write_text("keep")
    for verb in ("up", "down"):
        run = Coord(tmp_path, tmp_path / "state")("sandbox", verb, "--dir", str(folder))
        assert run.status == 2 and str(folder) in run.errors, run
    assert (folder / "file").read_text() == "keep"
