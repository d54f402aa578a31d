#!/bin/sh
# What spritty is built with: one table, shown (`make doctor`) or installed (`make run`, `make test`).
#
#   deps.sh show                 one line a dependency, found or missing; 1 when a needed one is
#   deps.sh install GROUP...     installs the missing ones of these groups with apt (sudo if not root)
#
# A row: group, name, how it is found, Debian package, what for. Found by `pc:` a pkg-config module,
# `h:` a header that the compiler sees, `x:` a program. Only `build` is needed to build and test.
table='
build|C compiler|x:cc|gcc|compiles everything
build|C++ compiler|x:g++|g++|runs the CUDA kernels on the CPU, in tests
build|pkg-config|x:pkg-config|pkg-config|finds the libraries
build|C library|h:stdio.h|libc6-dev|headers
build|oneDNN|h:dnnl.h|libdnnl-dev|matrix products and convolutions on the CPU
build|libpng|pc:libpng|libpng-dev|reads and writes PNG
build|zlib|pc:zlib|zlib1g-dev|compression under libpng
build|inih|pc:inih|libinih-dev|reads config.ini
build|cJSON|pc:libcjson|libcjson-dev|reads and writes JSON
build|utf8proc|pc:libutf8proc|libutf8proc-dev|Unicode in prompts
build|ncursesw|pc:ncursesw|libncurses-dev|the terminal app
build|libsixel|pc:libsixel|libsixel-dev|pictures in the terminal
build|GLib|pc:glib-2.0|libglib2.0-dev|headers that those of chafa need
build|chafa|pc:chafa|libchafa-dev|pictures in terminals without sixel
build|SQLite|pc:sqlite3|libsqlite3-dev|jobs and sprites on disk
build|libcurl|pc:libcurl|libcurl4-openssl-dev|downloads models
build|hiredis|pc:hiredis|libhiredis-dev|speaks to Redis: the queue of many machines
build|nettle|pc:nettle|nettle-dev|SHA-256 of models and pictures
build|Redis|x:redis-check-rdb|redis-tools|a server for tests (its package starts no service)
build|cmocka|pc:cmocka|libcmocka-dev|unit tests
build|libvterm|pc:vterm|libvterm-dev|reads the screen in tests
dev|clang|x:clang|clang|fuzzers
dev|clang-format|x:clang-format|clang-format|make lint
dev|aarch64 gcc|x:aarch64-linux-gnu-gcc|gcc-aarch64-linux-gnu|make aarch64-test
dev|aarch64 g++|x:aarch64-linux-gnu-g++|g++-aarch64-linux-gnu|make aarch64-test
dev|qemu-aarch64|x:qemu-aarch64-static|qemu-user-static|make aarch64-test
cuda|CUDA|x:nvcc||optional: SDXL on NVIDIA GPUs
'

# Prints the version, or something, when the thing is there.
found() {
    how=${1%%:*} what=${1#*:}
    case $how in
    pc) pkg-config --modversion "$what" 2>/dev/null ;;
    h) echo "#include <$what>" | ${CC:-cc} -E -x c - >/dev/null 2>&1 && echo "$what" ;;
    x) PATH=$PATH:/usr/local/cuda/bin command -v "$what" ;;
    esac
}

show() {
    echo "$table" | {
        status=0
        while IFS='|' read -r group name how package why; do
            [ -n "$name" ] || continue
            if at=$(found "$how"); then
                printf '%-16s found    %-28s %s\n' "$name" "$at" "$why"
            elif [ "$group" = build ]; then
                printf '%-16s MISSING  %-28s %s\n' "$name" "apt install $package" "$why"
                status=1
            else
                printf '%-16s missing  %-28s %s\n' "$name" \
                    "${package:+apt install $package}" "$why"
            fi
        done
        return $status
    }
}

# Packages of the groups in "$@" that are not there, on one line.
missing() {
    echo "$table" | while IFS='|' read -r group name how package why; do
        case " $* " in
        *" $group "*) found "$how" >/dev/null || printf '%s ' "$package" ;;
        esac
    done
}

# apt-get, which speaks only when it fails. Another program may hold one of its locks: apt-daily on a
# machine that has just started, another make. apt itself waits for dpkg's alone, and says nothing.
apt() {
    tries=0
    until said=$($sudo env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" 2>&1 >/dev/null)
    do
        case $said in
        *'Could not get lock'* | *'is another process using it'*) ;;
        *) tries=$LOCK_TRIES ;;
        esac
        [ $tries -lt $LOCK_TRIES ] || { echo "$said" >&2 && return 1; }
        [ $tries -gt 0 ] || echo "apt is in use$(echo "$said" |
            sed -n 's/.*held by process \([0-9]*\) (\(.*\))$/ by \2, process \1/p'): waiting for" \
            "it, 10 minutes at most" >&2
        tries=$((tries + 1))
        sleep 5
    done
}
LOCK_TRIES=120

install() {
    list=$(missing "$@")
    [ -n "$list" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "missing (Debian's names): $list" >&2
        echo "there is no apt-get here: install them with your system's package manager" >&2
        return 1
    fi
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo=sudo
        if ! command -v sudo >/dev/null; then
            echo "missing: as root, run: apt-get install $list" >&2
            return 1
        fi
    fi
    echo "installing: $list"
    # A fresh machine may have no package lists, or old ones.
    apt update || echo "apt-get update failed; trying with the lists there are" >&2
    # shellcheck disable=SC2086 # the list is words
    apt -y --no-install-recommends install $list || {
        echo "apt-get install failed: $list" >&2
        return 1
    }
}

case $1 in
show) show ;;
install) shift && install "$@" ;;
*) echo "usage: deps.sh show | install GROUP..." >&2 && exit 2 ;;
esac
