#!/bin/sh
# make aarch64-test: builds for aarch64 with the cross compiler and runs the unit tests under qemu.
#
# The libraries come as Debian's arm64 packages, unpacked into build/aarch64/root: nothing of the
# system changes. Where a tool is missing the run is skipped, and says which.
root=$PWD/build/aarch64/root
packages='libdnnl-dev libpng-dev libinih-dev libcjson-dev libutf8proc-dev zlib1g-dev libcmocka-dev
    libncurses-dev libsixel-dev libchafa-dev libglib2.0-dev libsqlite3-dev libvterm-dev
    libcurl4-openssl-dev libhiredis-dev nettle-dev'

skip() {
    echo "aarch64-test skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

for tool in aarch64-linux-gnu-gcc qemu-aarch64-static apt-get dpkg-deb; do
    command -v $tool >/dev/null || skip "there is no $tool here"
done

# apt with lists, status and cache of its own, which believes that it is an empty arm64 machine.
fetch() {
    apt=build/aarch64/apt
    mkdir -p $apt/lists/partial $apt/cache/archives/partial
    : >$apt/status
    set -- -qq -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1 \
        -o Dir::State="$PWD/$apt" -o Dir::State::lists="$PWD/$apt/lists" \
        -o Dir::State::status="$PWD/$apt/status" -o Dir::Cache="$PWD/$apt/cache"
    apt-get "$@" update || return 1
    # shellcheck disable=SC2086 # the list is words
    apt-get "$@" --no-install-recommends --download-only install $packages || return 1
    for deb in $apt/cache/archives/*.deb; do
        dpkg-deb -x "$deb" "$root.part" || return 1
    done
    rm -rf $apt "$root"
    echo "$packages" >"$root.part/packages"
    mv "$root.part" "$root"
    # Absolute links (libm.so) mean the root that they lie in.
    find "$root" -type l -lname '/*' | while read -r link; do
        ln -sfn "$root$(readlink "$link")" "$link"
    done
}

if [ "$(cat "$root/packages" 2>/dev/null)" != "$packages" ]; then
    rm -rf "$root.part"
    fetch >build/aarch64.log 2>&1 || skip "Debian's arm64 packages cannot be had (build/aarch64.log)"
fi

lib=usr/lib/aarch64-linux-gnu
export PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR="$root/$lib/pkgconfig:$root/usr/share/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR="$root"
# (Tests that are left out say why in their own file.)
export SPRITTY_QUICK=1 RUNNER=qemu-aarch64-static QEMU_LD_PREFIX="$root"
exec make --no-print-directory BUILD=build/aarch64 CC="aarch64-linux-gnu-gcc --sysroot=$root" \
    AR=aarch64-linux-gnu-ar QEMU=1 check
