"""What hosts print: byte for byte in files and JSON, harmless on a terminal."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from support import COORD, Coord

HOST = "127.77.0.1"


def test_bytes_and_streams_are_kept_apart(coord: Coord):
    command = r"printf 'a\0b\377\n'; printf 'err\303' >&2"
    run = coord("run", "-H", HOST, "--output", "json", "--", command)
    [host] = run.json["hosts"]
    assert base64.b64decode(host["stdout_base64"]) == b"a\0b\xff\n"
    assert base64.b64decode(host["stderr_base64"]) == b"err\xc3"
    assert "stdout" not in host and "stderr" not in host


def test_json_is_text_where_it_can_be(coord: Coord):
    """A character that is cut between two packets is one character."""
    command = r"printf '\303'; sleep 0.2; printf '\244\342\202'; sleep 0.2; printf '\254\0\n'"
    [host] = coord("run", "-H", HOST, "--output", "json", "--", command).json["hosts"]
    assert host["stdout"] == "ä€\0\n" and host["stderr"] == ""


def test_stderr_floods_while_stdout_is_quiet(coord: Coord, tmp_path: Path):
    command = "head -c 6000000 /dev/zero >&2; echo done"
    run = coord("run", "-H", HOST, "--outdir", str(tmp_path / "out"), "--output", "json", "--", command)
    [host] = run.json["hosts"]
    assert (host["outcome"], host["stdout"], host["truncated"]) == ("ok", "done\n", True), host["message"]
    assert (tmp_path / f"out/{HOST}/stderr").read_bytes() == bytes(6_000_000)


def test_outdir_is_byte_exact(coord: Coord, tmp_path: Path):
    command = (
        "set -e; d=$(mktemp -d); trap 'rm -r $d' EXIT; cd $d; "
        "for f in 1 2; do head -c 3000000 /dev/urandom > $f; done; cat 2 >&2 & cat 1; wait; "
        "for f in 1 2; do md5sum < $f | cut -c1-32 | tr -d '\\n'; done"
    )
    flags = ["-H", "127.77.0.[1-3]", "-z", "3", "--outdir", str(tmp_path / "out"), "--output", "quiet"]
    run = coord("run", *flags, "--", command)
    assert run.status == 0, run
    for number in (1, 2, 3):
        folder = tmp_path / f"out/127.77.0.{number}"
        output = (folder / "stdout").read_bytes()
        errors = (folder / "stderr").read_bytes()
        assert len(output) == 3_000_064 and len(errors) == 3_000_000
        assert [hashlib.md5(data).hexdigest() for data in (output[:-64], errors)] == [
            output[-64:-32].decode(), output[-32:].decode()
        ]
        assert stat.S_IMODE((folder / "stdout").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_outdir_follows_no_link(coord: Coord, tmp_path: Path):
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "out" / HOST).mkdir(parents=True)
    (tmp_path / "out" / HOST / "stdout").symlink_to(tmp_path / "precious")
    run = coord("run", "-H", HOST, "--outdir", str(tmp_path / "out"), "--", "echo bad")
    assert run.status == 2 and f"{HOST}/stdout" in run.errors, run
    assert (tmp_path / "precious").read_text() == "keep"


def test_the_journal_keeps_head_and_tail(coord: Coord):
    run = coord("run", "-H", HOST, "--output", "json", "--", "seq 1000000")
    [host] = run.json["hosts"]
    assert host["truncated"] and host["outcome"] == "ok"
    kept, whole = host["stdout"], "".join(f"{number}\n" for number in range(1, 1_000_001))
    assert 900_000 < len(kept) <= 1 << 20
    head = len(os.path.commonprefix([kept, whole]))
    assert 100_000 < head < len(kept) - 100_000 and whole.endswith(kept[head:]), head


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


def test_lines_of_hosts_that_print_at_once_are_not_mixed(coord: Coord):
    halves = "printf %s a$i; sleep 0.02; echo b$i; printf %s c$i >&2; echo d$i >&2"
    command = f"for i in 1 2 3 4 5 6 7 8 9; do {halves}; done"
    run = coord("run", "-H", "127.77.0.[1-8]", "-z", "8", "--", command)
    assert run.status == 0
    for number in range(1, 9):
        host = f"127.77.0.{number}"
        assert [line for line in run.text.splitlines() if line.startswith(host + ":")] == [
            f"{host}: a{i}b{i}" for i in range(1, 10)
        ], run
        assert [line for line in run.errors.splitlines() if line.startswith(host + ":")] == [
            f"{host}: c{i}d{i}" for i in range(1, 10)
        ], run
    assert len(run.text.splitlines()) == 72


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "printed, shown",
    [
        (r"\033[2J\033]0;title\007", r"\x1b[2J\x1b]0;title\x07"),
        (r"a\rb\bc", r"a\rb\x08c"),
        (r"\302\233m", r"\u{9b}m"),
        (r"\342\200\256txt.exe", r"\u{202e}txt.exe"),
        (r"\377\303(", r"\xff\xc3("),
        (r"nul\0nul", r"nul\x00nul"),
        (r"tab\tends", "tab\tends"),
        (r"caf\303\251", "café"),
    ],
)
def test_what_is_harmful_is_escaped(coord: Coord, stream: str, printed: str, shown: str):
    run = coord("run", "-H", HOST, "--", f"printf '{printed}\\n'" + (" >&2" if stream == "stderr" else ""))
    lines = (run.errors if stream == "stderr" else run.text).split("\n")
    assert f"{HOST}: {shown}" in lines and run.status == 0, run


def test_quiet_shows_the_summary_only(coord: Coord):
    run = coord("run", "-H", "127.77.0.[1-4]", "--output", "quiet", "--", "echo noise; echo noise >&2; exit 3")
    assert run.text.splitlines()[1] == "coord:   failed (4): 127.77.0.[1-4]"
    assert "noise" not in run.text + run.errors and run.status == 1


def test_ndjson_is_a_stream_of_objects(coord: Coord):
    run = coord("run", "-H", "127.77.0.[1-5]", "--output", "ndjson", "--", "echo $COORD_HOST")
    assert run.status == 0 and run.text.endswith("}\n"), run
    events = [json.loads(line) for line in run.text.splitlines()]
    assert [event["event"] for event in events] == ["run-started"] + 5 * ["host-finished"] + ["run-finished"]
    assert events[0]["run"]["bubble"] == 2 and events[-1]["summary"]["ok"] == 5
    printed = {event["host"]: event["stdout"] for event in events[1:-1]}
    assert printed == {f"127.77.0.{number}": f"127.77.0.{number}\n" for number in range(1, 6)}


@pytest.mark.parametrize("form", ["lines", "json", "ndjson"])
def test_output_that_cannot_be_written_is_said(coord: Coord, form: str):
    """Unlike a reader that has seen enough, a full disk is an error."""
    with open("/dev/full", "wb") as full:
        process = coord.start("run", "-H", HOST, "--output", form, "--", "echo hi", stdout=full)
    _, errors = process.communicate(timeout=60)
    assert b"No space left on device" in errors and process.returncode != 0, (errors, process.returncode)


@pytest.mark.parametrize("form", ["lines", "ndjson"])
def test_a_closed_output_ends_the_printing_only(coord: Coord, form: str):
    run = f"'{COORD}' run -R servers -z 20 --output {form} -- 'seq 2000'"
    shell = f"{run} | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", shell],
        cwd=coord.folder, env=coord.environment, capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 0, result
    assert len(result.stdout.splitlines()) == 1
    [journal] = coord.journals()
    with contextlib.closing(sqlite3.connect(journal)) as database:
        assert database.execute("SELECT outcome, count(*) FROM outcome GROUP BY 1").fetchall() == [("ok", 53)]
        assert database.execute("SELECT count(*) FROM grant_ WHERE withdrawn = 0").fetchone() == (53,)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.parent.stat().st_mode) == 0o700
