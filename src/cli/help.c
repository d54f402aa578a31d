/* Help, manual page and completion, read off the tables of commands and options. */
#include <string.h>

#include "cli/options_table.h"
#include "base/version.h"
#include "pull/pull.h"
#include "ui/keys.h"

static const char *const description =
    "Game sprites from prompts: Stable Diffusion XL in one C program, with a small model of its\n"
    "own to start with.\n";

static const char *help_of(const struct option_row *o)
{
    return o->help ? o->help : settings_key(settings_key_index(o->key))->help;
}

/* "-s, --seed N" */
static void spell(const struct option_row *o, char *out, size_t size)
{
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, size, "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

/* Names to choose from, when the argument does not list them. */
static bool choices(const struct option_row *o, char *out, size_t size)
{
    const struct settings_key *k = o->key ? settings_key(settings_key_index(o->key)) : NULL;
    if (!k || !k->choice || strchr(o->arg, '|'))
        return false;
    size_t n = 0;
    for (int i = 0; k->choice(i) && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", k->choice(i));
    return true;
}

/* "(one, two, ...)" beside the help, in lines of some fifty columns. */
static void print_choices(FILE *f, char *text)
{
    enum { WIDE = 50 };
    int used;
    char *rest, *name = strtok_r(text, " ", &rest);
    fprintf(f, "  %24s  (%s", "", name);
    for (used = (int)strlen(name); (name = strtok_r(NULL, " ", &rest));) {
        int length = (int)strlen(name);
        bool wraps = used + 1 + length > WIDE;
        if (wraps)
            fprintf(f, "\n%29s%s", "", name);
        else
            fprintf(f, " %s", name);
        used = wraps ? length : used + 1 + length;
    }
    fprintf(f, ")\n");
}

/* ---- options, in parts with headings ---- */

struct listing {
    FILE *file;
    void (*heading)(FILE *, const char *title);
    void (*option)(FILE *, const struct option_row *);
};

static enum settings_group group_of(const struct option_row *o)
{
    return o->key ? settings_key(settings_key_index(o->key))->group : GROUP_NONE;
}

/* What gen does not have, single commands do: the list of all shows it under their names. */
static bool is_special(const struct option_row *o)
{
    return !o->key && o->commands && !cli_option_is_for(o, cli_command(0));
}

/* *title is put in front of the first option of a part, and taken away. */
static void list_option(const struct listing *l, const struct option_row *o, const char **title)
{
    if (*title)
        l->heading(l->file, *title);
    *title = NULL;
    l->option(l->file, o);
}

/* The options of a command, or of all (NULL): first those without a heading, then the settings in
 * the app's groups. */
static void list_options(const struct listing *l, const struct cli_command *c)
{
    const struct option_row *o;
    for (int group = 0; group < GROUPS; group++) {
        const char *title = group == GROUP_NONE ? NULL : settings_group_title(group);
        for (int i = 0; (o = cli_option(i)); i++)
            if (cli_option_is_for(o, c) && (int)group_of(o) == group && (c || !is_special(o)))
                list_option(l, o, &title);
    }
}

static void list_special(const struct listing *l)
{
    const struct cli_command *c;
    const struct option_row *o;
    char name[40];
    for (int k = 0; (c = cli_command(k)); k++) {
        const char *title = name;
        snprintf(name, sizeof name, "spritty %s", c->name);
        for (int i = 0; (o = cli_option(i)); i++)
            if (is_special(o) && cli_option_is_for(o, c))
                list_option(l, o, &title);
    }
}

static void print_heading(FILE *f, const char *title)
{
    fprintf(f, "\n%s:\n", title);
}

/* A name that leaves its column has the help in the next line. */
static void print_row(FILE *f, const char *name, const char *help)
{
    if (strlen(name) > 24)
        fprintf(f, "  %s\n  %24s  %s\n", name, "", help);
    else
        fprintf(f, "  %-24s  %s\n", name, help);
}

static void print_option(FILE *f, const struct option_row *o)
{
    char text[300];
    spell(o, text, sizeof text);
    print_row(f, text, help_of(o));
    if (choices(o, text, sizeof text))
        print_choices(f, text);
}

static void print_environment(FILE *f)
{
    const struct env_row *v;
    fprintf(f, "\nEnvironment:\n");
    for (int i = 0; (v = cli_environment(i)); i++)
        print_row(f, v->name, v->help);
}

void cli_help(FILE *f, const struct cli_command *c)
{
    bool whole = !c;
    if (c) {
        fprintf(f, "usage: spritty %s%s%s [options]\n\n%s\n\n", c->name, *c->args ? " " : "",
                c->args, c->summary);
    } else {
        fprintf(f,
                "usage: spritty [options]          the terminal app (F1 lists its keys)\n"
                "       spritty COMMAND [options]\n\n%s\n",
                description);
        for (int i = 0; (c = cli_command(i)); i++)
            fprintf(f, "  %-8s %-15s  %s\n", c->name, c->args, c->summary);
        fputc('\n', f);
    }
    const struct listing list = {f, print_heading, print_option};
    list_options(&list, whole ? NULL : c);
    if (whole) {
        list_special(&list);
        print_environment(f);
    }
    fprintf(f, "\nExit status: 0 done, 1 failed, 2 wrong usage.\n");
}

/* troff: a line must not begin with a dot or quote, backslashes and minuses are escaped. */
static void troff(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\')
            fputs("\\e", f);
        else if (*s == '-')
            fputs("\\-", f);
        else
            fputc(*s, f);
    }
}

/* The app's keys, as its help page has them. */
static void man_keys(FILE *f, unsigned section)
{
    const struct key_row *k;
    char keys[100];
    bool first = true;
    for (int i = 0; (k = keys_row(i)); i++) {
        bool here = section ? (k->contexts & section) && !keys_moves(k) : keys_moves(k);
        if (!here || !*k->help)
            continue;
        if (first)
            fprintf(f, ".SS %s\n",
                    section ? context_title((enum context)section) : "Lists and grids");
        first = false;
        keys_names(k, keys, sizeof keys);
        fputs(".TP\n.B ", f);
        troff(f, keys);
        fputc('\n', f);
        troff(f, k->help);
        fputc('\n', f);
    }
}

static void man_heading(FILE *f, const char *title)
{
    fprintf(f, ".SS %s\n", title);
}

static void man_option(FILE *f, const struct option_row *o)
{
    char text[300];
    spell(o, text, sizeof text);
    fprintf(f, ".TP\n.B ");
    troff(f, text + strspn(text, " "));
    fprintf(f, "\n");
    troff(f, help_of(o));
    if (choices(o, text, sizeof text))
        fprintf(f, " (%s)", text);
    fprintf(f, "\n");
}

void cli_man(FILE *f)
{
    const struct cli_command *c;
    fprintf(f, ".TH SPRITTY 1 \"\" \"spritty %s\"\n", SPRITTY_VERSION);
    fprintf(f, ".SH NAME\nspritty \\- game sprites from prompts\n");
    fprintf(f,
            ".SH SYNOPSIS\n.B spritty\n[options]\n.br\n.B spritty\n"
            "COMMAND [options]\n.SH DESCRIPTION\n%sWithout a command it is the terminal app.\n",
            description);
    fprintf(f, ".SH COMMANDS\n");
    for (int i = 0; (c = cli_command(i)); i++)
        fprintf(f, ".TP\n.B %s\\fR %s\n%s\n", c->name, c->args, c->summary);
    fprintf(f, ".SH OPTIONS\n");
    const struct listing list = {f, man_heading, man_option};
    list_options(&list, NULL);
    list_special(&list);
    fprintf(f, ".SH KEYS\n");
    for (int i = 0; keys_section(i); i++)
        man_keys(f, keys_section(i));
    man_keys(f, 0);
    fprintf(f, ".SH ENVIRONMENT\n");
    const struct env_row *v;
    for (int i = 0; (v = cli_environment(i)); i++) {
        fprintf(f, ".TP\n.B %s\n", v->name);
        troff(f, v->help);
        fputc('\n', f);
    }
    fprintf(f, ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage.\n");
    fprintf(f, ".SH FILES\n.TP\n.I ~/.config/spritty/config.ini\nsettings and presets, over the "
               "shipped ones\n.TP\n.I ~/.local/share/spritty/models\nmodels by name\n"
               ".TP\n.I ~/.local/share/spritty/sprites\nwhat the app made\n"
               ".TP\n.I ~/.local/share/spritty/spritty.db\nqueue, history, votes\n");
}

static void complete_commands(FILE *f, const char *between)
{
    const struct cli_command *c;
    for (int i = 0; (c = cli_command(i)); i++)
        fprintf(f, "%s%s", i ? between : "", c->name);
}

static void complete_options(FILE *f, const struct cli_command *c)
{
    const struct option_row *o;
    for (int i = 0; (o = cli_option(i)); i++)
        if (cli_option_is_for(o, c))
            fprintf(f, "--%s ", o->name);
}

/* The words that an option's argument can be, a space behind each: not what stands for others (N,
 * FILE, cuda:N). False: there are none. */
static bool known_words(const struct option_row *o, char *out, size_t size)
{
    char text[300];
    size_t n = 0;
    if (!o->arg || (!strchr(o->arg, '|') && !choices(o, text, sizeof text)))
        return false;
    if (strchr(o->arg, '|'))
        snprintf(text, sizeof text, "%s", o->arg);
    for (char *rest, *w = strtok_r(text, "|, ", &rest); w; w = strtok_r(NULL, "|, ", &rest))
        if (!strpbrk(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ%") && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s ", w);
    return n > 0;
}

static bool is_preset(const struct option_row *o)
{
    return strcmp(o->name, "preset") == 0;
}

/* Behind an option with an argument of no known words come files, not options. */
static void complete_files(FILE *f)
{
    const struct option_row *o;
    bool first = true;
    for (int i = 0; (o = cli_option(i)); i++) {
        char text[300];
        if (!o->arg || is_preset(o) || known_words(o, text, sizeof text))
            continue;
        fprintf(f, "%s--%s", first ? "    " : "|", o->name);
        if (o->letter)
            fprintf(f, "|-%c", o->letter);
        first = false;
    }
    fputs(")\n        return\n        ;;\n", f);
}

/* Behind `pull` come its short names. */
static void complete_pulls(FILE *f)
{
    const struct pull_entry *p;
    fputs("    [[ $command == pull && $word != -* ]] && command= words='", f);
    for (int i = 0; (p = pull_entry(i)); i++)
        fprintf(f, "%s%s", i ? " " : "", p->name);
    fputs("'\n", f);
}

void cli_completion(FILE *f)
{
    const struct cli_command *c;
    const struct option_row *o;
    char text[300];
    fprintf(f, "# bash completion for spritty\n_spritty()\n{\n    local word=$2 before=$3\n"
               "    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD-2]}\n"
               "    case $before in\n");
    for (int i = 0; (o = cli_option(i)); i++) {
        bool asks = is_preset(o); /* they are the user's: asked for each time */
        if (asks)
            snprintf(text, sizeof text, "$(\"${COMP_WORDS[0]}\" --presets 2>/dev/null)");
        else if (!known_words(o, text, sizeof text))
            continue;
        /* compgen expands what it is given: the question once, and no name that answers it. */
        const char *quote = asks ? "'" : "\"";
        char letter[8] = "";
        if (o->letter)
            snprintf(letter, sizeof letter, "|-%c", o->letter);
        fprintf(f,
                "    --%s%s)\n        mapfile -t COMPREPLY < <(compgen -W %s%s%s -- \"$word\")\n"
                "        return\n        ;;\n",
                o->name, letter, quote, text, quote);
    }
    complete_files(f);
    fprintf(f,
            "    esac\n    local words w command=\n"
            "    for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n        case $w in\n        ");
    complete_commands(f, "|");
    fprintf(f, ")\n            command=$w\n            break\n            ;;\n        esac\n"
               "    done\n    case $command in\n");
    for (int i = 0; (c = cli_command(i)); i++) {
        fprintf(f, "    %s) words='", c->name);
        complete_options(f, c);
        fprintf(f, "' ;;\n");
    }
    fprintf(f, "    *) words='");
    complete_commands(f, " ");
    fputc(' ', f);
    complete_options(f, NULL);
    fprintf(f, "' ;;\n    esac\n");
    complete_pulls(f);
    fprintf(f, "    [[ $command && $word != -* ]] && return # a file\n"
               "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
               "complete -o default -F _spritty spritty\n");
}
