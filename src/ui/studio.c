/*
 * The studio: where sprites are asked for and come to be. Its panels lie in files of their own;
 * here is what holds them together: focus, settings, what is kept in the store.
 */
#include "ui/studio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---- */

/* Once for each model, as it is a file that is read. */
static void look_at_model(struct studio *st)
{
    const char *model = settings_text(&st->effective, "model");
    if (!model || !strcmp(st->subjects_of, model))
        return;
    free(st->subjects);
    st->subjects = engine_subjects(model);
    snprintf(st->subjects_of, sizeof st->subjects_of, "%s", model);
}

void studio_settle(struct ui *ui)
{
    struct studio *st = ui->studio;
    struct settings now = {0};
    struct err e = {""};
    if (engine_settle(studio_settings(ui), st->preset, &now, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        settings_free(&now);
        return;
    }
    settings_free(&st->effective);
    st->effective = now;
    look_at_model(st);
    snprintf(st->effective_negative, sizeof st->effective_negative, "%s",
             now.negative ? now.negative : "");
    estimate_want(ui);
    ui_dirty(ui);
}

const struct settings *studio_settings(struct ui *ui)
{
    struct studio *st = ui->studio;
    settings_unset(&st->said, "negative");
    if (editor_len(st->negative) > 0)
        settings_set(&st->said, "negative", editor_text(st->negative), NULL);
    return &st->said;
}

const char *studio_words(struct ui *ui)
{
    return editor_text(ui->studio->prompt);
}

const char *studio_preset(struct ui *ui)
{
    return ui->studio->preset;
}

void studio_choose_preset(struct ui *ui, int row)
{
    struct studio *st = ui->studio;
    struct settings its = {0};
    struct err e = {""};
    const char *name = row > 0 ? ui->config.presets[row - 1].name : "";
    if (*name && config_preset(&ui->config, name, &its, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        settings_free(&its);
        return;
    }
    for (int i = 0; settings_key(i); i++)
        if (settings_has(&its, settings_key(i)->name))
            settings_unset(&st->said, settings_key(i)->name);
    settings_free(&its);
    snprintf(st->preset, sizeof st->preset, "%s", name);
    st->preset_row = row;
    st->unsaved = true;
    studio_settle(ui);
}

void studio_use(struct ui *ui, const char *words, const char *preset, const struct settings *s)
{
    struct studio *st = ui->studio;
    struct settings all = {0};
    if (words)
        editor_set(st->prompt, words);
    if (preset) {
        st->preset_row = presets_row(ui, preset);
        snprintf(st->preset, sizeof st->preset, "%s", st->preset_row ? preset : "");
    }
    if (s && settings_has(s, "negative"))
        editor_set(st->negative, s->negative);
    if (s && settings_fill(&all, s, NULL) == 0 && settings_fill(&all, &st->said, NULL) == 0) {
        settings_unset(&all, "prompt");
        settings_unset(&all, "output");
        settings_free(&st->said);
        st->said = all;
    }
    st->unsaved = true;
    studio_settle(ui);
}

void studio_clear(struct ui *ui)
{
    settings_free(&ui->studio->said);
    editor_set(ui->studio->negative, "");
}

/* ---- running ---- */

void studio_run(struct ui *ui)
{
    struct studio *st = ui->studio;
    const char *words = studio_words(ui);
    if (!*words) {
        ui_say(ui, ROLE_WARN, "write what the sprite should be, then press Enter");
        return;
    }
    if (estimate_refusal(ui)) {
        ui_say(ui, ROLE_BAD, "%s", estimate_refusal(ui));
        return;
    }
    struct order o = {.words = words, .preset = st->preset, .settings = studio_settings(ui)};
    if (queue_add(ui, &o) < 0)
        return;
    store_remember(ui->store, words, editor_text(st->negative), NULL);
    st->history_at = 0;
    st->job_row = 0;
    if (ui->queue.count > 1)
        ui_say(ui, ROLE_TEXT, "queued; %d before it", ui->queue.count - 1);
}

static void roll_seed(struct ui *ui)
{
    struct err e = {""};
    if (settings_draw_seed(&ui->studio->said, &e))
        ui_say(ui, ROLE_BAD, "%s", e.text);
    ui->studio->unsaved = true;
    studio_settle(ui);
}

/* Locks the last seed that was used, so that the picture on the screen can be worked on. */
static void lock_seed(struct ui *ui)
{
    struct studio *st = ui->studio;
    char text[32];
    if (settings_has(&st->said, "seed") && !st->said.random_seed) {
        settings_say(ui, "seed", "random");
        ui_say(ui, ROLE_TEXT, "a new seed for every job");
    } else if (st->shown_count > 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)st->shown_seed);
        settings_say(ui, "seed", text);
        ui_say(ui, ROLE_TEXT, "the seed of this sprite is locked");
    } else {
        roll_seed(ui);
    }
}

/* ---- the store ---- */

void studio_save(struct ui *ui)
{
    struct studio *st = ui->studio;
    if (editor_version(st->prompt) != st->saved_prompt) {
        store_put(ui->store, "draft.prompt", editor_text(st->prompt), NULL);
        st->saved_prompt = editor_version(st->prompt);
    }
    if (editor_version(st->negative) != st->saved_negative) {
        store_put(ui->store, "draft.negative", editor_text(st->negative), NULL);
        st->saved_negative = editor_version(st->negative);
    }
    if (st->unsaved) {
        settings_unset(&st->said, "negative");
        char *text = settings_to_text(&st->said);
        if (text)
            store_put(ui->store, "draft.settings", text, NULL);
        store_put(ui->store, "draft.preset", st->preset, NULL);
        char open[16];
        snprintf(open, sizeof open, "%u", st->setting.open);
        store_put(ui->store, "draft.groups", open, NULL);
        free(text);
        st->unsaved = false;
    }
}

static void load_drafts(struct ui *ui)
{
    struct studio *st = ui->studio;
    char *prompt = store_get(ui->store, "draft.prompt"),
         *negative = store_get(ui->store, "draft.negative"),
         *settings = store_get(ui->store, "draft.settings"),
         *preset = store_get(ui->store, "draft.preset"),
         *groups = store_get(ui->store, "draft.groups");
    struct err e = {""};
    if (prompt)
        editor_set(st->prompt, prompt);
    if (negative)
        editor_set(st->negative, negative);
    if (settings && settings_from_text(&st->said, settings, &e))
        ui_say(ui, ROLE_WARN, "%s", e.text);
    if (preset) {
        st->preset_row = presets_row(ui, preset);
        snprintf(st->preset, sizeof st->preset, "%s", st->preset_row ? preset : "");
    }
    if (groups)
        st->setting.open = (unsigned)strtoul(groups, NULL, 10);
    st->saved_prompt = editor_version(st->prompt);
    st->saved_negative = editor_version(st->negative);
    free(groups);
    free(prompt);
    free(negative);
    free(settings);
    free(preset);
}

static void drop_names(struct studio_names *n)
{
    for (int i = 0; i < n->count; i++)
        free(n->at[i]);
    free(n->at);
    *n = (struct studio_names){0};
}

static void drop_models(struct studio *st)
{
    drop_names(&st->models);
    drop_names(&st->controls);
}

void studio_models(struct ui *ui)
{
    struct studio *st = ui->studio;
    drop_models(st);
    st->models.count = engine_models(&st->models.at);
    st->controls.count = engine_controls(&st->controls.at);
}

const struct studio_names *studio_names_for(const struct ui *ui, const struct settings_key *k)
{
    return k->pick == PICK_MODEL     ? &ui->studio->models
           : k->pick == PICK_CONTROL ? &ui->studio->controls
                                     : NULL;
}

/* ---- the view ---- */

static int studio_init(struct ui *ui, struct err *e)
{
    struct studio *st = ui->studio = calloc(1, sizeof *st);
    if (!st)
        return err_set(e, "out of memory");
    st->prompt = editor_new(true);
    st->negative = editor_new(true);
    st->setting.value = editor_new(false);
    st->setting.search = editor_new(false);
    st->setting.row = 1; /* the first below its title */
    st->setting.open = 1u << GROUP_PICTURE;
    if (!st->prompt || !st->negative || !st->setting.value || !st->setting.search)
        return err_set(e, "out of memory");
    studio_models(ui);
    load_drafts(ui);
    return 0;
}

static void drop_shown(struct studio *st)
{
    for (int i = 0; i < st->shown_count; i++) {
        image_free(st->shown[i].image);
        tiled_free(&st->shown[i].tiled);
    }
    st->shown_count = 0;
}

static void studio_quit(struct ui *ui)
{
    struct studio *st = ui->studio;
    if (!st)
        return;
    editor_free(st->prompt);
    editor_free(st->negative);
    editor_free(st->setting.value);
    editor_free(st->setting.search);
    settings_free(&st->said);
    settings_free(&st->effective);
    drop_models(st);
    drop_shown(st);
    free(st->subjects);
    estimate_free(st);
    for (int i = 0; i < 2; i++) {
        free(st->draft[i]);
        free(st->marks[i].mark);
    }
    free(st);
    ui->studio = NULL;
}

static void studio_draw(struct ui *ui, struct rect main)
{
    struct studio *st = ui->studio;
    st->main = main;
    st->at = layout_studio(main, st->focus == FOCUS_SETTINGS  ? LAYOUT_SETTINGS
                                 : st->focus == FOCUS_PRESETS ? LAYOUT_PRESETS
                                                              : LAYOUT_EVEN);
    const struct {
        struct rect at;
        void (*draw)(struct ui *, struct rect);
    } panels[] = {
        {st->at.presets, presets_draw}, {st->at.settings, settings_draw},
        {st->at.queue, jobs_draw},      {st->at.progress, progress_draw},
        {st->at.preview, preview_draw}, {st->at.timing, timing_draw},
        {st->at.memory, memory_draw},
    };
    prompt_draw(ui, st->at.prompt, false);
    if (st->at.negative.h)
        prompt_draw(ui, st->at.negative, true);
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++)
        if (panels[i].at.h)
            panels[i].draw(ui, panels[i].at);
}

static unsigned studio_contexts(const struct ui *ui)
{
    static const unsigned contexts[FOCUSES] = {
        [FOCUS_PROMPT] = CTX_TEXT | CTX_PROMPT,
        [FOCUS_NEGATIVE] = CTX_TEXT | CTX_PROMPT,
        [FOCUS_PRESETS] = CTX_PRESETS,
        [FOCUS_JOBS] = CTX_QUEUE,
    };
    const struct studio *st = ui->studio;
    if (st->focus == FOCUS_SETTINGS)
        return CTX_STUDIO | settings_contexts(ui);
    return CTX_STUDIO | contexts[st->focus];
}

static struct rect focus_rect(const struct studio_layout *at, enum focus f)
{
    const struct rect r[FOCUSES] = {at->prompt, at->negative, at->presets, at->settings, at->queue};
    return r[f];
}

/* Settings and presets take the room of others while they have the keys; it is given back before
 * the next. So presets are there even where they have no room of their own. */
static void move_focus(struct ui *ui, int by)
{
    struct studio *st = ui->studio;
    struct studio_layout at = layout_studio(st->main, LAYOUT_EVEN);
    int f = (int)st->focus;
    ui_unsay(ui);
    settings_leave(ui);
    for (int i = 0; i < FOCUSES; i++) {
        f = (f + by + FOCUSES) % FOCUSES;
        if (focus_rect(&at, (enum focus)f).h > 0 || f == FOCUS_PRESETS)
            break;
    }
    st->focus = (enum focus)f;
}

static bool panel_act(struct ui *ui, enum action a)
{
    switch (ui->studio->focus) {
    case FOCUS_PROMPT:
        return prompt_act(ui, a, false);
    case FOCUS_NEGATIVE:
        return prompt_act(ui, a, true);
    case FOCUS_PRESETS:
        return presets_act(ui, a);
    case FOCUS_SETTINGS:
        return settings_act(ui, a);
    case FOCUS_JOBS:
        return jobs_act(ui, a);
    default:
        return false;
    }
}

static bool studio_act(struct ui *ui, enum action a)
{
    struct studio *st = ui->studio;
    int presets = ui->config.count + 1;
    if (panel_act(ui, a))
        return true;
    switch (a) {
    case ACT_RUN:
        studio_run(ui);
        break;
    case ACT_NEXT_PANEL:
        move_focus(ui, 1);
        break;
    case ACT_PREV_PANEL:
        move_focus(ui, -1);
        break;
    case ACT_COMPARE_THIS:
        compare_start(ui);
        break;
    case ACT_SEED_LOCK:
        lock_seed(ui);
        break;
    case ACT_PRESET_SAVE:
        preset_save(ui, "", "", studio_settings(ui));
        break;
    case ACT_PREVIEW_FINISHED:
        ui->finish_previews = !ui->finish_previews;
        pool_finish_previews(ui->pool, ui->finish_previews);
        ui_say(ui, ROLE_TEXT,
               ui->finish_previews ? "previews are finished as sprites will be"
                                   : "previews are what the sampler sees");
        break;
    case ACT_TILED:
        ui->tiled = !ui->tiled;
        break;
    case ACT_SEED_ROLL:
        roll_seed(ui);
        break;
    case ACT_PRESET_NEXT:
        studio_choose_preset(ui, (st->preset_row + 1) % presets);
        break;
    case ACT_PRESET_PREV:
        studio_choose_preset(ui, (st->preset_row + presets - 1) % presets);
        break;
    case ACT_BACK:
        settings_leave(ui);
        st->focus = FOCUS_PROMPT;
        break;
    default:
        return false;
    }
    return true;
}

static void studio_type(struct ui *ui, const struct input_event *in)
{
    struct studio *st = ui->studio;
    if (st->focus == FOCUS_SETTINGS)
        settings_type(ui, in);
    else if (st->focus == FOCUS_PROMPT || st->focus == FOCUS_NEGATIVE)
        if (!editor_insert(st->focus == FOCUS_PROMPT ? st->prompt : st->negative, in->text,
                           in->len))
            ui_say(ui, ROLE_WARN, "the prompt is full");
}

static void studio_mouse(struct ui *ui, const struct input_event *in)
{
    struct studio *st = ui->studio;
    for (int f = 0; f < FOCUSES; f++) {
        if (!rect_has(focus_rect(&st->at, (enum focus)f), in->y, in->x))
            continue;
        if (in->what == MOUSE_DOWN && in->button == 1) {
            if (f != FOCUS_SETTINGS)
                settings_leave(ui);
            st->focus = (enum focus)f;
        }
        if (f == FOCUS_PROMPT || f == FOCUS_NEGATIVE)
            prompt_click(ui, in, f == FOCUS_NEGATIVE);
        else if (f == FOCUS_PRESETS)
            presets_click(ui, in);
        else if (f == FOCUS_SETTINGS)
            settings_click(ui, in);
        else
            jobs_click(ui, in);
    }
}

static void studio_event(struct ui *ui, const struct event *ev)
{
    struct studio *st = ui->studio;
    if (ev->kind == EVENT_READY)
        st->counted_any = false;
    if (ev->kind == EVENT_READY || ev->kind == EVENT_DONE || ev->kind == EVENT_ASIDE ||
        (ev->kind == EVENT_WARM && ev->step == ev->steps))
        estimate_renew(ui);
    if (ev->kind != EVENT_SPRITE || !ev->image)
        return;
    if (ev->job != st->shown_job) {
        drop_shown(st);
        st->shown_job = ev->job;
        st->shown_seed = ev->seed;
        st->shown_colors = image_colors(ev->image);
    }
    struct image *copy = st->shown_count < SHOWN_MAX ? image_copy(ev->image) : NULL;
    if (!copy)
        return;
    st->shown[st->shown_count].image = copy;
    st->shown[st->shown_count++].serial = (uint64_t)ev->sprite;
}

const struct view_ops view_studio = {
    .name = "Studio",
    .init = studio_init,
    .quit = studio_quit,
    .draw = studio_draw,
    .contexts = studio_contexts,
    .act = studio_act,
    .type = studio_type,
    .mouse = studio_mouse,
    .event = studio_event,
};
