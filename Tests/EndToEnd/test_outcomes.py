"""Each way in which a host can end: outcome, exit status, and what people and programs are told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from support import Coord, Sandbox, free_port, is_alive, remote_processes, wait_for

HOST = "127.77.0.1"


@pytest.mark.parametrize(
    "command, outcome, status, exit_status, remote_signal",
    [
        ("true", "ok", 0, 0, None),
        ("exit 1", "failed", 1, 1, None),
        ("exit 7", "failed", 1, 7, None),
        ("exit 255", "failed", 1, 255, None),
        ("kill -9 $$", "signalled", 1, None, "KILL"),
        ("kill -TERM $$", "signalled", 1, None, "TERM"),
        ("no-such-command-here", "failed", 1, 127, None),
    ],
)
def test_ends_of_a_command(coord: Coord, command, outcome, status, exit_status, remote_signal):
    run = coord("run", "-H", HOST, "--output", "json", "--", command)
    [host] = run.json["hosts"]
    assert (host["outcome"], host["exit_status"], host["signal"]) == (outcome, exit_status, remote_signal), run
    assert run.status == status, run
    text = coord("run", "-H", HOST, "--", command)
    assert text.status == status
    assert (f"{HOST}: {outcome}" in text.errors) == (outcome != "ok"), text


def test_warn_only(coord: Coord):
    run = coord("run", "-w", "-H", "127.77.0.[1-3]", "--output", "json", "--", "exit $COORD_INDEX")
    assert [host["outcome"] for host in run.json["hosts"]] == ["ok", "failed", "failed"]
    assert run.status == 0, run


def test_refused_port(coord: Coord):
    started = time.monotonic()
    run = coord("run", "-H", f"{HOST}:{free_port()}", "--output", "json", "--", "true")
    [host] = run.json["hosts"]
    assert (host["outcome"], host["stage"], run.status) == ("unreachable", "connect", 3), run
    assert "refused" in host["message"]
    assert time.monotonic() - started < 5


class Impostor:
    """A server that says something and then does as it is told."""

    def __init__(self, speech: bytes, closes: bool) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted: list[socket.socket] = []
        self.speech, self.closes = speech, closes
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                client.sendall(self.speech)
            except OSError:
                return
            self.accepted.append(client)
            if self.closes:
                client.close()

    def close(self) -> None:
        self.listener.close()
        for client in self.accepted:
            client.close()


@pytest.fixture
def impostor(request):
    server = Impostor(*request.param)
    yield server
    server.close()


@pytest.mark.parametrize("impostor", [(b"", False)], indirect=True)
def test_a_port_that_never_speaks(coord: Coord, impostor: Impostor):
    started = time.monotonic()
    run = coord("run", "-t", "2s", "-H", f"127.0.0.1:{impostor.port},{HOST}", "-z", "1", "--output", "json", "--", "true")
    silent, after = run.json["hosts"]
    assert (silent["outcome"], silent["stage"], after["outcome"], run.status) == ("unreachable", "handshake", "ok", 3), run
    assert 2 <= time.monotonic() - started < 10


@pytest.mark.parametrize(
    "impostor", [(b"HTTP/1.1 400 Bad Request\r\n\r\n", True), (b"SSH-1.5-old\r\n", False)], indirect=True
)
def test_what_is_no_ssh_2(coord: Coord, impostor: Impostor):
    run = coord("run", "-H", f"127.0.0.1:{impostor.port}", "--output", "json", "--", "true")
    [host] = run.json["hosts"]
    assert (host["outcome"], run.status) == ("unreachable", 3), run
    assert "HTTP" in host["message"] or "SSH-1.5" in host["message"], run


@pytest.mark.parametrize("impostor", [(b"", True)], indirect=True)
def test_a_server_that_always_closes_is_tried_again_and_given_up(coord: Coord, impostor: Impostor):
    run = coord("run", "-H", f"127.0.0.1:{impostor.port},{HOST}", "-z", "2", "--output", "json", "--", "true", timeout=120)
    closing, other = run.json["hosts"]
    assert (closing["outcome"], closing["stage"], other["outcome"]) == ("unreachable", "handshake", "ok"), run
    assert len(impostor.accepted) > 5


def test_wrong_key_is_refused_after_one_try(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    server = sandbox.sshd(tmp_path, LogLevel="VERBOSE")
    try:
        known = sandbox.known_hosts(tmp_path / "known", server.port)
        flags = ["-p", str(server.port), "-o", f"UserKnownHostsFile={known}"]
        run = coord("run", "-i", str(tmp_path / "key"), *flags, "-H", HOST, "--output", "json", "--", "true")
        [host] = run.json["hosts"]
        assert (host["outcome"], host["stage"], run.status) == ("refused", "authenticate", 3), run
        assert str(tmp_path / "key") in host["message"]
        log = (tmp_path / "sshd.log").read_text()
        assert log.count("Failed publickey") == 1, log
        assert log.count("Connection from") - 1 == 1, log  # one more came from the wait for the port
    finally:
        server.close()


def test_unknown_host_key(coord: Coord, sandbox: Sandbox):
    run = coord("run", "-o", "UserKnownHostsFile=/dev/null", "-H", HOST, "--output", "json", "--", "true")
    [host] = run.json["hosts"]
    assert (host["outcome"], host["stage"], run.status) == ("refused", "host_key", 3), run
    assert "SHA256:" in host["message"]


def test_changed_host_key(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known = sandbox.known_hosts(tmp_path / "known", key=other)
    run = coord("run", "-o", f"UserKnownHostsFile={known}", "-H", HOST, "--output", "json", "--", "true")
    [host] = run.json["hosts"]
    assert (host["outcome"], host["stage"], run.status) == ("refused", "host_key", 3), run
    assert host["message"].count("SHA256:") == 2
    assert f"{known}:1" in host["message"]


def test_past_the_deadline(coord: Coord):
    run = coord("run", "-T", "1s", "-H", HOST, "--output", "json", "--", "sleep 61 & sleep 62; echo never")
    [host] = run.json["hosts"]
    assert (host["outcome"], host["stage"], run.status) == ("timed_out", "run", 1), run
    assert not host["possibly_running"]
    assert remote_processes(f"COORD_RUN={run.json['run']['id']}") == []


def test_sshd_killed_in_mid_command(coord: Coord, sandbox: Sandbox):
    process = coord.start("run", "-H", HOST, "--output", "json", "--", "echo before; sleep 63")
    sleeping = wait_for(lambda: remote_processes("COORD_HOST=127.77.0.1\0"), what="the command")
    sleeping = [pid for pid in sleeping if f"sleep\00063" in Path(f"/proc/{pid}/cmdline").read_bytes().decode()] or sleeping
    parent = int(Path(f"/proc/{sleeping[0]}/stat").read_text().rpartition(")")[2].split()[1])
    while "sshd" not in Path(f"/proc/{parent}/comm").read_text():
        parent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    stdout, _ = process.communicate(timeout=30)
    import json

    [host] = json.loads(stdout)["hosts"]
    assert (host["outcome"], process.returncode) == ("lost", 3), host
    assert host["stdout"] == "before\n" and host["output_incomplete"] and host["possibly_running"]
    for pid in sleeping:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_background_child_holds_the_output(coord: Coord):
    started = time.monotonic()
    run = coord("run", "-H", HOST, "--output", "json", "--", "sleep 64 & echo hi")
    took = time.monotonic() - started
    [host] = run.json["hosts"]
    for pid in remote_processes(f"COORD_RUN={run.json['run']['id']}"):
        os.kill(pid, signal.SIGKILL)
    assert (host["outcome"], host["stdout"], host["output_open"], run.status) == ("ok", "hi\n", True, 0), run
    assert 2 <= took < 6
