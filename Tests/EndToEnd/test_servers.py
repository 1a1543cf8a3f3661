"""Servers that people have: busy ones, dropbear, many hosts; and the ways to log in."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from support import COORD, Coord, Run, Sandbox, Server, end_process, free_port, wait_for, workers

HOST = "127.77.0.1"
BUBBLE = ["--agents", "4", "-z", "20"]


def test_five_hundred_hosts(coord: Coord, anywhere: list[str]):
    flags = ["-H", "127.77.[1-2].[1-250]", *anywhere, "--agents", "4", "-z", "25"]
    process = coord.start("run", *flags, "--output", "json", "--", "true")
    most_workers, most_files = 0, 0
    try:
        # Output of 500 hosts does not fit into the pipe, so it is read beside the watching.
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            reading = reader.submit(process.communicate, timeout=180)
            while not reading.done():
                most_workers = max(most_workers, len(workers(process.pid)))
                most_files = max(most_files, open_files(process.pid))
                time.sleep(0.05)
            stdout, stderr = reading.result()
    finally:
        end_process(process)
    run = Run(["coord"], process.returncode, stdout, stderr)
    document = run.json
    assert document["summary"]["ok"] == 500 and run.status == 0, run
    assert 0 < most_workers <= 100 and 0 < most_files < 100, (most_workers, most_files)
    agents = collections.Counter(host["agent"] for host in document["hosts"])
    assert set(agents) == {"a1", "a2", "a3", "a4"} and min(agents.values()) > 50, agents


def open_files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def test_an_sshd_with_few_startups(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    server = sandbox.sshd(tmp_path, MaxStartups="10:30:60")
    try:
        known = sandbox.known_hosts(tmp_path / "known", server.port)
        flags = ["-R", "servers", "-p", str(server.port), "-o", f"UserKnownHostsFile={known}", *BUBBLE]
        run = coord("run", *flags, "--output", "json", "--", "true")
        assert run.json["summary"]["ok"] == 53, run
    finally:
        server.close()


def test_dropbear(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("dropbear logs in other users only for root")
    user = f"coord-drop-{os.getpid()}"
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-p", "*", user], check=True)
    server = None
    try:
        folder = Path(f"/home/{user}/.ssh")
        folder.mkdir(mode=0o700)
        (folder / "authorized_keys").write_text((sandbox.folder / "id_ed25519.pub").read_text())
        subprocess.run(["chown", "-R", user, str(folder)], check=True)
        made = subprocess.run(
            ["dropbearkey", "-t", "ed25519", "-f", str(tmp_path / "key")], check=True, capture_output=True, text=True
        )
        port = free_port()
        known = sandbox.known_hosts(tmp_path / "known", port, re.search(r"^ssh-ed25519 \S+", made.stdout, re.M).group())
        pid_file = str(tmp_path / "dropbear.pid")
        command = ["/usr/sbin/dropbear", "-F", "-s", "-r", str(tmp_path / "key"), "-p", str(port), "-P", pid_file]
        server = Server(command, port)
        flags = ["-R", "servers", "-u", user, "-p", str(port), "-o", f"UserKnownHostsFile={known}", *BUBBLE]
        run = coord("run", *flags, "--output", "json", "--", "echo $COORD_HOST")
        assert run.json["summary"]["ok"] == 53, run
        assert all(host["stdout"] == host["host"] + "\n" for host in run.json["hosts"])
    finally:
        if server:
            server.close()
        subprocess.run(["userdel", "-r", user], check=True, capture_output=True)


def test_few_file_descriptors_make_a_smaller_pool(coord: Coord):
    shell = f"ulimit -n 64; exec '{COORD}' run -R servers -z 53 --output quiet -- true"
    result = subprocess.run(
        ["bash", "-c", shell],
        cwd=coord.folder, env=coord.environment, capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 0 and b"53 ok" in result.stdout, result
    assert re.search(rb"the pool is \d+ and not 53: 64 file descriptors", result.stderr), result


@pytest.fixture
def ssh_agent(sandbox: Sandbox, tmp_path: Path):
    path = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(path), what="the ssh-agent's socket")
        key = str(sandbox.folder / "id_ed25519")
        subprocess.run(["ssh-add", "-q", key], env=os.environ | {"SSH_AUTH_SOCK": path}, check=True)
        yield path
    finally:
        end_process(process)


def test_keys_of_the_ssh_agent(coord: Coord, sandbox: Sandbox, anywhere: list[str], ssh_agent: str, tmp_path: Path):
    elsewhere = Coord(tmp_path, coord.state)
    flags = ["-H", HOST, "-u", sandbox.user, "-p", str(sandbox.port), *anywhere, "--output", "json", "--", "true"]
    home = {"HOME": str(tmp_path)}
    assert elsewhere("run", *flags, env=home).json["hosts"][0]["outcome"] == "refused"
    assert elsewhere("run", *flags, env=home | {"SSH_AUTH_SOCK": ssh_agent}).json["hosts"][0]["outcome"] == "ok"
    through_option = ["run", "-o", f"IdentityAgent={ssh_agent}", *flags]
    assert elsewhere(*through_option, env=home).json["hosts"][0]["outcome"] == "ok"
    not_asked = ["run", "-o", "IdentityAgent=none", *flags]
    refused = elsewhere(*not_asked, env=home | {"SSH_AUTH_SOCK": ssh_agent})
    assert refused.json["hosts"][0]["outcome"] == "refused" and refused.status == 3, refused


def test_keys_of_the_ssh_agent_for_a_task_file_without_identity(coord: Coord, sandbox: Sandbox, ssh_agent: str):
    text = (sandbox.folder / "Coordfile.yaml").read_text()
    without = "".join(line for line in text.splitlines(keepends=True) if "identity:" not in line)
    assert without != text
    path = sandbox.folder / "NoIdentity.yaml"
    path.write_text(without)
    try:
        flags = ["-f", str(path), "-R", "servers", "--agents", "2", "--output", "json", "--", "true"]
        run = coord("run", *flags, env={"SSH_AUTH_SOCK": ssh_agent, "HOME": str(coord.state)})
        assert run.json["summary"]["ok"] == 53, run
    finally:
        path.unlink()


def test_a_dead_ssh_agent_is_no_hindrance_when_there_is_a_key(coord: Coord, tmp_path: Path):
    run = coord("run", "-H", HOST, "--output", "json", "--", "true", env={"SSH_AUTH_SOCK": str(tmp_path / "gone")})
    assert run.json["hosts"][0]["outcome"] == "ok", run


def test_hashed_known_hosts(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    known = tmp_path / "known"
    known.write_text(f"[{HOST}]:{sandbox.port} {sandbox.host_key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert known.read_text().startswith("|1|")
    flags = ["-H", f"{HOST},127.77.0.2", "-o", f"UserKnownHostsFile={known}"]
    run = coord("run", *flags, "--output", "json", "--", "true")
    assert [host["outcome"] for host in run.json["hosts"]] == ["ok", "refused"], run


def test_accept_new_writes_each_key_once(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    known = tmp_path / "folder" / "known"
    flags = ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known}", "-z", "8"]
    hosts = ["-H", "127.77.0.[1-8],127.77.0.[1-8]", "--keep-duplicates"]
    run = coord("run", *flags, *hosts, "--agents", "2", "--output", "json", "--", "true")
    assert run.json["summary"]["ok"] == 16, run
    lines = known.read_text().splitlines()
    assert sorted(lines) == sorted(f"[127.77.0.{number}]:{sandbox.port} {sandbox.host_key}" for number in range(1, 9))
    assert known.stat().st_mode & 0o777 == 0o600
    assert coord("run", "-o", f"UserKnownHostsFile={known}", *hosts, "--", "true").status == 0


def test_no_host_key_checking_is_loud(coord: Coord):
    flags = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    run = coord("run", "-q", "-H", HOST, *flags, "--", "true")
    assert run.status == 0 and "NOT checked" in run.errors, run


def test_a_bad_line_in_known_hosts_is_named_and_the_others_work(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    known = tmp_path / "known"
    known.write_text(f"broken line here\n[127.*]:{sandbox.port} {sandbox.host_key}\n{'x' * 10_000}\n")
    run = coord("run", "-H", HOST, "-o", f"UserKnownHostsFile={known}", "--", "true")
    assert run.status == 0 and f"{known}:1" in run.errors and f"{known}:3" in run.errors, run
