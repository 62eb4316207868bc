/* study_summary.c - the page that a study leaves: its table of means, planted defects, plots,
 * pictures. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study_results.h"

#include <unistd.h>

#include "eval/defects.h"
#include "io/atomic_file.h"

/* --- the table -------------------------------------------------------------------------------- */

static hidi_status read_mean(const hidi_plan *plan, const hidi_variant *v, const char *name,
                             size_t row, bool from_end, hidi_seed_mean *m)
{
    hidi_seed_column c;
    HIDI_TRY(hidi_seed_column_read(&c, plan, v, ".csv", name));
    *m = hidi_seed_column_mean(&c, row, from_end);
    hidi_seed_column_free(&c);
    return HIDI_OK;
}

static const struct {
    const char *name, *title;
    int decimals;
} columns[] = {
    {"evaluations", "NFE", 0},          {"updates", "updates", 0},
    {"cost", "cost", 0},    {"distance", "distance", 2},
    {"precision", "precision", 3},      {"recall", "recall", 3},
    {"high_frequency", "high freq", 3}, {"asked_class", "asked class", 3},
    {"class_variation", "class TV", 3}, {"rarest_class", "rarest", 2}};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void print_mean(FILE *out, const hidi_seed_mean *m, int decimals)
{
    if (m->n == 0)
        fputs(" | ", out);
    else if (m->n == 1 || (decimals == 0 && m->deviation == 0))
        fprintf(out, " | %.*f", decimals, m->mean);
    else
        fprintf(out, " | %.*f ± %.*f", decimals, m->mean, decimals, m->deviation);
}

/* The last rows, one for each number of sampling steps. */
static hidi_status print_variant(const hidi_plan *plan, const hidi_variant *v, FILE *out)
{
    const int times = v->n_steps > 0 ? v->n_steps : 1;
    hidi_seed_mean m, steps;
    for (int i = 0; i < times; i++) {
        const size_t row = (size_t)(times - 1 - i);
        HIDI_TRY(read_mean(plan, v, "sampling_steps", row, true, &steps));
        fprintf(out, "| %s", v->name);
        if (times > 1)
            fprintf(out, ", %.0f step%s", steps.mean, steps.mean > 1 ? "s" : "");
        for (int k = 0; k < COLUMNS; k++) {
            HIDI_TRY(read_mean(plan, v, columns[k].name, row, true, &m));
            print_mean(out, &m, columns[k].decimals);
        }
        HIDI_TRY(read_mean(plan, v, "diverged", row, true, &m));
        fprintf(out, " | %d | %.0f |\n", m.n, m.n > 0 ? m.mean * m.n : 0.0);
    }
    return HIDI_OK;
}

static hidi_status print_table(const hidi_plan *plan, FILE *out)
{
    fputs("| variant", out);
    for (int k = 0; k < COLUMNS; k++)
        fprintf(out, " | %s", columns[k].title);
    fputs(" | seeds | diverged |\n|---", out);
    for (int k = 0; k < COLUMNS + 2; k++)
        fputs("|---:", out);
    fputs("|\n", out);
    for (int i = 0; i < plan->study->n; i++)
        HIDI_TRY(print_variant(plan, &plan->study->variant[i], out));
    return HIDI_OK;
}

/* --- defects ---------------------------------------------------------------------------------- */

static hidi_status print_defects_of(const hidi_plan *plan, const hidi_variant *v, FILE *out)
{
    static const char *const names[] = {"auc", "auc_clean", "top", "top_clean"};
    enum { N = sizeof names / sizeof names[0] };
    hidi_seed_column c[N];
    for (int k = 0; k < N; k++) {
        hidi_status status = hidi_seed_column_read(&c[k], plan, v, "-defects.csv", names[k]);
        for (int i = 0; i < k && status != HIDI_OK; i++)
            hidi_seed_column_free(&c[i]);
        HIDI_TRY(status);
    }
    /* Rows: each defect, for each of the last finders, as many as this head has. */
    const size_t finders = c[0].n > 0 ? c[0].rows[0] / HIDI_DEFECTS : 0;
    for (size_t row = 0; row < finders * HIDI_DEFECTS; row++) {
        fprintf(out, "| %s | %s | %s", v->name, hidi_defect_name((hidi_defect)(row / finders)),
                hidi_finder_name((hidi_finder)(HIDI_FINDERS - finders + row % finders)));
        for (int k = 0; k < N; k++) {
            const hidi_seed_mean m = hidi_seed_column_mean(&c[k], row, false);
            print_mean(out, &m, 3);
        }
        fputs(" |\n", out);
    }
    for (int k = 0; k < N; k++)
        hidi_seed_column_free(&c[k]);
    return HIDI_OK;
}

static hidi_status print_defects(const hidi_plan *plan, FILE *out)
{
    char path[HIDI_PATH];
    if (access(hidi_path(path, sizeof path, plan->out, "defects.csv"), F_OK) != 0)
        return HIDI_OK;
    fprintf(out, "\nPlanted defects, %ld images per seed: does the damaged token stand out?\n\n"
                 "| variant | defect | finder | AUC | AUC, undamaged | first | first, undamaged |\n"
                 "|---|---|---|---:|---:|---:|---:|\n",
            plan->study->defects);
    for (int i = 0; i < plan->study->n; i++)
        HIDI_TRY(print_defects_of(plan, &plan->study->variant[i], out));
    return HIDI_OK;
}

/* --- the page --------------------------------------------------------------------------------- */

static hidi_status write_page(const hidi_plan *plan, FILE *page)
{
    const hidi_study *study = plan->study;
    const hidi_settings *s = &study->all.settings;
    fprintf(page, "# %s\n\n", study->title[0] ? study->title : study->path);
    fprintf(page, "Preset %s; seeds", study->preset);
    for (int i = 0; i < study->n_seeds; i++)
        fprintf(page, " %ld", study->seed[i]);
    fprintf(page,
            ". Mean ± standard deviation over seeds, which change the training and the noise of\n"
            "the samples; the %ld real images, of the %s split, are always the same.\n"
            "`results.csv` has every row.\n\n",
            s->eval.images, hidi_split_name(hidi_settings_split(s)));
    HIDI_TRY(print_table(plan, page));
    fputs("\ndistance: Fréchet, in the features of hidi's small net, not FID. high freq: power at\n"
          "half the Nyquist frequency and above, relative to real images. asked class: share that\n"
          "the net's classifier puts into the class asked for; class TV: total variation between\n"
          "classes found and asked for; rarest: the rarest class, found / asked for. updates: of\n"
          "the generator. cost: multiply-adds of the training, in steps of stage 1.\n",
          page);
    HIDI_TRY(print_defects(plan, page));
    return hidi_study_draw(plan, page);
}

hidi_status hidi_study_summarise(const hidi_plan *plan, FILE *out)
{
    char path[HIDI_PATH];
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, plan->out, "summary.md")));
    hidi_status status = write_page(plan, file.out);
    if (status != HIDI_OK) {
        hidi_atomic_abandon(&file);
        return status;
    }
    HIDI_TRY(hidi_atomic_commit(&file));
    HIDI_TRY(print_table(plan, out));
    fprintf(out, "plots and pictures: %s\n", path);
    return HIDI_OK;
}
