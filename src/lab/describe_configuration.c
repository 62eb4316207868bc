/* describe_configuration.c - the sizes of a configuration: its networks are made, and its steps
 * taken, on the dry backend. */
#include "lab/describe_configuration.h"

#include "lab/footprint.h"
#include "backend/tables.h"
#include "model/macs.h"

static hidi_status print_model(const char *label, const hidi_dit_config *config)
{
    char text[256];
    hidi_dit *dit;
    HIDI_TRY(hidi_dit_create(&dit, hidi_dry_backend(hidi_reference_backend()), config));
    printf("  %-10s  %s\n", label, hidi_dit_text(config, text, sizeof text));
    printf("              %zu parameters; a forward pass: %.4g million multiply-adds per image\n",
           dit->params.count, 1e-6 * hidi_dit_macs(config));
    hidi_dit_destroy(dit);
    return HIDI_OK;
}

static hidi_status print_memory(const hidi_session *session, const hidi_dit_config *config,
                                const hidi_dataset *data)
{
    const hidi_settings *s = &session->settings;
    printf("\n%-28s %6s %12s %12s %12s\n", "memory that is needed", "batch", "models",
           "activations", "allocated");
    for (int i = 0; i < HIDI_STEP_KINDS; i++) {
        const hidi_step_kind kind = (hidi_step_kind)i;
        char models[32], tape[32], all[32];
        hidi_footprint f;
        HIDI_TRY(hidi_step_footprint(&f, kind, s, config, data, session->backend));
        printf("  %-26s %6zu %12s %12s %12s\n", hidi_step_name(kind), hidi_step_batch(kind, s),
               hidi_bytes_text(models, sizeof models, (double)f.models),
               hidi_bytes_text(tape, sizeof tape, (double)f.tape),
               hidi_bytes_text(all, sizeof all, (double)f.allocated));
    }
    return HIDI_OK;
}

hidi_status hidi_describe_configuration(const hidi_session *session)
{
    hidi_dataset *data;
    HIDI_TRY(hidi_session_data(session, &data));
    const hidi_dit_config teacher = hidi_settings_dit(&session->settings, data);
    const hidi_student_options options = hidi_settings_stage1(&session->settings).student;
    const hidi_dit_config student = hidi_student_config(&teacher, &options);
    printf("\nconfiguration: %s%s\n", session->preset ? session->preset : "the defaults",
           session->n_sets > 0 ? " and --set" : "");
    printf("  data        %s, %zux%zux%zu, %zu classes\n", data->name, data->height, data->width,
           data->channels, data->n_classes);
    hidi_status status = print_model("teacher", &teacher);
    if (status == HIDI_OK)
        status = print_model("student", &student);
    if (status == HIDI_OK)
        status = print_memory(session, &teacher, data);
    hidi_dataset_close(data);
    return status;
}
