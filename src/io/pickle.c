/* pickle.c - the stack machine of pickles; what it calls is in pickle_calls.c. */
#include "io/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/array.h"
#include "io/bytes.h"
#include "io/pickle_machine.h"

/* Names as in pickletools.py. */
enum opcode {
    MARK = '(', STOP = '.', POP = '0', POP_MARK = '1', DUP = '2', BINBYTES = 'B',
    SHORT_BINBYTES = 'C', BINFLOAT = 'G', BININT = 'J', BININT1 = 'K', BININT2 = 'M', NONE = 'N',
    BINPERSID = 'Q', REDUCE = 'R', BINSTRING = 'T', SHORT_BINSTRING = 'U', BINUNICODE = 'X',
    EMPTY_LIST = ']', APPEND = 'a', BUILD = 'b', GLOBAL = 'c', DICT = 'd', APPENDS = 'e',
    BINGET = 'h', LONG_BINGET = 'j', LIST = 'l', OBJ = 'o', BINPUT = 'q', LONG_BINPUT = 'r',
    SETITEM = 's', TUPLE = 't', SETITEMS = 'u', EMPTY_DICT = '}', EMPTY_TUPLE = ')',
    PROTO = 0x80, NEWOBJ = 0x81, TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87, NEWTRUE = 0x88,
    NEWFALSE = 0x89, LONG1 = 0x8a, LONG4 = 0x8b, SHORT_BINUNICODE = 0x8c, BINUNICODE8 = 0x8d,
    BINBYTES8 = 0x8e, EMPTY_SET = 0x8f, ADDITEMS = 0x90, FROZENSET = 0x91, NEWOBJ_EX = 0x92,
    STACK_GLOBAL = 0x93, MEMOIZE = 0x94, FRAME = 0x95, BYTEARRAY8 = 0x96
};

#define MOST_BYTES ((size_t)1 << 30) /* of values */

static hidi_status bad(const hidi_machine *m, const char *problem)
{
    return hidi_error(HIDI_BAD_FORMAT, "%s: byte %zu of the pickle: %s", m->what, m->at, problem);
}

static hidi_status no_memory(const hidi_machine *m)
{
    return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", m->what);
}

/* --- the stack and the memo ------------------------------------------------------------------- */

static hidi_status push(hidi_machine *m, hidi_value *value)
{
    if (!hidi_array_room(&m->stack, m->depth, &m->stack_capacity, sizeof *m->stack))
        return no_memory(m);
    m->stack[m->depth++] = value;
    return HIDI_OK;
}

/* Where the topmost mark is; below it nothing is taken. */
static size_t floor_of(const hidi_machine *m)
{
    return m->n_marks == 0 ? 0 : m->marks[m->n_marks - 1];
}

static hidi_status pop(hidi_machine *m, hidi_value **value)
{
    *value = NULL;
    if (m->depth <= floor_of(m))
        return bad(m, "an instruction finds too few values");
    *value = m->stack[--m->depth];
    return HIDI_OK;
}

static hidi_status top(hidi_machine *m, hidi_value **value)
{
    HIDI_TRY(pop(m, value));
    m->depth++;
    return HIDI_OK;
}

/* Takes the mark away: the values above it are stack[*first] .. stack[depth - 1]. */
static hidi_status pop_mark(hidi_machine *m, size_t *first)
{
    *first = 0;
    if (m->n_marks == 0)
        return bad(m, "an instruction finds no mark");
    *first = m->marks[--m->n_marks];
    return HIDI_OK;
}

static hidi_status put(hidi_machine *m, size_t index)
{
    hidi_value *value;

    HIDI_TRY(top(m, &value));
    if (index > m->at) /* every one takes an instruction, and they are numbered in turn */
        return bad(m, "a memo number that is too large");
    if (index >= m->memo_size) {
        const size_t size = 2 * index + 64;
        hidi_value **larger = realloc(m->memo, size * sizeof *larger);

        if (larger == NULL)
            return no_memory(m);
        for (size_t i = m->memo_size; i < size; i++)
            larger[i] = NULL;
        m->memo = larger;
        m->memo_size = size;
    }
    m->memo[index] = value;
    return HIDI_OK;
}

static hidi_status get(hidi_machine *m, size_t index)
{
    if (index >= m->memo_size || m->memo[index] == NULL)
        return bad(m, "a memo number that was not given");
    return push(m, m->memo[index]);
}

/* --- arguments of instructions ---------------------------------------------------------------- */

/* The next n bytes. */
static hidi_status next_bytes(hidi_machine *m, size_t n, const unsigned char **bytes)
{
    *bytes = m->bytes + m->at;
    if (n > m->n - m->at)
        return hidi_error(HIDI_BAD_FORMAT, "%s: truncated: the pickle has no end", m->what);
    m->at += n;
    return HIDI_OK;
}

/* A little-endian number of 1, 2, 4 or 8 bytes; too large for a size_t: SIZE_MAX. */
static hidi_status next_size(hidi_machine *m, size_t width, size_t *value)
{
    const unsigned char *b;
    uint64_t number = 0;

    *value = 0;
    HIDI_TRY(next_bytes(m, width, &b));
    for (size_t i = width; i-- > 0;)
        number = number << 8 | b[i];
    *value = number > SIZE_MAX ? SIZE_MAX : (size_t)number;
    return HIDI_OK;
}

/* Bytes that follow their count, which has `width` bytes. */
static hidi_status next_counted(hidi_machine *m, size_t width, const unsigned char **bytes,
                                size_t *n)
{
    HIDI_TRY(next_size(m, width, n));
    return next_bytes(m, *n, bytes);
}

static hidi_status push_integer(hidi_machine *m, hidi_value_kind kind, int64_t integer)
{
    hidi_value *value;

    HIDI_TRY(hidi_machine_value(m, kind, &value));
    value->integer = integer;
    return push(m, value);
}

static hidi_status push_text(hidi_machine *m, size_t width)
{
    const unsigned char *bytes;
    hidi_value *value;
    size_t n;

    HIDI_TRY(next_counted(m, width, &bytes, &n));
    HIDI_TRY(hidi_machine_text(m, HIDI_VALUE_TEXT, bytes, n, &value));
    return push(m, value);
}

/* Bytes are not looked into. */
static hidi_status push_bytes(hidi_machine *m, size_t width)
{
    const unsigned char *bytes;
    hidi_value *value;
    size_t n;

    HIDI_TRY(next_counted(m, width, &bytes, &n));
    HIDI_TRY(hidi_machine_opaque(m, "bytes", &value));
    return push(m, value);
}

/* Two's complement, little-endian, any length. */
static hidi_status push_long(hidi_machine *m, size_t width)
{
    const unsigned char *bytes;
    hidi_value *value;
    uint64_t bits = 0;
    size_t n;

    HIDI_TRY(next_counted(m, width, &bytes, &n));
    if (n > 8) {
        HIDI_TRY(hidi_machine_text(m, HIDI_VALUE_LONG, bytes, n, &value));
        return push(m, value);
    }
    for (size_t i = n; i-- > 0;)
        bits = bits << 8 | bytes[i];
    return push_integer(m, HIDI_VALUE_INT,
                        n == 0 ? 0 : hidi_signed_of_bits(bits, 8 * (int)n));
}

static hidi_status push_float(hidi_machine *m)
{
    const unsigned char *b;
    hidi_value *value;
    uint64_t bits = 0;

    HIDI_TRY(next_bytes(m, 8, &b));
    for (int i = 0; i < 8; i++) /* big-endian, the only such thing in a pickle */
        bits = bits << 8 | b[i];
    HIDI_TRY(hidi_machine_value(m, HIDI_VALUE_FLOAT, &value));
    value->real = hidi_double_of_bits(bits);
    return push(m, value);
}

/* "module.name" */
static hidi_status push_global(hidi_machine *m, const void *module, size_t module_length,
                               const void *name, size_t name_length)
{
    char text[512];
    hidi_value *value;

    if (module_length + name_length + 2 > sizeof text)
        return bad(m, "the name of a function is too long");
    memcpy(text, module, module_length);
    text[module_length] = '.';
    memcpy(text + module_length + 1, name, name_length);
    HIDI_TRY(hidi_machine_text(m, HIDI_VALUE_GLOBAL, text, module_length + 1 + name_length,
                               &value));
    return push(m, value);
}

/* Up to the end of the line, which is passed. */
static hidi_status next_line(hidi_machine *m, const unsigned char **line, size_t *length)
{
    const unsigned char *end = memchr(m->bytes + m->at, '\n', m->n - m->at);
    const unsigned char *newline;

    *length = end == NULL ? m->n - m->at : (size_t)(end - (m->bytes + m->at));
    HIDI_TRY(next_bytes(m, *length, line));
    return next_bytes(m, 1, &newline);
}

static hidi_status global(hidi_machine *m)
{
    const unsigned char *module, *name;
    size_t module_length, name_length;

    HIDI_TRY(next_line(m, &module, &module_length));
    HIDI_TRY(next_line(m, &name, &name_length));
    return push_global(m, module, module_length, name, name_length);
}

static hidi_status stack_global(hidi_machine *m)
{
    hidi_value *module, *name;

    HIDI_TRY(pop(m, &name));
    HIDI_TRY(pop(m, &module));
    if (module->kind != HIDI_VALUE_TEXT || name->kind != HIDI_VALUE_TEXT)
        return bad(m, "the name of a function is not text");
    return push_global(m, module->text, module->n, name->text, name->n);
}

/* --- collections ------------------------------------------------------------------------------ */

static hidi_status push_empty(hidi_machine *m, hidi_value_kind kind)
{
    hidi_value *value;

    HIDI_TRY(hidi_machine_value(m, kind, &value));
    return push(m, value);
}

/* The values from stack[first] on become the items of a new one. */
static hidi_status collect(hidi_machine *m, hidi_value_kind kind, size_t first)
{
    hidi_value *value;

    if (kind == HIDI_VALUE_DICT && (m->depth - first) % 2 != 0)
        return bad(m, "a dict with a key that has no value");
    HIDI_TRY(hidi_machine_value(m, kind, &value));
    for (size_t i = first; i < m->depth; i++)
        HIDI_TRY(hidi_machine_append(m, value, m->stack[i]));
    m->depth = first;
    return push(m, value);
}

static hidi_status collect_marked(hidi_machine *m, hidi_value_kind kind)
{
    size_t first;

    HIDI_TRY(pop_mark(m, &first));
    return collect(m, kind, first);
}

static hidi_status collect_tuple(hidi_machine *m, size_t n)
{
    if (m->depth - floor_of(m) < n)
        return bad(m, "an instruction finds too few values");
    return collect(m, HIDI_VALUE_TUPLE, m->depth - n);
}

/* The values from stack[first] on go into the list or dict below; an opaque one takes anything. */
static hidi_status extend(hidi_machine *m, hidi_value_kind kind, size_t first)
{
    hidi_value *target;
    const size_t last = m->depth;

    m->depth = first;
    HIDI_TRY(top(m, &target));
    if (target->kind == HIDI_VALUE_OPAQUE)
        return HIDI_OK;
    if (target->kind != kind || (kind == HIDI_VALUE_DICT && (last - first) % 2 != 0))
        return bad(m, "items for something that does not hold them");
    for (size_t i = first; i < last; i++)
        HIDI_TRY(hidi_machine_append(m, target, m->stack[i]));
    return HIDI_OK;
}

static hidi_status extend_marked(hidi_machine *m, hidi_value_kind kind)
{
    size_t first;

    HIDI_TRY(pop_mark(m, &first));
    return extend(m, kind, first);
}

static hidi_status extend_by(hidi_machine *m, hidi_value_kind kind, size_t n)
{
    if (m->depth - floor_of(m) < n)
        return bad(m, "an instruction finds too few values");
    return extend(m, kind, m->depth - n);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* REDUCE, NEWOBJ and NEWOBJ_EX, whose keywords make the result something unknown. */
static hidi_status call(hidi_machine *m, bool keywords)
{
    hidi_value *function, *arguments, *words, *result;

    if (keywords)
        HIDI_TRY(pop(m, &words));
    HIDI_TRY(pop(m, &arguments));
    HIDI_TRY(pop(m, &function));
    if (keywords)
        HIDI_TRY(hidi_machine_opaque(m, function->kind == HIDI_VALUE_GLOBAL ? function->text
                                                                          : "unknown", &result));
    else
        HIDI_TRY(hidi_machine_call(m, function, arguments, &result));
    return push(m, result);
}

/* An object of an old class of Python 2: the class and its arguments are above the mark. */
static hidi_status object(hidi_machine *m)
{
    hidi_value *result;
    size_t first;

    HIDI_TRY(pop_mark(m, &first));
    if (first == m->depth)
        return bad(m, "an instruction finds too few values");
    const hidi_value *class = m->stack[first];
    m->depth = first;
    HIDI_TRY(hidi_machine_opaque(m, class->kind == HIDI_VALUE_GLOBAL ? class->text : "unknown",
                                 &result));
    return push(m, result);
}

static hidi_status persistent(hidi_machine *m)
{
    hidi_value *id, *result;

    HIDI_TRY(pop(m, &id));
    HIDI_TRY(hidi_machine_persistent(m, id, &result));
    return push(m, result);
}

/* --- instructions ----------------------------------------------------------------------------- */

static hidi_status opaque_set(hidi_machine *m)
{
    hidi_value *value;

    HIDI_TRY(hidi_machine_opaque(m, "set", &value));
    return push(m, value);
}

static hidi_status number(hidi_machine *m, int op)
{
    size_t value;

    switch (op) {
    case NONE:
        return push_empty(m, HIDI_VALUE_NONE);
    case NEWTRUE:
    case NEWFALSE:
        return push_integer(m, HIDI_VALUE_BOOL, op == NEWTRUE);
    case BININT:
        HIDI_TRY(next_size(m, 4, &value));
        return push_integer(m, HIDI_VALUE_INT, hidi_signed_of_bits(value, 32));
    case BININT1:
    case BININT2:
        HIDI_TRY(next_size(m, op == BININT1 ? 1 : 2, &value));
        return push_integer(m, HIDI_VALUE_INT, (int64_t)value);
    case LONG1:
    case LONG4:
        return push_long(m, op == LONG1 ? 1 : 4);
    default:
        return push_float(m);
    }
}

static hidi_status text(hidi_machine *m, int op)
{
    switch (op) {
    case SHORT_BINUNICODE:
    case SHORT_BINSTRING:
        return push_text(m, 1);
    case BINUNICODE:
    case BINSTRING:
        return push_text(m, 4);
    case BINUNICODE8:
        return push_text(m, 8);
    case SHORT_BINBYTES:
        return push_bytes(m, 1);
    case BINBYTES:
        return push_bytes(m, 4);
    default:
        return push_bytes(m, 8);
    }
}

static hidi_status stack_work(hidi_machine *m, int op)
{
    hidi_value *value;
    size_t index;

    switch (op) {
    case MARK:
        if (!hidi_array_room(&m->marks, m->n_marks, &m->marks_capacity, sizeof *m->marks))
            return no_memory(m);
        m->marks[m->n_marks++] = m->depth;
        return HIDI_OK;
    case POP_MARK:
        HIDI_TRY(pop_mark(m, &index));
        m->depth = index;
        return HIDI_OK;
    case POP:
        return m->n_marks > 0 && m->depth == floor_of(m) ? pop_mark(m, &index) : pop(m, &value);
    case DUP:
        HIDI_TRY(top(m, &value));
        return push(m, value);
    case MEMOIZE:
        return put(m, m->memoized++);
    case BINPUT:
    case LONG_BINPUT:
        HIDI_TRY(next_size(m, op == BINPUT ? 1 : 4, &index));
        return put(m, index);
    default: /* BINGET, LONG_BINGET */
        HIDI_TRY(next_size(m, op == BINGET ? 1 : 4, &index));
        return get(m, index);
    }
}

static hidi_status collection(hidi_machine *m, int op)
{
    hidi_value *value;
    size_t first;

    switch (op) {
    case EMPTY_LIST:
        return push_empty(m, HIDI_VALUE_LIST);
    case EMPTY_DICT:
        return push_empty(m, HIDI_VALUE_DICT);
    case EMPTY_TUPLE:
        return push_empty(m, HIDI_VALUE_TUPLE);
    case EMPTY_SET:
        return opaque_set(m);
    case LIST:
        return collect_marked(m, HIDI_VALUE_LIST);
    case DICT:
        return collect_marked(m, HIDI_VALUE_DICT);
    case TUPLE:
        return collect_marked(m, HIDI_VALUE_TUPLE);
    case TUPLE1:
    case TUPLE2:
    case TUPLE3:
        return collect_tuple(m, (size_t)(op - TUPLE1) + 1);
    case APPEND:
        return extend_by(m, HIDI_VALUE_LIST, 1);
    case APPENDS:
    case ADDITEMS: /* of a set, which is opaque */
        return extend_marked(m, HIDI_VALUE_LIST);
    case SETITEM:
        return extend_by(m, HIDI_VALUE_DICT, 2);
    case SETITEMS:
        return extend_marked(m, HIDI_VALUE_DICT);
    case FROZENSET:
        HIDI_TRY(pop_mark(m, &first));
        m->depth = first;
        return opaque_set(m);
    default: /* BUILD: attributes, which do not matter (an OrderedDict's _metadata) */
        HIDI_TRY(pop(m, &value));
        return top(m, &value);
    }
}

/* PROTO and FRAME, and what is left. */
static hidi_status other(hidi_machine *m, int op)
{
    const unsigned char *frame;
    size_t protocol;

    switch (op) {
    case PROTO:
        HIDI_TRY(next_size(m, 1, &protocol));
        if (protocol <= 5)
            return HIDI_OK;
        return hidi_error(HIDI_UNSUPPORTED, "%s: pickle protocol %zu; 2 to 5 are read", m->what,
                          protocol);
    case FRAME:
        return next_bytes(m, 8, &frame);
    case GLOBAL:
        return global(m);
    case STACK_GLOBAL:
        return stack_global(m);
    case REDUCE:
    case NEWOBJ:
    case NEWOBJ_EX:
        return call(m, op == NEWOBJ_EX);
    case OBJ:
        return object(m);
    case BINPERSID:
        return persistent(m);
    default:
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: byte %zu of the pickle: instruction 0x%02x is not one of protocols "
                          "2 to 5 that hidi follows",
                          m->what, m->at - 1, (unsigned)op);
    }
}

static hidi_status step(hidi_machine *m, int op)
{
    switch (op) {
    case NONE: case NEWTRUE: case NEWFALSE: case BININT: case BININT1: case BININT2: case LONG1:
    case LONG4: case BINFLOAT:
        return number(m, op);
    case SHORT_BINUNICODE: case BINUNICODE: case BINUNICODE8: case SHORT_BINSTRING:
    case BINSTRING: case SHORT_BINBYTES: case BINBYTES: case BINBYTES8: case BYTEARRAY8:
        return text(m, op);
    case MARK: case POP: case POP_MARK: case DUP: case MEMOIZE: case BINPUT: case LONG_BINPUT:
    case BINGET: case LONG_BINGET:
        return stack_work(m, op);
    case EMPTY_LIST: case EMPTY_DICT: case EMPTY_TUPLE: case EMPTY_SET: case LIST: case DICT:
    case TUPLE: case TUPLE1: case TUPLE2: case TUPLE3: case APPEND: case APPENDS: case ADDITEMS:
    case SETITEM: case SETITEMS: case FROZENSET: case BUILD:
        return collection(m, op);
    default:
        return other(m, op);
    }
}

static hidi_status run(hidi_machine *m, const hidi_value **result)
{
    const unsigned char *op;
    hidi_value *value;

    if (m->n < 2 || m->bytes[0] != PROTO || m->bytes[1] < 2)
        return hidi_error(HIDI_BAD_FORMAT, "%s: not a pickle of protocol 2 or newer", m->what);
    for (;;) {
        HIDI_TRY(next_bytes(m, 1, &op));
        if (*op == STOP)
            break;
        HIDI_TRY(step(m, *op));
    }
    if (m->n_marks > 0 || m->depth != 1)
        return bad(m, "it ends with other than one value");
    HIDI_TRY(pop(m, &value));
    *result = value;
    return HIDI_OK;
}

hidi_status hidi_unpickle(hidi_pickle *pickle, const unsigned char *bytes, size_t n,
                          const char *what)
{
    hidi_machine m = { .what = what, .bytes = bytes, .n = n };

    memset(pickle, 0, sizeof *pickle);
    m.most = n < (MOST_BYTES >> 8) ? (n << 8) + 4096 : MOST_BYTES;
    m.arena = hidi_arena_create(malloc, free, n < 4096 ? 8192 : 1 << 18);
    if (m.arena == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", what);
    hidi_status status = run(&m, &pickle->value);
    free(m.stack);
    free(m.marks);
    free(m.memo);
    pickle->arena = m.arena;
    pickle->storages = m.storages;
    pickle->n_storages = m.n_storages;
    pickle->used = m.at;
    return status;
}

void hidi_pickle_free(hidi_pickle *pickle)
{
    hidi_arena_destroy(pickle->arena);
    free(pickle->storages);
    memset(pickle, 0, sizeof *pickle);
}
