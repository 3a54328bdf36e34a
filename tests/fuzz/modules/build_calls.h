/*
 * build_calls.h - bytes as a sequence of build calls.
 *
 * The plugin makes the calls, the fuzzer's model predicts what they come to: both read the same bytes here.
 */
#ifndef TESTS_FUZZ_BUILD_CALLS_H
#define TESTS_FUZZ_BUILD_CALLS_H

#include "../fuzz.h"

enum { TASKS_MAX = 4096, ALLOCATIONS_MAX = 32, ARGS_MIN = 2, ARGS_MAX = 1024 };

/* The kernels. STAMP writes the number of its turn to the task's word; FAULT breaks a rule. */
enum { STAMP_AIC, STAMP_AIV, EMPTY_AIV, FAULT_AIV, N_FUNCS };

enum call_kind {
    CALL_ADD,
    CALL_EDGE,
    CALL_PUBLISH,
    CALL_MALLOC,
    CALL_FREE,
    CALL_WAIT,
    CALL_LABEL,
    CALL_FAIL,
    CALL_RETURN
};

/* How an added task differs from a right one. */
enum add_flaw {
    ADD_RIGHT,
    ADD_UNKNOWN_FUNC,
    ADD_WRONG_CORE,
    ADD_TOO_MANY_ARGS,
    ADD_NEGATIVE_ARGS,
    ADD_NULL_ARGS,
    ADD_WRONG_ADDR
};

/* The argument of a free. */
enum free_what { FREE_LIVE, FREE_NULL, FREE_TWICE, FREE_INSIDE };

struct call {
    enum call_kind kind;
    int from, to; /* EDGE; `to` is also the task of PUBLISH, WAIT and LABEL, the value of RETURN */
    uint32_t func_id, n_args;
    enum add_flaw flaw;
    bool by_address; /* ADD: the kernel is named by its address */
    uint64_t bytes;  /* MALLOC */
    uint32_t slot;   /* MALLOC and FREE: which of the plugin's allocations */
    enum free_what what;
};

/* The reader's state. It counts tasks as if every call succeeded; after the first that fails nothing matters. */
struct calls {
    struct fuzz_input in;
    uint32_t n_tasks;
    bool published[TASKS_MAX];
    bool live[ALLOCATIONS_MAX];
    /* The rest of a call that stands for several. */
    uint32_t n_chain, chain_step; /* tasks to add, each with an edge from the one before, and published */
    bool chain_linked;
    uint32_t rest; /* publish what is not, from here on; TASKS_MAX: nothing */
};

static inline void calls_begin(struct calls *c, const uint8_t *bytes, size_t n_bytes)
{
    memset(c, 0, sizeof *c);
    c->in.at = bytes;
    c->in.end = bytes + n_bytes;
    c->rest = TASKS_MAX;
}

/* Mostly a task that exists, and one of the last. */
static inline int calls_id(struct calls *c)
{
    uint8_t code = fuzz_u8(&c->in);
    if (code >= 0xF8) return (int)fuzz_u32(&c->in);
    if (code >= 0xF0) return (int)c->n_tasks + (code & 3) - 1;
    if (c->n_tasks == 0) return 0;
    if (code >= 0xC0) return (int)(fuzz_u16(&c->in) % c->n_tasks);
    return (int)(c->n_tasks - 1 - code % (c->n_tasks < 16 ? c->n_tasks : 16));
}

static inline void calls_add(struct calls *c, struct call *call)
{
    uint8_t code = fuzz_u8(&c->in);
    call->kind = CALL_ADD;
    call->func_id = code & 3;
    call->by_address = code & 4;
    call->n_args = ARGS_MIN;
    if (code & 128) call->n_args += fuzz_u16(&c->in) % (ARGS_MAX - ARGS_MIN + 1);
    call->flaw = (code & 0x78) == 0x78 ? (enum add_flaw)fuzz_below(&c->in, ADD_WRONG_ADDR + 1) : ADD_RIGHT;
    c->n_tasks++;
}

/* Sizes that fit all at once, or one that never does. */
static inline bool calls_malloc(struct calls *c, struct call *call)
{
    uint8_t code = fuzz_u8(&c->in);
    call->kind = CALL_MALLOC;
    call->bytes = code == 0xFF ? UINT64_MAX - fuzz_u8(&c->in) : code == 0xFE ? 0u : 1u + fuzz_u16(&c->in);
    for (call->slot = 0; call->slot < ALLOCATIONS_MAX; call->slot++)
        if (!c->live[call->slot]) break;
    if (call->slot == ALLOCATIONS_MAX) return false;
    c->live[call->slot] = true;
    return true;
}

static inline bool calls_free(struct calls *c, struct call *call)
{
    uint8_t code = fuzz_u8(&c->in);
    call->kind = CALL_FREE;
    call->slot = code % ALLOCATIONS_MAX;
    call->what = code < 0xF0 ? FREE_LIVE : (enum free_what)(code & 3);
    if (call->what != FREE_NULL && !c->live[call->slot]) return false;
    if (call->what == FREE_LIVE || call->what == FREE_TWICE) c->live[call->slot] = false;
    return true;
}

/* The next step of a chain. */
static inline void calls_chain(struct calls *c, struct call *call)
{
    switch (c->chain_step++) {
    case 0:
        *call = (struct call){.kind = CALL_ADD, .func_id = c->n_tasks & 1, .n_args = ARGS_MIN};
        c->n_tasks++;
        break;
    case 1:
        if (c->chain_linked && c->n_tasks > 1) {
            *call = (struct call){.kind = CALL_EDGE, .from = (int)c->n_tasks - 2, .to = (int)c->n_tasks - 1};
            break;
        }
        c->chain_step++;
        /* fall through */
    default:
        *call = (struct call){.kind = CALL_PUBLISH, .to = (int)c->n_tasks - 1};
        c->published[c->n_tasks - 1] = true;
        c->chain_step = 0;
        c->n_chain--;
    }
}

static inline bool calls_rest(struct calls *c, struct call *call)
{
    while (c->rest < c->n_tasks && c->published[c->rest]) c->rest++;
    if (c->rest >= c->n_tasks) {
        c->rest = TASKS_MAX;
        return false;
    }
    *call = (struct call){.kind = CALL_PUBLISH, .to = (int)c->rest};
    c->published[c->rest++] = true;
    return true;
}

static inline void calls_publish(struct calls *c, struct call *call)
{
    call->kind = CALL_PUBLISH;
    call->to = calls_id(c);
    if (call->to >= 0 && (uint32_t)call->to < c->n_tasks) c->published[call->to] = true;
}

/* Read one code. false: it is no call by itself. */
static inline bool calls_read(struct calls *c, struct call *call)
{
    uint8_t code = fuzz_u8(&c->in);
    bool full = c->n_tasks >= TASKS_MAX;
    switch (code % 16) {
    case 0:
    case 1:
    case 2: return full ? false : (calls_add(c, call), true);
    case 3:
    case 4:
    case 5:
    case 6:
        call->kind = CALL_EDGE;
        call->from = calls_id(c);
        call->to = calls_id(c);
        return true;
    case 7:
    case 8:
    case 9: calls_publish(c, call); return true;
    case 10:
        c->n_chain = 1u + fuzz_u8(&c->in);
        if (c->n_chain > TASKS_MAX - c->n_tasks) c->n_chain = TASKS_MAX - c->n_tasks;
        c->chain_linked = code & 16;
        return false;
    case 11: return calls_malloc(c, call);
    case 12: return calls_free(c, call);
    case 13: *call = (struct call){.kind = CALL_WAIT, .to = calls_id(c)}; return true;
    case 14:
        if (code < 0x80) c->rest = 0;
        else *call = (struct call){.kind = CALL_LABEL, .to = calls_id(c)};
        return code >= 0x80;
    default: break;
    }
    if (code < 0xC0) return false;
    *call = (struct call){.kind = code < 0xE0 ? CALL_FAIL : CALL_RETURN, .to = code & 16 ? 0 : -3};
    return true;
}

/* The next call. false: no more calls, the entry returns 0. */
static inline bool calls_next(struct calls *c, struct call *call)
{
    for (;;) {
        memset(call, 0, sizeof *call);
        if (c->n_chain > 0) {
            calls_chain(c, call);
            return true;
        }
        if (c->rest < TASKS_MAX && calls_rest(c, call)) return true;
        if (fuzz_is_over(&c->in)) return false;
        if (calls_read(c, call)) return true;
    }
}

#endif
