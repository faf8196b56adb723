#!/bin/bash
# Installs what a stack needs and this machine lacks: the container engine, Compose 2.20 or newer, a running engine.
#   sudo compose/install-docker.sh
# For Debian and Ubuntu, from the distribution's own packages. `rig up` calls it as root unless RIG_NO_INSTALL=1.
# What is there already stays as it is. Each step says what it did.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
plugins=/usr/local/lib/docker/cli-plugins # for plugins that no package owns
export DEBIAN_FRONTEND=noninteractive

say() { echo "install-docker: $*"; }
fail() {
    echo "install-docker: $*" >&2
    exit 1
}

updated=
install() {
    if [ -z "$updated" ]; then
        apt-get update -qq || fail "apt-get update failed: is the package mirror reachable?"
        updated=yes
    fi
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null || fail "apt-get could not install $*"
    say "installed $*"
}

# Whether the distribution has a package at all.
known() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }

compose_new_enough() {
    local version
    version=$(docker compose version --short 2>/dev/null) || return 1
    dpkg --compare-versions "${version#v}" ge 2.20
}

install_engine() {
    install docker.io ca-certificates iptables
    if known docker-cli; then install docker-cli; fi # a package of its own since Debian 13
}

# Debian 13: docker-compose is version 2. Ubuntu: docker-compose-v2. Debian 12: docker-compose is version 1, without
# `docker compose`, so the plugin is taken out of Debian 13's package: one static binary, put where no package owns it.
install_compose() {
    if known docker-compose-v2; then
        install docker-compose-v2
    elif dpkg --compare-versions "$(apt-cache madison docker-compose | awk '{ print $3; exit }')" ge 2.20; then
        install docker-compose
    else
        compose_of_trixie
    fi
}

compose_of_trixie() {
    local scratch options
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064  # the directory of now
    trap "rm -rf '$scratch'" EXIT
    mkdir -p "$scratch/lists/partial" "$scratch/archives/partial" "$scratch/parts"
    # apt drops root to fetch, and must be able to write here.
    chmod -R 755 "$scratch"
    "$here/images/debian-sources.sh" trixie >"$scratch/sources.list"
    [ -s "$scratch/sources.list" ] || fail "no Debian mirror in apt's configuration to take Compose from"
    [ -e /usr/share/keyrings/debian-archive-trixie-stable.gpg ] || install debian-archive-keyring
    options=(-o "Dir::Etc::SourceList=$scratch/sources.list" -o "Dir::Etc::SourceParts=$scratch/parts"
        -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch" -o "APT::Sandbox::User=root"
        -o "Acquire::Languages=none")
    apt-get "${options[@]}" update -qq || fail "no index of Debian 13 from this machine's mirror"
    (cd "$scratch" && apt-get "${options[@]}" download -qq docker-compose) || fail "no docker-compose of Debian 13"
    dpkg-deb --extract "$scratch"/docker-compose_*.deb "$scratch/root"
    mkdir -p "$plugins"
    install_file "$scratch/root/usr/libexec/docker/cli-plugins/docker-compose" "$plugins/docker-compose"
    say "put Compose out of Debian 13's docker-compose into $plugins"
}

install_file() { command install -m 755 "$1" "$2"; }

engine_answers() { docker info >/dev/null 2>&1; }

start_engine() {
    if [ -d /run/systemd/system ]; then
        systemctl enable --now docker >/dev/null || fail "systemctl could not start docker: journalctl -u docker"
    else
        # No service manager: a container, a small virtual machine. Detached, so that it outlives this terminal.
        if ! mountpoint -q /sys/fs/cgroup; then install cgroupfs-mount && cgroupfs-mount; fi
        setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &
    fi
    for _ in $(seq 60); do
        if engine_answers; then
            say "started the engine$([ -d /run/systemd/system ] || echo " (log: /var/log/dockerd.log)")"
            return
        fi
        sleep 0.5
    done
    fail "the engine did not start within 30 s: $(tail -n 1 /var/log/dockerd.log 2>/dev/null)"
}

command -v apt-get >/dev/null || fail "not Debian or Ubuntu: install Docker and its Compose plugin by hand"
[ "$(id -u)" = 0 ] || fail "root is needed: sudo $0"
# An engine may answer from elsewhere (DOCKER_HOST): then none is needed here.
if ! engine_answers && { ! command -v dockerd || ! command -v docker; } >/dev/null; then install_engine; fi
compose_new_enough || install_compose
compose_new_enough || fail "Compose is still missing or too old: $(docker compose version 2>&1 | head -n 1)"
engine_answers || start_engine
