#!/bin/sh
# Runs test programs one after the other and adds up what they print.
#
# A test program prints cmocka's lines, "[       OK ] name" and so on (the shell tests print the same
# lines). One that crashes, hangs, exits non-zero without a failed test, or runs no test counts as a
# failure. The last line is the sum: "N passed, N failed, N skipped".
# Threads that wait should sleep: test machines have few cores and much to do.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
limit=${TEST_TIMEOUT:-900}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0 names=

# cmocka lists failures and skips again after "[==========] N test(s) run."; those do not count.
count() {
    awk -v want="$1" '
        /^\[=+\] Running/ { running = 1 }
        /^\[=+\] .* run\./ { running = 0 }
        running && index($0, want) == 1 { n++ }
        END { print n + 0 }' "$log"
}

for t in "$@"; do
    echo "== $t"
    case $t in
    *.sh) timeout -k 10 "$limit" sh "$t" >"$log" 2>&1 </dev/null ;;
    # shellcheck disable=SC2086 # RUNNER, an emulator, is words
    *) timeout -k 10 "$limit" $RUNNER "$t" >"$log" 2>&1 </dev/null ;;
    esac
    status=$?
    cat "$log"
    ok=$(count '[       OK ]') bad=$(count '[  FAILED  ]') skip=$(count '[  SKIPPED ]')
    if [ $((ok + bad + skip)) = 0 ] || { [ $status != 0 ] && [ "$bad" = 0 ]; }; then
        echo "$t: ended with status $status after $ok tests"
        bad=$((bad + 1))
    fi
    [ "$bad" = 0 ] || names="$names $t"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
[ -z "$names" ] || echo "failed:$names"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
