#!/bin/sh
# Prints docs/commands.md: what every command says of itself. `make docs` writes it; a test compares.
spritty=${1:-build/spritty}
code() { echo '```'; cat; echo '```'; }
echo "# Commands and options"
echo
echo "What \`spritty --help\` and \`spritty COMMAND --help\` print; \`make docs\` writes this page anew. What"
echo "a setting is called here is its name in \`config.ini\` and in JSON as well."
echo
"$spritty" --help | sed -n '1,/^$/p;/^  [a-z]/p' | code
"$spritty" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | while read -r c; do
    echo
    echo "## spritty $c"
    echo
    "$spritty" "$c" --help | sed '/^Exit status/d' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' | code
done
