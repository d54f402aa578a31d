# What the shell tests share: the program, a folder to work in with a home of its own, and tests that
# print cmocka's lines, for tests/run.sh. To be sourced; `ended` at the end.
# shellcheck shell=sh disable=SC2034 # for those who source it
spritty=$(realpath "${SPRITTY:-build/spritty}")
here=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export HOME="$work/home" XDG_CONFIG_HOME="$work/config" XDG_DATA_HOME="$work/data"
bad=0 total=0

# name COMMAND...: one test in an empty folder; the output is shown when it fails.
check() {
    name=$1
    shift
    total=$((total + 1))
    echo "[ RUN      ] $name"
    # Not inside the `if`: there, -e would be ignored.
    (
        set -e
        "$@"
    ) >log 2>&1
    status=$?
    if [ $status = 0 ]; then
        echo "[       OK ] $name"
    else
        sed 's/^/    /' log
        echo "[  FAILED  ] $name"
        bad=$((bad + 1))
    fi
    rm -rf ./*
}

skip() { # NAME WHY
    total=$((total + 1))
    echo "[ RUN      ] $1"
    echo "    $2"
    echo "[  SKIPPED ] $1"
}

ended() {
    echo "[==========] $total test(s) run."
    [ $bad = 0 ]
}
