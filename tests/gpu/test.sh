#!/bin/sh
# make gpu-test: the programs of the bare build on the device, one after the other, and a report of all
# checks in docs/results. What crashes or hangs costs its own checks, never the report.
#
#   test.sh BUILD     $SPRITTY_CUDA is the backend; $SLOWNESS multiplies the time limits; in $BUDGET
#                     seconds all is over, and what was not reached is left out
build=$1
start=$(date +%s)
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT
export SPRITTY_RESULTS="$log/checks"
commit=$(git rev-parse --short HEAD 2>/dev/null || cat .commit 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit and changes"

run() { # NAME SECONDS COMMAND...
    name=$1 limit=$(($2 * ${SLOWNESS:-1}))
    shift 2
    left=$((${BUDGET:-100000} - $(date +%s) + start))
    [ "$left" -ge "$limit" ] || limit=$left
    if [ "$limit" -lt 5 ]; then
        echo "{\"program\": \"$name\", \"seconds\": 0, \"status\": \"left out\"}" >>"$log/states"
        return
    fi
    echo "== $name"
    began=$(date +%s)
    timeout -k 10 "$limit" "$@" >"$log/out" 2>&1 </dev/null
    status=$?
    tail -n 40 "$log/out"
    echo "{\"program\": \"$name\", \"seconds\": $(($(date +%s) - began)), \"status\": $status}" >>"$log/states"
}

device=$("$build/gpu/gpu_device" 2>"$log/why") || {
    echo "gpu-test skipped: $(cat "$log/why")"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
echo "$device"
run ops 300 "$build/gpu/gpu_ops"
run networks 120 "$build/gpu/gpu_networks"
run trajectory 180 "$build/gpu/gpu_trajectory"
SPRITTY_PLAIN=1 run "networks, own kernels" 120 "$build/gpu/gpu_networks"
run model 300 "$build/gpu/gpu_model"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [ -n "$sanitizer" ]; then
    run "compute-sanitizer memcheck" 240 "$sanitizer" --tool memcheck --error-exitcode 3 \
        "$build/gpu/gpu_model" -1 tests/golden/small_a
else
    echo '{"program": "compute-sanitizer", "seconds": 0, "status": "left out"}' >>"$log/states"
fi
out=${RESULTS:-docs/results/gpu-test-$(date +%Y%m%d-%H%M%S)}
python3 tests/gpu/report.py "$out" "$log/checks" "$log/states" "$device" "$commit"
status=$?
echo "$out.json, $out.md"
exit $status
