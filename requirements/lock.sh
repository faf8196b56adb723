#!/bin/bash
# Pins requirements/*.in again, with hashes, for Python 3.11 and newer at once, and without the address of any index.
#   requirements/lock.sh            newest versions that the .in files allow
# Needs a package index, which is the one of this machine's pip.
set -euo pipefail
cd "$(dirname "$0")"
options=(--universal --python-version 3.11 --generate-hashes)
for name in app rig dev uv; do
    # The local wheels that a machine's pip may look at are not everyone's.
    env -u PIP_FIND_LINKS -u UV_FIND_LINKS ../.venv/bin/uv pip compile "${options[@]}" --quiet --upgrade \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "requirements/lock.sh" \
        "$name.in" --output-file "$name.txt"
done
