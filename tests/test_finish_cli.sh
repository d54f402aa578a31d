#!/bin/sh
# `spritty finish` and `spritty sheet` as a user meets them: any PNG, no model; settings by hand win;
# mistakes are told and leave no file. Prints cmocka's lines, for tests/run.sh.
# shellcheck source=tests/cli.sh
. "$(dirname "$0")/cli.sh"
picture=$here/models/train/contact_sheet.png
echo "[==========] Running the tests of finish."

# STATUS TEXT COMMAND...: ends so, one line on stderr holds TEXT, and there is no new file.
refuses() {
    want=$1 text=$2
    shift 2
    before=$(ls -A)
    got=0
    said=$("$spritty" "$@" 2>&1 >/dev/null </dev/null) || got=$?
    echo "$said"
    [ $got = "$want" ]
    echo "$said" | grep -qF -- "$text"
    [ "$(echo "$said" | grep -c '^spritty: ')" = 1 ]
    [ "$(ls -A)" = "$before" ]
}

# FIELD VALUE: what the last --json in `out` says.
says() {
    grep -qF "\"$1\": $2" out || { cat out; return 1; }
}

finishes_without_a_model() {
    "$spritty" finish "$picture" -q >out
    [ "$(cat out)" = contact_sheet-finished.png ]
    "$spritty" info contact_sheet-finished.png | grep -q '^PNG'
    "$spritty" finish "$picture" -o a.png 2>err >out
    cmp a.png contact_sheet-finished.png
    grep -q 'colours' err
}
check finishes_without_a_model finishes_without_a_model

settings_by_hand_win() {
    "$spritty" finish "$picture" -o a.png --cell none --background keep --colors all --json -q >out
    says found false
    says background null
    "$spritty" finish "$picture" -o a.png --cell 4 --colors 5 --json -q >out
    says cell_x 4
    says colors 5
}
check settings_by_hand_win settings_by_hand_win

every_shipped_palette_is_there() {
    for p in pico-8 gameboy nes c64 endesga-32; do
        "$spritty" finish "$picture" --palette $p --dither bayer4 -q -o $p.png
    done
    "$spritty" finish --help | grep -q 'pico-8, gameboy, nes, c64, endesga-32, or a file'
    printf 'ff0000\n00ff00\n' >two.hex
    "$spritty" finish "$picture" --palette two.hex --json -q -o a.png >out
    says colors 2
    "$spritty" finish a.png --cell none --palette a.png -q -o b.png
    cmp a.png b.png
}
check every_shipped_palette_is_there every_shipped_palette_is_there

several_images_share_a_palette() {
    mkdir in out
    "$spritty" finish "$picture" --palette pico-8 -q -o in/a.png
    "$spritty" finish "$picture" --palette gameboy -q -o in/b.png
    "$spritty" finish in/a.png in/b.png --cell none --lock --colors 4 -o out -q
    "$spritty" finish out/a.png --cell none --palette out/b.png -q -o c.png >/dev/null
    refuses 1 'would both become' finish in/a.png in/b.png -o x.png
    refuses 1 'does not go with' finish in/a.png --lock --palette nes
}
check several_images_share_a_palette several_images_share_a_palette

sprites_are_dressed() {
    "$spritty" finish "$picture" --clean all --outline outer --outline-color '#ff0000' --trim \
        --pad 2 --power-of-two --anchor feet --json -q -o a.png >out
    says pivot '['
    says width 1024 || says width 512 || says width 256 || says width 128
    "$spritty" finish "$picture" --canvas 100x50 --anchor centre --json -q -o a.png >out
    says width 100
    says height 50
    "$spritty" finish "$picture" --palette gameboy --swap gameboy=pico-8 --json -q -o a.png >out
}
check sprites_are_dressed sprites_are_dressed

it_is_always_the_same() {
    "$spritty" finish "$picture" -q -o a.png --dither floyd --colors 7
    "$spritty" finish "$picture" -q -o b.png --dither floyd --colors 7
    cmp a.png b.png
}
check it_is_always_the_same it_is_always_the_same

presets_and_pictures_of_differences() {
    mkdir -p config/spritty
    printf '[preset mine]\ncolors = 5\noutline = outer\ntrim = yes\n' >config/spritty/config.ini
    "$spritty" finish "$picture" -p mine --trim=no --json -q -o a.png >out
    says colors 5
    "$spritty" finish "$picture" --pixels 66x66 --method dominant --json -q -o b.png >out
    says width 66
    "$spritty" finish "$picture" --clean all --show-diff d.png -q -o b.png >/dev/null
    "$spritty" info d.png | grep -q '^PNG'
    refuses 2 'one image' finish "$picture" a.png --show-diff d2.png
    printf '[preset bad]\ncolors = 999\n' >config/spritty/config.ini
    refuses 1 'config.ini:2: ' finish "$picture" -p bad
}
check presets_and_pictures_of_differences presets_and_pictures_of_differences

# What a command reads stays what it was, and of two files neither is written over the other.
keeps_what_it_reads() {
    cp "$picture" mine.png
    cp "$picture" sheet.png
    refuses 1 'written over' sheet mine.png sheet.png
    refuses 1 'written over' sheet mine.png --animation ./mine.png -o walk.png
    refuses 1 'name the picture' sheet mine.png -o -
    refuses 1 "the sheet's name" sheet mine.png --animation walk.png -o walk.png
    refuses 1 'written over' finish mine.png --show-diff mine.png
    refuses 1 "the result's name" finish mine.png -o a.png --show-diff a.png
    refuses 1 'written over' tile mine.png -o mine.png
    refuses 1 'written over' export mine.png -o mine.png
    refuses 1 'written over' import mine.png -o mine.png
    cmp mine.png "$picture"
    cmp sheet.png "$picture"
}
check keeps_what_it_reads keeps_what_it_reads

tells_mistakes() {
    echo 'no PNG' >bad.png
    head -c 300 "$picture" >cut.png
    printf 'red\n' >bad.hex
    refuses 1 bad.png finish bad.png -o a.png
    refuses 1 cut.png finish cut.png -o a.png
    refuses 1 nowhere.png finish nowhere.png -o a.png
    cp "$picture" mine.png
    refuses 1 'written over' finish mine.png -o .
    refuses 1 nodir finish "$picture" -o nodir/a.png
    refuses 1 bad.hex finish "$picture" --palette bad.hex
    refuses 1 "did you mean 'pico-8'" finish "$picture" --palette pico8
    refuses 1 'only 4' finish "$picture" --swap pico-8=gameboy
    refuses 1 'cells of 9999' finish "$picture" --cell 9999
    refuses 2 'needs IN.png' finish -q
    for wrong in '--cell 0' '--cell x' '--colors 0' '--colors 257' '--dither much' '--clean tidy' \
        '--outline thick' '--outline-color red' '--pad -1' '--canvas 5x' '--pixels 1x2x3' '--trim=maybe' \
        '--anchor top' '--background blue' '--swap a' '--tolerance 2'; do
        # shellcheck disable=SC2086 # two words
        refuses 2 "${wrong%%[ =]*}" finish "$picture" $wrong
    done
}
check tells_mistakes tells_mistakes

# What is no picture, or a small one, for each command that takes any PNG.
odd_files() {
    : >empty.png
    printf '\211PNG\r\n\032\n\0\0\0\015IHDR\0\0\352\140\0\0\352\140\010\006\0\0\0' >huge.png
    for what in finish sheet tile; do
        refuses 1 'empty.png: not a PNG file' "$what" empty.png
        refuses 1 'huge.png: a PNG of 60000x60000 pixels' "$what" huge.png
    done
    printf '\377\330\377\340\0\020JFIF' >photo.jpg
    refuses 1 'photo.jpg: not a PNG file, but JPEG: save it as PNG first' finish photo.jpg
    refuses 1 "no palette 'mine', and no such file; there are: pico-8" finish "$picture" --palette mine
    refuses 1 'more than 256 colours' finish "$picture" --palette "$picture"
    "$spritty" finish "$picture" --pixels 1x1 -q -o one.png
    "$spritty" finish one.png --dither bayer8 --palette nes --clean all --outline outer --trim -q -o a.png
    "$spritty" tile one.png -q -o b.png >out
    "$spritty" sheet one.png a.png --pack tight --animation c.gif --colors 2 -q
    [ "$(head -c 6 c.gif)" = GIF89a ]
}
check odd_files odd_files

sheets_are_made() {
    for i in 0 1 2; do
        "$spritty" finish "$picture" --cell $((4 << i)) --trim -q -o walk-$i.png
    done
    cp walk-0.png idle.png
    "$spritty" sheet walk-0.png walk-1.png walk-2.png idle.png --spacing 1 --animation a.png -q >out
    [ "$(tr '\n' ' ' <out)" = 'sheet.png sheet.json a.png ' ]
    "$spritty" info sheet.png | grep -q '^PNG'
    "$spritty" info a.png | grep -q '^PNG'
    grep -q '"walk-1.png": {"frame"' sheet.json
    grep -qF '{"name": "walk", "from": 0, "to": 2, "direction": "forward"}' sheet.json
    "$spritty" sheet walk-?.png --pack tight --format array --json -q -o b.png >out
    says frames 3
    grep -qF '"filename": "walk-2.png"' b.json
    mkdir twin
    cp idle.png twin
    refuses 1 'two frames are called' sheet idle.png twin/idle.png
    refuses 1 'nowhere.png' sheet nowhere.png
    refuses 1 'gets .json by itself' sheet idle.png -o a.json
    refuses 2 'none of grid, tight' sheet idle.png --pack loose
    refuses 2 'is for --pack grid' sheet idle.png --pack tight --columns 2
    refuses 2 '--duration' sheet idle.png --duration 0
    refuses 2 'no option' sheet idle.png --cell 4
}
check sheets_are_made sheets_are_made

sheets_play_and_come_apart() {
    for i in 0 1; do
        "$spritty" finish "$picture" --cell $((4 << i)) -q -o walk-$i.png
    done
    mkdir out
    "$spritty" sheet walk-0.png walk-1.png --animation a.gif --sprites out --colors 4 --preview -q
    [ "$(head -c 6 a.gif)" = GIF89a ]
    "$spritty" finish out/walk-0.png --cell none --background keep --colors all --json -q -o b.png >c
    grep -qE '"colors": [1-4],' c
    [ -f out/walk-1.png ]
    refuses 1 'no folder' sheet walk-0.png --sprites nowhere
}
check sheets_play_and_come_apart sheets_play_and_come_apart

seams_are_scored() {
    "$spritty" tile "$picture" -o twice.png -q >out
    grep -q 'seam across' out
    "$spritty" tile "$picture" --repeat 3 --json -q -o thrice.png >out
    grep -q '"seam_x"' out
    refuses 2 'neither 2 nor 3' tile "$picture" --repeat 4
    refuses 1 nowhere tile nowhere.png
}
check seams_are_scored seams_are_scored

one_thing_in_variants() {
    "$spritty" variants 'a green slime' --of recolors -s 3 --steps 2 -q -o slime.png >out
    [ "$(head -2 out | tr '\n' ' ')" = 'slime.png slime.json ' ]
    grep -qF '{"name": "slime-hue", "from": 0, "to": 5' slime.json
    "$spritty" variants 'a green slime' --of sizes -s 3 --steps 2 -q -o slime.png >out
    [ -f slime-24.png ]
    "$spritty" variants 'a beige slime' --of directions -s 3 --steps 1 -o slime.png 2>err >out
    [ "$(grep -c "note: .*'beige'" err)" = 1 ] # what all four are told is told once
    refuses 2 'is none of' variants 'a slime' --of moods
    refuses 2 'of one sprite' variants 'a slime' --batch 2
}
check one_thing_in_variants one_thing_in_variants

ended
