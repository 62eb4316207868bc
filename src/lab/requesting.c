/* requesting.c - networks are opened one after the other, first all of them to see that they can
 * be. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/requesting.h"

#include <stdlib.h>
#include <string.h>

#include "io/number.h"
#include "lab/measuring.h"
#include "lab/pipeline.h"

hidi_status hidi_requesting_read(hidi_requesting *what, const char *guidances)
{
    char one[HIDI_NUMBER_TEXT];
    what->n_guidances = 0;
    for (const char *text = guidances;; text++) {
        const size_t length = strcspn(text, ",");
        double *w = &what->guidance[what->n_guidances];
        if (what->n_guidances == HIDI_GUIDANCES)
            return hidi_error(HIDI_BAD_ARGUMENT, "--guidance: more than %d", HIDI_GUIDANCES);
        snprintf(one, sizeof one, "%.*s", (int)(length < sizeof one ? length : sizeof one), text);
        if (length >= sizeof one || !hidi_parse_double(one, w) || *w < 0 || *w > 100)
            return hidi_error(HIDI_BAD_ARGUMENT,
                              "--guidance: expected numbers from 0 to 100 with commas between "
                              "them, found \"%s\"",
                              guidances);
        what->n_guidances++;
        text += length;
        if (*text == '\0')
            return HIDI_OK;
    }
}

/* One network with one guidance (NULL: the settings'). */
static hidi_status request_from(hidi_request_table *table, const hidi_session *session,
                                const hidi_dataset *data, const hidi_dit *net, const char *path,
                                const double *guidance)
{
    const hidi_settings *s = &session->settings;
    char label[HIDI_PATH];
    hidi_sampler sampler = hidi_settings_sampler(s, net->config.has_interval);
    if (guidance != NULL)
        sampler.guidance = *guidance;
    const hidi_samples samples =
        hidi_settings_samples(s, net, &sampler, data->captions, (size_t)s->eval.images);
    hidi_samples_label(label, sizeof label, path, &sampler);
    HIDI_TRY(hidi_request_samples(table, session, data, &samples, label, HIDI_SEEN));
    return hidi_request_samples(table, session, data, &samples, label, HIDI_HELD_OUT);
}

static hidi_status request_model(hidi_request_table *table, const hidi_session *session,
                                 const hidi_dataset *data, const char *path,
                                 const hidi_requesting *what)
{
    hidi_dit *net;
    HIDI_TRY(hidi_load_for(session, data, path, HIDI_GIVEN_ALL, &net));
    const int n = net->config.has_interval ? 0 : what->n_guidances;
    hidi_status status = HIDI_OK;
    for (int i = 0; status == HIDI_OK && i < n; i++)
        status = request_from(table, session, data, net, path, &what->guidance[i]);
    if (n == 0)
        status = request_from(table, session, data, net, path, NULL);
    hidi_dit_destroy(net);
    return status;
}

static hidi_status check(const hidi_session *session, const hidi_dataset *data,
                         const hidi_requesting *what)
{
    if (!hidi_is_scenes(data))
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "what captions ask for is known of data.name=scenes alone, not of %s",
                          data->name);
    for (size_t i = 0; i < what->n; i++) {
        hidi_dit *net;
        HIDI_TRY(hidi_load_for(session, data, what->models[i], HIDI_GIVEN_ALL, &net));
        hidi_dit_destroy(net);
    }
    return HIDI_OK;
}

hidi_status hidi_request_all(hidi_request_table *table, const hidi_session *session,
                             const hidi_requesting *what)
{
    hidi_dataset *data;
    hidi_stop_flag();
    HIDI_TRY(hidi_refuse_latents(session));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = check(session, data, what);
    if (status == HIDI_OK)
        status = hidi_request_real(table, session, data);
    for (size_t i = 0; status == HIDI_OK && i < what->n; i++)
        status = request_model(table, session, data, what->models[i], what);
    hidi_dataset_close(data);
    return status;
}
