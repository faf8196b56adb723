#!/bin/sh
# Prints the apt sources of a Debian release, at the mirror that this machine's own apt uses.
#   compose/images/debian-sources.sh trixie
# The address is read from apt's configuration, so no mirror is written in this repository.
# Prints nothing where apt knows no Debian mirror (Ubuntu): callers then take their tool's own default.
set -eu
release=${1:?which Debian release, such as trixie}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# shellcheck disable=SC1091
codename=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || exit 0

# Third-party repositories may use the same release name; Debian's have the component main and the origin Debian.
# $(ORIGIN) is printed as it stands until the first `apt-get update`, hence the second pattern.
# shellcheck disable=SC2016
apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
    awk -v from="$codename" -v to="$release" -v keyring="$keyring" '
        $2 != "main" || ($3 != "Debian" && $3 !~ /^\$/) { next }
        $1 == from || $1 == from "-updates" || $1 == from "-security" {
            suite = $1
            sub("^" from, to, suite)
            if (!seen[suite]++) print "deb [signed-by=" keyring "] " $4 " " suite " main"
        }'
