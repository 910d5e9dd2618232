#!/usr/bin/env bash
# Builds the Debian package from built programs, and prints its path. The same programs give the same bytes.
#
#   scripts/deb.sh PROGRAMS [FOLDER]      PROGRAMS: the folder with the programs of scripts/release.sh
#                                         FOLDER: where the package goes; default .build/deb
#
# Environment: DEB_REVISION (default 1), DEB_COMPRESSION (xz), DEBFULLNAME and DEBEMAIL (the maintainer), SOURCE_DATE_EPOCH (default: the last commit).
set -euo pipefail
built=$(realpath "${1:?usage: scripts/deb.sh PROGRAMS [FOLDER]}")
folder=$(realpath -m "${2:-.build/deb}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/.*productVersion = "\(.*\)"/\1/p' Sources/PipelineKit/Core/Settings/Version.swift)-${DEB_REVISION:-1}
architecture=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-Maintainers of tweet-pipeline} <${DEBEMAIL:-tweet-pipeline@example.org}>"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly stage=$work/stage documents=$work/stage/usr/share/doc/tweet-pipeline

fail() {
    echo "deb: $*" >&2
    exit 70
}

# The programs, unless they are scripts that call them, as for a test.
programs_of_stage() { grep -lr "^.ELF" "$stage/usr/bin" "$stage/usr/lib/tweet-pipeline" || true; }

changelog() {
    printf 'tweet-pipeline (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date -uR -d "@$SOURCE_DATE_EPOCH")" >"$documents/changelog.Debian"
    install -m 0644 CHANGELOG.md "$documents/changelog"
    install -m 0644 deploy/debian/copyright "$documents/copyright"
    # Everybody has it in /usr/share/common-licenses.
    rm "$documents/LICENSE"
    install -D -m 0644 deploy/debian/lintian-overrides "$stage/usr/share/lintian/overrides/tweet-pipeline"
    gzip -n9 "$documents/changelog" "$documents/changelog.Debian"
    find "$stage/usr/share/man" -type f -exec gzip -n9 {} +
    chmod 0644 "$documents"/*.gz
}

# The packages of the libraries that the programs need, in the versions that have all their symbols. Only programs for
# debugging need some that no package has: Swift's.
depends() { # PROGRAM…
    if [ $# -eq 0 ]; then
        echo libc6
        return
    fi
    mkdir -p "$work/debian"
    printf 'Source: tweet-pipeline\n\nPackage: tweet-pipeline\nArchitecture: any\n' >"$work/debian/control"
    (cd "$work" && dpkg-shlibdeps --ignore-missing-info -O "${@/#/-e}" 2>"$work/shlibdeps.log") | sed -n 's/^shlibs:Depends=//p' | grep . ||
        fail "dpkg-shlibdeps: $(cat "$work/shlibdeps.log")"
}

control() {
    local libraries
    libraries=$(depends "${programs[@]}")
    mkdir "$stage/DEBIAN"
    sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@MAINTAINER@/$maintainer/" \
        -e "s/@DEPENDS@/$libraries/" \
        -e "s/@INSTALLED_SIZE@/$(du -k --apparent-size -s "$stage" | cut -f 1)/" \
        deploy/debian/control >"$stage/DEBIAN/control"
    install -m 0755 deploy/debian/{postinst,prerm,postrm} "$stage/DEBIAN/"
    (cd "$stage" && find etc -type f | LC_ALL=C sort | sed 's,^,/,' >DEBIAN/conffiles)
    (cd "$stage" && find . -path ./DEBIAN -prune -o -path ./etc -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z |
        xargs -0 md5sum >DEBIAN/md5sums)
}

mkdir -p "$stage" "$folder"
umask 022
DESTDIR=$stage PREFIX=/usr UNITDIR=/lib/systemd/system ZSHDIR=/usr/share/zsh/vendor-completions \
    scripts/install.sh "$built"
mapfile -t programs < <(programs_of_stage)
for program in "${programs[@]}"; do strip --remove-section=.comment --remove-section=.note "$program"; done
changelog
control
find "$stage" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group "-Z${DEB_COMPRESSION:-xz}" --build "$stage" "$folder" >&2
echo "$folder/tweet-pipeline_${version}_$architecture.deb"
