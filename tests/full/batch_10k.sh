#!/bin/sh
# How many jobs a second a batch makes, and what a job costs besides its pictures:
#
#     sh tests/full/batch_10k.sh [JOBS [SIZE [OPTIONS of spritty batch]]]
#
# Writes 10,000 jobs of one step on the model that ships (64x64, seeds and prompts that differ), runs
# them in a folder of its own, checks that each is there once, and prints one line of figures:
# seconds on the clock, jobs a second, and milliseconds a job: `run` on the device, `idle` of the
# device besides loading the model, `finish` and `feed` beside it on other threads.
set -e
jobs=${1:-10000} size=${2:-64}
[ $# -lt 2 ] || shift
[ $# -lt 1 ] || shift
spritty=${SPRITTY:-$(pwd)/build/spritty}
work=$(mktemp -d "${TMPDIR:-/tmp}/spritty-batch-XXXXXX")
trap 'rm -rf "$work"' EXIT
awk -v n="$jobs" 'BEGIN {
    split("a green slime,a knight,a red dragon,a wooden chest,a blue potion,a skeleton", thing, ",")
    split("with a crown,in armour,asleep,at night,on fire", how, ",")
    for (i = 0; i < n; i++)
        printf "{\"id\": \"%05d\", \"prompt\": \"%s %s\", \"seed\": %d}\n", i, thing[i % 6 + 1],
            how[int(i / 6) % 5 + 1], i
}' >"$work/jobs.jsonl"
"$spritty" batch "$work/jobs.jsonl" -q --json --steps 1 --size "$size" "$@" >"$work/summary.json"
[ "$(wc -l <"$work/jobs-results.jsonl")" = "$jobs" ]
[ "$(grep -c '"status": "done"' "$work/jobs-results.jsonl")" = "$jobs" ]
[ "$(cut -d'"' -f4 "$work/jobs-results.jsonl" | sort -u | wc -l)" = "$jobs" ]
[ "$(find "$work/jobs-sprites" -name '*.png' | wc -l)" = "$jobs" ]
awk '{
    match($0, /"seconds": [0-9.]+/); s = substr($0, RSTART + 11, RLENGTH - 11)
    match($0, /"done": [0-9]+/); n = substr($0, RSTART + 8, RLENGTH - 8)
    split("devices load run finish feed bytes", key, " ")
    for (i = 1; i <= 6; i++) {
        match($0, "\"" key[i] "\": [0-9.]+")
        v[key[i]] = substr($0, RSTART + length(key[i]) + 4, RLENGTH - length(key[i]) - 4)
    }
    d = v["devices"]
    printf "%d jobs in %.1f s: %.1f a second; ms a job: run %.2f, idle %.3f, finish %.2f, feed %.3f; %.0f MB\n",
        n, s, n / s, v["run"] / d / n, (s * 1000 - (v["load"] + v["run"]) / d) / n, v["finish"] / n,
        v["feed"] / n, v["bytes"] / 1e6
}' "$work/summary.json"
