/* fuzz_captions.c - the captions of a folder of pictures: the first byte says whether the others
 * are lines of JSON, a table, or the text of one picture */
#include "fuzz.h"

#include "data/caption_list.h"
#include "data/readers.h"
#include "data/words.h"

enum { PICTURES = 3 };

static char *picture[PICTURES] = {"a.png", "b.png", "c.png"};
static const hidi_name_list names = {picture, PICTURES};

/* Every caption has words, all of the vocabulary, and is read as these again. */
static void use(const hidi_captions *c)
{
    int32_t token[HIDI_MOST_CAPTION_WORDS], length;
    for (size_t i = 0; i < c->n; i++) {
        char *text = hidi_captions_text(c, i);
        if (text == NULL || c->length[i] < 1 || (size_t)c->length[i] > c->most ||
            hidi_words_read(c->words, text, c->most, token, &length, NULL) != HIDI_OK ||
            length != c->length[i])
            abort();
        for (size_t k = 0; k < (size_t)length; k++)
            if (token[k] < HIDI_FIRST_WORD || token[k] != c->token[i * c->most + k])
                abort();
        free(text);
    }
}

static void read_captions(const char *folder)
{
    hidi_name_list text;
    hidi_dataset *data = calloc(1, sizeof *data);
    if (data == NULL)
        abort();
    hidi_status status = hidi_captions_of_pictures(&text, folder, &names);
    if (status == HIDI_OK)
        status = hidi_captions_attach(data, folder, &names, &text);
    if (status == HIDI_OK)
        use(data->captions);
    else if (strstr(hidi_error_message(), folder) == NULL)
        abort();
    hidi_name_list_free(&text);
    hidi_dataset_close(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const file[] = {"metadata.jsonl", "metadata.csv", "a.txt"};
    if (size == 0)
        return 0;
    const char *path = fuzz_file(file[data[0] % 3], data + 1, size - 1);
    char folder[600];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (data[0] % 3 == 2) {
        fuzz_file("b.txt", (const uint8_t *)"A face", 6);
        fuzz_file("c.txt", (const uint8_t *)"a caf\xc3\xa9", 7);
    }
    read_captions(folder);
    for (int i = 0; i < 3; i++) { /* the next input may be of another kind */
        char used[700];
        snprintf(used, sizeof used, "%s/%s", folder, file[i]);
        (void)remove(used);
    }
    return 0;
}
