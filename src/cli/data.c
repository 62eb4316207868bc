/* data.c - hidi data: a look at a data set. */
#include "cli/cli.h"

#include <string.h>

#include "lab/describe_data.h"

typedef struct request {
    const char *out, *columns_text, *zoom_text, *split_text;
    long columns, zoom;
    hidi_split split;
    int list;
} request;

static hidi_status read_request(request *r)
{
    if (r->list && (r->out || r->columns_text || r->zoom_text || r->split_text))
        return hidi_error(HIDI_BAD_ARGUMENT, "--list prints names, and goes with no other option");
    r->out = r->out != NULL ? r->out : "data.png";
    r->split_text = r->split_text != NULL ? r->split_text : "train";
    const size_t length = strlen(r->out);
    if (length < 4 || strcmp(r->out + length - 4, ".png") != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "--out %s: expected a name that ends in .png", r->out);
    if (!hidi_split_find(r->split_text, &r->split))
        return hidi_error(HIDI_BAD_ARGUMENT, "--split %s: expected train, test or validation",
                          r->split_text);
    HIDI_TRY(hidi_cli_number("columns", r->columns_text, 1, 1000, &r->columns));
    return hidi_cli_number("zoom", r->zoom_text, 1, 64, &r->zoom);
}

static hidi_status look(const hidi_session *session, const request *r)
{
    hidi_dataset *data;
    HIDI_TRY(hidi_cli_check_outputs(r->out, NULL));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_describe_data(data, r->split);
    if (status == HIDI_OK && strcmp(data->name, "latents") == 0)
        printf("  no picture: hidi decode makes pictures of latents\n");
    else if (status == HIDI_OK)
        status = hidi_write_examples(data, r->split, (size_t)r->columns, (size_t)r->zoom, r->out);
    hidi_dataset_close(data);
    return status;
}

static hidi_status list(const hidi_session *session)
{
    const hidi_settings *s = &session->settings;
    if (strcmp(s->data.name, "captions") != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "--list is for data.name=captions, not for %s",
                          s->data.name);
    return hidi_list_pictures(s->data.path);
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    request r = {.columns = 10, .zoom = 3};
    const hidi_flag flags[] = {
        HIDI_RESULT("out", "FILE.png", &r.out, "the picture (data.png)"),
        HIDI_VALUE("columns", "N", &r.columns_text, "images per class in it (10)"),
        HIDI_VALUE("zoom", "N", &r.zoom_text, "enlargement of the images (3)"),
        HIDI_VALUE("split", "NAME", &r.split_text, "train, test or validation (train)"),
        HIDI_SWITCH("list", &r.list,
                    "of data.name=captions: print the names of the pictures, in their order, no "
                    "more"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, NULL, &code))
        return code;
    if (read_request(&r) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, r.list ? list(&cli.session) : look(&cli.session, &r));
}

const hidi_command hidi_command_data = {
    "data", "", "describes a data set: numbers, and a picture with a row per class",
    "Prints how many images there are, the range of their values (from 2048 images, or all of\n"
    "them) and their classes, and draws examples of up to 64 classes into a PNG file.\n"
    "With --list it prints the pictures of a folder for data.name=captions, one name a line, in\n"
    "the order that rows of data.embeddings have; captions need not be there yet.\n",
    "run data", run};
