/*
 * Work that comes from elsewhere and goes there: what a file says is shown before it is taken, what
 * is set becomes a preset of the user's own, a sprite becomes a workflow.
 */
/* Not under qemu: a program driven through a terminal in time limits that an emulator misses. */
#include "app.h"

#include "sprite/png.h"

static const char *put_file(const char *home, const char *name, const char *text)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static const char parameters[] =
    "a (green:1.2) slime, <lora:pixel:0.8>\nNegative prompt: blurry\n"
    "Steps: 7, Sampler: DPM++ 2M Karras, CFG scale: 5.5, Seed: 99, Size: 64x64, "
    "Model: dreamshaper, VAE: anime.vae, Refiner: finer, Face restoration: CodeFormer\n";

static void a_pasted_path_is_shown_and_taken(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_plain);
    char quoted[PATH_MAX + 3];
    snprintf(quoted, sizeof quoted, "'%s'", put_file(d->home, "my notes.txt", parameters));
    drive_paste(d, quoted);
    drive_wait_text(d, "Import from A1111 parameters: ~/my notes.txt|Import from .*my notes.txt");
    drive_wait_text(d, "prompt +a \\(green:1.2\\) slime");
    drive_wait_text(d, "steps +7");
    drive_wait_text(d, "there is no model 'dreamshaper'");
    drive_wait_text(d, "there is no LoRA 'pixel'");
    drive_wait_text(d, "there is no VAE 'anime.vae'");
    drive_wait_text(d, "vae anime.vae is left out; the model's own decodes");
    drive_wait_text(d, "refiner finer is left out; the model does all steps");
    drive_wait_text(d, "not honoured|Face restoration");
    drive_wait_text(d, "into the studio"); /* drawn last: before that it would be gone already */
    drive_key(d, "Esc");                   /* nothing was typed, nothing changed */
    drive_wait_gone(d, "into the studio");
    drive_wait_text(d, "a green slime with a crown");
    drive_paste(d, quoted);
    drive_wait_text(d, "into the studio");
    drive_key(d, "Enter");
    drive_wait_text(d, "\\(green:1.2\\) slime");
    drive_wait_text(d, "Negative prompt");
    drive_wait_text(d, "\u2022 steps +7");
    drive_wait_text(d, "\u2022 seed +99");
    drive_wait_text(d, " blurry ");
    drive_wait_text(d, "Model +tiny");
    /* Text that is no path of a file stays text. */
    drive_key(d, "C-End");
    drive_paste(d, " /nowhere/x.json");
    drive_wait_text(d, "/nowhere/x.json");
    /* What was left out stops no job. */
    app_run(d, "a red potion");
    drive_wait_text(d, "done in");
}

/* A workflow without the picture that it begins with. */
static void a_missing_image_is_said(void **state)
{
    (void)state;
    static const char workflow[] =
        "{\"1\":{\"class_type\":\"CheckpointLoaderSimple\","
        "\"inputs\":{\"ckpt_name\":\"tiny\"}},"
        "\"2\":{\"class_type\":\"CLIPTextEncode\",\"inputs\":{\"clip\":[\"1\",1],"
        "\"text\":\"a gem\"}},"
        "\"3\":{\"class_type\":\"LoadImage\",\"inputs\":{\"image\":\"gone.png\"}},"
        "\"4\":{\"class_type\":\"VAEEncode\",\"inputs\":{\"pixels\":[\"3\",0],\"vae\":[\"1\","
        "2]}},"
        "\"5\":{\"class_type\":\"KSampler\",\"inputs\":{\"model\":[\"1\",0],"
        "\"positive\":[\"2\",0],\"negative\":[\"2\",0],\"latent_image\":[\"4\",0],\"seed\":1,"
        "\"steps\":4,\"cfg\":3,\"denoise\":0.6,\"sampler_name\":\"euler\","
        "\"scheduler\":\"normal\"}},"
        "\"6\":{\"class_type\":\"VAEDecode\",\"inputs\":{\"samples\":[\"5\",0],"
        "\"vae\":[\"1\",2]}},"
        "\"7\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"6\",0]}}}";
    struct drive *d = app(40, 120, &emu_plain);
    drive_paste(d, put_file(d->home, "flow.json", workflow));
    drive_wait_text(d, "prompt +a gem");
    drive_wait_text(d, "there is no image 'gone.png' here");
}

static void a_sprite_goes_round(void **state)
{
    (void)state;
    struct drive *d = app(40, 120, &emu_sixel);
    char path[1][PATH_MAX], where[PATH_MAX];
    struct err e = {""};
    app_run(d, "a blue gem");
    drive_wait_text(d, "done in");
    assert_int_equal(app_sprites(d->home, path, 1), 1);
    drive_key(d, "F4");
    drive_wait_text(d, "1 sprite");
    drive_type(d, "e");
    drive_wait_text(d, "ComfyUI workflow to");
    drive_key(d, "C-u");
    drive_type(d, "~/out.json");
    drive_key(d, "Enter");
    drive_wait_text(d, "written");
    snprintf(where, sizeof where, "%s/out.json", d->home);
    drive_check(d, access(where, R_OK) == 0);
    drive_type(d, "e"); /* not over a file without a question */
    drive_wait_text(d, "ComfyUI workflow to");
    drive_key(d, "C-u");
    drive_type(d, "~/out.json");
    drive_key(d, "Enter");
    drive_wait_text(d, "~/out.json is there already");
    drive_type(d, "n");
    drive_wait_gone(d, "is there already");
    drive_paste(d, where);
    drive_wait_text(d, "Import from ComfyUI workflow");
    drive_wait_text(d, "prompt +a blue gem");
    drive_wait_text(d, "into the studio");
    drive_key(d, "Esc");
    drive_wait_gone(d, "into the studio");
    drive_paste(d, path[0]);
    drive_wait_text(d, "Import from spritty");
    drive_key(d, "Enter");
    drive_wait(d, app_box_is(d, "Prompt", "abluegem"));
    /* A picture that tells nothing. */
    uint8_t pixels[8 * 8 * 4] = {0};
    struct picture p = {PICTURE_RGBA, 8, 8, pixels, NULL, 0};
    snprintf(where, sizeof where, "%s/plain.png", d->home);
    assert_int_equal(png_save(where, &p, NULL, 0, &e), 0);
    drive_paste(d, where);
    drive_wait_text(d, "does not tell how it was made");
    drive_type(d, "y");
    drive_wait_gone(d, "does not tell");
    drive_wait_text(d, "Image to image +1 set");
}

static void a_preset_is_saved(void **state)
{
    (void)state;
    struct drive *d = app_start(
        &(struct drive_options){.rows = 40,
                                .cols = 120,
                                .kind = &emu_plain,
                                .home = app_home("# mine\n" APP_CONFIG "# the end\n")});
    char path[PATH_MAX], text[4096] = "";
    app_preset(d, "quick");
    for (int i = 0; i < 3; i++)
        drive_key(d, "Tab");
    drive_wait_text(d, "/ find");
    drive_type(d, "/cfg");
    drive_key(d, "Enter");
    drive_type(d, "6.5");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2022 cfg +6.5");
    drive_key(d, "M-s");
    drive_wait_text(d, "its name");
    drive_type(d, "quick");
    drive_key(d, "Enter");
    drive_wait_text(d, "There is a preset quick already. Replace it");
    drive_type(d, "n");
    drive_key(d, "M-s");
    drive_wait_text(d, "its name");
    drive_type(d, "balanced");
    drive_key(d, "Enter");
    drive_wait_text(d, "the preset balanced came with spritty and stays");
    drive_key(d, "M-s");
    drive_wait_text(d, "its name");
    drive_key(d, "Esc");
    drive_wait_gone(d, "its name");
    drive_key(d, "M-s");
    drive_wait_text(d, "its name");
    drive_type(d, "my own");
    drive_key(d, "Enter");
    drive_wait_text(d, "saved as the preset my own");
    drive_wait_text(d, "  cfg +6.5"); /* it is the preset's now */
    drive_key(d, "Esc");
    drive_wait_text(d, "\u25cf my own");
    snprintf(path, sizeof path, "%s/.config/spritty/config.ini", d->home);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    drive_check(d, !strncmp(text, "# mine\n" APP_CONFIG "# the end\n",
                            strlen("# mine\n" APP_CONFIG "# the end\n")));
    drive_check(d, strstr(text, "[preset my own]\nbase = quick\ncfg = 6.5\n"));
    app_run(d, "a gem");
    drive_wait_text(d, "done in");
    /* It takes its own place: what it says, it goes on to say. */
    drive_key(d, "Tab");
    drive_key(d, "Tab");
    drive_wait_text(d, "steps 3, cfg 6.5");
    drive_key(d, "Tab");
    drive_wait_text(d, "reset  / find");
    drive_type(d, "/batch");
    drive_key(d, "Enter");
    drive_key(d, "Right");
    drive_wait_text(d, "\u2022 batch +2");
    drive_key(d, "M-s");
    drive_wait_text(d, "its name");
    drive_type(d, "my own");
    drive_key(d, "Enter");
    drive_wait_text(d, "There is a preset my own already");
    drive_type(d, "y");
    drive_wait_text(d, "saved as the preset my own");
    drive_key(d, "S-Tab");
    drive_wait_text(d, "steps 3, cfg 6.5, batch 2");
    drive_type(d, "/bal");
    drive_wait_text(d, "Find bal");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u25cf balanced");
    drive_key(d, "Delete");
    drive_wait_text(d, "balanced came with spritty");
    drive_key(d, "End");
    drive_key(d, "Delete");
    drive_wait_text(d, "Delete the preset my own from your config.ini");
    drive_type(d, "y");
    drive_wait_text(d, "the preset my own is deleted");
    drive_check(d, !drive_sees(d, "  my own"));
}

/* A hub that is not there: nothing hangs, the download can be given up, the rest goes on. */
static void models_are_pulled(void **state)
{
    (void)state;
    struct drive *d = app_start(&(struct drive_options){.rows = 40,
                                                        .cols = 120,
                                                        .kind = &emu_plain,
                                                        .home = app_home(APP_CONFIG),
                                                        .env = {"SPRITTY_HUB=http://127.0.0.1:1"}});
    drive_key(d, "F7");
    drive_wait_text(d, "Download models");
    drive_wait_text(d, "sdxl-base +6.9 GB");
    drive_type(d, "lightning 4");
    drive_wait_gone(d, "sdxl-base");
    drive_key(d, "Enter");
    drive_wait_text(d, "sdxl-lightning-4step +(asking|waiting|downloading)");
    drive_key(d, "Esc");
    drive_wait_gone(d, "Download models");
    drive_wait_text(d, "4step +waiting: (Couldn't|Could not) c"); /* why, not where */
    app_run(d, "a gem");
    drive_wait_text(d, "\u2713 a gem");
    drive_key(d, "C-q");
    drive_wait_text(d, "A download is running. Quit\\? What was downloaded is kept");
    drive_type(d, "n");
    drive_key(d, "F7");
    drive_wait_text(d, "Download models");
    drive_key(d, "C-x");
    drive_wait_gone(d, "sdxl-lightning-4step +(asking|waiting|downloading)");
    drive_wait_text(d, "cancelled; what was"); /* it stays for as long as it is of use */
    drive_key(d, "C-u");
    drive_type(d, "no such thing");
    drive_key(d, "Enter");
    drive_wait_gone(d, "cancelled; what was");
    drive_key(d, "C-u");
    drive_type(d, "http://127.0.0.1:1/some/where/thing.safetensors?download=true");
    drive_key(d, "Enter");
    drive_wait_text(d, "\u2501  thing.safetensors +(asking|waiting|downloading)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_pasted_path_is_shown_and_taken, app_clean),
        cmocka_unit_test_teardown(a_missing_image_is_said, app_clean),
        cmocka_unit_test_teardown(a_sprite_goes_round, app_clean),
        cmocka_unit_test_teardown(a_preset_is_saved, app_clean),
        cmocka_unit_test_teardown(models_are_pulled, app_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
