#!/bin/sh
# Runs one fuzzer for a while: fuzz.sh PROGRAM SECONDS [MODEL_SECONDS], the last for those that read
# what a model is made of. New inputs go to a folder under build/ and are kept between runs; a seed
# corpus is tests/fuzz/NAME/, where there is one. A finding is left in build/fuzz/ and fails the run.
program=$1 seconds=$2 name=${1##*/}
case $name in fuzz_safetensors | fuzz_tokenizer | fuzz_config) seconds=${3:-$seconds} ;; esac
corpus=build/fuzz/corpus/$name seeds=tests/fuzz/$name
mkdir -p "$corpus" || exit 1
[ -d "$seeds" ] || seeds=
# shellcheck disable=SC2086 # no seeds, no word
"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/$name-" "$corpus" $seeds >"build/fuzz/$name.log" 2>&1
status=$?
units=$(sed -n 's/.*number_of_executed_units: *//p' "build/fuzz/$name.log")
echo "== $name for $seconds s: ${units:-no} inputs"
grep -E 'SUMMARY|Test unit written' "build/fuzz/$name.log"
[ $status = 0 ] || tail -n 40 "build/fuzz/$name.log"
exit $status
