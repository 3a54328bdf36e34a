#include "check/memory/memory_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "check/memory/memory_words.h"

enum tg_status tg_memory_check_init(struct tg_memory_check *check, struct tg_finding_list *findings, bool build_first)
{
    memset(check, 0, sizeof *check);
    check->findings = findings;
    tg_paths_init(&check->paths, build_first);
    check->blocks = calloc(1, sizeof *check->blocks);
    if (tg_extents_init(&check->extents) && tg_extents_init(&check->lines) && check->blocks) {
        check->n_blocks = check->blocks_max = 1;
        return TG_OK;
    }
    tg_memory_check_fini(check);
    return tg_error(TG_ERR_MEMORY, "no memory for the check of device memory");
}

void tg_memory_check_fini(struct tg_memory_check *check)
{
    tg_paths_fini(&check->paths);
    tg_extents_fini(&check->extents);
    tg_extents_fini(&check->lines);
    free(check->tasks);
    free(check->blocks);
    free(check->pairs);
    memset(check, 0, sizeof *check);
}

/* ---- what is allocated ---- */

/* A new number for a block; 0: no memory. */
static uint32_t block_new(struct tg_memory_check *check, const struct tg_block_note *note)
{
    if (check->n_blocks == check->blocks_max) {
        size_t more = check->blocks_max + check->blocks_max / 2 + 16;
        struct tg_block_note *blocks = realloc(check->blocks, more * sizeof *blocks);
        if (!blocks) {
            check->lost = true;
            return 0;
        }
        check->blocks = blocks;
        check->blocks_max = more;
    }
    check->blocks[check->n_blocks] = *note;
    return (uint32_t)check->n_blocks++;
}

/* The new state of an extent. */
struct fresh {
    struct tg_memory_check *check;
    uint32_t block, declared;
    tg_who who;
    uint8_t state;
};

static void set_extent(void *context, struct tg_extent *extent, uint64_t end)
{
    (void)end;
    const struct fresh *fresh = context;
    extent->block = fresh->block;
    extent->declared = fresh->declared;
    extent->writer = fresh->who;
    extent->state = fresh->state;
    extent->readers = extent->adders = 0;
    extent->added = 0;
}

static void set_range(struct tg_memory_check *check, uint64_t address, uint64_t bytes, struct fresh *fresh)
{
    if (!tg_extents_visit(&check->extents, address, address + bytes, set_extent, fresh)) check->lost = true;
}

void tg_memory_check_device(struct tg_memory_check *check, uint64_t base, uint64_t capacity)
{
    check->base = base;
    check->capacity = capacity;
}

void tg_memory_check_foreign(struct tg_memory_check *check, uint64_t address, uint64_t bytes, const char *what)
{
    uint64_t end;
    if (tg_extents_find(&check->extents, address, &end)->state != TG_EXTENT_NOTHING) return;
    const struct tg_block_note note = {.address = address, .bytes = bytes, .name = what};
    struct fresh fresh = {.block = block_new(check, &note), .who = TG_NOBODY, .state = TG_EXTENT_WRITTEN};
    set_range(check, address, bytes, &fresh);
}

void tg_memory_check_declare(struct tg_memory_check *check, const struct tg_declared *declared, size_t n_declared)
{
    check->declared = declared;
    check->n_declared = n_declared;
}

/* Apply the host's declarations for bytes [from, from + bytes) of tensor `idx`, which are at `address`. */
static void declare(struct tg_memory_check *check, uint32_t idx, uint64_t from, uint64_t bytes, uint64_t address)
{
    for (size_t i = 0; i < check->n_declared; i++) {
        const struct tg_declared *d = &check->declared[i];
        uint64_t first = d->offset > from ? d->offset : from;
        uint64_t end = d->offset + d->bytes < from + bytes ? d->offset + d->bytes : from + bytes;
        if (d->tensor != idx || first >= end) continue;
        uint64_t extent_end, at = address + (first - from);
        const struct tg_extent *is = tg_extents_find(&check->extents, at, &extent_end);
        struct fresh fresh = {.block = is->block, .declared = (uint32_t)i + 1, .who = is->writer, .state = is->state};
        if (d->kind == TG_UNDEFINED) fresh.state = TG_EXTENT_UNWRITTEN;
        set_range(check, at, end - first, &fresh);
    }
}

static uint64_t element_bytes_of(const struct tg_tensor *tensor)
{
    return tensor->elements && tensor->bytes % tensor->elements == 0 ? tensor->bytes / tensor->elements : 0;
}

void tg_memory_check_tensor(struct tg_memory_check *check, uint64_t address, const struct tg_tensor *tensor,
                            uint32_t idx)
{
    const struct tg_block_note note = {
        .address = address,
        .bytes = tensor->bytes,
        .element_bytes = element_bytes_of(tensor),
        .name = tensor->name ? tensor->name : "a tensor without a name",
    };
    struct fresh fresh = {.block = block_new(check, &note), .who = TG_NOBODY, .state = TG_EXTENT_WRITTEN};
    if (tensor->direction == TG_OUT) fresh.state = TG_EXTENT_UNWRITTEN;
    set_range(check, address, tensor->bytes, &fresh);
    declare(check, idx, 0, tensor->bytes, address);
}

void tg_memory_check_allocated(struct tg_memory_check *check, uint64_t address, uint64_t bytes, const char *file,
                               int32_t line)
{
    const struct tg_block_note note = {
        .address = address, .bytes = bytes, .file = file, .line = line, .number = ++check->n_mallocs};
    struct fresh fresh = {
        .block = block_new(check, &note), .who = tg_paths_builder(&check->paths), .state = TG_EXTENT_UNWRITTEN};
    set_range(check, address, bytes, &fresh);
}

void tg_memory_check_variables(struct tg_memory_check *check, uint64_t address, uint64_t bytes, const char *kernel)
{
    uint64_t end;
    if (tg_extents_find(&check->extents, address, &end)->state != TG_EXTENT_NOTHING) return;
    const struct tg_block_note note = {.address = address, .bytes = bytes, .variables = kernel};
    struct fresh fresh = {.block = block_new(check, &note), .who = TG_NOBODY, .state = TG_EXTENT_WRITTEN};
    set_range(check, address, bytes, &fresh);
}

/* ---- tasks ---- */

void tg_memory_check_added(struct tg_memory_check *check, int32_t task_id, const char *kernel, const char *file,
                           int32_t line)
{
    tg_paths_add(&check->paths, task_id);
    if (check->n_tasks == check->tasks_max) {
        size_t more = check->tasks_max + check->tasks_max / 2 + 64;
        struct tg_task_note *tasks = realloc(check->tasks, more * sizeof *tasks);
        if (!tasks) {
            check->lost = true;
            return;
        }
        check->tasks = tasks;
        check->tasks_max = more;
    }
    /* Ids count from 0, unless notes were lost. */
    if ((size_t)task_id == check->n_tasks) check->tasks[check->n_tasks++] = (struct tg_task_note){kernel, file, line};
}

void tg_memory_check_edge(struct tg_memory_check *check, int32_t from, int32_t to)
{
    tg_paths_edge(&check->paths, from, to);
}

void tg_memory_check_published(struct tg_memory_check *check, int32_t task_id)
{
    tg_paths_publish(&check->paths, task_id);
}

void tg_memory_check_waited(struct tg_memory_check *check, int32_t task_id) { tg_paths_wait(&check->paths, task_id); }

static void forget_compared(struct tg_memory_check *check)
{
    check->compared = TG_NOBODY;
    check->compared_readers = check->compared_adders = 0;
}

void tg_memory_check_start(struct tg_memory_check *check, int32_t task_id)
{
    tg_paths_start(&check->paths, task_id);
    forget_compared(check);
}

/* ---- accesses ---- */

/* Remember the pair for the search of needed edges after the run. */
static void keep_pair(struct tg_memory_check *check, tg_who earlier, bool first)
{
    struct tg_conflict pair = {earlier, check->who};
    if (!tg_who_is_task(check->who)) {
        if (check->paths.waits.n == 0) return;
        pair.later = ~(int32_t)(check->paths.waits.n - 1);
    } else if (!tg_who_is_task(earlier)) {
        if (~earlier <= check->paths.tasks.items[check->who].published || check->paths.build_first) return;
    } else if (!first) {
        return;
    }
    if (check->n_kept == check->pairs_max) {
        size_t more = check->pairs_max + check->pairs_max / 2 + 64;
        struct tg_conflict *pairs = realloc(check->pairs, more * sizeof *pairs);
        if (!pairs) {
            check->lost = true;
            return;
        }
        check->pairs = pairs;
        check->pairs_max = more;
    }
    check->pairs[check->n_kept++] = pair;
}

/* Compare the access with an earlier one. false: no order between them. */
static bool compare_with(struct tg_memory_check *check, tg_who earlier, enum tg_deed deed,
                         const struct tg_extent *extent, uint64_t end)
{
    if (earlier == TG_NOBODY || earlier == check->who || earlier == check->compared) return true;
    bool first = tg_paths_count(&check->paths, earlier, check->who);
    check->n_pairs += first;
    if (tg_paths_before(&check->paths, earlier, check->who)) {
        check->compared = earlier;
        keep_pair(check, earlier, first);
        return true;
    }
    check->n_unordered += first || !tg_who_is_task(earlier) || !tg_who_is_task(check->who);
    tg_memory_say_race(check, earlier, deed, extent, end);
    return false;
}

/* Compare the access with each member of a list. *compared: the last list that it was compared with. */
static void compare_with_list(struct tg_memory_check *check, uint32_t all, uint32_t *compared, enum tg_deed deed,
                              const struct tg_extent *extent, uint64_t end)
{
    if (all == 0 || all == *compared) return;
    bool ordered = true;
    for (uint32_t list = all; list; list = check->extents.readers[list].before)
        ordered &= compare_with(check, check->extents.readers[list].who, deed, extent, end);
    if (ordered) *compared = all;
}

static void compare_with_readers(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end)
{
    compare_with_list(check, extent->readers, &check->compared_readers, TG_DEED_READ, extent, end);
}

static void compare_with_adders(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end)
{
    compare_with_list(check, extent->adders, &check->compared_adders, TG_DEED_ADD, extent, end);
}

/* Add the task or interval of the builder that makes the access to a list. */
static void join_list(struct tg_memory_check *check, uint32_t *list)
{
    uint32_t before = *list;
    const struct tg_reader *newest = &check->extents.readers[before];
    if (before && newest->who == check->who) return;
    /* The builder's reads are in order: its last interval stands for the earlier ones. */
    if (before && !tg_who_is_task(newest->who) && !tg_who_is_task(check->who)) before = newest->before;
    const uint32_t joined = tg_extents_reader(&check->extents, before, check->who);
    if (joined == UINT32_MAX) check->lost = true;
    else *list = joined;
}

static void note_writer(struct tg_memory_check *check, struct tg_extent *extent)
{
    extent->writer = check->who;
    extent->readers = extent->adders = 0;
    extent->added = 0;
    extent->state = TG_EXTENT_WRITTEN;
}

/* Compare a floating-point addition with the one before it. If edges order each addition after the one before, no
 * schedule has another order of them. */
static void check_sum(struct tg_memory_check *check, const struct tg_extent *extent)
{
    const uint32_t type = check->access->adds - 1u;
    if (extent->adders == 0 || !(type == TG_FP32 || type == TG_FP16 || type == TG_BF16)) return;
    const tg_who before = check->extents.readers[extent->adders].who;
    if (before == check->who) return;
    if (tg_paths_before(&check->paths, before, check->who)) {
        const bool first = tg_paths_count(&check->paths, before, check->who);
        check->n_pairs += first;
        keep_pair(check, before, first);
    } else if (!check->sum_varies) {
        check->sum_varies = true;
        check->n_sums++;
    }
}

/* An addition of another type follows, in order. Later additions of this type conflict with the earlier adders, as with
 * readers: an addition reads, too. Later reads are in order with them, because they are with this addition. */
static void keep_as_readers(struct tg_memory_check *check, struct tg_extent *extent)
{
    for (uint32_t list = extent->adders; list; list = check->extents.readers[list].before) {
        const uint32_t joined = tg_extents_reader(&check->extents, extent->readers, check->extents.readers[list].who);
        if (joined == UINT32_MAX) check->lost = true;
        else extent->readers = joined;
    }
    extent->adders = 0;
}

static void note_adder(struct tg_memory_check *check, struct tg_extent *extent)
{
    check_sum(check, extent);
    join_list(check, &extent->adders);
    extent->added = check->access->adds;
    extent->state = TG_EXTENT_WRITTEN;
}

/* Does the access read a value that another task has left in the kernel's variables? */
static bool keeps_state(struct tg_memory_check *check, const struct tg_extent *extent)
{
    if (check->access->write || !check->blocks[extent->block].variables) return false;
    const bool of_other = tg_who_is_task(extent->writer) && extent->writer != check->who;
    check->n_states += of_other;
    return of_other;
}

static void visit(void *context, struct tg_extent *extent, uint64_t end)
{
    struct tg_memory_check *check = context;
    const bool write = check->access->write;
    if (extent->state == TG_EXTENT_NOTHING || extent->state == TG_EXTENT_FREED) {
        check->usable = false;
        tg_memory_say_outside(check, extent, end);
        return;
    }
    if (check->block != 0 && extent->block != check->block) {
        check->usable = false;
        tg_memory_say_two_blocks(check, extent);
        return;
    }
    check->block = extent->block;
    if (keeps_state(check, extent)) tg_memory_say_state(check, extent, end);
    if ((!write || check->access->adds) && extent->state == TG_EXTENT_UNWRITTEN)
        tg_memory_say_unwritten(check, extent, end);
    if (write && extent->declared && check->declared[extent->declared - 1].kind == TG_READ_ONLY)
        tg_memory_say_read_only(check, extent, end);
    compare_with(check, extent->writer, TG_DEED_WRITE, extent, end);
    /* Additions of two element types do not commute. */
    const bool adds = check->access->adds, commutes = adds && extent->added == check->access->adds;
    if (!commutes) compare_with_adders(check, extent, end);
    if (write) compare_with_readers(check, extent, end);
    if (adds && !commutes) keep_as_readers(check, extent);
    if (adds) note_adder(check, extent);
    else if (write) note_writer(check, extent);
    else join_list(check, &extent->readers);
}

/* ---- lines of the cache ---- */

/*
 * A plain store of a core stays in the cache of its scalar unit until its line of 64 bytes is written back as a whole.
 * The other bytes of the line are also written back, with the values that the core read. Later writes of other cores to
 * these bytes are lost. So a task with plain stores must own whole lines. Atomic operations act on device memory
 * itself.
 *
 *     a line   [ task 1 stores here | task 2 stores here |                ]     in order, or one of the two is lost
 */
enum { LINE_BYTES = 64 };

static bool line_is_ordered(struct tg_memory_check *check, tg_who earlier, uint64_t address)
{
    if (earlier == TG_NOBODY || tg_paths_before(&check->paths, earlier, check->who)) return true;
    check->n_unordered++;
    tg_memory_say_line(check, earlier, address / LINE_BYTES * LINE_BYTES);
    return false;
}

/* The writers of [from, to), bytes of the line that this store does not write, must come before. */
static bool others_are_ordered(struct tg_memory_check *check, uint64_t from, uint64_t to)
{
    for (uint64_t at = from, end = 0; at < to; at = end) {
        const struct tg_extent *extent = tg_extents_find(&check->extents, at, &end);
        const bool holds = extent->state == TG_EXTENT_UNWRITTEN || extent->state == TG_EXTENT_WRITTEN;
        if (!holds) continue;
        if (!line_is_ordered(check, extent->writer, at)) return false;
        for (uint32_t list = extent->adders; list; list = check->extents.readers[list].before)
            if (!line_is_ordered(check, check->extents.readers[list].who, at)) return false;
    }
    return true;
}

static void set_line(void *context, struct tg_extent *extent, uint64_t end)
{
    (void)end;
    extent->writer = ((const struct tg_memory_check *)context)->who;
}

/* The access has written bytes up to `end`. */
static void check_lines(struct tg_memory_check *check, uint64_t end)
{
    const struct tg_access *access = check->access;
    const bool of_core = access->plain && tg_who_is_task(check->who) && !check->blocks[check->block].variables;
    if (!of_core && check->lines.n_extents == 1) return;
    const uint64_t low = access->address / LINE_BYTES * LINE_BYTES;
    const uint64_t high = (end + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    bool known = true; /* the task has stored to these lines before */
    for (uint64_t at = low, next = 0; at < high; at = next) {
        const tg_who writer = tg_extents_find(&check->lines, at, &next)->writer;
        known &= writer == check->who;
        if (!line_is_ordered(check, writer, at)) return;
    }
    if (!of_core || known) return;
    if (!others_are_ordered(check, low, access->address) || !others_are_ordered(check, end, high)) return;
    if (!tg_extents_visit(&check->lines, low, high, set_line, check)) check->lost = true;
}

bool tg_memory_check_access(struct tg_memory_check *check, int32_t task_id, const struct tg_access *access)
{
    check->access = access;
    check->who = task_id == TG_BUILDER ? tg_paths_builder(&check->paths) : task_id;
    check->usable = true;
    if (!access->goes_on) {
        check->block = 0;
        check->sum_varies = false;
    }
    if (task_id == TG_BUILDER) forget_compared(check);
    uint64_t end = access->address + access->bytes;
    if (end < access->address) end = UINT64_MAX;
    const uint64_t n_unordered = check->n_unordered;
    if (!tg_extents_visit(&check->extents, access->address, end, visit, check)) check->lost = true;
    /* A finding about the bytes themselves is not repeated for their lines. */
    if (access->write && check->usable && check->n_unordered == n_unordered) check_lines(check, end);
    check->access = NULL;
    return check->usable;
}

void tg_memory_check_argument(struct tg_memory_check *check, int32_t task_id, const struct tg_access *access,
                              uint32_t index, uint32_t n_args)
{
    check->access = access;
    check->who = task_id;
    tg_memory_say_argument(check, index, n_args);
    check->access = NULL;
}

void tg_memory_check_host(struct tg_memory_check *check, int32_t task_id, const struct tg_access *access)
{
    check->access = access;
    check->who = task_id;
    tg_memory_say_host(check);
    check->access = NULL;
}

void tg_memory_check_from_host(struct tg_memory_check *check, const struct tg_access *access)
{
    check->access = access;
    check->who = tg_paths_builder(&check->paths);
    tg_memory_say_from_host(check);
    check->access = NULL;
}

void tg_memory_check_copied(struct tg_memory_check *check, uint64_t address, uint64_t bytes,
                            const struct tg_tensor *tensor, uint32_t idx, uint64_t offset)
{
    const struct tg_access access = {.address = address, .bytes = bytes, .write = true, .op = "copy_to_device"};
    if (!tg_memory_check_access(check, TG_BUILDER, &access) || !tensor) return;
    uint64_t end;
    const struct tg_extent *extent = tg_extents_find(&check->extents, address, &end);
    struct tg_block_note *block = &check->blocks[extent->block];
    if (offset == 0 && block->address == address) {
        block->name = tensor->name;
        block->element_bytes = element_bytes_of(tensor);
    }
    if (tensor->direction == TG_OUT) {
        /* An output is undefined until it is written, even on the host. */
        struct fresh fresh = {.block = extent->block, .who = extent->writer, .state = TG_EXTENT_UNWRITTEN};
        set_range(check, address, bytes, &fresh);
    }
    declare(check, idx, offset, bytes, address);
}

/* ---- free ---- */

struct release {
    struct tg_memory_check *check;
    uint32_t block;
};

static void release_extent(void *context, struct tg_extent *extent, uint64_t end)
{
    struct release *release = context;
    struct tg_memory_check *check = release->check;
    compare_with(check, extent->writer, TG_DEED_WRITE, extent, end);
    compare_with_adders(check, extent, end);
    compare_with_readers(check, extent, end);
    extent->writer = check->who;
    extent->readers = extent->adders = 0;
    extent->added = 0;
    extent->declared = 0;
    extent->state = TG_EXTENT_FREED;
}

void tg_memory_check_freed(struct tg_memory_check *check, uint64_t address, const char *file, int32_t line)
{
    uint64_t end;
    struct release release = {check, tg_extents_find(&check->extents, address, &end)->block};
    struct tg_block_note *block = &check->blocks[release.block];
    if (release.block == 0 || block->address != address) return;
    block->freed_file = file;
    block->freed_line = line;
    check->who = tg_paths_builder(&check->paths);
    forget_compared(check);
    if (!tg_extents_visit(&check->extents, address, address + block->bytes, release_extent, &release))
        check->lost = true;
}

/* ---- the end ---- */

struct census {
    uint64_t first, n;
};

static void count_unwritten(void *context, struct tg_extent *extent, uint64_t end)
{
    struct census *census = context;
    /* Bytes that the host has declared undefined may stay unwritten. */
    if (extent->state != TG_EXTENT_UNWRITTEN || extent->declared) return;
    if (census->n == 0) census->first = extent->start;
    census->n += end - extent->start;
}

void tg_memory_check_output(struct tg_memory_check *check, uint64_t address, uint64_t bytes)
{
    struct census census = {0, 0};
    if (!tg_extents_visit(&check->extents, address, address + bytes, count_unwritten, &census)) check->lost = true;
    if (census.n > 0) tg_memory_say_output(check, address, bytes, census.first, census.n);
}

uint64_t tg_memory_check_bytes(const struct tg_memory_check *check)
{
    return tg_paths_bytes(&check->paths) + tg_extents_bytes(&check->extents) + tg_extents_bytes(&check->lines) +
           check->tasks_max * sizeof *check->tasks + check->blocks_max * sizeof *check->blocks +
           check->pairs_max * sizeof *check->pairs;
}

bool tg_memory_check_lost(const struct tg_memory_check *check) { return check->lost || check->paths.lost; }
