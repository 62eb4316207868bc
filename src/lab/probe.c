/* probe.c - one computation on given tensors: models and inputs are read and checked, and what the
 * library's own function computes from them is written.  Every random draw is an input. */
#include "lab/probe.h"

#include <stdlib.h>
#include <string.h>

#include "io/open_tensors.h"
#include "io/safetensors.h"

const hidi_probe_kind *hidi_probe_find(const char *name)
{
    for (const hidi_probe_kind *kind = hidi_probe_kinds; kind->name != NULL; kind++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}

hidi_status hidi_probe_check_paths(const hidi_probe *probe)
{
    const hidi_probe_kind *kind = probe->kind;
    bool wanted[HIDI_PROBE_ROLES] = {false};
    for (int role = 0; role < HIDI_PROBE_ROLES; role++)
        wanted[role] = kind->roles & 1u << role;
    /* --model names a DiT, a feature net or an autoencoder, as the kind takes it */
    wanted[HIDI_PROBE_MODEL] = wanted[HIDI_PROBE_MODEL] || wanted[HIDI_PROBE_NET] ||
                               wanted[HIDI_PROBE_CODER];
    wanted[HIDI_PROBE_NET] = wanted[HIDI_PROBE_CODER] = wanted[HIDI_PROBE_MODEL];
    for (int role = 0; role < HIDI_PROBE_ROLES; role++) {
        if (wanted[role] && probe->path[role] == NULL)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s needs --%s FILE", kind->name,
                              hidi_probe_option[role]);
        if (!wanted[role] && probe->path[role] != NULL)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s takes no --%s", kind->name,
                              hidi_probe_option[role]);
    }
    return HIDI_OK;
}

static hidi_status evaluate(hidi_probe *probe, const char *in, const char *out)
{
    HIDI_TRY(hidi_tensor_file_open(&probe->in, in, NULL));
    HIDI_TRY(hidi_probe_load(probe));
    HIDI_TRY(hidi_probe_check(probe));
    probe->tape = hidi_tape_create(probe->backend);
    if (probe->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    HIDI_TRY(probe->kind->run(probe));
    return hidi_safetensors_write(&probe->out, out);
}

hidi_status hidi_probe_evaluate(hidi_probe *probe, const char *in, const char *out)
{
    hidi_tensor_file_init(&probe->in);
    hidi_tensor_file_init(&probe->out);
    hidi_status status = evaluate(probe, in, out);
    hidi_tape_destroy(probe->tape);
    hidi_probe_unload(probe);
    free(probe->label);
    free(probe->token);
    free(probe->length);
    free(probe->embedding);
    hidi_tensor_file_free(&probe->in);
    hidi_tensor_file_free(&probe->out);
    return status;
}
