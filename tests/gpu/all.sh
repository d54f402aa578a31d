#!/bin/sh
# Everything on a GPU that is lent for a short while, in two calls of under ten minutes each:
#
#   all.sh test OUT      builds for this machine's GPU and runs `make gpu-test`
#   all.sh bench OUT     `make gpu-bench`: SDXL's shapes, PyTorch beside it, a profile by operation
#
# Reports and logs grow in OUT while it works, so a call that is killed leaves what it had; by itself it
# ends within $SECONDS_EACH. The libraries' choices and the kernels that they compiled lie there too
# (cuda-cache.tgz), and a later call begins with them.
# $SPRITTY_COMMIT says what is built where git is not; VIA=shim goes through all of it without a GPU. It fails only
# where nothing could be built.
what=$1 out=$2 seconds=${SECONDS_EACH:-560}
began=$(date +%s)
case $what in test | bench) ;; *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
[ -n "$out" ] && mkdir -p "$out" && out=$(realpath "$out") || exit 2
cd "$(dirname "$0")/../.." || exit 2
export XDG_CACHE_HOME="$out/cache"
mkdir -p "$XDG_CACHE_HOME/spritty"
[ ! -e "$out/cuda-cache.tgz" ] || tar -C "$XDG_CACHE_HOME" -xzf "$out/cuda-cache.tgz"
{ nvidia-smi; nvcc --version; ls /usr/local/cuda*/lib64/libcudnn.so* /usr/local/cuda*/lib64/libcublasLt.so*
  timeout 60 python3 -c 'import torch; print(torch.__version__, torch.backends.cudnn.version())'; nproc; free -m
} >"$out/machine.txt" 2>&1

timeout -k 5 300 make -j"$(nproc)" gpu-build VIA="$VIA" >"$out/build.log" 2>&1 || {
    tail -n 60 "$out/build.log"
    exit 1
}
echo "built in $(($(date +%s) - began)) s" | tee -a "$out/build.log"
left=$((seconds - $(date +%s) + began))
BUDGET=$left RESULTS="$out/gpu-$what" timeout -k 5 $((left + 15)) make "gpu-$what" VIA="$VIA" >"$out/$what.log" 2>&1
tail -n 120 "$out/$what.log" # the end of what was said stands in the call's answer as well
tar -C "$XDG_CACHE_HOME" -czf "$out/cuda-cache.tgz" spritty
# The report has all lines of these: OUT stays a few files.
[ ! -s "$out/gpu-test.json" ] || rm -f "$out/gpu-test.checks.jsonl" "$out/gpu-test.states.jsonl"
rm -rf "$XDG_CACHE_HOME"
exit 0
