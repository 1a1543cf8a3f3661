"""The sandbox comes, answers, tells about itself, and goes without a trace."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
from pathlib import Path

import pytest

from support import Coord, answers, command_line, is_alive, wait_for


@pytest.fixture
def outside(tmp_path: Path):
    """Coord outside of the folder of the sandbox that a test puts up at `box`; it is taken down in any case."""
    coord = Coord(tmp_path, tmp_path / "state")
    yield coord
    if (tmp_path / "box").exists():
        coord("sandbox", "down", "--dir", "box")
        shutil.rmtree(tmp_path / "box", ignore_errors=True)


def servers(folder: Path) -> list[int]:
    """The processes of sshd that were started with a folder's configuration."""
    processes = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in processes if f"{folder}/sshd_config" in " ".join(command_line(pid)) and is_alive(pid)]


def has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


def test_it_comes_and_goes(outside: Coord):
    folder = outside.folder / "box"
    flags = ["--hosts", "3", "--dir", "box"]
    up = outside("sandbox", "up", *flags)
    assert up.status == 0 and "the sandbox is up" in up.text, up
    marker = json.loads((folder / ".coord-sandbox").read_text())
    again = outside("sandbox", "up", *flags)
    assert again.status == 0 and "was up already" in again.text, again
    assert json.loads((folder / ".coord-sandbox").read_text()) == marker and len(servers(folder)) == 1
    status = outside("sandbox", "status", "--dir", "box")
    assert status.status == 0 and "3: 127.77.0.[1-3]" in status.text and f"port {marker['port']}" in status.text
    other = outside("sandbox", "up", "--hosts", "4", "--dir", "box")
    assert other.status == 2 and "3 hosts" in other.errors, other

    inside = Coord(folder, outside.state)
    assert inside("list").text.startswith("poke ")
    left_behind = ["sleep", f"7{os.getpid()}"]
    command = f"id -un; {' '.join(left_behind)} >/dev/null 2>&1 &"
    run = inside("run", "-R", "servers", "--output", "json", "--", command)
    assert [host["stdout"] for host in run.json["hosts"]] == 3 * [marker["user"] + "\n"], run
    assert (os.geteuid() == 0) == marker["hasOwnUser"]

    down = outside("sandbox", "down", "--dir", "box")
    assert down.status == 0 and "is gone" in down.text, down
    assert not folder.exists() and servers(folder) == [] and not answers(marker["port"])
    assert has_user(marker["user"]) != marker["hasOwnUser"]
    assert not marker["hasOwnUser"] or not Path(f"/home/{marker['user']}").exists()
    processes = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    assert [pid for pid in processes if command_line(pid) == left_behind and is_alive(pid)] == []
    assert "there is no sandbox" in outside("sandbox", "status", "--dir", "box").text
    assert outside("sandbox", "down", "--dir", "box").status == 0


def test_one_whose_sshd_is_gone_is_put_up_anew(outside: Coord):
    folder = outside.folder / "box"
    assert outside("sandbox", "up", "--hosts", "2", "--dir", "box").status == 0
    [listener] = servers(folder)
    os.kill(listener, signal.SIGKILL)
    wait_for(lambda: not is_alive(listener), what="the end of sshd")
    status = outside("sandbox", "status", "--dir", "box")
    assert status.status == 0 and "(2 hosts) is down" in status.text, status
    assert outside("sandbox", "up", "--hosts", "2", "--dir", "box").status == 0
    run = Coord(folder, outside.state)("run", "-R", "servers", "--output", "json", "--", "true")
    assert run.json["summary"]["ok"] == 2, run
    assert outside("sandbox", "down", "--dir", "box").status == 0 and not folder.exists()


def test_two_stand_beside_each_other(outside: Coord, sandbox):
    up = outside("sandbox", "up", "--hosts", "1", "--dir", "box")
    assert up.status == 0, up
    assert outside("sandbox", "down", "--dir", "box").status == 0
    assert answers(sandbox.port)


def test_a_folder_that_is_no_sandbox_is_left_alone(tmp_path: Path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "file").write_text("keep")
    for verb in ("up", "down"):
        run = Coord(tmp_path, tmp_path / "state")("sandbox", verb, "--dir", str(folder))
        assert run.status == 2 and str(folder) in run.errors, run
    assert (folder / "file").read_text() == "keep"
