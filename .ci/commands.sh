#!/bin/sh
# Prints docs/commands.md: what every command says of itself. `make docs` writes it; a test compares.
# Parts of the settings that a command has as gen has them are named, not printed again.
spritty=${1:-build/spritty}
code() { echo '```'; cat; echo '```'; }
options() { "$spritty" "$1" --help | sed '/^Exit status/d'; }

# gen's help and another command's in, the latter out: the parts that differ, then the others' names.
unlike_gen() {
    awk '
        /^usage:/ { file++; part = "" }
        /^[A-Z].*:$/ { part = substr($0, 1, length($0) - 1); names[file, ++count[file]] = part; next }
        $0 == "" && part != "" { next }
        { text[file, part] = text[file, part] $0 "\n" }
        END {
            sub(/\n+$/, "\n", text[2, ""])
            printf "```\n%s", text[2, ""]
            for (i = 1; i <= count[2]; i++) {
                part = names[2, i]
                if (text[2, part] == text[1, part])
                    same = same (same ? ", " : "") part
                else
                    printf "\n%s:\n%s", part, text[2, part]
            }
            print "```"
            if (same)
                printf "\nAs `spritty gen` has them: %s.\n", same
        }'
}

cat <<'END'
# Commands and options

What `spritty --help` and `spritty COMMAND --help` print; `make docs` writes this page anew. What
a setting is called here is its name in `config.ini` and in JSON as well.

END
"$spritty" --help | sed -n '1,/^$/p;/^  [a-z]/p' | code
"$spritty" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | while read -r c; do
    echo
    echo "## spritty $c"
    echo
    if [ "$c" = gen ]; then
        options gen | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' | code
    else
        { options gen; options "$c"; } | unlike_gen
    fi
done
