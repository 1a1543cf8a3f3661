"""One sandbox for all tests; each test runs coord in its folder, with a state folder of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support import COORD, Coord, Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory):
    # Not below pytest's own folder: that is 0700, and sshd must reach its files as any user.
    folder = tmp_path_factory.mktemp("shared") / "sandbox"
    subprocess.run([COORD, "sandbox", "up", "--hosts", "53", "--dir", str(folder)], check=True, capture_output=True)
    yield Sandbox(folder)
    subprocess.run([COORD, "sandbox", "down", "--dir", str(folder)], check=True, capture_output=True)


@pytest.fixture
def coord(sandbox: Sandbox, tmp_path: Path) -> Coord:
    return Coord(sandbox.folder, tmp_path / "state")


@pytest.fixture
def anywhere(sandbox: Sandbox, tmp_path: Path) -> list[str]:
    """Flags under which every 127.x.y.z is a host of the sandbox."""
    return ["-o", f"UserKnownHostsFile={sandbox.known_hosts(tmp_path / 'known_hosts')}"]


@pytest.fixture
def open_folder(tmp_path: Path):
    """A folder in which the sandbox's user can write."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder == Path("/tmp"):
            break
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o711)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    return shared
