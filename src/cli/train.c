/* train.c - the commands that make one part: features, teacher, distill-td, distill-dm. */
#include "cli/cli.h"

#include "lab/pipeline.h"

#include <string.h>

/* What the four have open. */
typedef struct session {
    hidi_cli cli;
    hidi_dataset *data;
    const char *out;
} session;

/* Arguments, backend and data; false if the command ends with *code. */
static bool begin(session *s, const hidi_command *command, const hidi_flag *flags, int argc,
                  char **argv, int *code)
{
    int first;
    s->data = NULL;
    if (!hidi_cli_begin(&s->cli, command, flags, argc, argv, &first, code))
        return false;
    *code = EXIT_USAGE;
    if (first != argc) {
        hidi_cli_usage(&s->cli, "unexpected argument %s", argv[first]);
        return false;
    }
    s->out = s->cli.session.out;
    if (s->out == NULL) {
        hidi_cli_usage(&s->cli, "--out DIR says where the result goes");
        return false;
    }
    hidi_status status = hidi_session_backend(&s->cli.session);
    if (status == HIDI_OK)
        status = hidi_session_data(&s->cli.session, &s->data);
    if (status == HIDI_OK)
        return true;
    *code = hidi_cli_end(&s->cli, status);
    return false;
}

static int end(session *s, hidi_status status, const char *file)
{
    if (status == HIDI_OK)
        printf("%s/%s\n", s->out, file);
    hidi_dataset_close(s->data);
    return hidi_cli_end(&s->cli, status);
}

static int run_features(const hidi_command *command, int argc, char **argv)
{
    session s;
    int code;
    hidi_feature_net *net;
    if (!begin(&s, command, NULL, argc, argv, &code))
        return code;
    s.cli.session.settings.features.file[0] = '\0';
    hidi_status status = hidi_make_features(&s.cli.session, s.data, s.out, &net);
    hidi_feature_net_destroy(net);
    return end(&s, status, HIDI_FEATURES_FILE);
}

static int run_teacher(const hidi_command *command, int argc, char **argv)
{
    session s;
    int code;
    hidi_dit *teacher;
    if (!begin(&s, command, NULL, argc, argv, &code))
        return code;
    s.cli.session.settings.teacher.file[0] = '\0';
    hidi_status status = hidi_make_teacher(&s.cli.session, s.data, s.out, &teacher);
    hidi_dit_destroy(teacher);
    return end(&s, status, HIDI_TEACHER_FILE);
}

static int run_distill_td(const hidi_command *command, int argc, char **argv)
{
    session s;
    int code;
    const char *path = NULL;
    hidi_dit *teacher = NULL, *student = NULL;
    const hidi_flag flags[] = {{"teacher", "FILE", &path, NULL, "the teacher to distill"}, {0}};
    if (!begin(&s, command, flags, argc, argv, &code))
        return code;
    if (path == NULL) {
        hidi_dataset_close(s.data);
        return hidi_cli_usage(&s.cli, "--teacher FILE is missing");
    }
    hidi_status status = hidi_load_for(&s.cli.session, s.data, path, &teacher);
    if (status == HIDI_OK)
        status = hidi_make_stage1(&s.cli.session, s.data, s.out, teacher, &student);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
    return end(&s, status, HIDI_STAGE1_FILE);
}

static int run_distill_dm(const hidi_command *command, int argc, char **argv)
{
    session s;
    int code;
    const char *teacher_path = NULL, *student_path = NULL;
    hidi_dit *teacher = NULL, *stage1 = NULL, *student = NULL;
    const hidi_flag flags[] = {{"teacher", "FILE", &teacher_path, NULL, "the teacher"},
                               {"student", "FILE", &student_path, NULL, "stage 1's student"},
                               {0}};
    if (!begin(&s, command, flags, argc, argv, &code))
        return code;
    if (teacher_path == NULL || student_path == NULL) {
        hidi_dataset_close(s.data);
        return hidi_cli_usage(&s.cli, "--teacher FILE and --student FILE are needed");
    }
    hidi_status status = hidi_load_for(&s.cli.session, s.data, teacher_path, &teacher);
    if (status == HIDI_OK)
        status = hidi_load_for(&s.cli.session, s.data, student_path, &stage1);
    if (status == HIDI_OK)
        status = hidi_make_stage2(&s.cli.session, s.data, s.out, teacher, stage1, &student);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(stage1);
    hidi_dit_destroy(student);
    return end(&s, status, HIDI_STAGE2_FILE);
}

const hidi_command hidi_command_features = {
    "features", "", "trains the feature net that distances are measured with",
    "A small convolutional classifier, trained on the data set's classes, whose inner\n"
    "activations are the features of the Frechet distance.  Leaves features.safetensors and\n"
    "features.csv in the folder given by --out.\n",
    "run data features", run_features};

const hidi_command hidi_command_teacher = {
    "teacher", "", "trains a teacher DiT by flow matching",
    "Leaves teacher.safetensors (the moving average of the weights) and teacher.csv in the\n"
    "folder given by --out.  Interrupted, it leaves a checkpoint, and the same command goes on.\n",
    "run data model teacher", run_teacher};

const hidi_command hidi_command_distill_td = {
    "distill-td", "", "stage 1: trajectory distillation with the MeanFlow objective",
    "Leaves stage1.safetensors and stage1.csv in the folder given by --out.  Interrupted, it\n"
    "leaves a checkpoint, and the same command goes on.\n",
    "run data student td", run_distill_td};

const hidi_command hidi_command_distill_dm = {
    "distill-dm", "", "stage 2: distribution matching with an adversary",
    "Leaves stage2.safetensors, fake.safetensors, heads.safetensors and stage2.csv in the\n"
    "folder given by --out.  Interrupted, it leaves a checkpoint, and the same command goes on.\n",
    "run data td dm", run_distill_dm};
