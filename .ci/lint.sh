#!/bin/sh
# make lint: formatting, lengths, and who may include whom (docs/architecture.md).
# Prints FILE:LINE: reason for each finding; fails when there is one. Warnings do not fail.
cd "$(dirname "$0")/.." || exit 1
bad=$(mktemp) || exit 1
trap 'rm -f "$bad"' EXIT
files=$(git ls-files -co --exclude-standard 'src/*.[ch]' 'tests/*.[ch]' 'gpu/*.[ch]' 'gpu/*.cu')

# Each third-party header has one home: HEADER-PATTERN|PATHS-THAT-MAY (extended regular expressions).
homes='
dnnl|src/ops/(ops_)?cpu
png|src/sprite/png\.c|tests/test_png\.c
zlib|src/sprite/png\.c|tests/test_tokenizer\.c
ini|src/base/inifile\.c
(cjson/)?cJSON|src/base/json\.c|tests/bare/
utf8proc|src/(import/utf8|sdxl/textnorm|ui/editor|ui/glyph|term/input)\.[ch]
(sixel/)?sixel|src/term/sixel\.c
(chafa/)?chafa|src/term/chafa\.c
vterm|tests/
sqlite3|src/store/|tests/store_help\.h
curl/curl|src/base/libcurl\.h
hiredis/.*|src/queue/wire\.c
nettle/.*|src/base/digest\.h
n?curses(w/.*)?|src/ui/screen\.c
term|src/ui/screen\.c
pthread|src/(base/(libcurl|parallel|thread|worker)|bench/|engine/|pull/|queue/)|tests/
omp|src/(base/parallel|ops/)
cuda.*|gpu/|tests/test_gpu_device\.c
cudnn.*|gpu/|tests/gpu_shim/fake/
cublas.*|gpu/|tests/gpu_shim/fake/|tests/gpu_plans/
nvml|tests/test_gpu_meters\.c
nvtx3/.*|gpu/|tests/test_ranges\.c
'
echo "$homes" | while IFS='|' read -r header home; do
    [ -n "$header" ] || continue
    # shellcheck disable=SC2086 # the list is words
    grep -nE "^ *# *include *[<\"]$header\.h[>\"]" $files /dev/null | grep -vE "^($home)" |
        sed -E 's/^([^:]*:[0-9]*):.*<(.*)>.*/\1: <\2> has another home (.ci\/lint.sh)/' >>"$bad"
done

# FROM|MAY-NOT: which of our folders a folder never looks into.
walls='
src/prompt/|(sdxl|ops|ui|term|store|engine|sprite|cli|gpu)/
src/base/|(import|pull|sdxl|ops|ui|term|store|engine|sprite|cli|gpu)/
src/ops/|(prompt|sdxl|ui|term|store|engine|sprite|cli|gpu)/
src/sdxl/|(ui|term|store|engine|sprite|cli|gpu)/
src/sdxl/|ops/(ops_|cpu|ref)
src/sprite/|(prompt|sdxl|ops|ui|term|store|engine|cli|gpu)/
src/store/|(sdxl|ops|ui|term|engine|cli|gpu)/
src/term/|(sdxl|ops|ui|store|engine|cli|gpu)/
src/import/|(ops|ui|term|store|engine|cli|gpu|pull)/
src/pull/|(ops|ui|term|store|engine|sprite|cli|gpu|prompt|import)/
src/queue/|(ops|ui|term|cli|gpu|import|pull)/
src/bench/|(ops/(ops_|cpu_[^f]|ref)|ui|term|store|cli|gpu)
src/engine/|(ops/(ops_|cpu|ref)|ui|term|cli|gpu|queue)
src/ui/|(sdxl|ops|cli|gpu)/
src/ui/|engine/(job|meta|ring)
'
echo "$walls" | while IFS='|' read -r from no; do
    [ -n "$from" ] || continue
    no=$(echo "$walls" | sed -n "s#^$from|##p")
    for n in $no; do
        grep -rnE "^ *# *include *\"$n" "$from" 2>/dev/null |
            sed -E 's/^([^:]*:[0-9]*):.*"(.*)".*/\1: may not include \2/' >>"$bad"
    done
done

for f in $files; do
    LC_ALL=C awk -v f="$f" '
        { line = $0; gsub(/[\200-\277]/, "", line) } # UTF-8: one column a character
        length(line) > 100 { print f ":" NR ": line of " length(line) " columns (100 at most)" }
        /[ \t]$/ { print f ":" NR ": space at the end of the line" }
        /\t/ { print f ":" NR ": tab" }' "$f" >>"$bad"
    lines=$(wc -l <"$f")
    [ "$lines" -le 700 ] || echo "$f: warning: $lines lines; most files have under 600"
done

if command -v clang-format >/dev/null; then
    # shellcheck disable=SC2086
    clang-format --dry-run -Werror $(echo "$files" | tr '\n' ' ' | sed 's/[^ ]*\.cu//g') 2>&1 |
        grep -E 'error:' >>"$bad"
else
    echo "no clang-format here: formatting is not checked"
fi

sort -u "$bad"
[ ! -s "$bad" ]
