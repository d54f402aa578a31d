#!/bin/sh
# Everything on a GPU that is lent for a short while, in calls of under ten minutes each:
#
#   all.sh first OUT     builds for this machine's GPU; the ops, the embedded model, SDXL's base shapes, PyTorch
#   all.sh test OUT      the same build, `make gpu-test`
#   all.sh bench OUT     `make gpu-bench`: SDXL's shapes, PyTorch beside it, a profile by operation
#
# Reports and logs grow in OUT while it works, so a call that is killed leaves what it had, in eight files at
# most; by itself it ends within $SECONDS_EACH. The libraries' choices and the kernels that they compiled lie
# there too (cuda-cache.tgz), and a later call begins with them.
# $SPRITTY_COMMIT says what is built where git is not; VIA=shim goes through all of it without a GPU. It fails only
# where nothing could be built.
what=$1 out=$2 seconds=${SECONDS_EACH:-560}
began=$(date +%s)
case $what in first | test | bench) ;; *) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
[ -n "$out" ] && mkdir -p "$out" && out=$(realpath "$out") || exit 2
cd "$(dirname "$0")/../.." || exit 2
WORK=$(mktemp -d) || exit 2
export WORK XDG_CACHE_HOME="$WORK/cache" CACHE_KEPT="$out/cuda-cache.tgz"
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$XDG_CACHE_HOME/spritty"
[ ! -e "$CACHE_KEPT" ] || tar -C "$XDG_CACHE_HOME" -xzf "$CACHE_KEPT"
{ nvidia-smi; nvcc --version; ls /usr/local/cuda*/lib64/libcudnn.so* /usr/local/cuda*/lib64/libcublasLt.so*
  nproc; free -m
} >"$out/build.log" 2>&1

limit=300
[ -z "$VIA" ] || limit=3000 # elsewhere two cores may have to do
timeout -k 5 $limit make -j"$(nproc)" gpu-build VIA="$VIA" >>"$out/build.log" 2>&1 || {
    tail -n 60 "$out/build.log"
    exit 1
}
echo "built in $(($(date +%s) - began)) s" | tee -a "$out/build.log"

# What it says goes on as it says it: whoever is killed half way has that too.
go() { # test|bench SECONDS
    left=$((seconds - $(date +%s) + began))
    [ "$left" -le "$2" ] || left=$2
    BUDGET=$left RESULTS="$out/gpu-$1" timeout -k 5 $((left + 15)) make -s "gpu-$1" VIA="$VIA" 2>&1
}
if [ "$what" = first ]; then
    CHECKS=${CHECKS:-ops model} go test "${SECONDS_TEST:-270}"
    PARTS=${PARTS:-plan base1024 profile torch tiny32} go bench "$seconds"
else
    go "$what" "$seconds"
fi
exit 0
