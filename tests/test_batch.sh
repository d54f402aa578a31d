#!/bin/sh
# `spritty batch` as a user meets it: JSON lines, CSV and pipes, exit codes, what is told; and as a
# cluster does: kills at any moment, full disks, Slurm arrays. Prints cmocka's lines, for
# tests/run.sh.
# shellcheck disable=SC2317 # functions are called by their names, through check
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
model=$here/tests/golden/small_a
unset SLURM_ARRAY_TASK_ID
echo "[==========] Running the tests of batch."

batch() { "$spritty" batch "$@" -m "$model" --size 64 -t 1; }

# The same in the background, as $pid, for signals.
start() {
    "$spritty" batch "$@" -q -m "$model" --size 64 -t 1 2>err &
    pid=$!
}

# N: jobs of one step, in the file jobs.jsonl.
write_jobs() {
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++)
        printf "{\"id\": \"s%03d\", \"prompt\": \"a cat\", \"seed\": %d, \"steps\": 1}\n", i, i }' >jobs.jsonl
}

# N: so many lines of results, each with another id, and all files as they say.
has_all() {
    [ "$(wc -l <jobs-results.jsonl)" = "$1" ]
    [ "$(cut -d'"' -f4 jobs-results.jsonl | sort -u | wc -l)" = "$1" ]
    [ "$(find jobs-sprites -type f | wc -l)" = "$1" ]
    sed 's/.*"files": \["\([^"]*\)"\], "sha256": \["\([^"]*\)".*/\2  \1/' jobs-results.jsonl |
        sha256sum -c --quiet
}

kinds_of_files() {
    printf 'id,prompt,steps\r\na,"a cat, big",1\r\nb,"two\r\nlines",1\r\n' >jobs.csv
    batch jobs.csv -q
    [ -f jobs-sprites/a.png ]
    [ -f jobs-sprites/b.png ]
    printf '{"id": "c", "prompt": "x", "steps": 1}\n' | batch - -q -o there --results r.jsonl
    [ -f there/c.png ]
    # What has no folder of its own is called as standard input is.
    printf '{"id": "f", "prompt": "x", "steps": 1}\n' | batch /dev/stdin -q
    [ -f batch-sprites/f.png ]
    [ -s batch-results.jsonl ]
    grep -q '"id": "c", "status": "done"' r.jsonl
    # A picture is the one that gen makes; before its pixels both say when they were made.
    "$spritty" gen "a cat, big" --steps 1 -s 5 -m "$model" --size 64 -t 1 --raw -q -o one.png
    printf '{"id": "d", "prompt": "a cat, big", "steps": 1, "seed": 5}\n' |
        batch - -q --raw -o there --results s.jsonl
    tail -c 2000 one.png >one
    tail -c 2000 there/d.png | cmp - one
}

mistakes_and_exit_codes() {
    write_jobs 2
    printf '{"id": "x", "prompt": "x", "stpes": 1}\n{"id": "y", "prompt": "x", "image": "none.png"}\n' >>jobs.jsonl
    status=0
    batch jobs.jsonl --json >out 2>err || status=$?
    [ "$status" = 1 ]
    grep -q "jobs.jsonl:3: there is no key 'stpes'; did you mean 'steps'?" err
    grep -q 'failed: line 4, y: cannot read none.png' err
    grep -q '"jobs": 4, "already": 0, "done": 2, "failed": 2' out
    sed -i 3,4d jobs.jsonl
    batch jobs.jsonl 2>err
    grep -q '0 done, 2 were done before' err
    has_all 2
    for words in "" "jobs.jsonl --shard 3/2" "jobs.jsonl --shard x" \
        "jobs.jsonl --shard 4294967297/1" "a b"; do
        status=0
        # shellcheck disable=SC2086 # words
        "$spritty" batch $words 2>err || status=$?
        [ "$status" = 2 ]
    done
    status=0
    batch none.jsonl 2>err || status=$?
    [ "$status" = 1 ]
    grep -q 'cannot read none.jsonl' err
    grep -q done err && return 1
    [ ! -e none-sprites ]
    printf '[]\n' >jobs.jsonl
    status=0
    batch jobs.jsonl 2>err || status=$?
    [ "$status" = 1 ]
    grep -q 'one job a line' err
}

kills() {
    jobs=${SPRITTY_QUICK:+12} jobs=${jobs:-40} n=0
    write_jobs "$jobs"
    while [ "$n" -lt 4 ]; do
        n=$((n + 1))
        start jobs.jsonl
        sleep "0.$n"
        kill -9 "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    batch jobs.jsonl -q
    has_all "$jobs"
}

interrupts() {
    write_jobs 400
    start jobs.jsonl
    while [ ! -s jobs-results.jsonl ]; do sleep 0.1; done
    kill -INT "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" = 1 ]
    grep -q 'the same command goes on from here' err
    has_all "$(wc -l <jobs-results.jsonl)"
}

# What a file may be long stands for a disk that is full.
full_disk() {
    write_jobs 3
    status=0
    (
        trap '' XFSZ
        ulimit -f 1
        batch jobs.jsonl -q 2>err
    ) || status=$?
    [ "$status" = 1 ]
    batch jobs.jsonl -q
    has_all 3
}

arrays() {
    write_jobs 5
    for id in 4 6; do
        SLURM_ARRAY_TASK_ID=$id SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_STEP=2 \
            SLURM_ARRAY_TASK_COUNT=2 batch jobs.jsonl -q
    done
    [ "$(wc -l <jobs-results-1of2.jsonl)" = 3 ]
    [ "$(wc -l <jobs-results-2of2.jsonl)" = 2 ]
    cat jobs-results-?of2.jsonl >jobs-results.jsonl
    has_all 5
}

check "JSON lines, CSV and pipes; a picture is gen's" kinds_of_files
check "mistakes are told by line, and exit codes" mistakes_and_exit_codes
check "kill -9 loses and repeats nothing" kills
check "an interrupt stops, and says how to go on" interrupts
check "a full disk stops; the rest is made later" full_disk
check "tasks of a Slurm array share the jobs" arrays
ended
