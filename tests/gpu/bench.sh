#!/bin/sh
# make gpu-bench: what spritty and PyTorch take for SDXL's full shapes on this machine's GPU. Each part
# is a process with a time limit, and what it printed is in docs/results whatever comes after it.
#
#   bench.sh BUILD      $PARTS and $TORCH narrow what is measured; in $BUDGET seconds all is over
build=$1
start=$(date +%s)
commit=${SPRITTY_COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || cat .commit 2>/dev/null || echo unknown)}
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit and changes"
out=${RESULTS:-docs/results/gpu-bench-$(date +%Y%m%d-%H%M%S)}.jsonl
device=$("$build/gpu/gpu_device") || {
    echo "gpu-bench skipped: there is no GPU to measure"
    exit 0
}
echo "{\"part\": \"about\", \"commit\": \"$commit\", \"device\": $device}" >"$out"

run() { # SECONDS COMMAND...
    limit=$(($1 * ${SLOWNESS:-1}))
    shift
    left=$((${BUDGET:-100000} - $(date +%s) + start))
    [ "$left" -ge "$limit" ] || limit=$left
    [ "$limit" -ge 5 ] || {
        echo "{\"part\": \"$*\", \"failed\": \"no time was left\"}" >>"$out"
        return
    }
    echo "== $*"
    timeout -k 5 "$limit" "$@" >"$out.part" 2>"$out.err" </dev/null
    status=$?
    cat "$out.part"
    cat "$out.part" >>"$out"
    [ $status = 0 ] || {
        tail -n 3 "$out.err"
        echo "{\"part\": \"$*\", \"failed\": $status}" >>"$out"
    }
    rm -f "$out.part" "$out.err"
}

for part in ${PARTS:-plan base1024 base512 tiny32 tiny1 profile batch8}; do
    run 200 "$build/gpu/gpu_bench" "$part" # the first of a shape tries the libraries' algorithms
done
if [ "${TORCH:-1}" = 1 ] && python3 -c 'import torch' 2>/dev/null; then
    run 90 python3 tests/full/gpu_torch.py
    run 240 python3 tests/full/gpu_torch.py --compile
fi
echo "$out"
