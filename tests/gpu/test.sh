#!/bin/sh
# make gpu-test: the programs of the bare build on the device, one after the other, and a report of all
# checks in docs/results. What crashes or hangs costs its own checks, never the report, and the report is
# made anew after each program: who is killed half way leaves what was seen until then.
#
#   test.sh BUILD     $SPRITTY_CUDA is the backend; $SLOWNESS multiplies the time limits; in $BUDGET
#                     seconds all is over, and what was not reached is left out. $CHECKS narrows the
#                     programs, $RESULTS is where the report goes, $SPRITTY_COMMIT what was built where git is not;
#                     $WORK is for what is of no use later, $CACHE_KEPT a file that gets what the libraries chose
build=$1
start=$(date +%s)
out=${RESULTS:-docs/results/gpu-test-$(date +%Y%m%d-%H%M%S)}
out=$(realpath "$(dirname "$out")")/$(basename "$out") || exit 1
export SPRITTY_RESULTS="$out.checks.jsonl"
states="${WORK:-$(dirname "$out")}/$(basename "$out").states.jsonl" log="$out.log"
commit=${SPRITTY_COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || cat .commit 2>/dev/null || echo unknown)}
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit and changes"
rm -f "$SPRITTY_RESULTS" "$states"
status=0

report() {
    if command -v python3 >/dev/null; then
        python3 tests/gpu/report.py "$out" "$SPRITTY_RESULTS" "$states" "$device" "$commit"
        return
    fi
    bad=$(cat "$SPRITTY_RESULTS" "$states" 2>/dev/null | grep -c '"passed": false\|"status": [1-9]')
    echo "$(grep -c '"passed": true' "$SPRITTY_RESULTS") passed, $bad failed," \
        "$(grep -c 'left out' "$states") skipped"
    [ "$bad" = 0 ]
}

run() { # NAME SECONDS COMMAND...
    name=$1 limit=$(($2 * ${SLOWNESS:-1}))
    shift 2
    case " ${CHECKS:-ops model networks control lora trajectory own sanitizer} " in
    *" ${name%% *} "*) ;;
    *) return ;;
    esac
    left=$((${BUDGET:-100000} - $(date +%s) + start))
    [ "$left" -ge "$limit" ] || limit=$left
    if [ "$limit" -lt 5 ]; then
        echo "{\"program\": \"$name\", \"seconds\": 0, \"status\": \"left out\"}" >>"$states"
        return
    fi
    echo "== $name"
    began=$(date +%s)
    echo "== $name" >>"$log"
    size=$(wc -c <"$log")
    timeout -k 10 "$limit" "$@" >>"$log" 2>&1 </dev/null
    status=$?
    tail -c +$((size + 1)) "$log" | tail -n 40
    echo "{\"program\": \"$name\", \"seconds\": $(($(date +%s) - began)), \"status\": $status}" >>"$states"
    report >/dev/null
    sh tests/gpu/keep.sh
}

device=$("$build/gpu/gpu_device" 2>&1) || {
    echo "gpu-test skipped: $device"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
echo "$device" | tee "$log"
# A process each: what breaks the device's context breaks what comes after it in the same one.
run "ops own" 60 "$build/gpu/gpu_ops" own
run "ops fp16" 200 "$build/gpu/gpu_ops" "cuda fp16"
run model 120 "$build/gpu/gpu_model"
run networks 120 "$build/gpu/gpu_networks"
run control 60 "$build/gpu/gpu_control"
run "ops f32" 90 "$build/gpu/gpu_ops" "cuda f32" "cuda tf32"
run "ops bf16" 60 "$build/gpu/gpu_ops" "cuda bf16"
run lora 60 "$build/gpu/gpu_lora_golden"
run trajectory 120 "$build/gpu/gpu_trajectory"
SPRITTY_PLAIN=1 run "own kernels' networks" 120 "$build/gpu/gpu_networks"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [ -n "$sanitizer" ]; then
    run "sanitizer memcheck" 150 "$sanitizer" --tool memcheck --error-exitcode 3 \
        "$build/gpu/gpu_model" -1 tests/golden/small_a
else
    echo '{"program": "compute-sanitizer, which is not here", "seconds": 0, "status": "left out"}' >>"$states"
fi
report
status=$?
[ ! -s "$out.json" ] || rm -f "$SPRITTY_RESULTS" "$states" # the report has their lines
echo "$out.json, $out.md"
exit $status
