#!/bin/sh
# make gpu-plans: what the real cuDNN says of all that spritty asks of it at full size, for GPUs that are
# described to it (none.h). Nothing runs. Each part is a process; a table of all is made at the end.
#
#   plans.sh FOLDER     of gpu_plans and its libspritty_cuda.so; $PARTS narrows the parts, "quick" are three
folder=$1
export SPRITTY_CUDA="$folder/libspritty_cuda.so"
export XDG_CACHE_HOME="$folder/cache"
sdxl="tests/full/sdxl" more="drawn refiner=tests/full/sdxl_refiner"

# NAME DEVICE MODEL PRECISION SIDE BATCH WORDS
parts() {
    cat <<EOF
quick-sdxl h200 $sdxl fp16 1024 1 drawn off
quick-tiny h200 models/tiny fp16 128 1 heuristic
quick-again h200 models/tiny fp16 128 1 heuristic
sdxl-512 h200 $sdxl fp16 512 1 drawn off
sdxl-512x16 h200 $sdxl fp16 512 16 drawn off
sdxl-1024x8 h200 $sdxl fp16 1024 8 drawn off
sdxl-1024x16 h200 $sdxl fp16 1024 16 drawn off
sdxl-measured h200 $sdxl fp16 1024 1 drawn
image h200 $sdxl fp16 1024 1 drawn off image
tiling h200 $sdxl fp16 1024 1 drawn off tiling
refiner h200 $sdxl fp16 1024 1 off $more
bf16 h200 $sdxl bf16 1024 1 off $more image
bf16-512x16 h200 $sdxl bf16 512 16 drawn off
fp32 h200 $sdxl fp32 1024 1 off $more image
tf32 h200 $sdxl fp32 1024 1 off $more image tf32
tiny-fp16x32 h200 models/tiny fp16 128 32 off
tiny-bf16 h200 models/tiny bf16 128 1 off
tiny-fp32 h200 models/tiny fp32 128 1 off
tiny-tf32 h200 models/tiny fp32 128 1 off tf32
tiny-measured h200 models/tiny fp16 128 1
h100 h100 $sdxl fp16 1024 1 drawn off
a100 a100 $sdxl fp16 1024 1 drawn off
3090 3090 $sdxl fp16 1024 1 drawn off
4090 4090 $sdxl fp16 1024 1 drawn off
b200 b200 $sdxl fp16 1024 1 drawn off
5090 5090 $sdxl fp16 1024 1 drawn off
a100-bf16 a100 $sdxl bf16 1024 1 drawn off
5090-bf16 5090 $sdxl bf16 1024 1 drawn off
EOF
}

wanted() { # NAME
    case " ${PARTS:-all} " in
    *" all "* | *" $1 "*) return 0 ;;
    *" quick "*) case $1 in quick-*) return 0 ;; esac ;;
    esac
    return 1
}

all="$folder/plans.jsonl"
rm -rf "$all" "$XDG_CACHE_HOME"
parts | while read -r name device model words; do
    wanted "$name" || continue
    echo "== $name"
    export PLANS_DEVICE="$device" PLANS_LOG="$folder/$name.log"
    rm -f "$PLANS_LOG"
    # shellcheck disable=SC2086 # words
    timeout -k 5 900 "$folder/gpu_plans" "$model" $words >"$folder/$name.out" 2>"$folder/$name.err" </dev/null
    status=$?
    tail -n 3 "$folder/$name.err"
    python3 tests/gpu_plans/report.py part "$name" "$status" "$folder" >>"$all"
    tail -n 1 "$all"
done
python3 tests/gpu_plans/report.py all "$all" "$folder/plans.md"
