"""Bad input ends before anything starts: exit status 2, a message that says what to do, and no journal."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from support import COORD, Coord, Sandbox

COORDFILE = """\
roles:
  web: ["web[1-3]", db1]
tasks:
  poke:
    roles: [web]
    runn: sleep 1
"""


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["run"], "no task is named"),
        (["run", "pok"], "did you mean 'poke'"),
        (["run", "poke", "--bogus"], "--bogus"),
        (["run", "poke", "-z", "0"], "at least 1"),
        (["run", "poke", "-z", "-3"], ""),
        (["run", "poke", "--agents", "0"], "at least 1"),
        (["run", "poke", "-P", "--sequential"], "contradict"),
        (["run", "poke", "-R", "server"], "servers"),
        (["run", "poke", "-T", "5"], "'5s'"),
        (["run", "poke", "-t", "soon"], "duration"),
        (["run", "poke", "-o", "ProxyJump=x"], "ProxyJump"),
        (["run", "poke", "-i", "/does/not/exist"], "/does/not/exist"),
        (["run", "poke", "-p", "70000"], "65535"),
        (["run", "poke", "-u", "a b"], "user"),
        (["run", "poke", "-x", "@servers"], "leaves out all 53 hosts"),
        (["run", "-H=-oProxyCommand=x", "--", "true"], "-oProxyCommand"),
        (["run", "-H", "a b", "--", "true"], "a b"),
        (["run", "-H", "a\nb", "--", "true"], r"a\u{A}b"),
        (["run", "-H", "a$(reboot)", "--", "true"], "a$(reboot)"),
        (["run", "-H", "web:0", "--", "true"], "port"),
        (["run", "-H", "web:70000", "--", "true"], "port"),
        (["run", "-H", "", "--", "true"], "names no host"),
        (["run", "--", "true"], "no hosts"),
        (["run", "-H", "web1", "--", ""], "empty"),
        (["run", "-H", "web[1-1000000000]", "--", "true"], "1000000000"),
        (["run", "-H", "web[1-100000].dc[1-100000]", "--", "true"], "10000000000"),
        (["run", "-H", "web[3-1]", "--", "true"], "web[3-1]"),
        (["run", "--hosts-file", "/does/not/exist", "--", "true"], "/does/not/exist"),
        (["run", "-f", "/does/not/exist.yaml", "poke"], "/does/not/exist.yaml"),
        (["run", "poke", "nop"], "nop"),
        (["run", "poke", "--", "true"], "a task and a command"),
        (["run", "poke", "-q", "-v"], "contradict"),
        (["run", "poke", "-z"], "-z"),
        (["run", "poke", "-z", "many"], "many"),
        (["run", "poke", "-z", "99999999999999999999"], "99999999999999999999"),
        (["run", "poke", "--output", "xml"], "ndjson"),
        (["run", "poke", "-p", "0"], "65535"),
        (["run", "poke", "-u", "-oProxyCommand=x"], ""),
        (["run", "poke", "-u=-oProxyCommand=x"], ""),
        (["run", "poke", "-o", "Bogus=1"], "Bogus"),
        (["run", "poke", "-o", "UserKnownHostFile=/dev/null"], "UserKnownHostsFile"),
        (["run", "poke", "-o", "StrictHostKeyChecking=maybe"], "accept-new"),
        (["run", "poke", "-o", "Port=0"], "Port"),
        (["run", "poke", "-o", "User"], "no value"),
        (["run", "poke", "-x", "127.77.0.[1-"], "127.77.0.[1-"),
        (["run", "poke", "-H", "a", "-x", "a"], "leaves out"),
        (["run", "poke", "-i", "/"], "/"),
        (["run", "poke", "--outdir", "/dev/null/x"], "/dev/null/x"),
        (["run", "-H", "127.77.0.1", "--outdir", "", "--", "true"], "--outdir"),
        (["run", "-H", "@nowhere", "--", "true"], "nowhere"),
        (["run", "-H", "a;b", "--", "true"], "a;b"),
        (["run", "-H", "a/../../b", "--", "true"], "a/../../b"),
        (["run", "-H", "@", "--", "true"], ""),
        (["run", "-H", "web:ssh", "--", "true"], "port"),
        (["run", "-H", "[::1", "--", "true"], "[::1"),
        (["run", "-H", "a" * 300, "--", "true"], ""),
        (["run", "-H", "root@", "--", "true"], "root@"),
        (["hosts", "expand"], ""),
        (["hosts", "expand", "web[1-"], "web[1-"),
        (["sandbox", "up", "--hosts", "0"], "--hosts"),
        (["hosts", "count", "a[1-1000000000]"], "1000000000"),
        (["bogus"], "bogus"),
    ],
)
def test_usage_errors(coord: Coord, arguments, expected):
    started = time.monotonic()
    run = coord(*arguments, timeout=20)
    assert run.status == 2, run
    assert expected in run.errors and run.errors.strip() and run.stdout == b"", run
    assert coord.journals() == []
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "names no host"),
        (b"# nothing\n\n", "names no host"),
        (b"web1\n-oProxyCommand=x\n", ":2"),
        (b"web1\nweb2\nweb3:0\n", ":3"),
        (b"web1\n\0\n", ":2"),
        (b"web1\nw\xffb\n", "UTF-8"),
        (b"web[1-9999999999]\n", "web[1-9999999999]"),
    ],
)
def test_bad_hosts_files(coord: Coord, tmp_path: Path, content: bytes, expected: str):
    path = tmp_path / "hosts"
    path.write_bytes(content)
    run = coord("run", "--hosts-file", str(path), "--", "true", timeout=20)
    assert run.status == 2 and expected in run.errors, run
    assert str(path) in run.errors or "[1-9" in run.errors, run
    run = coord("run", "--hosts-file", "-", "--", "true", input=content, timeout=20)
    assert run.status == 2 and expected in run.errors, run
    assert coord.journals() == []


@pytest.mark.parametrize("verb", ["expand", "fold", "count"])
@pytest.mark.parametrize("content, expected", [(b"", "no hosts"), (b"a\nb c\n", "input:2"), (b"a\n-x\n", "input:2")])
def test_bad_hosts_on_standard_input(coord: Coord, verb: str, content: bytes, expected: str):
    run = coord("hosts", verb, "-", input=content)
    assert run.status == 2 and expected in run.errors and run.stdout == b"", run


def test_a_long_path_does_not_cost_the_line_number(coord: Coord, tmp_path: Path):
    path = tmp_path / ("d" * 100) / ("e" * 100) / "hosts"
    path.parent.mkdir(parents=True)
    path.write_text("web1\nweb2:0\n")
    run = coord("run", "--hosts-file", str(path), "--", "true")
    assert run.status == 2 and f"{path}:2" in run.errors, run


@pytest.mark.parametrize(
    "text, position, expected",
    [
        ("", "", ""),
        ("tasks: [", ":2:1: ", "YAML"),
        ("roles: {a: h1}\ntasks:\n  t: {roles: [b], run: x}\n", ":3:15: ", "did you mean 'a'"),
        ("tasks:\n  t: {hosts: [h], run: [1, 2]}\n", ":2:24: ", "text"),
        ("tasks:\n  t: {hosts: [h], run: x, mode: paralel}\n", ":2:33: ", "parallel"),
        ("tasks:\n  t: {hosts: [h], run: x, pool_size: 0}\n", ":2:38: ", ""),
        ("tasks:\n  t: {hosts: [h]}\n", ":2:", "run"),
        ("tasks:\n  t: {hosts: ['-oProxyCommand=x'], run: x}\n", ":2:30: ", "-oProxyCommand=x"),
        ("tasks:\n  t: {hosts: [h], run: x}\n  t: {hosts: [h], run: y}\n", ":3:3: ", "t"),
        ("roles: {a: '@b', b: '@a'}\ntasks:\n  t: {roles: [a], run: x}\n", ":1:", "a"),
        ("defaults: {prot: 22}\ntasks:\n  t: {hosts: [h], run: x}\n", ":1:12: ", "port"),
    ],
)
def test_bad_task_files(coord: Coord, tmp_path: Path, text: str, position: str, expected: str):
    path = tmp_path / "Coordfile.yaml"
    path.write_text(text)
    run = coord("run", "-f", str(path), "t", timeout=20)
    assert run.status == 2 and f"{path}{position}" in run.errors and expected in run.errors, run
    assert coord.journals() == []


def test_an_identity_that_cannot_be_used(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    """What only shows when the file is read: not readable, not a key."""
    unreadable = tmp_path / "unreadable"
    unreadable.write_bytes((sandbox.folder / "id_ed25519").read_bytes())
    unreadable.chmod(0)
    if os.geteuid() != 0:
        run = coord("run", "poke", "-i", str(unreadable))
        assert run.status == 2 and str(unreadable) in run.errors and coord.journals() == [], run
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("no key\n")
    run = coord("run", "-H", "127.77.0.1", "-i", str(nonsense), "--output", "json", "--", "true")
    assert run.status in (2, 3) and str(nonsense) in run.text + run.errors, run


def test_the_task_file_is_named_with_line_and_column(coord: Coord, tmp_path: Path):
    path = tmp_path / "Coordfile.yaml"
    path.write_text(COORDFILE)
    run = coord("run", "-f", str(path), "poke")
    assert run.status == 2 and f"{path}:6:5: " in run.errors and "did you mean 'run'" in run.errors, run
    path.write_text(COORDFILE.replace('"web[1-3]"', "web[1-3]"))
    run = coord("run", "-f", str(path), "poke")
    assert run.status == 2 and f"{path}:2:" in run.errors and "quote" in run.errors, run


def test_a_state_folder_that_cannot_be_made_is_said_at_the_start(coord: Coord, open_folder: Path, tmp_path: Path):
    coord.state = tmp_path / "file"
    coord.state.write_text("")
    run = coord("run", "-H", "127.77.0.1", "--", f"echo > {open_folder}/started")
    assert run.status in (2, 4) and str(coord.state) in run.errors and "XDG_STATE_HOME" in run.errors, run
    assert list(open_folder.iterdir()) == []


def test_a_state_folder_that_cannot_be_written_is_said_at_the_start(coord: Coord, open_folder: Path, tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    coord.state = tmp_path / "locked"
    coord.state.mkdir(mode=0o500)
    run = coord("run", "-H", "127.77.0.1", "--", f"echo > {open_folder}/started")
    assert run.status in (2, 4) and str(coord.state) in run.errors and "XDG_STATE_HOME" in run.errors, run
    assert list(open_folder.iterdir()) == []


def test_help_and_version(coord: Coord):
    assert "130" in coord("help", "exit-codes").text
    assert coord("--version").text.startswith("coord ")
    assert "--pool-size" in coord("run", "--help").text


def test_no_task_file(tmp_path: Path):
    run = Coord(tmp_path, tmp_path / "state")("run", "poke")
    assert run.status == 2 and "Coordfile.yaml" in run.errors, run


def test_an_agent_that_is_missing_is_said(tmp_path: Path, sandbox: Sandbox):
    copy = tmp_path / "coord"
    copy.write_bytes(Path(COORD).read_bytes())
    copy.chmod(0o755)
    environment = dict(os.environ, PATH="/usr/bin:/bin", XDG_STATE_HOME=str(tmp_path / "state"))
    result = subprocess.run([copy, "run", "poke"], cwd=sandbox.folder, env=environment, capture_output=True, timeout=20)
    assert result.returncode == 2 and b"coord-agent" in result.stderr, result
