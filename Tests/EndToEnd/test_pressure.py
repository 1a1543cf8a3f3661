"""Much output, and readers that don't read: memory stays bounded and nothing is lost."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from support import Coord, end_process, family, wait_for

MEGABYTES = 30


def peak_memory(pid: int) -> dict[str, int]:
    peaks = {}
    for process in [pid, *family(pid)]:
        try:
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            continue
        if "VmHWM" in status:
            peaks[str(process)] = int(status.split("VmHWM:")[1].split()[0])
    return peaks


def test_much_output_from_ten_hosts(coord: Coord, tmp_path: Path):
    command = f"yes $COORD_HOST | head -c {MEGABYTES}000000"
    process = coord.start(
        "run", "-H", "127.77.0.[1-10]", "-z", "5", "--agents", "2", "--outdir", str(tmp_path), "--output", "json", "--",
        command, stdout=open(tmp_path / "json", "wb"),
    )
    peaks: dict[str, int] = {}
    try:
        while process.poll() is None:
            for name, kilobytes in peak_memory(process.pid).items():
                peaks[name] = max(peaks.get(name, 0), kilobytes)
            time.sleep(0.1)
    finally:
        end_process(process)
    document = json.loads((tmp_path / "json").read_bytes())
    assert document["summary"]["ok"] == 10 and all(host["truncated"] for host in document["hosts"])
    for number in range(1, 11):
        host = f"127.77.0.{number}"
        line = f"{host}\n".encode()
        whole = (line * (MEGABYTES * 1_000_000 // len(line) + 1))[: MEGABYTES * 1_000_000]
        written = (tmp_path / host / "stdout").read_bytes()
        assert hashlib.sha256(written).digest() == hashlib.sha256(whole).digest(), host
    assert peaks and max(peaks.values()) < 200_000, peaks


def test_a_reader_that_stops_holds_back_the_hosts_and_loses_nothing(coord: Coord, open_folder: Path):
    flood = f"head -c 4000000 /dev/zero | tr '\\0' x; echo > {open_folder}/$COORD_HOST"
    process = coord.start("run", "-H", "127.77.0.[1-3]", "-z", "3", "--", flood, stderr=None)
    try:
        reader = process.stdout.fileno()
        first = os.read(reader, 1000)
        # Nothing is read: the hosts' commands must stand still, the coordinator must not grow.
        wait_for(lambda: standstill(process.pid), 30, "a standstill")
        assert list(open_folder.iterdir()) == []
        assert max(peak_memory(process.pid).values()) < 100_000
        rest = b""
        while piece := os.read(reader, 1 << 20):
            rest += piece
        assert process.wait(timeout=30) == 0
    finally:
        end_process(process)
    assert (first + rest).count(b"x") == 3 * 4_000_000
    assert len(list(open_folder.iterdir())) == 3


def standstill(pid: int) -> bool:
    """No process of the run has read or written for half a second."""
    def transferred() -> int:
        total = 0
        for process in [pid, *family(pid)]:
            try:
                counters = Path(f"/proc/{process}/io").read_text().split()
            except OSError:
                continue
            total += int(counters[1]) + int(counters[3])
        return total

    before = transferred()
    time.sleep(0.5)
    # Pings and their answers go on.
    return transferred() - before < 5_000


@pytest.fixture
def small_disk(tmp_path: Path):
    """Mounts small file systems; what they are for gets full in mid-run."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    folder = tmp_path / "small"

    def mount(size: str) -> Path:
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def journalled(coord: Coord) -> dict[str, str]:
    """The outcomes of hosts in the only journal."""
    [journal] = coord.journals()
    with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT host, outcome FROM entry JOIN outcome ON entry.id = outcome.entry")
        return dict(rows.fetchall())


def test_no_host_is_ok_that_a_full_journal_does_not_hold(coord: Coord, small_disk):
    coord.state = small_disk("400k")
    run = coord("run", "-R", "servers", "-z", "4", "--output", "json", "--", "seq 3000")
    assert "disk is full" in run.errors or "No space left" in run.errors, run.errors
    assert run.status not in (0, 2) and run.json["summary"]["skipped"] > 0, run.errors
    shown = {host["host"] for host in run.json["hosts"] if host["outcome"] == "ok"}
    held = {host for host, outcome in journalled(coord).items() if outcome == "ok"}
    assert shown <= held, sorted(shown - held)


def test_a_full_outdir_cuts_no_output_in_silence(coord: Coord, small_disk):
    folder = small_disk("3m") / "out"
    size = 400_000
    command = f"head -c {size} /dev/zero | tr '\\0' x"
    run = coord("run", "-R", "servers", "-z", "4", "--outdir", str(folder), "--output", "json", "--", command)
    assert "No space left" in run.errors and str(folder) in run.errors, run.errors
    assert run.status not in (0, 2) and run.json["summary"]["skipped"] > 0, run.errors
    cut = [
        (host["host"], written, host["output_incomplete"])
        for host in run.json["hosts"]
        if host["outcome"] == "ok" and (written := (folder / host["host"] / "stdout").stat().st_size) != size
    ]
    assert all(is_marked for _, _, is_marked in cut), cut
