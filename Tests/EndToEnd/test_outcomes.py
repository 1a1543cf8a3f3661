"""Each way in which a host can end: outcome, exit status, and what people and programs are told."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

import pytest

from support import (
    Coord, Run, Sandbox, ancestor, end_process, family, free_port, kill_all, remote_processes, wait_for,
)

HOST = "127.77.0.1"


def only_host(run: Run) -> dict:
    [host] = run.json["hosts"]
    return host


# -- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command, outcome, status, exit_status, remote_signal, words",
    [
        ("true", "ok", 0, 0, None, None),
        ("exit 1", "failed", 1, 1, None, "failed (exit status 1)"),
        ("exit 7", "failed", 1, 7, None, "failed (exit status 7)"),
        ("exit 255", "failed", 1, 255, None, "failed (exit status 255)"),
        ("kill -9 $$", "signalled", 1, None, "KILL", "signalled (signal KILL)"),
        ("kill -TERM $$", "signalled", 1, None, "TERM", "signalled (signal TERM)"),
        ("no-such-command-here", "failed", 1, 127, None, "failed (exit status 127)"),
    ],
)
def test_ends_of_a_command(coord: Coord, command, outcome, status, exit_status, remote_signal, words):
    run = coord("run", "-H", HOST, "--output", "json", "--", command)
    host = only_host(run)
    assert (host["outcome"], host["exit_status"], host["signal"]) == (outcome, exit_status, remote_signal), run
    assert run.status == status, run
    text = coord("run", "-H", HOST, "--", command)
    assert text.status == status
    told = [line for line in text.errors.splitlines() if line.startswith(f"coord: {HOST}: ")]
    assert len(told) == (words is not None) and all(words in line for line in told), text
    assert f" 1 {outcome}" in text.errors, text


@pytest.mark.parametrize(
    "flags, hosts, outcomes, status",
    [
        ([], "127.77.0.[1-3]", ["ok", "failed", "failed"], 1),
        (["-w"], "127.77.0.[1-3]", ["ok", "failed", "failed"], 0),
        ([], "127.77.0.1,127.0.0.1:PORT", ["ok", "unreachable"], 3),
        (["-w"], "127.77.0.1,127.0.0.1:PORT", ["ok", "unreachable"], 3),
        ([], "127.77.0.[1-2],127.0.0.1:PORT", ["ok", "failed", "unreachable"], 1),
        (["-w"], "127.77.0.[1-2],127.0.0.1:PORT", ["ok", "failed", "unreachable"], 3),
    ],
)
def test_exit_statuses(coord: Coord, flags, hosts, outcomes, status):
    hosts = hosts.replace("PORT", str(free_port()))
    run = coord("run", *flags, "-H", hosts, "--output", "json", "--", "exit $COORD_INDEX")
    assert [host["outcome"] for host in run.json["hosts"]] == outcomes, run
    assert run.status == status, run


MIXED = 'case $COORD_INDEX in 0) echo fine;; 1) exit 7;; 2) kill -9 $$;; 3) sleep 60;; esac'


def test_all_kinds_at_once_add_up(coord: Coord, tmp_path: Path):
    refusing = free_port()
    hosts = f"127.77.0.[1-4],127.0.0.1:{refusing},no-such-host.invalid,127.78.0.1"
    flags = ["run", "-T", "3s", "-H", hosts, "-z", "7"]
    document = (run := coord(*flags, "--output", "json", "--", MIXED)).json
    outcomes = ["ok", "failed", "signalled", "timed_out", "unreachable", "unreachable", "refused"]
    assert [host["outcome"] for host in document["hosts"]] == outcomes, run
    assert [host["stage"] for host in document["hosts"]][3:] == ["run", "connect", "resolve", "host_key"], run
    assert all(host["message"] for host in document["hosts"][4:]) and run.status == 1
    assert document["run"]["seconds"] < 20, document["run"]
    text = coord(*flags, "--", MIXED)
    assert "1 ok, 1 failed, 1 signalled, 1 timed out, 2 unreachable, 1 refused" in text.errors, text
    assert "coord:   timed out (1): 127.77.0.4" in text.errors.splitlines(), text
    assert text.status == 1 and text.text == "127.77.0.1: fine\n"


# -- servers that are none -----------------------------------------------------------------------------------------


def test_refused_port(coord: Coord):
    port = free_port()
    started = time.monotonic()
    run = coord("run", "-H", f"{HOST}:{port}", "--output", "json", "--", "true")
    host = only_host(run)
    assert (host["outcome"], host["stage"], run.status) == ("unreachable", "connect", 3), run
    assert "refused" in host["message"]
    assert time.monotonic() - started < 5
    text = coord("run", "-H", f"{HOST}:{port}", "--", "true")
    assert f"coord: {HOST}:{port}: unreachable (at connect): " in text.errors and text.text == "", text


class Impostor:
    """A server that talks to each client as it is told, and then holds the connection or closes it."""

    def __init__(self, talk: Callable[[socket.socket], None], closes: bool = False) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted: list[socket.socket] = []
        self.talk, self.closes = talk, closes
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted.append(client)
            threading.Thread(target=self.converse, args=(client,), daemon=True).start()

    def converse(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.talk(client)
        if self.closes:
            client.close()

    def close(self) -> None:
        self.listener.close()
        for client in self.accepted:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()


def silent(client: socket.socket) -> None:
    pass


def drips(client: socket.socket) -> None:
    for _ in range(1000):
        client.sendall(b"S")
        time.sleep(0.1)


def floods(piece: bytes) -> Callable[[socket.socket], None]:
    def flood(client: socket.socket) -> None:
        while True:
            client.sendall(piece)

    return flood


def says(speech: bytes) -> Callable[[socket.socket], None]:
    return lambda client: client.sendall(speech)


def floods_after_the_banner(client: socket.socket) -> None:
    client.sendall(b"SSH-2.0-flood\r\n")
    floods(os.urandom(1 << 16))(client)


@pytest.fixture
def impostor(request):
    server = Impostor(*request.param)
    yield server
    server.close()


def test_a_port_that_never_speaks(coord: Coord):
    server = Impostor(silent)
    try:
        started = time.monotonic()
        flags = ["-t", "2s", "-H", f"{server.host},{HOST}", "-z", "1"]
        run = coord("run", *flags, "--output", "json", "--", "true")
        took = time.monotonic() - started
        mute, after = run.json["hosts"]
        assert (mute["outcome"], mute["stage"], after["outcome"], run.status) == ("unreachable", "handshake", "ok", 3)
        assert 2 <= took < 10, run
        assert after["seconds"]["queue"] >= 1.9 and len(server.accepted) == 1, run
        text = coord("run", *flags, "--", "true")
        assert f"coord: {server.host}: unreachable (at handshake): " in text.errors and text.status == 3, text
    finally:
        server.close()


@pytest.mark.parametrize(
    "impostor",
    [
        (drips,),
        (floods(b"x" * 65536),),
        (floods(b"welcome\r\n" * 4096),),
        (floods(b"\0" * 65536),),
        (floods_after_the_banner,),
        (says(b"SSH-2.0-half\r\n\0\0"),),
        (says(b"SSH-2.0-huge\r\n\xff\xff\xff\xff\x04" + b"x" * 10000),),
    ],
    ids=["drips", "one line", "lines", "zeros", "after the banner", "half a packet", "a huge packet"],
    indirect=True,
)
def test_what_never_comes_to_the_point(coord: Coord, impostor: Impostor):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    run = coord("run", "-t", "2s", "-H", f"{impostor.host},{HOST}", "-z", "1", "--output", "json", "--", "echo free")
    took = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    bad, good = run.json["hosts"]
    assert (bad["outcome"], bad["stage"], run.status) == ("unreachable", "handshake", 3), run
    assert bad["message"] and good["stdout"] == "free\n", run
    assert took < 10, run
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4, run


@pytest.mark.parametrize(
    "impostor, words",
    [
        ((says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), True), "HTTP"),
        ((says(b"HTTP/1.1 \x1b[31m400 Bad\r\n\r\n"), True), "HTTP"),
        ((says(b"SSH-1.5-old\r\n"), False), "SSH-1.5"),
        ((says(b"\x16\x03\x01\x00\x02\x02\x28"), True), ""),
    ],
    indirect=["impostor"],
    ids=["HTTP", "an escape sequence", "SSH 1.5", "TLS"],
)
def test_what_is_no_ssh_2(coord: Coord, impostor: Impostor, words: str):
    run = coord("run", "-t", "5s", "-H", impostor.host, "--output", "json", "--", "true")
    host = only_host(run)
    assert (host["outcome"], host["stage"], run.status) == ("unreachable", "handshake", 3), run
    assert words in host["message"], run
    text = coord("run", "-t", "5s", "-H", impostor.host, "--", "true")
    assert words in text.errors and b"\x1b" not in text.stderr and text.status == 3, text


@pytest.mark.parametrize("impostor", [(silent, True)], indirect=True)
def test_a_server_that_always_closes_is_tried_again_and_given_up(coord: Coord, impostor: Impostor):
    hosts = f"{impostor.host},{HOST}"
    started = time.monotonic()
    run = coord("run", "-H", hosts, "-z", "2", "--output", "json", "--", "true", timeout=120)
    took = time.monotonic() - started
    closing, other = run.json["hosts"]
    assert (closing["outcome"], closing["stage"], other["outcome"]) == ("unreachable", "handshake", "ok"), run
    assert "before any SSH banner" in closing["message"] and run.status == 3, run
    assert 5 < len(impostor.accepted) < 100 and took < 90, (len(impostor.accepted), took)


@pytest.mark.parametrize("impostor", [(silent,)], indirect=True)
def test_a_worker_that_dies_before_it_started_is_replaced(coord: Coord, impostor: Impostor):
    process = coord.start("run", "-t", "4s", "-H", impostor.host, "--output", "json", "--", "true")
    try:
        wait_for(lambda: impostor.accepted, what="the first connection")
        [victim] = [pid for pid, words in family(process.pid).items() if words[-1] == "[command]"]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(impostor.accepted) > 1, what="another worker's connection")
        stdout, stderr = process.communicate(timeout=30)
    finally:
        end_process(process)
    run = Run(["coord"], process.returncode, stdout, stderr)
    assert (only_host(run)["outcome"], run.status) == ("unreachable", 3), run


# -- keys ----------------------------------------------------------------------------------------------------------


def new_key(path: Path, kind: str = "ed25519") -> str:
    """Makes a key; its public half as known_hosts has it."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def test_wrong_key_is_refused_after_one_try(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    new_key(tmp_path / "key")
    server = sandbox.sshd(tmp_path, LogLevel="VERBOSE")
    try:
        known = sandbox.known_hosts(tmp_path / "known", server.port)
        log = tmp_path / "sshd.log"
        before = log.read_text().count("Connection from")
        flags = ["-i", str(tmp_path / "key"), "-p", str(server.port), "-o", f"UserKnownHostsFile={known}"]
        run = coord("run", *flags, "-H", HOST, "--output", "json", "--", "true")
        host = only_host(run)
        assert (host["outcome"], host["stage"], run.status) == ("refused", "authenticate", 3), run
        assert str(tmp_path / "key") in host["message"]
        assert log.read_text().count("Failed publickey") == 1, log.read_text()
        assert log.read_text().count("Connection from") - before == 1, log.read_text()
        text = coord("run", *flags, "-H", HOST, "--", "true")
        assert f"coord: {HOST}: refused (at authenticate): " in text.errors and text.status == 3, text
    finally:
        server.close()


def test_unknown_host_key(coord: Coord):
    flags = ["-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null", "-H", HOST]
    run = coord("run", *flags, "--output", "json", "--", "true")
    host = only_host(run)
    assert (host["outcome"], host["stage"], run.status) == ("refused", "host_key", 3), run
    assert "SHA256:" in host["message"]
    text = coord("run", *flags, "--", "true")
    assert f"coord: {HOST}: refused (at host_key): " in text.errors and "SHA256:" in text.errors, text


@pytest.mark.parametrize("policy", ["yes", "accept-new"])
def test_changed_host_key(coord: Coord, sandbox: Sandbox, tmp_path: Path, policy: str):
    known = sandbox.known_hosts(tmp_path / "known", key=new_key(tmp_path / "other"))
    before = known.read_text()
    flags = ["-o", f"UserKnownHostsFile={known}", "-o", f"StrictHostKeyChecking={policy}", "-H", HOST]
    run = coord("run", *flags, "--output", "json", "--", "true")
    host = only_host(run)
    assert (host["outcome"], host["stage"], run.status) == ("refused", "host_key", 3), run
    prints = [fingerprint(path) for path in (tmp_path / "other.pub", sandbox.folder / "ssh_host_ed25519_key.pub")]
    assert all(text in host["message"] for text in [*prints, f"{known}:1"]), (run, prints)
    text = coord("run", *flags, "--", "true")
    assert all(print_ in text.errors for print_ in prints) and text.status == 3, text
    assert known.read_text() == before


def fingerprint(path: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


def test_a_revoked_host_key(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    known = sandbox.known_hosts(tmp_path / "known")
    known.write_text(known.read_text() + f"@revoked * {sandbox.host_key}\n")
    for policy in ("yes", "accept-new", "no"):
        flags = ["-o", f"StrictHostKeyChecking={policy}", "-o", f"UserKnownHostsFile={known}"]
        run = coord("run", *flags, "-H", HOST, "--output", "json", "--", "true")
        host = only_host(run)
        assert (host["outcome"], run.status) == ("refused", 3) and "revoked" in host["message"], run


def test_a_host_known_by_another_type_of_key(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    ecdsa = new_key(tmp_path / "ecdsa", "ecdsa")
    server = sandbox.sshd(tmp_path, HostKey=str(tmp_path / "ecdsa"))
    try:
        for key, outcome in [(sandbox.host_key, "refused"), (ecdsa, "ok")]:
            known = sandbox.known_hosts(tmp_path / "known", server.port, key)
            flags = ["-p", str(server.port), "-o", f"UserKnownHostsFile={known}", "-H", HOST]
            run = coord("run", *flags, "-o", "StrictHostKeyChecking=accept-new", "--output", "json", "--", "true")
            host = only_host(run)
            assert host["outcome"] == outcome, run
            assert outcome == "ok" or "ed25519" in host["message"] and "ecdsa" in host["message"], run
    finally:
        server.close()


@pytest.mark.parametrize(
    "setting, theirs",
    [
        ("Ciphers", "chacha20-poly1305@openssh.com"),
        ("KexAlgorithms", "sntrup761x25519-sha512@openssh.com"),
        ("MACs", "umac-128-etm@openssh.com"),
    ],
)
def test_no_algorithm_in_common(coord: Coord, sandbox: Sandbox, tmp_path: Path, setting: str, theirs: str):
    more = {"Ciphers": "aes256-ctr"} if setting == "MACs" else {}
    server = sandbox.sshd(tmp_path, **{setting: theirs}, **more)
    try:
        known = sandbox.known_hosts(tmp_path / "known", server.port)
        flags = ["-p", str(server.port), "-o", f"UserKnownHostsFile={known}", "-H", HOST]
        run = coord("run", *flags, "--output", "json", "--", "true")
        host = only_host(run)
        assert (host["outcome"], host["stage"], run.status) == ("refused", "handshake", 3), run
        assert theirs in host["message"], run
    finally:
        server.close()


# -- what goes wrong while a command runs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "sleep 61 & sleep 62; echo never",
        "trap '' TERM HUP INT; sleep 61 & sleep 62; echo never",
        "setsid sleep 61 & sleep 62; echo never",
        "yes",
    ],
)
def test_past_the_deadline(coord: Coord, command: str):
    started = time.monotonic()
    run = coord("run", "-T", "1s", "-H", HOST, "--output", "json", "--", f"echo before; {command}")
    took = time.monotonic() - started
    host = only_host(run)
    left = remote_processes(f"COORD_RUN={run.json['run']['id']}\0")
    kill_all(left)
    assert (host["outcome"], host["stage"], run.status) == ("timed_out", "run", 1), run
    assert host["stdout"].startswith("before\n") and "never" not in host["stdout"]
    assert not host["possibly_running"] and left == [], run
    assert 1 <= took < 15, run


def test_sshd_killed_in_mid_command(coord: Coord, tmp_path: Path):
    mark = f"KILLED={tmp_path}"
    command = f"export {mark}; echo before; sleep 63; true"
    process = coord.start("run", "-H", "127.77.0.[1-2]", "-z", "2", "--output", "json", "--", f"{command} || exit 5")
    try:
        wait_for(lambda: len(remote_processes(mark)) == 2, what="both commands")
        first, second = sorted(remote_processes(mark), key=lambda pid: environment_of(pid)["COORD_HOST"])
        os.kill(ancestor(first, "sshd"), signal.SIGKILL)
        os.kill(second, signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        end_process(process)
        kill_all(remote_processes(mark))
    run = Run(["coord"], process.returncode, stdout, stderr)
    lost, other = run.json["hosts"]
    assert (lost["outcome"], other["outcome"], run.status) == ("lost", "ok", 3), run
    assert lost["stdout"] == "before\n" and lost["output_incomplete"] and lost["possibly_running"], run
    assert lost["exit_status"] is None and lost["message"], run


def environment_of(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def test_a_background_child_holds_the_output(coord: Coord):
    started = time.monotonic()
    run = coord("run", "-H", HOST, "--output", "json", "--", "sleep 64 & echo hi")
    took = time.monotonic() - started
    kill_all(remote_processes(f"COORD_RUN={run.json['run']['id']}\0"))
    host = only_host(run)
    assert (host["outcome"], host["stdout"], host["output_open"], run.status) == ("ok", "hi\n", True, 0), run
    assert 2 <= took < 10
    text = coord("run", "-H", HOST, "--", "sleep 64 & echo hi; echo $COORD_RUN >&2")
    kill_all(remote_processes(f"COORD_RUN={text.errors.split(f'{HOST}: ')[1].split()[0]}\0"))
    assert text.text == f"{HOST}: hi\n" and "background process" in text.errors and text.status == 0, text


def test_a_background_child_with_output_of_its_own_is_no_hindrance(coord: Coord):
    run = coord("run", "-H", HOST, "--output", "json", "--", "sleep 64 >/dev/null 2>&1 </dev/null & echo hi")
    kill_all(remote_processes(f"COORD_RUN={run.json['run']['id']}\0"))
    host = only_host(run)
    assert (host["outcome"], host["output_open"], run.status) == ("ok", False, 0), run


def test_json_has_all_that_is_documented(coord: Coord):
    document = coord("run", "-H", HOST, "--output", "json", "--", "echo out; echo err >&2").json
    assert set(document) == {"run", "hosts", "summary"}
    assert {"id", "tasks", "started_at", "seconds", "agents", "pool_size", "bubble"} <= set(document["run"])
    [host] = document["hosts"]
    expected = {
        "host": HOST, "task": "command", "agent": "a1", "outcome": "ok", "exit_status": 0, "signal": None,
        "stage": None, "message": None, "stdout": "out\n", "stderr": "err\n", "truncated": False,
    }
    assert host | expected == host
    assert set(host["seconds"]) == {"queue", "connect", "auth", "grant", "run", "total"}
    assert json.dumps(document["run"]["started_at"]).count(":") == 2
