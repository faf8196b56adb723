/* rig_fast: the wrappers that every task passes (hot_hooks.py) in C, because the same in Python touches several times
 * as much code and data, and between two tasks Celery has thrown all of it out of the processor's nearest caches.
 *
 *     Received(strategy, firsts, writer, running, odd)
 *     Traced(trace, running, current, claim, outcome_of, Reject)
 *     Body(run, running)
 *     Acked(ack)
 *
 * hot_hooks.py says what they do and stays the definition: what is not the common case goes to the Python functions that
 * it hands in (`odd`, `claim`, `outcome_of`). CONTRACT is what this file takes for granted about the ledger's format and
 * about its callers; native.py compares it with rig.ledger.layout and leaves the module alone when they differ.
 *
 * Nothing of ours raises into a task. What a function that was handed in raises is passed on, as in Python: it may be
 * the exception of a signal handler, such as a soft time limit. Needs the GIL.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>
#include <time.h>

#define VERSION 1 /* of the four signatures above */
#define CLAIM_FIRST "<36sIq" /* the members of Claim, as the struct module writes them */

enum { ID_BYTES = 36, SLOT_WORDS = 16 };
enum { STARTED = 6, BODY_DONE = 7, FINISHED = 9, ACKED = 10, OUTCOME = 12 }; /* words of a slot */
enum { SUCCEEDED = 1, REJECTED = 4 };                                        /* outcomes */

typedef struct {
    char id[ID_BYTES];
    uint32_t first; /* kind, retries and record type: record.about() */
    int64_t received;
} Claim;

_Static_assert(sizeof(Claim) == 48 && offsetof(Claim, received) == 40, "Claim is not packed as CLAIM_FIRST says");
_Static_assert(PY_LITTLE_ENDIAN, "the ledger is little-endian");

/* ---- Attributes: where one lies in an object is remembered for the class last met, as the interpreter does it. ---- */

typedef struct {
    PyTypeObject *type; /* the class last met, kept alive so that no other gets its address */
    Py_ssize_t offset;  /* of the attribute in its objects; 0: it is none of the class's __slots__, look it up */
    PyObject *name;
} Site;

/* In the order in which a task comes to them. */
enum { HEADERS, INFO, SEGMENT, SLOTS, RIG_SLOT, ONE_BY_ONE, NEXT_ID, NEXT_SLOT, WAITING, SLOT, CURRENT, SITES };
static const char *const attributes[SITES] = {
    "headers", "delivery_info", "segment", "slots", "rig_slot", "one_by_one", "next_id", "next_slot", "waiting", "slot",
    "current",
};
static Site sites[SITES];
static PyObject *key_id, *key_retries, *key_routing_key, *name_take, *name_request;

/* Remember `type`, and where its objects have the attribute if that is a plain entry of __slots__. */
static void learn(Site *site, PyTypeObject *type)
{
    site->offset = 0; /* first: letting the old class go may run code that comes here */
    Py_XSETREF(site->type, (PyTypeObject *)Py_NewRef((PyObject *)type));
    if (type->tp_getattro != PyObject_GenericGetAttr || type->tp_setattro != PyObject_GenericSetAttr)
        return; /* a class with ideas of its own about attributes, such as threading.local */
    PyObject *found = PyObject_GetAttr((PyObject *)type, site->name);
    if (found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
        if (member->type == T_OBJECT_EX && member->flags == 0 && PyType_IsSubtype(type, PyDescr_TYPE(found)))
            site->offset = member->offset;
    }
    Py_XDECREF(found);
    PyErr_Clear();
}

/* Where the object keeps the attribute; NULL if that has to be looked up. */
static inline PyObject **place(Site *site, PyObject *object)
{
    if (Py_TYPE(object) != site->type)
        learn(site, Py_TYPE(object));
    return site->offset ? (PyObject **)((char *)object + site->offset) : NULL;
}

/* A new reference to the attribute's value; NULL, and no exception, where there is none. */
static PyObject *get(int which, PyObject *object)
{
    PyObject **at = place(&sites[which], object);
    if (at != NULL)
        return Py_XNewRef(*at);
    PyObject *value = PyObject_GetAttr(object, sites[which].name);
    if (value == NULL)
        PyErr_Clear();
    return value;
}

/* Set the attribute; an object that does not take it stays as it is. */
static void put(int which, PyObject *object, PyObject *value)
{
    PyObject **at = place(&sites[which], object);
    if (at != NULL) {
        PyObject *old = *at;
        *at = Py_NewRef(value);
        Py_XDECREF(old); /* last: it may run code that looks here */
    } else if (PyObject_SetAttr(object, sites[which].name, value) < 0) {
        PyErr_Clear();
    }
}

/* ---- Slots ---- */

/* CLOCK_MONOTONIC in nanoseconds: time.monotonic_ns(). */
static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The words of a slot, (memoryview of 64-bit words, index of the first), which must stay referenced while they are
 * used; NULL for anything else, for None and for NULL. No exception may be set. */
static int64_t *words_of(PyObject *slot)
{
    if (slot == NULL || !PyTuple_CheckExact(slot) || PyTuple_GET_SIZE(slot) != 2)
        return NULL;
    PyObject *view = PyTuple_GET_ITEM(slot, 0), *index = PyTuple_GET_ITEM(slot, 1);
    if (!PyMemoryView_Check(view) || !PyLong_CheckExact(index))
        return NULL;
    const Py_buffer *segment = PyMemoryView_GET_BUFFER(view);
    Py_ssize_t base = PyLong_AsSsize_t(index);
    if (base < 0 || base > segment->len / 8 - SLOT_WORDS || segment->itemsize != 8 || segment->readonly) {
        PyErr_Clear();
        return NULL;
    }
    return (int64_t *)segment->buf + base;
}

/* ---- The four types are one struct with different functions. ---- */

enum { MOST_HELD = 6 };

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *held[MOST_HELD]; /* the constructor's arguments, by the enum beside each function; the rest is NULL */
    PyObject *dict;            /* what functools.update_wrapper says of the wrapped function */
} Wrapper;

static inline PyObject *held(PyObject *self, int which)
{
    return ((Wrapper *)self)->held[which];
}

/* ---- Received ---- */

enum { STRATEGY, FIRSTS, WRITER, RECEIVED_RUNNING, ODD };

/* Whether the text is an id that a slot can hold as it is: pack_id(). */
static inline int fits(PyObject *id)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(id);
    return PyUnicode_IS_ASCII(id) && length > 0 && length <= ID_BYTES && PyUnicode_1BYTE_DATA(id)[length - 1] != 0;
}

/* What a slot says of a first delivery by this routing key; 0, which no slot says, if this message is not of that sort. */
static uint32_t first_of(PyObject *firsts, PyObject *headers, PyObject *info)
{
    PyObject *retries = PyDict_GetItemWithError(headers, key_retries);
    if (retries == NULL || !PyLong_CheckExact(retries) || PyObject_IsTrue(retries))
        return 0;
    PyObject *key = PyDict_GetItemWithError(info, key_routing_key);
    if (key == NULL || !PyUnicode_CheckExact(key))
        return 0;
    PyObject *first = PyDict_GetItemWithError(firsts, key);
    return first != NULL ? (uint32_t)PyLong_AsUnsignedLongMask(first) : 0;
}

/* A new reference to the slot of this message, with id, kind and time of receipt; NULL if it is for Python to claim.
 * An exception may be set with NULL. */
static PyObject *claim_slot(PyObject *self, PyObject *id, uint32_t first, int64_t now)
{
    PyObject *segment = get(SEGMENT, held(self, WRITER)), *slots = segment != NULL ? get(SLOTS, segment) : NULL;
    PyObject *slot = slots != NULL && PyIter_Check(slots) ? PyIter_Next(slots) : NULL; /* NULL: the segment is full */
    Claim *claim = (Claim *)words_of(slot);
    if (claim != NULL) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(id);
        memcpy(claim->id, PyUnicode_1BYTE_DATA(id), length);
        memset(claim->id + length, 0, ID_BYTES - length);
        claim->first = first;
        claim->received = now;
    } else {
        Py_CLEAR(slot);
    }
    Py_XDECREF(slots);
    Py_XDECREF(segment);
    return slot;
}

/* Put the slot where the message's ack and this process's tracer look for it. */
static void leave(PyObject *running, PyObject *message, PyObject *id, PyObject *slot)
{
    put(RIG_SLOT, message, slot);
    PyObject *one_by_one = get(ONE_BY_ONE, running), *waiting = NULL;
    if (one_by_one == Py_True) {
        put(NEXT_ID, running, id);
        put(NEXT_SLOT, running, slot);
    } else if ((waiting = get(WAITING, running)) != NULL && PyDict_Check(waiting)) {
        if (PyDict_SetItem(waiting, id, slot) < 0)
            PyErr_Clear();
    }
    Py_XDECREF(waiting);
    Py_XDECREF(one_by_one);
}

/* Claim a slot for the message. 0 if it is for Python to do, with an exception set or not; then nothing has changed. */
static int receive(PyObject *self, PyObject *message)
{
    int64_t now = now_ns();
    PyObject *headers = get(HEADERS, message), *info = get(INFO, message), *id = NULL, *slot = NULL;
    if (headers != NULL && info != NULL && PyDict_CheckExact(headers) && PyDict_CheckExact(info)) {
        id = Py_XNewRef(PyDict_GetItemWithError(headers, key_id));
        if (id != NULL && PyUnicode_CheckExact(id) && fits(id)) {
            uint32_t first = first_of(held(self, FIRSTS), headers, info);
            if (first != 0)
                slot = claim_slot(self, id, first, now);
        }
    }
    if (slot != NULL)
        leave(held(self, RECEIVED_RUNNING), message, id, slot);
    int claimed = slot != NULL;
    Py_XDECREF(slot);
    Py_XDECREF(id);
    Py_XDECREF(info);
    Py_XDECREF(headers);
    return claimed;
}

static PyObject *received(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) == 5 && kwnames == NULL && receive(self, args[0]))
        return PyObject_Vectorcall(held(self, STRATEGY), args, nargsf, NULL);
    PyErr_Clear();
    return PyObject_Vectorcall(held(self, ODD), args, nargsf, kwnames);
}

/* ---- Traced ---- */

enum { TRACE, TRACED_RUNNING, TRACED_CURRENT, CLAIM, OUTCOME_OF, REJECT };

/* A new reference to the slot of the task that is to start; NULL with an exception. */
static PyObject *slot_to_start(PyObject *self, PyObject *uuid, PyObject *request)
{
    PyObject *running = held(self, TRACED_RUNNING), *next_id = get(NEXT_ID, running), *slot;
    int is_next = next_id != NULL ? PyObject_RichCompareBool(uuid, next_id, Py_EQ) : 0; /* identity comes first in it */
    Py_XDECREF(next_id);
    if (is_next < 0)
        return NULL;
    slot = is_next ? get(NEXT_SLOT, running) : PyObject_CallMethodOneArg(running, name_take, uuid);
    if (slot == NULL && PyErr_Occurred())
        return NULL;
    if (slot != NULL && slot != Py_None)
        return slot;
    Py_XDECREF(slot);
    PyObject *both[3] = {NULL, uuid, request};
    return PyObject_Vectorcall(held(self, CLAIM), both + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* The outcome of the tracer's result, (value, info, ...), where no info means success; -1 with an exception. */
static long outcome_of(PyObject *self, PyObject *result)
{
    if (PyTuple_Check(result) && PyTuple_GET_SIZE(result) > 1 && PyTuple_GET_ITEM(result, 1) == Py_None)
        return SUCCEEDED;
    PyObject *outcome = PyObject_CallOneArg(held(self, OUTCOME_OF), result);
    long code = outcome != NULL ? PyLong_AsLong(outcome) : -1;
    Py_XDECREF(outcome);
    return code;
}

/* Call the tracer with the task's slot as the current one. */
static PyObject *trace_in(PyObject *self, PyObject *const *args, PyObject *request, PyObject *slot, int64_t *words)
{
    PyObject *current = held(self, TRACED_CURRENT), *type, *value, *traceback;
    put(SLOT, current, slot);
    PyObject *call[5] = {NULL, args[0], args[1], args[2], request};
    PyObject *result = PyObject_Vectorcall(held(self, TRACE), call + 1, 4 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (result != NULL) {
        put(SLOT, current, Py_None);
        return result;
    }
    PyErr_Fetch(&type, &value, &traceback);
    put(SLOT, current, Py_None);
    if (words != NULL && PyErr_GivenExceptionMatches(type, held(self, REJECT)))
        words[OUTCOME] = REJECTED;
    PyErr_Restore(type, value, traceback);
    return NULL;
}

/* traced(uuid, args, kwargs, request=None): the last also by its name, the way the tracer itself is called. */
static PyObject *traced(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t named = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0, count = PyVectorcall_NARGS(nargsf) + named;
    if (count < 3 || count > 4 || named > 1 ||
        (named == 1 && (count != 4 || PyUnicode_Compare(PyTuple_GET_ITEM(kwnames, 0), name_request) != 0)))
        return PyErr_Format(PyExc_TypeError, "a tracer takes uuid, args, kwargs and request, of which only the last by name");
    PyObject *request = count == 4 ? args[3] : Py_None; /* a named argument comes after the others in the same array */
    PyObject *slot = slot_to_start(self, args[0], request);
    if (slot == NULL)
        return NULL;
    int64_t *words = words_of(slot);
    if (words != NULL)
        words[STARTED] = now_ns();
    PyObject *result = trace_in(self, args, request, slot, words);
    if (result != NULL && words != NULL) {
        long outcome = outcome_of(self, result);
        if (outcome < 0) {
            Py_CLEAR(result);
        } else {
            words[OUTCOME] = outcome;
            words[FINISHED] = now_ns();
        }
    }
    Py_DECREF(slot);
    return result;
}

/* ---- Body ---- */

enum { RUN, BODY_RUNNING };

static PyObject *body(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *type = NULL, *value, *traceback;
    PyObject *result = PyObject_Vectorcall(held(self, RUN), args, nargsf, kwnames);
    if (result == NULL)
        PyErr_Fetch(&type, &value, &traceback);
    PyObject *current = get(CURRENT, held(self, BODY_RUNNING)), *slot = current != NULL ? get(SLOT, current) : NULL;
    int64_t *words = words_of(slot);
    if (words != NULL)
        words[BODY_DONE] = now_ns();
    Py_XDECREF(slot);
    Py_XDECREF(current);
    if (result == NULL)
        PyErr_Restore(type, value, traceback);
    return result;
}

/* ---- Acked ---- */

enum { ACK };

static PyObject *acked(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *result = PyObject_Vectorcall(held(self, ACK), args, nargsf, kwnames);
    if (result == NULL || PyVectorcall_NARGS(nargsf) == 0)
        return result;
    PyObject *slot = get(RIG_SLOT, args[0]);
    int64_t *words = words_of(slot); /* NULL for a message of no task */
    if (words != NULL)
        words[ACKED] = now_ns();
    Py_XDECREF(slot);
    return result;
}

/* It stands in a class, so it becomes a method as functions do. (`message.ack()` calls it without making one.) */
static PyObject *bind(PyObject *self, PyObject *message, PyObject *Py_UNUSED(type))
{
    return message == NULL || message == Py_None ? Py_NewRef(self) : PyMethod_New(self, message);
}

/* ---- Types and module ---- */

static const struct {
    const char *name;
    vectorcallfunc call;
    Py_ssize_t arguments;
} kinds[] = {
    {"rig_fast.Received", received, 5},
    {"rig_fast.Traced", traced, 6},
    {"rig_fast.Body", body, 2},
    {"rig_fast.Acked", acked, 1},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), ACKED_KIND = KINDS - 1 };
static PyTypeObject types[KINDS];

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *named)
{
    int kind = 0;
    while (kind < KINDS && type != &types[kind])
        kind++;
    if (kind == KINDS || PyTuple_GET_SIZE(args) != kinds[kind].arguments || named != NULL)
        return PyErr_Format(PyExc_TypeError, "%s: wrong number of arguments", type->tp_name);
    Wrapper *self = (Wrapper *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = kinds[kind].call;
    for (Py_ssize_t i = 0; i < kinds[kind].arguments; i++)
        self->held[i] = Py_NewRef(PyTuple_GET_ITEM(args, i));
    return (PyObject *)self;
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
    for (int i = 0; i < MOST_HELD; i++)
        Py_VISIT(held(self, i));
    Py_VISIT(((Wrapper *)self)->dict);
    return 0;
}

/* `held` stays, as a tuple's items do: a call must never meet a NULL there, and a cycle that leads through it, being
 * fixed when the object is made, leads through something else that can be cleared. */
static int clear(PyObject *self)
{
    Py_CLEAR(((Wrapper *)self)->dict);
    return 0;
}

static void dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    clear(self);
    for (int i = 0; i < MOST_HELD; i++)
        Py_XDECREF(held(self, i));
    Py_TYPE(self)->tp_free(self);
}

static PyGetSetDef with_dict[] = {
    {.name = "__dict__", .get = PyObject_GenericGetDict, .set = PyObject_GenericSetDict},
    {.name = NULL},
};

static int ready(PyTypeObject *type, const char *name)
{
    *type = (PyTypeObject){
        PyVarObject_HEAD_INIT(NULL, 0).tp_name = name,
        .tp_basicsize = sizeof(Wrapper),
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
        .tp_new = make,
        .tp_call = PyVectorcall_Call,
        .tp_vectorcall_offset = offsetof(Wrapper, vectorcall),
        .tp_dictoffset = offsetof(Wrapper, dict),
        .tp_getset = with_dict,
        .tp_traverse = traverse,
        .tp_clear = clear,
        .tp_dealloc = dealloc,
    };
    if (type == &types[ACKED_KIND]) {
        type->tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
        type->tp_descr_get = bind;
    }
    return PyType_Ready(type);
}

static PyObject *contract(void)
{
    return Py_BuildValue("{s:i,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "VERSION", VERSION, "CLAIM_FIRST", CLAIM_FIRST,
                         "ID_BYTES", ID_BYTES, "SLOT_WORDS", SLOT_WORDS, "STARTED", STARTED, "BODY_DONE", BODY_DONE,
                         "FINISHED", FINISHED, "ACKED", ACKED, "OUTCOME", OUTCOME, "succeeded", SUCCEEDED,
                         "rejected", REJECTED);
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "rig_fast", .m_doc = "The ledger's hooks that every task passes.", .m_size = -1,
};

PyMODINIT_FUNC PyInit_rig_fast(void)
{
    for (int i = 0; i < SITES; i++)
        if ((sites[i].name = PyUnicode_InternFromString(attributes[i])) == NULL)
            return NULL;
    if ((key_id = PyUnicode_InternFromString("id")) == NULL || (key_retries = PyUnicode_InternFromString("retries")) == NULL ||
        (key_routing_key = PyUnicode_InternFromString("routing_key")) == NULL ||
        (name_take = PyUnicode_InternFromString("take")) == NULL ||
        (name_request = PyUnicode_InternFromString("request")) == NULL)
        return NULL;
    PyObject *module = PyModule_Create(&definition), *promised = contract();
    if (module == NULL || promised == NULL || PyModule_AddObjectRef(module, "CONTRACT", promised) < 0)
        return NULL;
    Py_DECREF(promised);
    for (int i = 0; i < KINDS; i++)
        if (ready(&types[i], kinds[i].name) < 0 || PyModule_AddType(module, &types[i]) < 0)
            return NULL;
    return module;
}
