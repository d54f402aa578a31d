#!/bin/sh
# What was to be reached on an NVIDIA H200, beside what gpu-bench measured: a table on stdout, and each
# row as a line of JSON behind the measurements. Full SDXL base shapes, random weights, 1024x1024, 20 guided
# steps, FP16.
#
#   targets.sh FILE.jsonl
file=$1

# The number called $3 in the last line of part $1 in which all of $2 stands.
value() { # PART TEXT NAME
    grep -F "\"part\": \"$1\"" "$file" | grep -F "$2" | tail -n 1 |
        sed -n "s/.*\"$3\": \\([-0-9.e+]*\\).*/\\1/p"
}

row() { # NAME VALUE most|least TARGET AIM UNIT
    met=$(awk -v v="$2" -v how="$3" -v t="$4" 'BEGIN {
        print v == "" ? "not measured" : (how == "most" ? v + 0 <= t : v + 0 >= t) ? "met" : "NOT MET" }')
    printf '%-52s %10s  at %-5s %6s %-9s aim %6s  %s\n' "$1" "${2:--}" "$3" "$4" "$6" "${5:--}" "$met"
    printf '{"target": "%s", "value": %s, "at": "%s", "bound": %s, "unit": "%s", "met": "%s"}\n' \
        "$1" "${2:-null}" "$3" "$4" "$6" "$met" >>"$file"
}

scaled() { # VALUE BY: value / by
    [ -z "$1" ] || awk -v v="$1" -v by="$2" 'BEGIN { printf "%.3f", v / by }'
}

over() { # A B: a / b
    { [ -z "$1" ] || [ -z "$2" ]; } || awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.3f", a / b }'
}

one=base1024 eight=batch8
step=$(value $one '' step_ms)
row "image, text to pixels, batch 1" "$(scaled "$(value $one '' total_ms)" 1000)" most 0.75 0.55 s
row "decode" "$(value $one '' decode_ms)" most 30 20 ms
row "batch 8, text to pixels" "$(scaled "$(value $eight '' total_ms)" 1000)" most 5.0 "" s
row "peak memory, batch 1" "$(scaled "$(value $one '' bytes_peak)" 1e9)" most 12 "" GB
row "peak memory, batch 1, by the driver" "$(scaled "$(value $one '' bytes_device)" 1e9)" most 12 "" GB
row "peak memory, batch 1, forecast" "$(scaled "$(value plan '"batch": 1,' bytes_forecast)" 1e9)" most 12 "" GB
row "peak memory, batch 8" "$(scaled "$(value $eight '' bytes_peak)" 1e9)" most 24 "" GB
row "peak memory, batch 8, by the driver" "$(scaled "$(value $eight '' bytes_device)" 1e9)" most 24 "" GB
row "peak memory, batch 8, forecast" "$(scaled "$(value plan '"batch": 8,' bytes_forecast)" 1e9)" most 24 "" GB
row "step over the bare chain of cuDNN and cuBLASLt" "$(value "$one bare" '' step_over_bare)" most 1.05 "" times
for how in eager compiled; do
    least=$([ $how = eager ] && echo 2 || echo 1.3)
    row "PyTorch $how, step over ours" "$(over "$(value "torch $how step" '' ms)" "$step")" least "$least" 2 times
    row "PyTorch $how, image over ours" "$(over "$(value "torch $how image" '' ms)" "$(value $one '' total_ms)")" \
        least "$least" 2 times
done
row "another LoRA, rank 64, all attention layers" "$(scaled "$(value lora '' switch_ms)" 1000)" most 1.0 "" s
row "embedded model, batch 32, sprites a second" "$(value tiny32 '' per_second)" least 60 "" 1/s
