"""Much output, and readers that don't read: memory stays bounded and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

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
        "run", "-H", "127.77.0.[1-10]", "-z", "5", "--agents", "2", "--outdir", str(tmp_path), "--output", "json", "--", command,
        stdout=open(tmp_path / "json", "wb"),
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
