"""Which hosts a run has, and what reaches their shells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support import Coord, Sandbox

HOST = "127.77.0.1"


def hosts_of(run) -> list[str]:
    return [host["host"] for host in run.json["hosts"]]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["-H", "127.77.0.[3,1-2]"], [3, 1, 2]),
        (["-H", "127.77.0.1,127.77.0.1,127.77.0.2"], [1, 2]),
        (["-H", "127.77.0.1,127.77.0.1", "--keep-duplicates"], [1, 1]),
        (["-H", "127.77.0.[1-9]!127.77.0.[2-8]"], [1, 9]),
        (["-H", "127.77.0.[1-6/2]"], [1, 3, 5]),
        (["-R", "servers", "-x", "127.77.0.[1-51]"], [52, 53]),
        (["-H", "@servers&127.77.0.[50-60]"], [50, 51, 52, 53]),
        (["-H", "127.77.0.7", "-H", "127.77.0.5", "-x", "127.77.0.7"], [5]),
    ],
)
def test_selection(coord: Coord, arguments, expected):
    run = coord("run", *arguments, "--output", "json", "--", "true")
    assert hosts_of(run) == [f"127.77.0.{number}" for number in expected], run
    assert run.status == 0


def test_hosts_files(coord: Coord, tmp_path: Path):
    text = "# these\n127.77.0.[2-3]   # two\n\n127.77.0.1\n"
    (tmp_path / "hosts").write_text(text)
    expected = ["127.77.0.2", "127.77.0.3", "127.77.0.1"]
    assert hosts_of(coord("run", "--hosts-file", str(tmp_path / "hosts"), "--output", "json", "--", "true")) == expected
    run = coord("run", "--hosts-file", "-", "--output", "json", "--", "true", input=text.encode())
    assert hosts_of(run) == expected
    run = coord("run", "--hosts-file", "-", "-x", expected[0], "--output", "json", "--", "cat", input=text.encode())
    assert hosts_of(run) == expected[1:] and {host["stdout"] for host in run.json["hosts"]} == {""}, run


def test_what_stands_with_the_host_comes_first(coord: Coord, sandbox: Sandbox):
    written = f"{sandbox.user}@{HOST}:{sandbox.port}"
    run = coord("run", "-u", "nobody", "-p", "1", "-H", written, "--output", "json", "--", "id -un")
    [host] = run.json["hosts"]
    assert (host["host"], host["stdout"]) == (written, f"{sandbox.user}\n"), run


def test_variables(coord: Coord):
    command = 'echo "$COORD_HOST $COORD_INDEX $COORD_TOTAL $COORD_TASK $COORD_RUN"'
    run = coord("run", "-H", "127.77.0.[4-5]", "--output", "json", "--", command)
    document = run.json
    for index, host in enumerate(document["hosts"]):
        assert host["stdout"] == f"127.77.0.{4 + index} {index} 2 command {document['run']['id']}\n"


def test_the_words_of_a_command_are_joined_by_blanks(coord: Coord):
    for words in [["echo", "-n", "a", "$COORD_INDEX"], ["--", "true"], ["-x"], ["printf", "%s-", "a b", "'c d'"]]:
        run = coord("run", "-H", HOST, "--output", "json", "--", *words)
        expected = subprocess.run(
            ["/bin/sh", "-c", " ".join(words)], capture_output=True, text=True, env=os.environ | {"COORD_INDEX": "0"}
        )
        [host] = run.json["hosts"]
        assert (host["stdout"], host["exit_status"]) == (expected.stdout, expected.returncode), run


AWKWARD = [
    "plain", "two  blanks", " ", "'single'", '"double"', "$HOME `id` $(id) ${PATH}", "a;b|c&d>e<f", "-n", "--",
    "-oProxyCommand=x", "*?[a-z]", "!history", "!!", "back\\slash \\n", "new\nline", "\nfirst and last\n\n",
    "tab\there", "{a,b}", "~root", "#hash",
    "%s%d", "umläut 漢字", "'\"'\"'", "\\'", "\\", "\\0123", "\\c", "cr\r\nlf", "\x1b[31m", "1\n2\\n3!4",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_arguments_arrive_as_they_were(coord: Coord, text: str):
    quoted = "'" + text.replace("'", "'\\''") + "'"
    run = coord("run", "-H", HOST, "--output", "json", "--", f"printf '[%s]' {quoted}")
    assert run.json["hosts"][0]["stdout"] == f"[{text}]", run


def test_environment_of_a_task(coord: Coord, sandbox: Sandbox, tmp_path: Path):
    original = (sandbox.folder / "Coordfile.yaml").read_text()
    path = sandbox.folder / "Environment.yaml"
    task = 'show: {env: {GREETING: "it\'s; $(id)"}, run: \'printf "[%s]" "$GREETING" "$COORD_TASK"\'}'
    path.write_text(original.split("tasks:")[0] + f"tasks: {{{task}}}\n")
    try:
        run = coord("run", "-f", str(path), "-H", HOST, "show", "--output", "json")
        assert run.json["hosts"][0]["stdout"] == "[it's; $(id)][show]", run
    finally:
        path.unlink()


@pytest.mark.parametrize("size", [31_900, 34_700, 100_000])
def test_a_long_command(coord: Coord, size: int):
    text = (("$x `y` !z \\n 'q' \n" + 60 * "." + "\n") * size)[:size]
    quoted = "'" + text.replace("'", "'\\''") + "'"
    run = coord("run", "-H", HOST, "--output", "json", "--", f"printf %s {quoted}; cat | wc -c; exit 3")
    [host] = run.json["hosts"]
    assert (host["stdout"], host["exit_status"]) == (text + "0\n", 3), run


def test_list(coord: Coord):
    assert coord("list").text == "poke  Sleep ten seconds on every server.\n"
    assert coord("run", "-l").text == coord("list").text


@pytest.mark.parametrize(
    "expression",
    [
        "web[1-10]", "web[08-12]", "web[0-10/2]", "a[1-2]b[3-4]", "web[1-5]!web3", "a,b,c&b,c", "web[1-3]^web[3-4]",
        "n[1-3,5]", "127.77.0.[1-53]", "n[1-3]-ib[0-1],n4", "web[1-20]!web[2-19/3]", "a[001-100]",
    ],
)
def test_patterns_agree_with_nodeset(coord: Coord, expression: str):
    def nodeset(*arguments: str) -> str:
        return subprocess.run(["nodeset", *arguments], check=True, capture_output=True, text=True).stdout

    assert coord("hosts", "expand", expression).text == nodeset("-e", "-S", "\n", expression)
    assert coord("hosts", "fold", expression).text == nodeset("-f", expression)
    assert coord("hosts", "count", expression).text == nodeset("-c", expression)
    lines = nodeset("-e", "-S", "\n", expression).encode()
    assert coord("hosts", "fold", "-", input=lines).text == nodeset("-f", expression)
    assert coord("hosts", "count", "-", input=lines).text == nodeset("-c", expression)
    assert coord("hosts", "expand", "-", input=lines).text.encode() == lines
