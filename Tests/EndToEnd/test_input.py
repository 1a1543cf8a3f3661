"""Bad input ends before anything starts: exit status 2, a message that says what to do, and no journal."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from support import COORD, Coord

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
        (["hosts", "expand", "web[1-"], "web[1-"),
        (["hosts", "count", "a[1-1000000000]"], "1000000000"),
        (["bogus"], "bogus"),
    ],
)
def test_usage_errors(coord: Coord, arguments, expected):
    started = time.monotonic()
    run = coord(*arguments, timeout=20)
    assert run.status == 2, run
    assert expected in run.errors and run.stdout == b"", run
    assert coord.journals() == []
    assert time.monotonic() - started < 5


def test_the_task_file_is_named_with_line_and_column(coord: Coord, tmp_path: Path):
    path = tmp_path / "Coordfile.yaml"
    path.write_text(COORDFILE)
    run = coord("run", "-f", str(path), "poke")
    assert run.status == 2 and f"{path}:6:5: " in run.errors and "did you mean 'run'" in run.errors, run
    path.write_text(COORDFILE.replace('"web[1-3]"', "web[1-3]"))
    run = coord("run", "-f", str(path), "poke")
    assert run.status == 2 and f"{path}:2:" in run.errors and "quote" in run.errors, run


def test_a_state_folder_that_cannot_be_made_is_said_at_the_start(coord: Coord, tmp_path: Path):
    coord.state = tmp_path / "file"
    coord.state.write_text("")
    run = coord("run", "poke")
    assert run.status == 4 and str(coord.state) in run.errors and "XDG_STATE_HOME" in run.errors, run


def test_help_and_version(coord: Coord):
    assert "130" in coord("help", "exit-codes").text
    assert coord("--version").text.startswith("coord ")
    assert "--pool-size" in coord("run", "--help").text


def test_no_task_file(tmp_path: Path):
    run = Coord(tmp_path, tmp_path / "state")("run", "poke")
    assert run.status == 2 and "Coordfile.yaml" in run.errors, run


def test_an_agent_that_is_missing_is_said(tmp_path: Path, sandbox):
    copy = tmp_path / "coord"
    copy.write_bytes(Path(COORD).read_bytes())
    copy.chmod(0o755)
    environment = dict(os.environ, PATH="/usr/bin:/bin", XDG_STATE_HOME=str(tmp_path / "state"))
    result = subprocess.run([copy, "run", "poke"], cwd=sandbox.folder, env=environment, capture_output=True, timeout=20)
    assert result.returncode == 2 and b"coord-agent" in result.stderr, result
