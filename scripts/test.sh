#!/usr/bin/env bash
# Everything that has to pass: installs what is missing, builds, runs the unit tests and then the end-to-end tests on
# real SSH servers. Ends with a status other than 0 as soon as something fails.
#
#     scripts/test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

run scripts/install-dependencies.sh dropbear-bin clustershell tmux python3-asyncssh python3-pytest </dev/null
run swift build --explicit-target-dependency-import-check error
run swift test

if [ -d Tests/EndToEnd ]; then
    COORD_BIN=$(swift build --show-bin-path)/coord
    export COORD_BIN
    printf '\nCOORD_BIN=%s' "$COORD_BIN"
    run /usr/bin/python3 -m pytest -q -p no:cacheprovider Tests/EndToEnd
fi
printf '\nall tests passed\n'
