/*
 * A made-up tree of files, /proc and /sys as a machine would have them, in a folder of its own that
 * goes with the group of tests.
 */
#ifndef SPRITTY_TESTS_TREE_H
#define SPRITTY_TESTS_TREE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[] = "/tmp/spritty-test-tree-XXXXXX";

static int tree_make(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int tree_drop_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static int tree_drop(void **state)
{
    (void)state;
    return nftw(root, tree_drop_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file at root + path, with the folders above it; a path that ends with / is a folder. */
static void tree_put(const char *path, const char *text)
{
    char full[400];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *c = full + strlen(root) + 1; (c = strchr(c, '/')); c++) {
        *c = '\0';
        mkdir(full, 0755);
        *c = '/';
    }
    if (full[strlen(full) - 1] == '/')
        return;
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

#endif
