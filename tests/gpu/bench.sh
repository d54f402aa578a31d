#!/bin/sh
# make gpu-bench: what spritty and PyTorch take for SDXL's full shapes on this machine's GPU. Each part
# is a process with a time limit, and what it printed is in docs/results whatever comes after it.
#
#   bench.sh BUILD      $PARTS and TORCH=0 narrow what is measured; in $BUDGET seconds all is over; $RESULTS
#                       is where it goes, $SPRITTY_COMMIT what was built where git is not, $PYTHON whose
#                       PyTorch; TORCH_OPTIONS="--small --side 64" runs it on a CPU; $WORK and $CACHE_KEPT
#                       are those of test.sh
build=$1
start=$(date +%s)
commit=${SPRITTY_COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || cat .commit 2>/dev/null || echo unknown)}
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit and changes"
out=${RESULTS:-docs/results/gpu-bench-$(date +%Y%m%d-%H%M%S)}.jsonl
work=${WORK:-$(dirname "$out")}/$(basename "$out")
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
    began=$(date +%s)
    # a line is in the file as soon as it is said
    { timeout -k 5 "$limit" "$@" 2>"$work.err" </dev/null; echo $? >"$work.status"; } | tee -a "$out"
    status=$(cat "$work.status")
    [ "$status" = 0 ] || {
        tail -n 3 "$work.err"
        said=$(tail -n 1 "$work.err" | tr -c '[:alnum:] .,:;_()/-' ' ' | cut -c 1-300)
        echo "{\"part\": \"$*\", \"failed\": $status, \"said\": \"$said\"}" >>"$out"
    }
    echo "{\"part\": \"$*\", \"seconds\": $(($(date +%s) - began))}" >>"$out"
    rm -f "$work.err" "$work.status"
    sh tests/gpu/keep.sh
}

# PyTorch where it can use the GPU, or where options say what a CPU can do in a moment.
torch() { # SECONDS OPTIONS...
    limit=$1
    shift
    [ "${TORCH:-1}" = 1 ] || return
    [ -n "$TORCH_OPTIONS" ] || "${PYTHON:-python3}" -c 'import torch; exit(not torch.cuda.is_available())' 2>/dev/null || {
        echo '{"part": "torch", "failed": "there is no PyTorch with CUDA"}' | tee -a "$out"
        return
    }
    # shellcheck disable=SC2086 # options
    run "$limit" "${PYTHON:-python3}" tests/full/gpu_torch.py $TORCH_OPTIONS "$@"
}

# What says most comes first: a run that is cut short has it. The first of a shape tries the
# libraries' algorithms.
for part in ${PARTS:-plan base1024 profile torch tiny32 batch8 lora compiled base512 tiny1}; do
    case $part in
    torch) torch 90 ;;
    compiled) torch 230 --compile ;;
    lora) run 60 "$build/gpu/gpu_bench_lora" ;;
    *) run 150 "$build/gpu/gpu_bench" "$part" ;;
    esac
done
echo "== targets"
sh tests/gpu/targets.sh "$out" | tee "${out%.jsonl}.txt"
echo "$out"
