"""The bubble: how many run at once, where, and in which order."""

from __future__ import annotations

import collections
import json
import subprocess
import time
from pathlib import Path

import pytest

from support import Coord, Sandbox, check_document, end_process, family, wait_for, workers


@pytest.fixture
def tasks(sandbox: Sandbox, tmp_path: Path):
    """Writes a task file beside the sandbox's own, with its hosts and settings."""
    path = sandbox.folder / f"{tmp_path.name}.yaml"

    def write(text: str) -> list[str]:
        path.write_text((sandbox.folder / "Coordfile.yaml").read_text().split("tasks:")[0] + "tasks:\n" + text)
        return ["-f", str(path)]

    yield write
    path.unlink(missing_ok=True)


POKE = "  poke: {roles: [servers], run: sleep 2}\n"


def test_twenty_at_once_and_never_more(coord: Coord, tasks):
    started = time.monotonic()
    process = coord.start("run", *tasks(POKE), "poke", "-P", "-z", "20", "--output", "json")
    try:
        wait_for(lambda: len(workers(process.pid)) == 20, what="twenty workers")
        tree = subprocess.run(["pstree", "-a", str(process.pid)], capture_output=True, text=True, check=True).stdout
        assert sum("127.77.0." in line and "[poke]" in line for line in tree.splitlines()) == 20, tree
        seen = set()
        while process.poll() is None:
            now = workers(process.pid)
            assert len(now) <= 20 and len(set(now)) == len(now)
            seen |= set(now)
            time.sleep(0.05)
        document = json.loads(process.stdout.read())
    finally:
        end_process(process)
    assert process.returncode == 0
    assert time.monotonic() - started >= 6
    assert 6 <= document["run"]["seconds"] < 20, document["run"]
    assert document["run"] | {"tasks": ["poke"], "agents": 1, "pool_size": 20, "bubble": 20} == document["run"]
    assert document["summary"]["ok"] == 53 and len(seen) == 53
    waves = [host["seconds"]["queue"] for host in document["hosts"]]
    assert all(waited < 2 for waited in waves[:20]), waves
    assert all(2 <= waited for waited in waves[20:40]) and all(4 <= waited for waited in waves[40:]), waves


def test_four_agents_run_everything_in_one_wave(coord: Coord, tasks):
    process = coord.start("run", *tasks(POKE), "poke", "--agents", "4", "-z", "20", "--output", "json")
    try:
        wait_for(lambda: len(workers(process.pid)) == 53, what="all hosts at once")
        names = sorted(words[1] for words in family(process.pid).values() if words[2:] == ["pool"])
        assert names == ["a1", "a2", "a3", "a4"]
        stdout, stderr = process.communicate(timeout=60)
    finally:
        end_process(process)
    document = json.loads(stdout)
    check_document(document)
    agents = collections.Counter(host["agent"] for host in document["hosts"])
    assert sorted(agents.values()) == [13, 13, 13, 14] and set(agents) == {"a1", "a2", "a3", "a4"}, stderr
    assert document["run"] | {"tasks": ["poke"], "agents": 4, "pool_size": 20, "bubble": 53} == document["run"]
    assert document["summary"]["ok"] == 53, document["run"]
    assert [host["host"] for host in document["hosts"]] == [f"127.77.0.{number}" for number in range(1, 54)]


def test_the_banner_and_the_summary_say_it(coord: Coord):
    run = coord("run", "-H", "127.77.0.[1-5]", "--agents", "2", "-z", "2", "--", "true")
    assert "command on 5 hosts, 2 agents x 2, 4 at once" in run.errors.splitlines()[0], run
    assert run.errors.splitlines()[-1].startswith("coord: 5 hosts in ") and run.errors.endswith("5 ok\n"), run


def test_half_the_hosts_when_nobody_says(coord: Coord):
    run = coord("run", "-R", "servers", "-P", "--output", "json", "--", "true")
    assert (run.json["run"]["pool_size"], run.json["run"]["bubble"]) == (26, 26)
    run = coord("run", "-R", "servers", "--agents", "4", "--output", "json", "--", "true")
    assert (run.json["run"]["pool_size"], run.json["run"]["bubble"]) == (7, 28)
    run = coord("run", "-H", "127.77.0.[1-2]", "--agents", "9", "--output", "json", "--", "true")
    assert (run.json["run"]["agents"], run.json["run"]["bubble"]) == (2, 2)


def test_a_plain_run_goes_one_at_a_time_in_order(coord: Coord, tasks):
    flags = tasks("  poke: {hosts: ['127.77.0.[3,1,2]'], run: sleep 0.5}\n")
    document = (run := coord("run", *flags, "poke", "--output", "json")).json
    assert document["run"] | {"agents": 1, "pool_size": 1, "bubble": 1} == document["run"], run
    waited = [host["seconds"]["queue"] for host in document["hosts"]]
    assert [host["host"] for host in document["hosts"]] == ["127.77.0.3", "127.77.0.1", "127.77.0.2"]
    assert waited[1] >= waited[0] + 0.5 and waited[2] >= waited[1] + 0.5, waited


@pytest.mark.parametrize(
    "settings, flags, pool, bubble",
    [
        ("pool_size: 2, ", ["-P"], 2, 2),
        ("pool_size: 2, ", ["-z", "5"], 2, 2),
        ("pool_size: 2, ", ["--agents", "2"], 2, 4),
        ("mode: parallel, pool_size: 3, ", [], 3, 3),
        ("", ["-z", "99"], 6, 6),
        ("mode: parallel, ", [], 3, 3),
        ("", ["--agents", "4"], 1, 4),
    ],
)
def test_pool_sizes(coord: Coord, tasks, settings, flags, pool, bubble):
    task = tasks(f"  six: {{hosts: ['127.77.0.[1-6]'], {settings}run: 'sleep 0.3'}}\n")
    process = coord.start("run", *task, *flags, "six", "--output", "json")
    most = 0
    try:
        while process.poll() is None:
            most = max(most, len(workers(process.pid)))
            time.sleep(0.02)
        document = json.loads(process.stdout.read())
    finally:
        end_process(process)
    assert document["run"]["bubble"] == bubble and min(document["run"]["pool_size"], 6) == pool, document["run"]
    assert document["summary"]["ok"] == 6 and most <= bubble


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
