#!/bin/sh
# Runs test programs, several at a time, and adds up what they print.
#
# A test program prints cmocka's lines, "[       OK ] name" and so on (the shell tests print the same
# lines). One that crashes, hangs, exits non-zero without a failed test, or runs no test counts as a
# failure. What each prints appears in the order in which they were named, whole, once all before it
# have ended. The last line is the sum: "N passed, N failed, N skipped".
#
# TEST_JOBS says how many run at once; without it, one more than there are cores, as many tests wait.
limit=${TEST_TIMEOUT:-900}

if [ "$1" = --one ]; then # FOLDER NUMBER TEST: leaves NUMBER.log and NUMBER.status in the folder
    log=$2/$3.log start=$(date +%s)
    case $4 in
    *.sh) timeout -k 10 "$limit" sh "$4" >"$log" 2>&1 </dev/null ;;
    # shellcheck disable=SC2086 # RUNNER, an emulator, is words
    *) timeout -k 10 "$limit" $RUNNER "$4" >"$log" 2>&1 </dev/null ;;
    esac
    echo $? $(($(date +%s) - start)) "$4" >"$2/$3.new"
    mv "$2/$3.new" "$2/$3.status"
    exit 0
fi

# Threads that wait should sleep: test machines have few cores and much to do.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
export SPRITTY_MEASURE=never # the app measures the machine where that is not known
work=$(mktemp -d) || exit 1
trap 'kill "$crew" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
passed=0 failed=0 skipped=0 names=

# cmocka lists failures and skips again after "[==========] N test(s) run."; those do not count. Since
# 1.1.7 it names the group: "[==========] tests: Running N test(s)."
count() {
    awk -v want="$1" '
        /^\[=+\] (.*: )?Running/ { running = 1 }
        /^\[=+\] .* run\./ { running = 0 }
        running && index($0, want) == 1 { n++ }
        END { print n + 0 }' "$log"
}

n=0
for t in "$@"; do
    n=$((n + 1))
    printf '%s\n%s\n' "$n" "$t"
done >"$work/list"
xargs -P "${TEST_JOBS:-$(($(nproc) + 1))}" -n 2 sh "$0" --one "$work" <"$work/list" &
crew=$!

n=0
for t in "$@"; do
    n=$((n + 1)) log=$work/$n.log
    echo "== $t"
    while [ ! -f "$work/$n.status" ] && kill -0 "$crew" 2>/dev/null; do sleep 0.1; done
    read -r status _ <"$work/$n.status" || status=1
    cat "$log"
    ok=$(count '[       OK ]') bad=$(count '[  FAILED  ]') skip=$(count '[  SKIPPED ]')
    if [ $((ok + bad + skip)) = 0 ] || { [ "$status" != 0 ] && [ "$bad" = 0 ]; }; then
        echo "$t: ended with status $status after $ok tests"
        bad=$((bad + 1))
    fi
    [ "$bad" = 0 ] || names="$names $t"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
echo "slowest, in seconds:" "$(cat "$work"/*.status | sort -k 2 -nr | head -n 6 |
    sed 's/^[0-9]* \([0-9]*\) .*\/\(.*\)/\2 \1,/' | tr '\n' ' ' | sed 's/, $//')"
[ -z "$names" ] || echo "failed:$names"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
