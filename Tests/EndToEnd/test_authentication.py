"""Keys of hosts and users where several runs, or several ways to log in, meet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support import Coord, Run, Sandbox, end_process, wait_for

HOSTS = "127.77.0.[1-12]"


def test_runs_beside_each_other_add_new_host_keys_to_one_file(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    known = tmp_path / "known"
    known.write_text("# the user's own line, without a newline at its end")
    arguments = ["run", "-H", HOSTS, "-z", "6", "--agents", "2", "--output", "json"]
    policy = ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known}"]
    processes = [coord.start(*arguments, *policy, "--", "true") for _ in range(4)]
    try:
        for process in processes:
            stdout, stderr = process.communicate(timeout=60)
            run = Run(arguments, process.returncode, stdout, stderr)
            assert run.json["summary"]["ok"] == 12 and run.status == 0, run
    finally:
        for process in processes:
            end_process(process)
    comment, *lines = known.read_text().splitlines()
    assert comment == "# the user's own line, without a newline at its end"
    expected = [f"[127.77.0.{number}]:{sandbox.port} {sandbox.host_key}" for number in range(1, 13)]
    assert sorted(lines) == sorted(expected)
    strict = coord(*arguments, "-o", f"UserKnownHostsFile={known}", "--", "true")
    assert strict.status == 0 and "added" not in strict.errors, strict


def test_hashed_lines_among_others(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    known = tmp_path / "known"
    known.write_text("".join(f"[127.77.0.{number}]:{sandbox.port} {sandbox.host_key}\n" for number in range(1, 4)))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    hashed = known.read_text()
    assert hashed.count("|1|") == 3 and "127.77" not in hashed
    damaged = "|1|AAAA|not base64=|x " + sandbox.host_key + "\n|1|" + "\n|2|a|b " + sandbox.host_key + "\n"
    known.write_text(damaged + hashed + f"[127.77.0.4]:{sandbox.port} {sandbox.host_key}\n")
    flags = ["-H", "127.77.0.[1-5]", "-z", "5", "-o", f"UserKnownHostsFile={known}"]
    run = coord("run", *flags, "--output", "json", "--", "true")
    assert [host["outcome"] for host in run.json["hosts"]] == ["ok"] * 4 + ["refused"], run
    assert f"{known}:1" in run.errors and run.status == 3, run


def test_accept_new_does_not_take_what_a_hashed_line_contradicts(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known = tmp_path / "known"
    known.write_text(f"[127.77.0.1]:{sandbox.port} {other}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    before = known.read_text()
    policy = ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known}"]
    run = coord("run", "-H", "127.77.0.1", *policy, "--output", "json", "--", "true")
    [host] = run.json["hosts"]
    assert (host["outcome"], host["stage"], run.status) == ("refused", "host_key", 3), run
    assert f"{known}:1" in host["message"] and known.read_text() == before, run


def test_a_known_hosts_file_that_cannot_be_written_stops_nobody(coord: Coord, tmp_path: Path):
    (tmp_path / "file").write_text("")
    known = tmp_path / "file" / "known"
    policy = ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known}"]
    run = coord("run", "-H", "127.77.0.[1-3]", "-z", "3", *policy, "--output", "json", "--", "true")
    assert run.json["summary"]["ok"] == 3 and run.status == 0, run
    assert str(known) in run.errors, run


def test_the_second_key_of_an_ssh_agent(coord: Coord, sandbox: Sandbox, anywhere: list[str], tmp_path: Path):
    """An ssh-agent whose first key the server does not know: the next one is tried, over the same connection."""
    socket = str(tmp_path / "agent")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "stranger")], check=True)
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(socket), what="the ssh-agent's socket")
        for key in (tmp_path / "stranger", sandbox.folder / "id_ed25519"):
            subprocess.run(["ssh-add", "-q", str(key)], env=os.environ | {"SSH_AUTH_SOCK": socket}, check=True)
        elsewhere = Coord(tmp_path, coord.state)
        flags = ["-u", sandbox.user, "-p", str(sandbox.port), *anywhere, "-H", "127.77.0.[1-4]", "--agents", "2"]
        home = {"HOME": str(tmp_path), "SSH_AUTH_SOCK": socket}
        run = elsewhere("run", *flags, "--output", "json", "--", "echo $COORD_HOST", env=home)
        assert [host["stdout"] for host in run.json["hosts"]] == [f"127.77.0.{number}\n" for number in range(1, 5)], run
    finally:
        end_process(process)
