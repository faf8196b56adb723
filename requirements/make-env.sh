#!/bin/bash
# Makes .venv, the project's environment, from requirements/dev.txt; `make` calls it when that file has changed.
#   requirements/make-env.sh
# Needs Python 3.11 or newer with venv; on Debian and Ubuntu as root a missing python3-venv is installed, unless
# RIG_NO_INSTALL=1.
set -euo pipefail
cd "$(dirname "$0")/.."

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if usable "$name"; then python=$name && break; fi
done
if [ -z "$python" ]; then
    echo "error: Python 3.11 or newer is needed (found: $(python3 --version 2>&1 | tail -n 1))." \
        "Install one, or name it: make PYTHON=/path/to/python3" >&2
    exit 2
fi

# Debian keeps what `python3 -m venv` needs in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if [ "$(id -u)" != 0 ] || [ "${RIG_NO_INSTALL:-}" = 1 ] || ! command -v apt-get >/dev/null; then
        echo "error: $python cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install $package" >&2
        exit 2
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    echo "installed $package"
fi

# A copy that the operating system's upgrade has left without its interpreter is of no use.
if ! usable .venv/bin/python; then rm -rf .venv && "$python" -m venv .venv; fi
echo "installing the pinned requirements into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
