/* evaluation.c - the reference is gathered first and kept; then one set after the other is
 * gathered, measured against it and forgotten, so that at most two sets are in memory. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/evaluation.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "lab/measuring.h"
#include "eval/statistics_file.h"

hidi_status hidi_evaluation_init(hidi_evaluation *e, const hidi_session *session,
                                 const hidi_eval_request *request)
{
    memset(e, 0, sizeof *e);
    e->session = session;
    e->request = request;
    hidi_image_set_init(&e->reference, NULL);
    HIDI_TRY(hidi_extractor_choose(&e->extractor, &request->extractor));
    if (request->statistics != NULL && request->n != 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "--save-statistics takes one set, found %zu",
                          request->n);
    e->context = (hidi_eval_context){.session = session,
                                     .extractor = &e->extractor.extractor,
                                     .identity = e->extractor.identity,
                                     .eight_bits = e->extractor.inception};
    e->how = (hidi_measuring){.extractor = &e->extractor.extractor,
                              .reference = &e->reference,
                              .options = hidi_settings_metrics(&session->settings),
                              .progress = session->progress};
    e->table = (hidi_measure_table){.row = e->row,
                                    .how = &e->how,
                                    .weights = e->extractor.weights,
                                    .inception = e->extractor.inception,
                                    .format = "%.9g"};
    return hidi_metrics_choose(&e->how.choice, request->metrics, e->extractor.inception);
}

void hidi_evaluation_free(hidi_evaluation *e)
{
    hidi_image_set_free(&e->reference);
    hidi_extractor_close(&e->extractor.extractor);
    hidi_dataset_close(e->context.data);
}

static hidi_status save_statistics(const hidi_evaluation *e, const hidi_image_set *set, FILE *out)
{
    const char *path = e->request->statistics;
    if (set->moments.dim == 0)
        return hidi_error(HIDI_UNSUPPORTED, "%s: no statistics to save", set->label);
    HIDI_TRY(hidi_statistics_write(path, &set->moments, &set->spatial, e->extractor.identity));
    char count[32] = "";
    if (hidi_image_set_count(set) > 0)
        snprintf(count, sizeof count, " of %ld images", hidi_image_set_count(set));
    if (out != NULL)
        fprintf(out, "%s: mu, sigma%s%s; features: %s, %s\n", path,
                set->spatial.dim > 0 ? ", mu_s, sigma_s" : "", count,
                e->extractor.extractor.name, e->extractor.weights);
    return HIDI_OK;
}

/* Gathers a set, saves its statistics if asked to, and compares it with the reference (compare). */
static hidi_status evaluate(hidi_evaluation *e, const char *name, bool compare, FILE *out)
{
    hidi_image_set set;
    hidi_gathering what = hidi_measuring_needs(&e->how, false, name);
    const bool save = e->request->statistics != NULL;
    what.moments = what.moments || save;
    if (!compare)
        what.features = what.score = what.spectrum = false;
    hidi_status status = hidi_eval_set_gather(&set, &e->context, name, &what);
    if (status == HIDI_OK && save)
        status = save_statistics(e, &set, out);
    if (status == HIDI_OK && compare) {
        status = hidi_error_prefix(hidi_measure_set(&e->row[e->table.n], &e->how, &set), "%s",
                                   set.label);
        e->table.n += status == HIDI_OK;
    }
    hidi_image_set_free(&set);
    return status;
}

static hidi_status compare_all(hidi_evaluation *e, FILE *out)
{
    const hidi_eval_request *r = e->request;
    const char *split = hidi_settings_split(&e->session->settings) == HIDI_TEST ? "data:test"
                                                                                : "data:validation";
    const char *name = r->reference ? r->reference : split;
    const hidi_gathering what = hidi_measuring_needs(&e->how, true, name);
    HIDI_TRY(hidi_eval_set_gather(&e->reference, &e->context, name, &what));
    if (r->reference == NULL && !e->extractor.inception)
        HIDI_TRY(evaluate(e, "data:train", true, out)); /* for scale */
    for (size_t i = 0; i < r->n; i++)
        HIDI_TRY(evaluate(e, r->sets[i], true, out));
    return HIDI_OK;
}

static bool is_split(const char *name) { return strncmp(name, "data:", 5) == 0; }

/* What can be refused of a set before another is measured for minutes. */
static hidi_status check_set(const hidi_evaluation *e, const char *name)
{
    if (!is_split(name))
        return access(name, R_OK) == 0
                   ? HIDI_OK
                   : hidi_error(HIDI_BAD_FILE, "%s: %s", name, strerror(errno));
    hidi_split split = HIDI_TEST;
    HIDI_TRY(hidi_eval_split(name, &split));
    return hidi_error_prefix(
        hidi_dataset_has(e->context.data, split,
                         (uint64_t)e->session->settings.eval.images),
        "eval.images");
}

static hidi_status check_sets(const hidi_evaluation *e, bool compare)
{
    const hidi_eval_request *r = e->request;
    if (compare && r->reference != NULL)
        HIDI_TRY(check_set(e, r->reference));
    else if (compare)
        HIDI_TRY(hidi_check_measurable(&e->session->settings, e->context.data));
    for (size_t i = 0; i < r->n; i++)
        HIDI_TRY(check_set(e, r->sets[i]));
    if (r->statistics != NULL)
        HIDI_TRY(hidi_atomic_check(r->statistics));
    return compare && e->session->out != NULL ? hidi_atomic_check(e->session->out) : HIDI_OK;
}

hidi_status hidi_evaluation_run(hidi_evaluation *e, FILE *out)
{
    const hidi_eval_request *r = e->request;
    const bool compare = r->reference != NULL || r->statistics == NULL;
    bool needs_data = compare && (r->reference == NULL || is_split(r->reference));
    for (size_t i = 0; i < r->n; i++)
        needs_data = needs_data || is_split(r->sets[i]);
    hidi_stop_flag();
    HIDI_TRY(hidi_extractor_find(&e->extractor, &r->extractor, &e->session->settings));
    if (needs_data)
        HIDI_TRY(hidi_eval_data(&e->context));
    HIDI_TRY(check_sets(e, compare));
    HIDI_TRY(hidi_extractor_open(&e->extractor, &r->extractor, e->session->backend,
                                 e->context.data));
    return compare ? compare_all(e, out) : evaluate(e, r->sets[0], false, out);
}
