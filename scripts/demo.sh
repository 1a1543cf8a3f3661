#!/usr/bin/env bash
# Shows coord at work on a fresh Debian 12: installs what is missing, builds it, puts up 53 hosts on this machine's
# loopback addresses, runs `sleep 10` on all of them in two ways, and takes the hosts down again.
#
#     scripts/demo.sh
#
# Works as root and as an ordinary user (with sudo for missing packages), and can be run as often as you like.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hosts=53
pool_size=20

say() { printf '\n== %s\n' "$*"; }

say "Step 1 of 5: what is needed to build"
scripts/install-dependencies.sh

say "Step 2 of 5: building coord and coord-agent in release mode (some minutes the first time)"
for product in coord coord-agent; do
    swift build -c release --static-swift-stdlib --product "$product"
done
binaries=$(swift build -c release --static-swift-stdlib --show-bin-path)
coord=$binaries/coord

folder=$(mktemp -d)
sandbox=$folder/sandbox
clean_up() {
    local status=$?
    trap - EXIT
    say "Taking the hosts down"
    if ! "$coord" sandbox down --dir "$sandbox"; then
        echo "error: the sandbox could not be taken down; try: $coord sandbox down --dir $sandbox" >&2
        exit 1
    fi
    rm -rf "$folder"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "Step 3 of 5: $hosts hosts on loopback: one sshd of its own, in $sandbox"
"$coord" sandbox up --hosts "$hosts" --dir "$sandbox"

# Runs the words after the first in the sandbox's folder, and leaves the seconds it took in `took`.
timed() {
    local start=${EPOCHREALTIME/,/.} # some locales write a comma
    printf '$ coord %s\n' "$*"
    (cd "$sandbox" && "$coord" "$@")
    took=$(LC_ALL=C awk -v start="$start" -v end="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.1f", end - start }')
}

say "Step 4 of 5: four agents, up to $pool_size workers each. All $hosts hosts at once: 10 s is the ideal"
timed run poke --agents 4 -z "$pool_size"
four_agents=$took

say "Step 5 of 5: one agent, $pool_size workers. Three rounds of up to $pool_size hosts: 30 s is the ideal"
timed run poke -P -z "$pool_size"
one_agent=$took

say "\`sleep 10\` on $hosts hosts"
printf '%-34s %10s %10s\n' "" "ideal" "took"
printf '%-34s %10s %10s\n' "four agents, -z $pool_size" "10.0 s" "$four_agents s"
printf '%-34s %10s %10s\n' "one agent, -P -z $pool_size" "30.0 s" "$one_agent s"
printf '%-34s %10s %10s\n' "Fabric's branch of 2010, -P -z 20" "30.0 s" "45.9 s"
printf '%-34s %10s %10s\n' "in sequence, in 2010" "530.0 s" "531.0 s"
