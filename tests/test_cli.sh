#!/bin/sh
# The program as a user meets it: exit status, one clear line for each mistake, files that are whole
# or not there. Prints cmocka's lines, for tests/run.sh.
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
model=$here/tests/golden/small_a
single=$here/tests/golden/small_a_single.safetensors
export SPRITTY_SHARE="$here" LC_ALL=C.UTF-8
echo "[==========] Running the command line's tests."
gen="--size 64x64 --steps 2 -m $model"

# Under -e, `! command` and `a && b` do not end a test; this does.
not() {
    if "$@"; then
        echo "should have failed: $*"
        return 1
    fi
}

# STATUS TEXT COMMAND...: ends with that status, one line on stderr that holds TEXT, and no file.
refuses() {
    want=$1 text=$2
    shift 2
    rm -f out err
    before=$(ls -A)
    got=0
    "$@" >out 2>err </dev/null || got=$?
    cat err
    [ $got = "$want" ] || { echo "status $got, not $want"; return 1; }
    grep -qF -- "$text" err || { echo "not said: $text"; return 1; }
    [ "$(grep '^spritty: ' err | grep -vc '^spritty: note: ')" = 1 ] # one error, whatever is noted
    rm -f out err
    [ "$(ls -A)" = "$before" ] || { ls -A; return 1; }
}

# shellcheck disable=SC2086 # $gen is words
{
prints_help() {
    "$spritty" --help | grep -q -- --sampler
    "$spritty" gen --help | grep -q 'usage: spritty gen PROMPT'
    "$spritty" info --help >help
    not grep -q -- --sampler help
    "$spritty" --version | grep -q '^spritty [0-9]'
    "$spritty" --man | head -n 1 | grep -q '^.TH SPRITTY'
    "$spritty" --completion >complete.sh
    bash -n complete.sh
    told=$(bash -c '. ./complete.sh; COMP_WORDS=(spritty sheet --pa) COMP_CWORD=2
        _spritty spritty --pa sheet; echo "${COMPREPLY[@]}"')
    [ "$told" = "--palette --pack" ]
    # Files behind options that take one, and where a command's words stand; no options there.
    told=$(bash -c '. ./complete.sh; COMP_WORDS=(spritty gen --image "") COMP_CWORD=3
        _spritty spritty "" --image; COMP_WORDS=(spritty info "") COMP_CWORD=2
        echo "${COMPREPLY[@]}"; _spritty spritty "" info; echo "${COMPREPLY[@]}"')
    [ -z "$(echo $told)" ]
    told=$(bash -c '. ./complete.sh; COMP_WORDS=(spritty pull cann) COMP_CWORD=2
        _spritty spritty cann pull; echo "${COMPREPLY[@]}"')
    [ "$told" = "canny-sdxl canny-sdxl-small" ]
    # Words, and none that stand for others; presets as they are now.
    words() {
        bash -c '. ./complete.sh; COMP_WORDS=("$0" gen "$1" "$2") COMP_CWORD=3
            _spritty "$0" "$2" "$1"; echo "${COMPREPLY[@]}"' "$spritty" "$@"
    }
    [ "$(words -d '')" = "auto cpu cuda" ]
    [ "$(words --cell '')" = "auto none" ]
    [ "$(words --sampler euler_c)" = "euler_cfg_pp" ]
    [ "$(words -p bal)" = balanced ]
    mkdir -p config/spritty # a preset's name is a word, whatever a shell would make of it
    printf '[preset pl$(touch run)]\nsteps = 3\n[preset plain]\nsteps = 3\n' >config/spritty/config.ini
    [ "$(words -p plai)" = plain ]
    [ ! -e run ]
    "$spritty" --presets | grep -qx pixel-art
}
check prints_help prints_help

# The README's table of options is what `gen --help` prints.
docs_have_the_options() {
    sh "$here/.ci/commands.sh" "$spritty" | diff "$here/docs/commands.md" - || {
        echo "docs/commands.md is not what --help says: make docs"
        return 1
    }
}
check docs_have_the_options docs_have_the_options

refuses_usage() {
    refuses 2 "needs PROMPT" "$spritty" gen
    refuses 2 "a name is empty" "$spritty" finish ""
    refuses 2 "Try 'spritty info --help'" "$spritty" info
    refuses 2 "Try 'spritty gen --help'" "$spritty" gen x --steps -5
    refuses 2 "did you mean --steps" "$spritty" gen x --stpes 3
    refuses 2 "there is no command 'paint'" "$spritty" paint
    refuses 1 "did you mean 'sdxl-base'" "$spritty" pull sdxl-bse
    refuses 1 "only https is loaded from" "$spritty" pull http://example.com/a.safetensors
    refuses 1 "is a pickle" "$spritty" pull owner/repo/model.ckpt
    "$spritty" pull | grep -q '^sdxl-base .* 6938 MB'
    refuses 2 "WIDTHxHEIGHT" "$spritty" gen x --size big
    refuses 2 "euler" "$spritty" gen x --sampler nope
}
check refuses_usage refuses_usage

shares_a_batch() {
    "$spritty" gen "a green slime" $gen -s 5 --batch 3 --device 'cpu*2' -q -o many.png >out
    [ "$(wc -l <out)" = 3 ]
    for i in 0 1 2; do "$spritty" info "many-$i.png" | grep -q 'Seed: 5'; done
    refuses 2 "there is no device" "$spritty" gen x $gen --device cpu,cpx
}
check shares_a_batch shares_a_batch

makes_a_file() {
    "$spritty" gen "a green slime" $gen -s 5 -o a.png >out 2>err
    [ "$(cat out)" = a.png ]
    grep -q 'seed 5' err
    grep -q '^sampling' err
    "$spritty" info a.png >told
    grep -q 'Steps: 2, Sampler: Euler, Schedule type: Normal, CFG scale: 7, Seed: 5, Size: 64x64' told
    "$spritty" info a.png --json >told
    grep -q '"width": 64, "height": 64, "text": {"parameters": "a green slime\\nSteps: 2, ' told
    grep -qF '"spritty": "{\"version\": ' told
    [ "$(find . -name '.spritty-*' | wc -l)" = 0 ]
}
check makes_a_file makes_a_file

# Numbers that are none are told after the step that makes them.
no_numbers_are_told() {
    cp -r "$here/tests/golden/small_a" hurt
    file=hurt/unet/diffusion_pytorch_model.fp16-00003-of-00003.safetensors
    printf '\377\377\377\377' | dd of=$file bs=1 conv=notrunc 2>/dev/null \
        seek=$(($(wc -c <$file) - 4))
    refuses 1 "step 1: of the model's answer 256 values are no numbers" \
        "$spritty" gen x -m hurt --size 64 --steps 3 -t 1 -q -o n.png
    refuses 1 "the schedule would have 1000000000 steps" \
        "$spritty" gen x $gen --hires 2 --hires-denoise 0.0000000001
}
check no_numbers_are_told no_numbers_are_told

# A pipe is written to as it is; a file stays none.
pipes() {
    mkfifo pipe
    cat pipe >b.png &
    reader=$!
    "$spritty" gen x $gen -s 5 -q -o pipe
    wait $reader
    "$spritty" info b.png | grep -q 'Seed: 5'
    [ -p pipe ]
    "$spritty" gen x $gen -s 5 -q -o - >d.png
    not grep -q stdout d.png # its name does not stand behind it
    "$spritty" info d.png | grep -q "Seed: 5"
    [ ! -e ./- ]
    refuses 1 "/dev/stdout takes one picture; a batch of 2" \
        sh -c '"$@" | cat; exit 1' - "$spritty" gen x $gen -q --batch 2 -o -
    # With a stream closed, no file takes its place.
    for stream in '<&-' '>&-' '2>&-'; do
        eval "\"\$spritty\" gen x $gen -s 5 --batch 2 -o c.png $stream" >/dev/null 2>&1 || true
        "$spritty" info c-1.png | grep -q 'Seed: 5'
        rm c-?.png
    done
    refuses 1 "cannot write to standard output" sh -c '"$0" --version >&-' "$spritty"
}
check pipes pipes

# A refiner makes pictures, but not alone what it is for.
refiners_are_told() {
    "$spritty" info "$here/tests/golden/small_refiner" | grep -q 'diffusers folder, a refiner$'
    "$spritty" gen x -m "$here/tests/golden/small_refiner" --size 64 --steps 1 -t 1 -o a.png 2>err
    grep -q 'note: the model is a refiner' err
}
check refiners_are_told refiners_are_told

# The pixels, not the file: the file tells times.
same_seed_same_picture() {
    for i in 1 2; do "$spritty" gen slime $gen -s 9 -q -o $i.png; done
    "$spritty" gen slime $gen -s 10 -q -o 3.png
    for i in 1 2 3; do pixels $i.png >$i.raw; done
    [ -s 1.raw ]
    cmp 1.raw 2.raw
    not cmp -s 1.raw 3.raw
}
# Everything from the first IDAT on.
pixels() {
    at=$(grep -aobF IDAT "$1" | head -n 1 | cut -d : -f 1)
    tail -c "+$((at + 1))" "$1"
}
check same_seed_same_picture same_seed_same_picture

json_is_one_object() {
    "$spritty" gen "a \"b\", c" $gen -s 5 --batch 2 -o a.png --json -q >out 2>err
    [ ! -s err ]
    [ "$(wc -l <out)" = 1 ]
    [ -s a-0.png ]
    [ -s a-1.png ]
    [ ! -e a.png ]
    for key in files seed params ms total load text sample decode finish save steps bytes peak \
        weights activations; do grep -q "\"$key\": " out; done
    "$spritty" plan $gen --json --measure never >out
    # The forecast of what fits nowhere takes no memory itself.
    "$spritty" plan $gen --size 8192 --batch 64 --memory speed --vae-tiling off --vae-slicing off \
        --measure never | grep -q 'speed *does not fit *[0-9]\{7\}'
    for key in flops bytes stages name ms; do grep -q "\"$key\": " out; done
    "$spritty" doctor -m "$model" --json | grep -q '"checks": \[{"name": '
    "$spritty" info "$model" --json | grep -q '"parts": '
}
check json_is_one_object json_is_one_object

# What doctor prints is shown to others.
doctor_tells_no_password() {
    SPRITTY_REDIS_PASSWORD=geheim SPRITTY_QUEUE=redis://ann:hidden@host SPRITTY_COLORS=256 \
        SPRITTY_HUB=https://:secret@hub "$spritty" doctor -m "$model" >out || true
    for told in SPRITTY_COLORS=256 SPRITTY_HUB=https://...@hub SPRITTY_QUEUE=redis://...@host \
        'SPRITTY_REDIS_PASSWORD is set'; do grep -q "^environment .*$told" out; done
    not grep -q 'geheim\|hidden\|secret' out
}
check doctor_tells_no_password doctor_tells_no_password

# Measured, saved, drawn, compared; slower is 1, another machine is refused unless it is asked for.
profile_measures_and_compares() {
    "$spritty" profile $gen --measure never --trace t.json --save s.json --show all -q >out
    for word in ' unet\.' group_norm 'limits are not known' 'weights, packed' holes available; do
        grep -q -e "$word" out || return 1
    done
    head -c 60 t.json | grep -q '{"displayTimeUnit": "ms"'
    "$spritty" profile $gen --warmup 0 --measure never --compare s.json -q | grep -q difference
    "$spritty" profile $gen --warmup 0 --measure never --compare s.json --json -q >out
    [ "$(wc -l <out)" = 1 ]
    grep -q '"same_job": true' out
    refuses 1 'no memory snapshot' "$spritty" profile --compare t.json
    refuses 2 'neither time, memory nor all' "$spritty" profile --show best
    refuses 2 'neither auto, never nor again' "$spritty" plan --measure often
    refuses 2 'neither auto, never nor again' "$spritty" profile --measure often
    refuses 2 'no whole number from 0' "$spritty" profile --warmup -1
    refuses 1 'nowhere' "$spritty" profile --trace nowhere/t.json
}
check profile_measures_and_compares profile_measures_and_compares

bench_measures_and_compares() {
    "$spritty" bench $gen --mode compare --batches 1,2 --repeats 1 --save b.json --plots plots -q >out
    grep -q '^baseline, batch 2 ' out
    grep -q '^optimized, batch 1: .* times as fast as baseline' out
    for plot in bars scaling memory; do [ -s plots/$plot.png ]; done
    "$spritty" bench b.json --compare b.json >out
    grep -q 'Nothing is slower' out
    sed 's/"samples": \[[^]]*\]/"samples": [0.001]/g' b.json >fast.json
    "$spritty" bench b.json --compare fast.json >out && return 1
    grep -q 'slower than before' out
    sed 's/"cpu": "/"cpu": "another /' fast.json >other.json
    refuses 1 'of another machine (cpu: another' "$spritty" bench b.json --compare other.json
    "$spritty" bench b.json --compare other.json --across >out
    grep -q 'DIFFERENT MACHINES: cpu: another' out
    refuses 1 'other work (steps' "$spritty" bench $gen --steps 3 --batch 1 --mode optimized \
        --repeats 1 --compare b.json -q
    refuses 1 'not saved by' "$spritty" bench "$model/model_index.json"
    refuses 2 "no 'best'" "$spritty" bench --mode best
    refuses 2 'rising numbers' "$spritty" bench --batches 4,1
}
check bench_measures_and_compares bench_measures_and_compares

random_seed_names_the_file() {
    file=$("$spritty" gen slime $gen -q)
    echo "$file" | grep -qE '^sprite-[0-9]+\.png$'
    [ -s "$file" ]
}
check random_seed_names_the_file random_seed_names_the_file

presets_and_config() {
    mkdir -p config/spritty
    printf '[preset mine]\nbase = preview\nsteps = 3\nprompt = <{prompt}>\n' >config/spritty/config.ini
    "$spritty" gen slime $gen -p mine -s 1 -o a.png -q --json >out
    grep -q '"prompt": "<slime>".*"steps": 2.*"sampler": "dpmpp_2m", "scheduler": "karras"' out
    refuses 1 "did you mean 'mine'" "$spritty" gen slime $gen -p mien
    printf '[defaults]\nstesp = 3\n' >config/spritty/config.ini
    refuses 1 "config.ini:2: there is no setting 'stesp'" "$spritty" gen slime $gen
}
check presets_and_config presets_and_config

# Each shipped preset runs on the model that ships.
shipped_presets_run() {
    # Under sanitizers every fourth.
    for preset in $(sed -n 's/^\[preset \(.*\)\]$/\1/p' "$here/config.ini" |
        awk -v each="${SPRITTY_QUICK:+4}" 'NR % (each ? each : 1) == 0'); do
        "$spritty" gen slime -m "$here/models/tiny" --size 64x64 -s 1 -p "$preset" -o a.png -q >out
        [ -s "$(head -n 1 out)" ]
    done
}
check shipped_presets_run shipped_presets_run

# Image to image and a second pass through files, and what is refused.
starts_from_an_image() {
    "$spritty" gen slime -m "$here/models/tiny" --steps 3 -s 1 --raw -o a.png -q
    "$spritty" gen potion -m "$here/models/tiny" --steps 3 -s 2 --raw -o b.png -q --image a.png \
        --denoise 0.6 --json >out
    grep -q '"encode": [1-9]' out
    "$spritty" gen potion -m "$here/models/tiny" --steps 3 -s 2 --raw -o c.png -q --hires 2 --json >out
    grep -q '"hires": [1-9]' out
    "$spritty" gen potion -m "$here/tests/golden/small_a" --size 64 --steps 1 -s 2 --raw -o d.png -q \
        --image a.png --denoise 1 --vae "$here/tests/golden/small_tiny_vae"
    refuses 1 "VAE 4 and 2" "$spritty" gen x -m "$here/tests/golden/small_b" \
        --vae "$here/tests/golden/small_tiny_vae"
    refuses 1 "is a tiny VAE, not a model" "$spritty" gen x \
        -m "$here/tests/golden/small_tiny_vae/diffusion_pytorch_model.safetensors"
    refuses 1 "a mask needs an image" "$spritty" gen x -m "$here/models/tiny" --mask a.png
    refuses 1 "nothere.png" "$spritty" gen x -m "$here/models/tiny" --image nothere.png
    refuses 1 "there is no VAE" "$spritty" gen x -m "$here/models/tiny" --vae nothere
    refuses 1 "leave --refiner out" "$spritty" gen slime -m "$here/models/tiny" \
        --refiner "$here/tests/golden/small_a"
    refuses 1 "refiner: there is no model" "$spritty" gen x -m "$here/models/tiny" --refiner nothere
}
check starts_from_an_image starts_from_an_image

# A picture is followed, in the same way twice; of what it is made, the sprite's texts tell; and what
# is refused.
follows_a_picture() {
    control=$here/tests/golden/small_a_control
    "$spritty" gen slime -m "$model" --size 64 --steps 2 -s 1 --raw -o a.png -q
    for out in b c; do
        "$spritty" gen slime -m "$model" --size 64 --steps 2 -s 1 --raw -o $out.png -q \
            --control "$control" --control-image a.png --control-prepare canny --control-low 50
    done
    for i in a b c; do pixels $i.png >$i.raw; done
    cmp b.raw c.raw
    not cmp -s a.raw b.raw
    "$spritty" info b.png | grep -q 'ControlNet 0: "Module: canny, Model: small_a_control, '
    "$spritty" info b.png | grep -q '"control-image": "a.png", "control-prepare": "canny", "control-low": 50'
    "$spritty" plan -m "$model" --size 64 --control "$control" --control-image a.png --json -q >out
    "$spritty" plan -m "$model" --size 64 --json -q >without
    not cmp -s out without
    refuses 1 "name it with --control-image" "$spritty" gen x -m "$model" --control "$control"
    refuses 1 "name one with --control" "$spritty" gen x -m "$model" --control-image a.png
    refuses 1 "there is no ControlNet 'nope'" "$spritty" gen x -m "$model" --control nope \
        --control-image a.png
    refuses 1 "nothere.png" "$spritty" gen x -m "$model" --control "$control" \
        --control-image nothere.png
    refuses 1 "another kind of model" "$spritty" gen x -m "$model" --size 64 \
        --control "$here/tests/golden/small_b_control" --control-image a.png
    refuses 2 "there is no control-type" "$spritty" gen x --control-type pose
    refuses 2 "there is no control-prepare" "$spritty" gen x --control-prepare hough
}
check follows_a_picture follows_a_picture

# What the embedded model does not draw is told of; not where the prompt names what it draws.
says_what_is_not_drawn() {
    "$spritty" gen "a wolf" -m "$here/models/tiny" --steps 1 -s 1 -o a.png 2>err >out
    grep -q "note: the prompt names nothing that the model tiny draws: slime, knight" err
    "$spritty" gen "{two|three} Slimes" -m "$here/models/tiny" --steps 1 -s 1 -o b.png 2>err >out
    not grep "names nothing" err
}
check says_what_is_not_drawn says_what_is_not_drawn

refuses_models() {
    refuses 1 "there is no model 'nope'" "$spritty" gen x -m nope
    refuses 1 "there is no model at './nope'" "$spritty" gen x -m ./nope
    echo pickle >bad.ckpt
    refuses 1 "pickle" "$spritty" gen x -m bad.ckpt
    head -c 100 "$single" >cut.safetensors
    refuses 1 "cut.safetensors" "$spritty" gen x -m cut.safetensors
    cp -r "$model" broken
    echo '{' >broken/unet/config.json
    refuses 1 "broken/unet/config.json" "$spritty" gen x -m broken
    refuses 1 "broken" "$spritty" info broken
    refuses 1 "broken" "$spritty" plan -m broken
    mkdir empty
    refuses 1 "empty" "$spritty" gen x -m ./empty
}
check refuses_models refuses_models

refuses_what_it_cannot_do() {
    refuses 1 "cuda" "$spritty" gen x $gen -d cuda
    refuses 1 "fp8" "$spritty" gen x $gen --precision fp8
    refuses 1 "multiples of" "$spritty" gen x -m "$model" --size 65x64
}
check refuses_what_it_cannot_do refuses_what_it_cannot_do

refuses_targets() {
    refuses 1 "no such folder" "$spritty" gen x $gen -o no/such/a.png
    mkdir folder
    refuses 1 "is a folder" "$spritty" gen x $gen -o folder
    refuses 1 "is a folder" "$spritty" gen x $gen -o folder/
    refuses 1 "the disk is full" "$spritty" gen x $gen -q -o /dev/full
    refuses 1 "standard output" sh -c "'$spritty' gen x $gen -q -o a.png >/dev/full; s=\$?; rm -f a.png; exit \$s"
    [ -c /dev/full ]
}
check refuses_targets refuses_targets

# `ulimit -f` stops the file after some blocks, as a full disk would.
full_disk_keeps_the_old_file() {
    echo old >a.png
    refuses 1 "ulimit -f" sh -c "ulimit -f 1; exec '$spritty' gen x --steps 2 -m '$model' --size 128x128 -q -o a.png"
    [ "$(cat a.png)" = old ]
}
check full_disk_keeps_the_old_file full_disk_keeps_the_old_file

full_file_system() {
    mkdir small
    mount -t tmpfs -o size=4k tmpfs small
    status=0
    refuses 1 "the disk is full" "$spritty" gen x --steps 2 -m "$model" --size 128x128 -q \
        -o small/a.png || status=1
    [ -z "$(ls -A small)" ] || status=1
    umount small
    return $status
}
mkdir probe
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=4k tmpfs probe 2>/dev/null; then
    umount probe
    check full_file_system full_file_system
else
    skip full_file_system "needs root, to mount a small file system"
fi
rm -rf probe

read_only_folder() {
    mkdir closed && chmod 555 closed
    refuses 1 "permission denied" "$spritty" gen x $gen -o closed/a.png
}
if [ "$(id -u)" = 0 ]; then
    skip read_only_folder "root may write anywhere"
else
    check read_only_folder read_only_folder
fi

# Ctrl-C between two steps: status 1, a line that says so, nothing written. (A shell's background
# jobs ignore SIGINT, so SIGTERM stands in for it: both have one handler.)
interrupt_writes_nothing() {
    "$spritty" gen x -m "$model" --size 256x256 --steps 1000 -o a.png 2>err &
    pid=$!
    for i in $(seq 100); do
        grep -q 'reading' err && break
        sleep 0.1
    done
    kill -TERM $pid || { cat err; return 1; }
    status=0
    wait $pid || status=$?
    cat err
    [ $status = 1 ]
    grep -q 'cancelled' err
    [ ! -e a.png ]
}
check interrupt_writes_nothing interrupt_writes_nothing

# Our own picture, a workflow and A1111's text, as preset, JSON, command line and picture.
imports_and_exports() {
    "$spritty" gen "a 'green' slime; \"big\"" $gen -s 18446744073709551615 --cfg 5.5 -q -o a.png
    "$spritty" import a.png -q >a.ini 2>err
    [ ! -s err ] || { cat err; return 1; }
    grep -q '^seed = 18446744073709551615$' a.ini
    "$spritty" export a.png -o w.json
    "$spritty" import w.json --json -q >w.out
    grep -q '"seed": 18446744073709551615, "size": "64x64", "steps": 2, "cfg": 5.5' w.out
    refuses 2 'take one of them' "$spritty" import a.png --command --json
    "$spritty" import a.png --save both --json -q | grep -q '"seed": 18446744073709551615'
    "$spritty" import a.png --save mine -q
    "$spritty" gen "" -m "$model" -p mine -q -o b.png
    "$spritty" import a.png --command -m "$model" | sed "s|^spritty|'$spritty'|;s|\$| -q -o c.png|" >run
    sh run
    "$spritty" import a.png --run -m "$model" -q -o d.png
    for i in a b c d; do pixels $i.png >$i.raw; cmp a.raw $i.raw; done
    "$spritty" gen slime $gen -s 3 -q -o e.png --image a.png --denoise 0.6 --hires 1.5 \
        --hires-denoise 0.5 --tiling x --cfg-rescale 0.3
    "$spritty" import e.png --run -m "$model" -q -o f.png
    for i in e f; do pixels $i.png >$i.raw; done
    cmp e.raw f.raw
    "$spritty" import e.png -q >e.ini
    for i in 'image = a.png' 'denoise = 0.6' 'hires = 1.5' 'hires-denoise = 0.5' 'tiling = x' \
        'cfg-rescale = 0.3'; do grep -q "^$i\$" e.ini || { echo "no $i"; cat e.ini; return 1; }; done
    "$spritty" import e.png 2>&1 >out | { ! grep 'there is no image'; }
    mkdir other
    (cd other && "$spritty" import ../e.png >out 2>err && grep -q "note: there is no image 'a.png' here" err)
    refuses 1 "has a preset 'mine' already" "$spritty" import a.png --save mine
    refuses 1 "cannot be a preset's name" "$spritty" import a.png --save 'a]'
    printf 'a cat\nSteps: 3, Sampler: DPM fast, Seed: 1, CFG scale: 2' >t.txt
    "$spritty" import t.txt >out 2>err
    grep -q 'not honoured: Sampler: DPM fast' err
    grep -q '^# not honoured: Sampler: DPM fast' out
    printf 'a cat <lora:nothere:0.5> <lora:pixel-art-xl:1>\nSteps: 3, Sampler: Euler, Seed: 1, CFG scale: 2' >t.txt
    "$spritty" import t.txt >out 2>err
    grep -q "note: there is no LoRA 'nothere'" err
    grep -q "spritty pull pixel-art-xl" err
    "$spritty" info a.png --json | grep -q '"source": "spritty", "settings": {"seed": "18446744073709551615"'
    "$spritty" info "$model/text_encoder/model.fp16.safetensors" | grep -q 'text encoder'
    for control in "$model"_control "$model"_control/*.safetensors; do
        "$spritty" info "$control" >told
        grep -q ', ControlNet$' told
        grep -q '^  148 tensors, 756670 parameters, 1.5 MB, F16$' told
        grep -q '^  channels 32 32 64, transformer depth 0 0 1 (middle 1), text 128 wide$' told
        grep -q '^  reads a picture by channels 6 8 10 12, to 1/8 of its size$' told
        "$spritty" info "$control" --json | grep -q '"hint_channels": \[6, 8, 10, 12\]'
    done
    mkdir -p data/spritty/controlnets
    cp -r "$model"_control data/spritty/controlnets/mine
    XDG_DATA_HOME=$PWD/data "$spritty" info mine | grep -q ', ControlNet$'
    mkdir -p data/spritty/vae data/spritty/embeddings
    cp "$model"/vae/*.safetensors data/spritty/vae/soft.safetensors
    XDG_DATA_HOME=$PWD/data "$spritty" info soft | grep -q ', VAE'
    cp "$here/tests/golden/embeddings/zorp.safetensors" data/spritty/embeddings
    XDG_DATA_HOME=$PWD/data "$spritty" info zorp | grep -q ', textual inversion'
    "$spritty" info "$model"_union >told
    grep -q ', ControlNet Union$' told
    grep -q "^  is told the picture's kind, one of 8$" told
    "$spritty" info "$model"_union --json | grep -q '"picture_kinds": 8'
    "$spritty" info "$model/text_encoder/model.fp16.safetensors" --json | grep -q '"kind": "text encoder"'
}
check imports_and_exports imports_and_exports

# Half of all libraries come with libcurl; whatever of the environment made way is back.
starts_small() {
    LD_TRACE_LOADED_OBJECTS=1 "$spritty" >out
    grep -q 'libdnnl' out
    ! grep libcurl out
    env -i "$spritty" --version
    env -i _=x "$spritty" --version
    env -i GOMP_SPINCOUNT=7 _=x "$spritty" --version
}
check starts_small starts_small

# Workflows of artists, run on the embedded model: what they ask for, at its size.
workflows_run() {
    for f in "$workflows"/*.json; do
        "$spritty" import "$f" --run -m tiny --size 128x128 --steps 2 --batch 1 -q -o a.png
        "$spritty" info a.png | grep -q 'Steps: 2, Sampler: Euler a, Schedule type: Karras' ||
            { "$spritty" info a.png; return 1; }
        rm a.png
    done
}
workflows=$(realpath "$here/../shared/data/workflows" 2>/dev/null)
if [ -d "$workflows" ]; then
    check workflows_run workflows_run
else
    skip workflows_run "there are no workflows in ../shared/data/workflows"
fi

# An escape sequence in a name or a PNG's text must not reach the terminal.
escapes_are_not_printed() {
    esc=$(printf '\033[31m')
    "$spritty" gen "red ${esc}slime" $gen -q -o a.png >out
    "$spritty" info a.png >>out
    not "$spritty" gen x -m "./${esc}" >>out 2>&1
    "$spritty" gen x $gen -q -o "${esc}.png" >>out
    ln -s "$model" "$esc"
    "$spritty" info "./$esc" >>out
    "$spritty" plan -m "./$esc" --measure never >>out
    cp "$here/tests/golden/lora/kohya.safetensors" "./$esc.safetensors"
    "$spritty" info "./$esc.safetensors" -m "./$esc" >>out
    echo '{"prompt": "x"}' >"$esc.jsonl"
    "$spritty" batch "$esc.jsonl" --steps 2 --size 64 -m "$model" >>out 2>&1
    not grep -qF "$esc" out
}
check escapes_are_not_printed escapes_are_not_printed
}

ended
