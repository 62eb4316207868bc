/* features.c - hidi features: trains the net whose activations the Frechet distance compares. */
#include "cli/cli.h"

#include "lab/pipeline.h"

static hidi_status features(hidi_session *session)
{
    hidi_dataset *data;
    hidi_feature_net *net;
    session->settings.features.file[0] = '\0'; /* to be trained, not read */
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_make_features(session, data, session->out, &net);
    if (status == HIDI_OK)
        printf("%s/%s\n", session->out, HIDI_FEATURES_FILE);
    hidi_feature_net_destroy(net);
    hidi_dataset_close(data);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    if (!hidi_cli_begin(&cli, command, NULL, argc, argv, NULL, &code))
        return code;
    if (cli.session.out == NULL)
        return hidi_cli_usage(&cli, "--out DIR is missing");
    return hidi_cli_end(&cli, features(&cli.session));
}

const hidi_command hidi_command_features = {
    .name = "features",
    .arguments = "",
    .summary = "trains the feature net that distances are measured with",
    .description =
        "A small convolutional classifier, trained on the data set's classes, whose inner\n"
        "activations are the features of the Frechet distance.  Writes features.safetensors and\n"
        "features.csv to the folder given by --out.\n",
    .sections = "run data features",
    .run = run};
