/*
 * Doctor's lines about models: does it open, and are its weights what they should be? A folder may
 * bring SHA256SUMS (the embedded model does), a downloaded file has NAME.sha256 beside it: both as
 * the program sha256sum writes and checks them. Files over LARGE are read when --checksums asks.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/mapfile.h"
#include "base/digest.h"
#include "cli/doctor.h"
#include "engine/engine.h"
#include "engine/job.h"
#include "sdxl/checkpoint.h"

enum { LARGE = 256 << 20, MAX_SUMS = 1 << 20 };

/* One line "DIGITS  NAME" (or " *NAME"); false when it is none. The text is cut. */
static bool parse_line(char *line, char **name)
{
    size_t n = strspn(line, "0123456789abcdef");
    if (n != 64 || line[64] != ' ' || (line[65] != ' ' && line[65] != '*'))
        return false;
    line[64] = '\0';
    *name = line + 66;
    if (!strncmp(*name, "./", 2))
        *name += 2;
    return **name != '\0' && **name != '/' && !strstr(*name, "..");
}

/* The file against its recorded digits. */
static enum sum_state compare(const char *path, const char *digits, bool all, char have[65])
{
    struct stat st;
    struct err e;
    if (stat(path, &st) != 0)
        return SUM_MISSING;
    snprintf(have, 65, "%.64s", digits);
    if (!all && st.st_size > LARGE)
        return SUM_UNREAD;
    if (digest_file(path, have, &e) != 0)
        return SUM_MISSING;
    return strcmp(have, digits) ? SUM_BAD : SUM_GOOD;
}

/* The worst of the states wins; an unread file beats good ones. */
static void note(struct model_facts *f, enum sum_state s, const char *name)
{
    bool worse = s == SUM_BAD || s == SUM_MISSING;
    if (f->sum == SUM_BAD || f->sum == SUM_MISSING || (f->sum == SUM_UNREAD && !worse))
        return;
    f->sum = s;
    if (worse) {
        snprintf(f->file, sizeof f->file, "%.190s", name);
        text_sanitize(f->file);
    }
}

static void sum_folder(struct model_facts *f, bool all)
{
    struct path list, file;
    struct err e;
    size_t size;
    char *rest, *name, have[65];
    if (path_join(&list, f->path, "SHA256SUMS", &e) || !file_exists(list.text))
        return;
    char *text = file_read(list.text, MAX_SUMS, &size, &e);
    char *line = text ? strtok_r(text, "\r\n", &rest) : NULL;
    for (; line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (!parse_line(line, &name) || path_join(&file, f->path, name, &e))
            note(f, SUM_BAD, "SHA256SUMS");
        else
            note(f, compare(file.text, line, all, have), name);
    }
    free(text);
}

static void sum_file(struct model_facts *f, bool all)
{
    struct path list;
    struct err e;
    struct stat st;
    size_t size;
    char *name;
    if (snprintf(list.text, sizeof list.text, "%s.sha256", f->path) >= (int)sizeof list.text)
        return;
    char *text = file_exists(list.text) ? file_read(list.text, 4096, &size, &e) : NULL;
    if (text) {
        text[strcspn(text, "\r\n")] = '\0';
        bool good = parse_line(text, &name);
        note(f, good ? compare(f->path, text, all, f->digits) : SUM_BAD,
             good ? f->name : "its .sha256");
    } else if (stat(f->path, &st) == 0 && (all || st.st_size <= LARGE)) {
        digest_file(f->path, f->digits, &e);
    }
    free(text);
}

void facts_model(struct model_facts *f, const char *name, const char *path, bool all)
{
    struct part_summary parts[PART_COUNT];
    memset(f, 0, sizeof *f);
    snprintf(f->name, sizeof f->name, "%.250s", name);
    snprintf(f->path, sizeof f->path, "%s", path);
    struct checkpoint *c = checkpoint_open(path, NULL, &f->why);
    f->opens = c != NULL;
    if (c) {
        checkpoint_summary(c, parts);
        for (int i = 0; i < PART_COUNT; i++)
            f->bytes += (uint64_t)parts[i].bytes;
        checkpoint_close(c);
    }
    if (folder_exists(path))
        sum_folder(f, all);
    else if (file_exists(path))
        sum_file(f, all);
}

static void describe_sum(struct check *c, const struct model_facts *f)
{
    static const char *const words[] = {
        [SUM_NONE] = "no checksum recorded", [SUM_GOOD] = "checksums right",
        [SUM_BAD] = "CHECKSUM WRONG",        [SUM_UNREAD] = "checksum recorded, not read again",
        [SUM_MISSING] = "A FILE IS MISSING",
    };
    size_t n = strlen(c->value);
    n += (size_t)snprintf(c->value + n, sizeof c->value - n, ", %s", words[f->sum]);
    if (*f->digits && n < sizeof c->value)
        snprintf(c->value + n, sizeof c->value - n, ", sha256 %s", f->digits);
    if (f->sum == SUM_BAD || f->sum == SUM_MISSING) {
        c->status = CHECK_WARNING;
        check_hint(c, "%s is %s: get the model again ('spritty pull', or the files as they ship)",
                   f->file, f->sum == SUM_BAD ? "not what was recorded" : "not there");
    } else if (f->sum == SUM_UNREAD || (f->sum == SUM_NONE && !*f->digits && f->bytes > LARGE)) {
        check_hint(c, "'spritty doctor --checksums' reads all of it");
    } else if (f->sum == SUM_NONE && *f->digits) {
        check_hint(c, "compare with its publisher's");
    }
}

void doctor_model(struct checks *all, const struct model_facts *f)
{
    char name[40];
    if (f->wanted)
        snprintf(name, sizeof name, "model");
    else
        snprintf(name, sizeof name, "model %.33s", f->name);
    text_sanitize(name);
    struct check *c = check_add(all, name,
                                f->opens    ? CHECK_GOOD
                                : f->wanted ? CHECK_MISSING
                                            : CHECK_WARNING,
                                "%.200s", *f->path ? f->path : f->name);
    c->needed = f->wanted;
    if (!f->opens) {
        check_hint(c, "%s", f->why.text);
        return;
    }
    size_t n = strlen(c->value);
    snprintf(c->value + n, sizeof c->value - n, ", %.1f MB of weights", (double)f->bytes / 1e6);
    describe_sum(c, f);
    text_sanitize(c->value);
}

void doctor_models(struct checks *checks, const char *wanted, bool all)
{
    struct model_facts f;
    struct err e = {""};
    char path[PATH_MAX], **names = NULL;
    if (find_model(wanted, path, &e)) {
        f = (struct model_facts){.why = e};
        snprintf(f.name, sizeof f.name, "%.250s", wanted);
    } else {
        facts_model(&f, wanted, path, all);
    }
    f.wanted = true;
    doctor_model(checks, &f);
    int n = engine_models(&names);
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], wanted) != 0 && find_model(names[i], path, &e) == 0) {
            facts_model(&f, names[i], path, all);
            doctor_model(checks, &f);
        }
        free(names[i]);
    }
    free(names);
}
