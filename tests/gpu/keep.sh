#!/bin/sh
# Puts what the libraries chose and compiled so far into $CACHE_KEPT, whole or not at all; without it, nothing.
[ -n "$CACHE_KEPT" ] && [ -d "$XDG_CACHE_HOME/spritty" ] || exit 0
tar -C "$XDG_CACHE_HOME" -czf "$CACHE_KEPT.new" spritty && mv -f "$CACHE_KEPT.new" "$CACHE_KEPT"
