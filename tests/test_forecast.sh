#!/bin/sh
# `spritty plan` against what the process really took, on the embedded model: within 10%.
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
export SPRITTY_SHARE="$here"
echo "[==========] Running the forecast's tests."

peak() {
    sed -n 's/.*"bytes": {"peak": \([0-9]*\).*/\1/p'
}

# ARGS...: one test.
compare() {
    total=$((total + 1))
    echo "[ RUN      ] forecast of tiny $*"
    if [ -n "$SPRITTY_QUICK" ]; then # sanitizers have memory of their own
        echo "    the memory of a build with sanitizers is not the program's"
        echo "[  SKIPPED ] forecast of tiny $*"
        return
    fi
    plan=$("$spritty" plan "a cat" -m "$here/models/tiny" "$@" --json --measure never | peak)
    took=$("$spritty" gen "a cat" -m "$here/models/tiny" "$@" -s 1 -q --json -o cat.png | peak)
    echo "    forecast ${plan:-nothing}, took ${took:-nothing}"
    if [ "${plan:-0}" -gt $((${took:-0} / 100 * 90)) ] &&
        [ "${plan:-0}" -lt $((${took:-0} / 100 * 110)) ]; then
        echo "[       OK ] forecast of tiny $*"
    else
        echo "[  FAILED  ] forecast of tiny $*"
        bad=$((bad + 1))
    fi
}

compare
compare --precision fp32
compare --batch 4 --memory balanced --vae-slicing off
compare --size 256x256
compare --hires 2 --steps 4
compare --size 768x768 --steps 1 --memory constrained
"$spritty" gen "a cat" -m "$here/models/tiny" --steps 2 -s 1 -q --raw -o start.png >/dev/null
compare --image start.png --steps 4 --hires 1.5 --hires-upscale lanczos
compare --refiner "$here/models/tiny" --steps 4

ended
