#!/bin/sh
# What sets up and what counts tests: .ci/deps.sh in front of an apt-get of ours, tests/run.sh over
# tests that print as several versions of cmocka do. Prints cmocka's lines, for tests/run.sh.
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
echo "[==========] Running the tests of set-up and of counting."

# Set-up as root with libraries missing. apt-get is what stdin says; each call is a line in ./calls.
install_with() {
    mkdir bin
    {
        echo '#!/bin/sh'
        echo "echo \"\$*\" >>$work/calls; calls=\$(wc -l <$work/calls)"
        cat
    } >bin/apt-get
    printf '#!/bin/sh\nexit 1\n' >bin/pkg-config
    printf '#!/bin/sh\necho 0\n' >bin/id
    printf '#!/bin/sh\necho "$1" >>%s/slept\n' "$work" >bin/sleep
    chmod +x bin/*
    : >calls
    : >slept
    status=0
    PATH="$work/bin:$PATH" sh "$here/.ci/deps.sh" install build >out 2>err || status=$?
    cat out err
}

setup_installs_what_is_missing() {
    install_with <<'EOF'
exit 0
EOF
    [ $status = 0 ]
    [ "$(wc -l <calls)" = 2 ]
    grep -q '^-qq update$' calls
    grep -q '^-qq .*install.* libpng-dev ' calls
    [ ! -s err ]
}

setup_waits_for_locks_and_says_so() {
    install_with <<'EOF'
case $calls in
1 | 2)
    echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 12 (apt-get)" >&2
    echo "E: Unable to lock directory /var/lib/apt/lists/" >&2
    exit 100 ;;
4)
    echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 34 (unattended)" >&2
    exit 100 ;;
esac
EOF
    [ $status = 0 ]
    [ "$(wc -l <calls)" = 5 ]
    [ "$(wc -l <slept)" = 3 ]
    grep -q '^apt is in use by apt-get, process 12: waiting for it' err
    grep -q '^apt is in use by unattended, process 34: waiting for it' err
    [ "$(wc -l <err)" = 2 ]
}

setup_ends_when_a_lock_stays() {
    install_with <<'EOF'
case $* in
*update) ;;
*) echo "E: Unable to acquire the dpkg frontend lock, is another process using it?" >&2; exit 100 ;;
esac
EOF
    [ $status = 1 ]
    grep -q '^apt is in use: waiting' err
    grep -q 'Unable to acquire the dpkg frontend lock' err
    grep -q '^apt-get install failed: ' err
}

setup_says_why_apt_failed_at_once() {
    install_with <<'EOF'
echo "E: Unable to locate package; are you root?" >&2
exit 100
EOF
    [ $status = 1 ]
    [ ! -s slept ]
    grep -q '^apt-get update failed; trying' err
    [ "$(grep -c 'Unable to locate' err)" = 2 ]
}

# NAME BEFORE: a test that prints as cmocka does, with what stands before "Running".
prints() {
    cat >"$1" <<EOF
echo "[==========] ${2}Running 2 test(s)."
echo "[ RUN      ] a"
echo "[       OK ] a"
echo "[ RUN      ] b"
echo "[  SKIPPED ] b"
echo "[==========] ${2}2 test(s) run."
echo "[  SKIPPED ] b"
EOF
}

tests_of_each_cmocka_are_counted() {
    prints old.sh ""
    prints new.sh "tests: "
    TEST_JOBS=1 sh "$here/tests/run.sh" old.sh new.sh | tee sum
    grep -q '^2 passed, 0 failed, 2 skipped$' sum
}

for t in setup_installs_what_is_missing setup_waits_for_locks_and_says_so \
    setup_ends_when_a_lock_stays setup_says_why_apt_failed_at_once tests_of_each_cmocka_are_counted; do
    check $t $t
done
ended
