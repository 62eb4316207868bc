/* pickle_calls.c - the few calls of pickles that are known, and what they would give. */
#include <stdio.h>
#include <string.h>

#include "core/array.h"
#include "io/pickle_machine.h"

static hidi_status bad(const hidi_machine *m, const char *function, const char *problem)
{
    return hidi_error(HIDI_BAD_FORMAT, "%s: byte %zu of the pickle: %s: %s", m->what, m->at,
                      function, problem);
}

/* --- storages --------------------------------------------------------------------------------- */

static const struct {
    const char *name; /* as in torch.FloatStorage and torch.float32 */
    const char *type;
    hidi_dtype dtype;
} types[] = {
    { "torch.DoubleStorage", "torch.float64", HIDI_F64 },
    { "torch.FloatStorage", "torch.float32", HIDI_F32 },
    { "torch.HalfStorage", "torch.float16", HIDI_F16 },
    { "torch.BFloat16Storage", "torch.bfloat16", HIDI_BF16 },
    { "torch.LongStorage", "torch.int64", HIDI_I64 },
    { "torch.IntStorage", "torch.int32", HIDI_I32 },
    { "torch.ShortStorage", "torch.int16", HIDI_I16 },
    { "torch.CharStorage", "torch.int8", HIDI_I8 },
    { "torch.ByteStorage", "torch.uint8", HIDI_U8 },
    { "torch.BoolStorage", "torch.bool", HIDI_BOOL },
};

enum { N_TYPES = sizeof types / sizeof types[0] };

static void find_type(hidi_stored *storage)
{
    storage->untyped = strcmp(storage->type, "torch.storage.UntypedStorage") == 0 ||
                       strcmp(storage->type, "torch.UntypedStorage") == 0;
    storage->known = storage->untyped;
    storage->dtype = HIDI_U8;
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcmp(storage->type, types[i].name) == 0) {
            storage->known = true;
            storage->dtype = types[i].dtype;
        }
}

/* ('storage', torch.FloatStorage, key, device, elements[, view of another storage]) */
static hidi_status make_storage(hidi_machine *m, const hidi_value *id, hidi_value **result)
{
    const char *const what = "the persistent id of a storage";
    hidi_status status = HIDI_OK;

    if (id->n < 5 || id->n > 6 || id->item[1]->kind != HIDI_VALUE_GLOBAL ||
        id->item[2]->kind != HIDI_VALUE_TEXT || id->item[4]->kind != HIDI_VALUE_INT ||
        id->item[4]->integer < 0)
        return bad(m, what, "not a type, a name, a place and a number of elements");
    if (id->n == 6 && id->item[5]->kind != HIDI_VALUE_NONE)
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: views of storages, as PyTorch before 0.4 wrote them, are not read",
                          m->what);
    hidi_stored *storage = hidi_machine_take(m, sizeof *storage, &status);
    if (storage == NULL)
        return status;
    storage->key = id->item[2]->text;
    storage->type = id->item[1]->text;
    find_type(storage);
    if ((uint64_t)id->item[4]->integer > SIZE_MAX / hidi_dtype_bytes(storage->dtype))
        return bad(m, what, "its bytes are more than memory can hold");
    storage->count = (size_t)id->item[4]->integer;
    if (!hidi_array_room(&m->storages, m->n_storages, NULL, sizeof *m->storages))
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", m->what);
    m->storages[m->n_storages++] = storage;
    HIDI_TRY(hidi_machine_value(m, HIDI_VALUE_STORAGE, result));
    (*result)->storage = storage;
    return HIDI_OK;
}

hidi_status hidi_machine_persistent(hidi_machine *m, const hidi_value *id, hidi_value **result)
{
    const hidi_value *kind = id->kind == HIDI_VALUE_TUPLE && id->n > 1 ? id->item[0] : NULL;

    if (kind == NULL || kind->kind != HIDI_VALUE_TEXT)
        return bad(m, "a persistent id", "not a tuple that begins with text");
    if (strcmp(kind->text, "storage") == 0)
        return make_storage(m, id, result);
    if (strcmp(kind->text, "module") == 0) { /* a class, with its source: legacy files */
        *result = id->item[1];
        return HIDI_OK;
    }
    return bad(m, "a persistent id", "neither a storage nor a module");
}

/* --- tensors ---------------------------------------------------------------------------------- */

static bool take_sizes(const hidi_value *list, int rank, size_t *out)
{
    if ((list->kind != HIDI_VALUE_TUPLE && list->kind != HIDI_VALUE_LIST) ||
        list->n != (size_t)rank)
        return false;
    for (int i = 0; i < rank; i++) {
        const hidi_value *value = list->item[i];

        if (value->kind != HIDI_VALUE_INT || value->integer < 0 ||
            (uint64_t)value->integer > SIZE_MAX)
            return false;
        out[i] = (size_t)value->integer;
    }
    return true;
}

/* offset + sum (dim - 1) stride, the last element, is one of the storage's `limit`. */
static bool within(const hidi_stored_view *view, size_t limit)
{
    size_t last = view->offset;

    if (view->count == 0)
        return true;
    if (last >= limit)
        return false;
    for (int i = 0; i < view->rank; i++) {
        const size_t steps = view->dim[i] - 1;

        if (steps > 0 && view->stride[i] > (limit - 1 - last) / steps)
            return false;
        last += steps * view->stride[i];
    }
    return true;
}

/* The dtype of a tensor that names it itself: torch.float32. */
static bool find_dtype(const hidi_value *type, hidi_dtype *dtype)
{
    for (size_t i = 0; type->kind == HIDI_VALUE_GLOBAL && i < N_TYPES; i++)
        if (strcmp(type->text, types[i].type) == 0) {
            *dtype = types[i].dtype;
            return true;
        }
    return false;
}

/* {'neg': True} or {'conj': True}: views whose numbers PyTorch changes when it looks at them. */
static bool is_lazy(const hidi_value *metadata)
{
    for (size_t i = 1; metadata->kind == HIDI_VALUE_DICT && i < metadata->n; i += 2)
        if (metadata->item[i]->kind == HIDI_VALUE_BOOL && metadata->item[i]->integer)
            return true;
    return false;
}

static hidi_status opaque_tensor(hidi_machine *m, const char *what, const char *type,
                                 hidi_value **result)
{
    char text[600];

    snprintf(text, sizeof text, "%s %s", what, type);
    return hidi_machine_opaque(m, text, result);
}

/* _rebuild_tensor(storage, offset, size, stride), _rebuild_tensor_v2(... requires_grad, hooks[,
 * metadata]) and _rebuild_tensor_v3(... requires_grad, hooks, dtype[, metadata]). */
static hidi_status make_tensor(hidi_machine *m, const char *function, const hidi_value *arguments,
                               hidi_value **result)
{
    hidi_value *const *a = arguments->item;
    const bool has_dtype = strcmp(function, "torch._utils._rebuild_tensor_v3") == 0;
    const size_t metadata = has_dtype ? 7 : 6;
    hidi_status status = HIDI_OK;

    if (arguments->n < (has_dtype ? 7 : 4) || a[0]->kind != HIDI_VALUE_STORAGE)
        return bad(m, function, "its arguments are not a storage, an offset, a shape and strides");
    const hidi_stored *storage = a[0]->storage;
    if (!storage->known)
        return opaque_tensor(m, "a tensor of a", storage->type, result);
    if (arguments->n > metadata && is_lazy(a[metadata]))
        return hidi_machine_opaque(m, "a tensor to be negated or conjugated (save it after "
                                      "resolve_neg() or resolve_conj())", result);
    if (a[2]->n > HIDI_FILE_MAX_RANK)
        return hidi_machine_opaque(m, "a tensor of too high a rank", result);
    hidi_stored_view *view = hidi_machine_take(m, sizeof *view, &status);
    if (view == NULL)
        return status;
    view->storage = storage;
    view->dtype = storage->dtype;
    if (has_dtype && !find_dtype(a[6], &view->dtype))
        return opaque_tensor(m, "a tensor of type",
                             a[6]->kind == HIDI_VALUE_GLOBAL ? a[6]->text : "unknown", result);
    if (!storage->untyped && view->dtype != storage->dtype)
        return bad(m, function, "its type is not that of its storage");
    view->rank = (int)a[2]->n;
    if (a[1]->kind != HIDI_VALUE_INT || a[1]->integer < 0 ||
        (uint64_t)a[1]->integer > SIZE_MAX || !take_sizes(a[2], view->rank, view->dim) ||
        !take_sizes(a[3], view->rank, view->stride))
        return bad(m, function, "its arguments are not a storage, an offset, a shape and strides");
    view->offset = (size_t)a[1]->integer;
    status = hidi_count_elements(function, view->dtype, view->rank, view->dim, &view->count);
    if (status != HIDI_OK)
        return bad(m, function, "its shape overflows memory");
    if (!within(view, storage->count * hidi_dtype_bytes(storage->dtype) /
                          hidi_dtype_bytes(view->dtype)))
        return bad(m, function, "a tensor that goes beyond its storage");
    HIDI_TRY(hidi_machine_value(m, HIDI_VALUE_TENSOR, result));
    (*result)->tensor = view;
    return HIDI_OK;
}

/* --- calls ------------------------------------------------------------------------------------ */

static hidi_value *first_of(const hidi_value *arguments)
{
    return arguments->n > 0 ? arguments->item[0] : NULL;
}

/* OrderedDict() or OrderedDict([[key, value], ...]) */
static hidi_status make_dict(hidi_machine *m, const hidi_value *arguments, hidi_value **result)
{
    const hidi_value *pairs = first_of(arguments);

    HIDI_TRY(hidi_machine_value(m, HIDI_VALUE_DICT, result));
    for (size_t i = 0; pairs != NULL && i < pairs->n; i++) {
        if ((pairs->kind != HIDI_VALUE_LIST && pairs->kind != HIDI_VALUE_TUPLE) ||
            (pairs->item[i]->kind != HIDI_VALUE_LIST && pairs->item[i]->kind != HIDI_VALUE_TUPLE) ||
            pairs->item[i]->n != 2)
            return bad(m, "collections.OrderedDict", "its argument is not a list of pairs");
        HIDI_TRY(hidi_machine_append(m, *result, pairs->item[i]->item[0]));
        HIDI_TRY(hidi_machine_append(m, *result, pairs->item[i]->item[1]));
    }
    return HIDI_OK;
}

/* A parameter is its tensor: (data, requires_grad, hooks[, state]). */
static hidi_status make_parameter(hidi_machine *m, const char *function,
                                  const hidi_value *arguments, hidi_value **result)
{
    hidi_value *data = first_of(arguments);

    if (data == NULL || (data->kind != HIDI_VALUE_TENSOR && data->kind != HIDI_VALUE_OPAQUE))
        return bad(m, function, "its argument is not a tensor");
    *result = data;
    return HIDI_OK;
}

/* _rebuild_from_type_v2(function, class, arguments, state): a tensor with attributes, or one of a
 * subclass, which is something else. */
static hidi_status make_subclass(hidi_machine *m, const char *function, const hidi_value *arguments,
                                 hidi_value **result)
{
    hidi_value *const *a = arguments->item;

    if (arguments->n != 4 || a[0]->kind != HIDI_VALUE_GLOBAL || a[1]->kind != HIDI_VALUE_GLOBAL ||
        a[2]->kind != HIDI_VALUE_TUPLE ||
        strcmp(a[0]->text, "torch._tensor._rebuild_from_type_v2") == 0)
        return bad(m, function, "its arguments are not a function, a class, a tuple and a state");
    if (strcmp(a[1]->text, "torch.Tensor") == 0 ||
        strcmp(a[1]->text, "torch.nn.parameter.Parameter") == 0 ||
        strcmp(a[1]->text, "torch.nn.parameter.Buffer") == 0)
        return hidi_machine_call(m, a[0], a[2], result);
    return hidi_machine_opaque(m, a[1]->text, result);
}

hidi_status hidi_machine_call(hidi_machine *m, const hidi_value *function, hidi_value *arguments,
                              hidi_value **result)
{
    const char *name = function->kind == HIDI_VALUE_GLOBAL ? function->text : "unknown";

    if (arguments->kind != HIDI_VALUE_TUPLE)
        return arguments->kind == HIDI_VALUE_OPAQUE ? hidi_machine_opaque(m, name, result)
                                                    : bad(m, name, "its arguments are not a tuple");
    if (strcmp(name, "collections.OrderedDict") == 0)
        return make_dict(m, arguments, result);
    if (strcmp(name, "torch._utils._rebuild_tensor") == 0 ||
        strcmp(name, "torch._utils._rebuild_tensor_v2") == 0 ||
        strcmp(name, "torch._utils._rebuild_tensor_v3") == 0)
        return make_tensor(m, name, arguments, result);
    if (strcmp(name, "torch._utils._rebuild_parameter") == 0 ||
        strcmp(name, "torch._utils._rebuild_parameter_with_state") == 0)
        return make_parameter(m, name, arguments, result);
    if (strcmp(name, "torch._tensor._rebuild_from_type_v2") == 0)
        return make_subclass(m, name, arguments, result);
    if (strcmp(name, "torch.Size") == 0 && arguments->n == 1 &&
        (arguments->item[0]->kind == HIDI_VALUE_TUPLE ||
         arguments->item[0]->kind == HIDI_VALUE_LIST)) {
        *result = arguments->item[0];
        return HIDI_OK;
    }
    return hidi_machine_opaque(m, name, result);
}
