#!/bin/bash
# Makes .venv, the project's environment, from requirements/dev.txt; `make` calls it when that file has changed.
#   requirements/make-env.sh
# Needs Python 3.11 or newer with venv; on Debian and Ubuntu as root a missing python3-venv is installed, unless
# RIG_NO_INSTALL=1.
set -euo pipefail
cd "$(dirname "$0")/.."

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if usable "$name"; then echo "$name" && return; fi
    done
}

# Debian keeps what `python3 -m venv` needs in a package of its own.
makes_environments() { [ -n "$1" ] && "$1" -c 'import ensurepip, venv' 2>/dev/null; }

python=$(find_python)
if ! makes_environments "$python"; then
    package=${python:+$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')}
    package=${package:-python3-venv} # which brings the distribution's own python3
    if [ "$(id -u)" != 0 ] || [ "${RIG_NO_INSTALL:-}" = 1 ] || ! command -v apt-get >/dev/null; then
        echo "error: Python 3.11 or newer that can make virtual environments is needed." \
            "On Debian or Ubuntu: sudo apt-get install $package. Elsewhere install one and name it: make PYTHON=..." >&2
        exit 2
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    echo "installed $package"
    python=$(find_python)
    makes_environments "$python" || { echo "error: $package brings no Python 3.11 or newer" >&2 && exit 2; }
fi

# A copy that the operating system's upgrade has left without its interpreter is of no use.
if ! usable .venv/bin/python; then rm -rf .venv && "$python" -m venv .venv; fi
echo "installing the pinned requirements into .venv"
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
# uv is many times faster. It does not read pip's own settings: where those are needed, pip it is.
"${pip[@]}" --require-hashes -r requirements/uv.txt
if ! .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements/dev.txt; then
    echo "uv did not get them; trying pip"
    "${pip[@]}" --require-hashes -r requirements/dev.txt
fi
"${pip[@]}" --no-deps --no-build-isolation -e .
