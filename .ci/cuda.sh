#!/bin/sh
# What the compiler needs for the CUDA backend: `cuda.sh cflags` and `cuda.sh libs`, for the toolkit of
# $NVCC. cuDNN may lie in the toolkit, in the system, in $CUDNN_HOME, or in a pip package's folder.
root=$(dirname "$(dirname "$NVCC")")
[ -e "$root/include/cuda_runtime_api.h" ] || root=$(dirname "$(dirname "$(readlink -f "$NVCC")")")
site=$(python3 -c 'import site; print(*site.getsitepackages(), site.getusersitepackages())' 2>/dev/null)

# The first of these folders that holds the file.
first() {
    file=$1
    shift
    for dir in "$@"; do
        # shellcheck disable=SC2086 # a pattern
        for found in $dir/$file; do
            [ ! -e "$found" ] || { dirname "$found"; return; }
        done
    done
}

pip() { # SUBFOLDER: of every package nvidia/*
    for s in $site; do echo "$s/nvidia/*/$1"; done
}

# shellcheck disable=SC2046 # lists of words
include() {
    first "$1" "$root/include" "$root/targets/*-linux/include" "$CUDNN_HOME/include" /usr/include \
        "/usr/include/$(uname -m)-linux-gnu" $(pip include)
}

# shellcheck disable=SC2046
library() {
    first "$1" "$root/lib64" "$root/lib" "$root/targets/*-linux/lib" "$CUDNN_HOME/lib*" \
        "/usr/lib/$(uname -m)-linux-gnu" /usr/lib64 /usr/lib $(pip lib)
}

case $1 in
cflags)
    for header in cuda_runtime_api.h cublasLt.h cudnn.h; do
        dir=$(include $header)
        [ -z "$dir" ] || [ "$dir" = /usr/include ] || echo "-isystem $dir"
    done | sort -u
    ;;
libs)
    # The runtime is linked in: one library less to look for. pip's packages have no .so without a
    # number, so libraries are named by file.
    dir=$(library libcudart_static.a)
    if [ -n "$dir" ]; then
        echo "$dir/libcudart_static.a -ldl -lrt -lpthread"
    else
        echo "-L$(library 'libcudart.so*') -lcudart -Wl,-rpath,$(library 'libcudart.so*')"
    fi
    for name in libcublasLt libcudnn; do
        dir=$(library "$name.so*")
        # shellcheck disable=SC2012 # names of libraries
        [ -z "$dir" ] ||
            echo "-Wl,--as-needed $(ls "$dir/$name".so* | head -n 1) -Wl,-rpath,$dir"
    done
    echo "-lstdc++ -lm"
    ;;
esac | tr '\n' ' '
