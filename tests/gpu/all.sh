#!/bin/sh
# Everything on a GPU that is lent for a short while, in two calls of under ten minutes each:
#
#   all.sh test OUT      builds for this machine's GPU and runs `make gpu-test`
#   all.sh bench OUT     `make gpu-bench`: SDXL's shapes, a profile by operation, PyTorch beside it
#
# Reports and logs come to OUT, and the libraries' choices, which a later call begins with if they lie
# there. It fails only where nothing could be built.
what=$1 out=$2 seconds=${SECONDS_EACH:-540}
began=$(date +%s)
[ -n "$out" ] && mkdir -p "$out" || exit 2
cd "$(dirname "$0")/../.." || exit 2
export XDG_CACHE_HOME="$out/cache"
mkdir -p "$XDG_CACHE_HOME/spritty"
[ ! -e "$out/cuda-algorithms" ] || cp "$out/cuda-algorithms" "$XDG_CACHE_HOME/spritty/"
{ nvidia-smi; nvcc --version; ls /usr/local/cuda*/lib64/libcudnn.so* /usr/local/cuda*/lib64/libcublasLt.so*
  python3 -c 'import torch; print(torch.__version__, torch.backends.cudnn.version())'; nproc; } >"$out/machine.txt" 2>&1

log() { # the end of what was said stands in the call's answer as well
    tee "$out/$what.log" | tail -n 120
}

build() {
    make -j"$(nproc)" BARE=1 BUILD=build/bare PKG_CONFIG=false build/bare/libspritty_cuda.so \
        build/bare/gpu/gpu_device build/bare/gpu/gpu_ops build/bare/gpu/gpu_networks \
        build/bare/gpu/gpu_trajectory build/bare/gpu/gpu_model build/bare/gpu/gpu_bench || return 1
    echo "built in $(($(date +%s) - began)) s"
}

build >"$out/build.log" 2>&1 || {
    tail -n 60 "$out/build.log"
    exit 1
}
tail -n 1 "$out/build.log"
left=$((seconds - $(date +%s) + began))
if [ "$what" = test ]; then
    BUDGET=$left RESULTS="$out/gpu-test" make gpu-test 2>&1 | log
else
    BUDGET=$left RESULTS="$out/gpu-bench" make gpu-bench 2>&1 | log
fi
cp "$XDG_CACHE_HOME/spritty/cuda-algorithms" "$out/" 2>/dev/null
rm -rf "$XDG_CACHE_HOME"
exit 0
