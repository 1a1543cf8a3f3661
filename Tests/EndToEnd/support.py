"""What the end-to-end tests share: running coord, looking at processes, servers of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

COORD = os.environ.get("COORD_BIN", str(Path(__file__).parents[2] / ".build/debug/coord"))
OUTCOMES = ["ok", "failed", "signalled", "timed_out", "unreachable", "refused", "cancelled", "skipped", "lost"]


def wait_for(condition: Callable[[], object], seconds: float = 20, what: str = "a condition") -> object:
    """Waits until the condition holds; its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)


@dataclass
class Run:
    """One call of coord that has ended."""

    command: list[str]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def json(self) -> dict:
        document = json.loads(self.stdout)
        check_document(document)
        return document

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def errors(self) -> str:
        return self.stderr.decode()

    def __repr__(self) -> str:
        return f"\n$ {' '.join(self.command)}\n{self.stdout[-3000:]!r}\n{self.stderr[-3000:]!r}\n=> {self.status}"


def check_document(document: dict) -> None:
    """Every host has exactly one outcome, and the counts add up."""
    summary = document["summary"]
    assert summary["hosts"] == len(document["hosts"])
    for outcome in OUTCOMES:
        assert summary[outcome] == sum(host["outcome"] == outcome for host in document["hosts"]), outcome
    assert sum(summary[outcome] for outcome in OUTCOMES) == summary["hosts"]


class Coord:
    """Runs coord in a folder, with a state folder of its own, and a folder of its own for the agents' sockets."""

    def __init__(self, folder: Path, state: Path, sockets: Path | None = None) -> None:
        self.folder = folder
        self.state = state
        self.sockets = sockets

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("SSH_AUTH_SOCK", "XDG_RUNTIME_DIR")}
        sockets = {"XDG_RUNTIME_DIR": str(self.sockets)} if self.sockets else {}
        return kept | {"XDG_STATE_HOME": str(self.state)} | sockets

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        options["env"] = self.environment | options.get("env", {})
        return subprocess.Popen([COORD, *arguments], cwd=self.folder, **options)

    def __call__(
        self, *arguments: str, timeout: float = 60, input: bytes | None = None, env: dict[str, str] | None = None
    ) -> Run:
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        process = self.start(*arguments, env=env or {}, stdin=stdin)
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            run = Run([COORD, *arguments], process.returncode, stdout, stderr)
            raise AssertionError(f"not over within {timeout} s: {run}") from None
        return Run([COORD, *arguments], process.returncode, stdout, stderr)

    def journals(self) -> list[Path]:
        return sorted((self.state / "coord/runs").glob("*.sqlite"))

    def leftovers(self) -> dict[int, list[str]]:
        """Processes of coord's that work in its folder."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                is_here = os.readlink(entry / "cwd") == str(self.folder)
            except OSError:
                continue
            words = command_line(int(entry.name))
            if is_here and words and (words[0] == "coord-agent:" or Path(words[0]).name in ("coord", "coord-agent")):
                found[int(entry.name)] = words
        return found


# -- processes -----------------------------------------------------------------------------------------------------


def command_line(pid: int) -> list[str]:
    """The words of a process's title; empty when it is gone or a zombie."""
    try:
        return [word for word in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0") if word]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
    return found


def descendants(pid: int) -> list[int]:
    """All processes below one, itself not among them."""
    tree = parents()
    found, fringe = [], [pid]
    while fringe:
        parent = fringe.pop()
        children = [child for child, its_parent in tree.items() if its_parent == parent]
        found += children
        fringe += children
    return [child for child in found if is_alive(child)]


def family(pid: int) -> dict[int, list[str]]:
    return {child: words for child in descendants(pid) if (words := command_line(child))}


def workers(pid: int) -> list[str]:
    """The hosts of the workers below a coordinator, from the process titles."""
    return [words[1] for words in family(pid).values() if words[0] == "coord-agent:" and words[-1].startswith("[")]


def agent_pid(pid: int, name: str) -> int:
    return int(wait_for(lambda: next((p for p, w in family(pid).items() if w == ["coord-agent:", name]), 0), what=name))


def pool_pid(pid: int, name: str) -> int:
    return next(p for p, words in family(pid).items() if words == ["coord-agent:", name, "pool"])


def remote_processes(mark: str) -> list[int]:
    """Processes with a mark in their environment: what a task runs on this machine's 'hosts'."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes() and is_alive(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def ancestor(pid: int, name: str) -> int:
    """The nearest process above one that has this name."""
    tree = parents()
    while pid in tree:
        pid = tree[pid]
        if Path(f"/proc/{pid}/comm").read_text().strip() == name:
            return pid
    raise AssertionError(f"no {name} above the process")


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def end_process(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)


# -- servers -------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            return client.recv(4) == b"SSH-"
    except OSError:
        return False


class Server:
    """A program that listens, ended by its pid."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        nothing = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
        try:
            wait_for(lambda: self.process.poll() is not None or answers(port), what=f"{command[0]} on port {port}")
            assert self.process.poll() is None, f"{' '.join(command)} ended at its start"
        except AssertionError:
            self.close()
            raise

    def close(self) -> None:
        end_process(self.process)


class Sandbox:
    """A sandbox that is up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = (folder / "sshd_config").read_text()
        self.port = int(re.search(r"^Port (\d+)", self.config, re.M).group(1))
        self.user = re.search(r'user: "?([^"\n]+)"?', (folder / "Coordfile.yaml").read_text()).group(1)
        self.host_key = " ".join((folder / "ssh_host_ed25519_key.pub").read_text().split()[:2])

    def known_hosts(self, path: Path, port: int | None = None, key: str | None = None) -> Path:
        """A known_hosts file that knows every loopback address."""
        path.write_text(f"[127.*]:{port or self.port} {key or self.host_key}\n")
        return path

    def sshd(self, folder: Path, **settings: str) -> Server:
        """Another sshd like the sandbox's, with some settings changed or added."""
        port = free_port()
        config = self.config
        settings = {"Port": str(port), "PidFile": str(folder / "sshd.pid")} | settings
        for name, value in settings.items():
            config, count = re.subn(rf"^{name} .*$", f"{name} {value}", config, flags=re.M)
            config += "" if count else f"{name} {value}\n"
        path = folder / "sshd_config"
        path.write_text(config)
        return Server(["/usr/sbin/sshd", "-D", "-f", str(path), "-E", str(folder / "sshd.log")], port)
