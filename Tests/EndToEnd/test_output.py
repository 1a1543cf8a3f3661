"""What hosts print: byte for byte in files and JSON, harmless on a terminal."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import sqlite3
import stat
import subprocess

from support import COORD, Coord

HOST = "127.77.0.1"


def test_bytes_and_streams_are_kept_apart(coord: Coord):
    command = r"printf 'a\0b\377\n'; printf 'err\303' >&2"
    run = coord("run", "-H", HOST, "--output", "json", "--", command)
    [host] = run.json["hosts"]
    assert base64.b64decode(host["stdout_base64"]) == b"a\0b\xff\n"
    assert base64.b64decode(host["stderr_base64"]) == b"err\xc3"
    assert "stdout" not in host and "stderr" not in host


def test_outdir_is_byte_exact(coord: Coord, tmp_path):
    command = (
        "head -c 3000000 /dev/urandom > /tmp/coord-$COORD_ENTRY; cat /tmp/coord-$COORD_ENTRY; "
        "tac -rs '.' /dev/null; head -c 1000000 /tmp/coord-$COORD_ENTRY >&2; "
        "md5sum < /tmp/coord-$COORD_ENTRY | cut -c1-32 | tr -d '\\n'; rm /tmp/coord-$COORD_ENTRY"
    )
    run = coord("run", "-H", "127.77.0.[1-3]", "-z", "3", "--outdir", str(tmp_path / "out"), "--output", "quiet", "--", command)
    assert run.status == 0, run
    for number in (1, 2, 3):
        folder = tmp_path / f"out/127.77.0.{number}"
        output = (folder / "stdout").read_bytes()
        content, digest = output[:-32], output[-32:].decode()
        assert len(content) == 3_000_000
        assert hashlib.md5(content).hexdigest() == digest
        assert (folder / "stderr").read_bytes() == content[:1_000_000]
        assert stat.S_IMODE((folder / "stdout").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_journal_keeps_head_and_tail(coord: Coord):
    run = coord("run", "-H", HOST, "--output", "json", "--", "seq 1000000")
    [host] = run.json["hosts"]
    assert host["truncated"] and host["outcome"] == "ok"
    assert host["stdout"].startswith("1\n2\n3\n") and host["stdout"].endswith("999999\n1000000\n")
    assert 900_000 < len(host["stdout"]) <= 1 << 20


def test_lines_are_whole_and_harmless(coord: Coord):
    command = r"printf 'one\ntwo'; printf '\033[31mred\r\n'; printf '127.77.0.9: forged\n'; echo problem >&2"
    run = coord("run", "-H", "127.77.0.[1-4]", "-z", "4", "--", command)
    assert run.status == 0
    lines = run.text.splitlines()
    for number in range(1, 5):
        mine = [line for line in lines if line.startswith(f"127.77.0.{number}: ")]
        assert [line.split(": ", 1)[1] for line in mine] == ["one", r"two\x1b[31mred", "127.77.0.9: forged"], run
        assert f"127.77.0.{number}: problem" in run.errors.splitlines()
    assert len(lines) == 12 and b"\x1b" not in run.stdout


def test_quiet_shows_the_summary_only(coord: Coord):
    run = coord("run", "-H", "127.77.0.[1-4]", "--output", "quiet", "--", "echo noise; echo noise >&2; exit 3")
    assert run.text.splitlines()[1] == "coord:   failed (4): 127.77.0.[1-4]"
    assert "noise" not in run.text + run.errors and run.status == 1


def test_ndjson_is_a_stream_of_objects(coord: Coord):
    run = coord("run", "-H", "127.77.0.[1-5]", "--output", "ndjson", "--", "echo $COORD_HOST")
    events = [json.loads(line) for line in run.text.splitlines()]
    assert [event["event"] for event in events] == ["run-started"] + 5 * ["host-finished"] + ["run-finished"]
    assert events[0]["run"]["bubble"] == 2 and events[-1]["summary"]["ok"] == 5
    assert {event["host"]: event["stdout"] for event in events[1:-1]} == {f"127.77.0.{n}": f"127.77.0.{n}\n" for n in range(1, 6)}


def test_a_closed_output_ends_the_printing_only(coord: Coord):
    shell = f"'{COORD}' run -R servers -z 20 -- 'seq 2000' | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", shell], cwd=coord.folder, env=coord.environment, capture_output=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 0, result
    assert len(result.stdout.splitlines()) == 1
    [journal] = coord.journals()
    with contextlib.closing(sqlite3.connect(journal)) as database:
        assert database.execute("SELECT outcome, count(*) FROM outcome GROUP BY 1").fetchall() == [("ok", 53)]
        assert database.execute("SELECT count(*) FROM grant_ WHERE withdrawn = 0").fetchone() == (53,)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.parent.stat().st_mode) == 0o700
