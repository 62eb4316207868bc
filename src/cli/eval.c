/* eval.c - hidi eval: sets of images against a reference: models' samples, folders, npz files. */
#include "cli/cli.h"

#include "lab/evaluation.h"

static hidi_status report(const hidi_evaluation *e, bool json)
{
    hidi_status status = HIDI_OK;
    if (json)
        status = hidi_measure_table_json(stdout, &e->table);
    else
        hidi_measure_table_print(stdout, &e->table);
    if (status == HIDI_OK && e->session->out != NULL)
        status = hidi_measure_table_csv(e->session->out, &e->table);
    return status;
}

static hidi_status evaluate(hidi_session *session, hidi_evaluation *e, bool json)
{
    HIDI_TRY(hidi_cli_check_outputs(session->out, e->request->statistics));
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_evaluation_run(e, json ? NULL : stdout));
    return e->table.n > 0 ? report(e, json) : HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    hidi_evaluation e;
    int first, code, json = 0;
    hidi_eval_request r = {.extractor = {.name = "small"}};
    hidi_extractor_request *x = &r.extractor;
    const hidi_flag flags[] = {
        HIDI_VALUE("reference", "SET", &r.reference,
                   "what to compare with (data:test, or eval.split)"),
        HIDI_VALUE("extractor", "NAME", &x->name, "inception or small (small)"),
        HIDI_VALUE("weights", "FILE", &x->weights, "the extractor's weights"),
        HIDI_VALUE("key", "KEY", &x->key,
                   "the part of that file that holds them (ema); without --weights, of models' files"),
        HIDI_VALUE("features", "FILE", &x->features,
                   "the small net's weights (the preset's features.file)"),
        HIDI_VALUE("input", "NAME", &x->input, "how Inception sees images: pytorch-fid, tf, clean"),
        HIDI_VALUE("metrics", "LIST", &r.metrics,
                   "all, or some of fid,is,sfid,kid,pr,spectrum; small: "
                   "distance,kernel,pr,spectrum,classes"),
        HIDI_RESULT("save-statistics", "FILE", &r.statistics,
                    "write mu and sigma of the set to an npz file"),
        HIDI_SWITCH("json", &json, "print JSON"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (x->weights == NULL) {
        cli.session.key = x->key;
        x->key = NULL;
    }
    r.sets = argv + first;
    r.n = (size_t)(argc - first);
    if (r.n == 0)
        return hidi_cli_usage(&cli,
                              "no set of images given: a model, a folder, an npz file, data:train");
    if (r.n > HIDI_EVAL_SETS)
        return hidi_cli_usage(&cli, "more than %d sets", HIDI_EVAL_SETS);
    if (hidi_evaluation_init(&e, &cli.session, &r) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    const hidi_status status = evaluate(&cli.session, &e, json != 0);
    hidi_evaluation_free(&e);
    return hidi_cli_end(&cli, status);
}

const hidi_command hidi_command_eval = {
    "eval", "SET...", "compares sets of images with a reference: FID and other distances",
    "Compares each SET with a reference.  Both may be\n"
    "  a model               eval.images samples of a teacher or a student (safetensors)\n"
    "  a folder              its pictures (PNG, BMP; JPEG, WebP and TIFF if built in)\n"
    "  an npz                arr_0, u8 [N, H, W, C]; or statistics: mu and sigma\n"
    "  data:train, data:validation, data:test   eval.images of the preset's data set\n"
    "--extractor inception with the weights of pytorch-fid gives FID, IS, sFID and KID as\n"
    "pytorch-fid, guided-diffusion, torch-fidelity (--input tf) and clean-fid (--input clean) do;\n"
    "--extractor small compares by Frechet distance, precision and recall in the features of a\n"
    "small net trained on the data set (hidi features), and by the share of high-frequency power;\n"
    "this is not FID.  Without --reference, the first row compares real training images, for\n"
    "scale.  --out names a CSV file for the table.\n"
    HIDI_GIVEN_HELP,
    "run data sample eval features", run};
