"""One sandbox for all tests; each test runs coord in its folder, with a state folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import COORD, Coord, Sandbox, wait_for


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("shared") / "sandbox"
    for_sandbox = ["--dir", str(folder)]
    up = subprocess.run([COORD, "sandbox", "up", "--hosts", "53", *for_sandbox], capture_output=True, text=True)
    assert up.returncode == 0, up
    yield Sandbox(folder)
    down = subprocess.run([COORD, "sandbox", "down", *for_sandbox], capture_output=True, text=True)
    assert down.returncode == 0 and not folder.exists(), down


@pytest.fixture
def coord(sandbox: Sandbox, tmp_path: Path):
    """Coord in the sandbox's folder. Whatever a test does, no process and no socket of a run is left after it."""
    sockets = Path(tempfile.mkdtemp(prefix="coord-test-", dir="/tmp"))
    coord = Coord(sandbox.folder, tmp_path / "state", sockets)
    yield coord
    try:
        wait_for(lambda: not coord.leftovers(), 15, "the end of all processes of coord's")
        assert list(sockets.iterdir()) == []
    finally:
        shutil.rmtree(sockets)


@pytest.fixture
def anywhere(sandbox: Sandbox, tmp_path: Path) -> list[str]:
    """Flags under which every 127.x.y.z is a host of the sandbox."""
    return ["-o", f"UserKnownHostsFile={sandbox.known_hosts(tmp_path / 'known_hosts')}"]


@pytest.fixture
def open_folder():
    """A folder in which the sandbox's user can write; not below pytest's own, which each start of pytest closes."""
    with tempfile.TemporaryDirectory(prefix="coord-test-", dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)
