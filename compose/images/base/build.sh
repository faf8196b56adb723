#!/bin/bash
# Makes celery-rig/base:debian, the Debian 13 root file system under every stand-in image, where no registry answers.
#   compose/images/base/build.sh celery-rig/base:debian [label=value ...]
# Needs mmdebstrap (as root it is installed from the distribution unless RIG_NO_INSTALL=1) and a Debian mirror, which is
# the one of this machine's own apt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
image=${1:?which tag}
shift
release=trixie

if ! command -v mmdebstrap >/dev/null || [ ! -e /usr/share/keyrings/debian-archive-trixie-stable.gpg ]; then
    if [ "$(id -u)" != 0 ] || [ "${RIG_NO_INSTALL:-}" = 1 ] || ! command -v apt-get >/dev/null; then
        echo "error: mmdebstrap and Debian's archive keys are missing. On Debian or Ubuntu:" \
            "sudo apt-get install mmdebstrap debian-archive-keyring. Elsewhere set IMAGES=official." >&2
        exit 2
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring
fi

changes=(--change "ENV LANG=C.UTF-8" --change "CMD [\"bash\"]")
for label in "$@"; do changes+=(--change "LABEL $label"); done

# shellcheck disable=SC2016  # mmdebstrap's hook expands its own $1, the root directory
options=(--quiet --variant=minbase "--include=ca-certificates,tzdata"
    --aptopt='APT::Install-Recommends "false"'
    --dpkgopt=path-exclude='/usr/share/doc/*' --dpkgopt=path-include='/usr/share/doc/*/copyright'
    --dpkgopt=path-exclude='/usr/share/man/*' --dpkgopt=path-exclude='/usr/share/locale/*'
    # No package may start its service while an image is built.
    --customize-hook='printf "#!/bin/sh\nexit 101\n" > "$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"')
proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
if [ -n "$proxy" ]; then options+=("--aptopt=Acquire::http::Proxy \"$proxy\""); fi

sources=$("$here/../debian-sources.sh" "$release")
if [ -n "$sources" ]; then
    mmdebstrap "${options[@]}" "$release" - - <<<"$sources"
else
    mmdebstrap "${options[@]}" "$release" -
fi | docker import "${changes[@]}" - "$image"
