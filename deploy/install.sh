#!/usr/bin/env bash
# Builds coord in release mode and installs it: both programs side by side, and completions for the shell.
#
#     deploy/install.sh [PREFIX]        PREFIX is /usr/local unless given
#
# The programs hold the Swift runtime; of the system they need libssh2, libzmq and libsqlite3 (Debian: libssh2-1, libzmq5,
# libsqlite3-0). As an ordinary user give a PREFIX that you can write, for example ~/.local.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

prefix=${1:-/usr/local}
build=(-c release --static-swift-stdlib)

echo "== building coord and coord-agent"
for product in coord coord-agent; do
    swift build "${build[@]}" --product "$product"
done
binaries=$(swift build "${build[@]}" --show-bin-path)

echo "== installing into $prefix"
install -d "$prefix/bin" "$prefix/share/bash-completion/completions" "$prefix/share/zsh/site-functions"
install -m 755 "$binaries/coord" "$binaries/coord-agent" "$prefix/bin/"
"$binaries/coord" --generate-completion-script bash >"$prefix/share/bash-completion/completions/coord"
"$binaries/coord" --generate-completion-script zsh >"$prefix/share/zsh/site-functions/_coord"
"$prefix/bin/coord" --version
