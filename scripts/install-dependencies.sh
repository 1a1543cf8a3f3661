#!/usr/bin/env bash
# Installs what is missing to build coord on Debian 12, and checks for a Swift toolchain.
#
#     scripts/install-dependencies.sh [PACKAGE ...]
#
# The packages named are installed beside those that every build needs. Nothing is touched when all are there.
set -euo pipefail

packages=(
    libssh2-1-dev libzmq3-dev libsqlite3-dev pkg-config # to build
    openssh-server openssh-client psmisc                # to try it: sshd, ssh-keygen, pstree
    "$@"
)

say() { printf '== %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "error: root is needed for: $*; run this as root, or install sudo" >&2
        return 1
    fi
}

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "error: this script knows Debian's apt only; install the counterparts of: ${packages[*]}" >&2
    exit 1
fi

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done

# Debian starts a server as soon as it is installed. Only the program sshd is wanted here, not a server for the world:
# a policy file (invoke-rc.d) keeps it from starting, and it is not left enabled for the next boot.
policy=/usr/sbin/policy-rc.d
made_policy=no
remove_policy() {
    if [ "$made_policy" = yes ]; then
        as_root rm -f "$policy"
        made_policy=no
    fi
}

if [ "${#missing[@]}" -gt 0 ]; then
    say "installing ${missing[*]}"
    trap remove_policy EXIT
    if [[ " ${missing[*]} " == *" openssh-server "* ]] && [ ! -e "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    if [ "$made_policy" = yes ] && command -v systemctl >/dev/null; then
        as_root systemctl disable ssh.service
    fi
    remove_policy
else
    say "all Debian packages are there"
fi

if ! command -v swift >/dev/null; then
    cat >&2 <<'TEXT'
error: no Swift toolchain on the PATH.

coord is built with Swift 6.2 or newer. Install it as https://www.swift.org/install/linux/ says; in short:

    sudo apt-get install -y curl gnupg
    curl -O https://download.swift.org/swiftly/linux/swiftly-$(uname -m).tar.gz
    tar zxf swiftly-$(uname -m).tar.gz
    ./swiftly init
    . ~/.local/share/swiftly/env.sh

and run this script again.
TEXT
    exit 1
fi
say "$(swift --version 2>/dev/null | head -n 1)"
