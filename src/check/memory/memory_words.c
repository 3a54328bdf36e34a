#include "check/memory/memory_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/kernels.h"

enum { NAME_BYTES = 320, RANGE_BYTES = 640 };

/* ---- names ---- */

static const struct tg_task_note *note_of(const struct tg_memory_check *check, tg_who who)
{
    static const struct tg_task_note unknown = {"unknown kernel", NULL, 0};
    return (size_t)who < check->n_tasks ? &check->tasks[who] : &unknown;
}

/* "task 12 (aiv_softmax_prepare, orchestration.c:398)" or "the orchestration" */
static const char *name_of(const struct tg_memory_check *check, tg_who who, char text[NAME_BYTES])
{
    if (!tg_who_is_task(who)) return "the orchestration";
    const struct tg_task_note *note = note_of(check, who);
    if (note->file) snprintf(text, NAME_BYTES, "task %d (%s, %s:%d)", who, note->kernel, note->file, note->line);
    else snprintf(text, NAME_BYTES, "task %d (%s)", who, note->kernel);
    return text;
}

/* "tensor out", "device_malloc #2 of the orchestration (4096 bytes, orchestration.c:290)" */
static const char *name_of_block(const struct tg_block_note *block, char text[NAME_BYTES])
{
    if (block->name) snprintf(text, NAME_BYTES, "%s", block->name);
    else if (block->variables) snprintf(text, NAME_BYTES, "the variables of kernel %s", block->variables);
    else if (block->file)
        snprintf(text, NAME_BYTES, "device_malloc #%" PRIu32 " of the orchestration (%" PRIu64 " bytes, %s:%d)",
                 block->number, block->bytes, block->file, block->line);
    else
        snprintf(text, NAME_BYTES, "device_malloc #%" PRIu32 " of the orchestration (%" PRIu64 " bytes)", block->number,
                 block->bytes);
    return text;
}

/* "bytes 512 to 1024 of out (elements 128 to 256)", followed by the host's declaration. */
static const char *name_of_range(const struct tg_memory_check *check, const struct tg_extent *extent, uint64_t start,
                                 uint64_t end, char text[RANGE_BYTES])
{
    const struct tg_block_note *block = &check->blocks[extent->block];
    char name[NAME_BYTES], elements[64] = "";
    uint64_t first = start - block->address, last = end - block->address, size = block->element_bytes;
    if (size > 1)
        snprintf(elements, sizeof elements, " (elements %" PRIu64 " to %" PRIu64 ")", first / size,
                 (last + size - 1) / size);
    const char *what = extent->declared ? check->declared[extent->declared - 1].what : NULL;
    snprintf(text, RANGE_BYTES, "bytes %" PRIu64 " to %" PRIu64 " of %s%s%s%s", first, last, name_of_block(block, name),
             elements, what ? ": " : "", what ? what : "");
    return text;
}

/* "TLOAD at aiv_add.c:31" */
static const char *name_of_access(const struct tg_memory_check *check, char text[NAME_BYTES])
{
    const struct tg_access *access = check->access;
    if (access->file) snprintf(text, NAME_BYTES, "%s at %s:%u", access->op, access->file, access->line);
    else snprintf(text, NAME_BYTES, "%s at offset 0x%" PRIx64 " of its shared object", access->op, access->offset);
    return text;
}

/* ---- keys: what makes two occurrences one finding ---- */

static uint64_t place_of(const char *file, int32_t line) { return tg_finding_place(file, (uint32_t)line); }

static uint64_t place_of_who(const struct tg_memory_check *check, tg_who who)
{
    if (!tg_who_is_task(who)) return 1;
    const struct tg_task_note *note = note_of(check, who);
    return tg_finding_place(note->kernel, 0) ^ place_of(note->file, note->line);
}

static uint64_t place_of_block(const struct tg_block_note *block)
{
    const char *name = block->name ? block->name : block->variables;
    return name ? tg_finding_place(name, 0) : place_of(block->file, block->line);
}

static uint64_t place_of_access(const struct tg_memory_check *check)
{
    const struct tg_access *access = check->access;
    if (!access) return 0;
    return tg_finding_place(access->file ? access->file : access->op, access->line) + access->offset;
}

/* Once something was lost the history of memory has gaps, which would accuse correct programs. */
static struct tg_finding_item *count(struct tg_memory_check *check, enum tg_finding_code code, const uint64_t *values,
                                     size_t n_values)
{
    if (tg_memory_check_lost(check)) check->findings->lost = true;
    return tg_finding_count(check->findings, code, tg_finding_key(values, n_values));
}

static struct tg_finding_item *item_of(struct tg_memory_check *check, enum tg_finding_code code, uint64_t other,
                                       const struct tg_block_note *block)
{
    const uint64_t values[] = {place_of_who(check, check->who), place_of_access(check), other, place_of_block(block)};
    return count(check, code, values, sizeof values / sizeof values[0]);
}

static void say_where(struct tg_memory_check *check, struct tg_finding_item *item)
{
    char name[NAME_BYTES];
    name_of(check, check->who, name);
    if (tg_who_is_task(check->who))
        tg_finding_where(check->findings, item, "%s on core %u (%s)", name, check->access->core,
                         tg_core_type_name(check->access->core_type));
    else tg_finding_where(check->findings, item, "%s", "the orchestration");
}

/* ---- races ---- */

static const char *verb_of(const struct tg_memory_check *check)
{
    if (check->access->adds) return "adds to";
    return check->access->write ? "writes" : "reads";
}

/* The action of the later access: "writes (TSTORE at aiv_add.c:31)", "frees". */
static const char *deed_of(const struct tg_memory_check *check, char text[NAME_BYTES])
{
    char access[NAME_BYTES - 16];
    if (!check->access) return "frees";
    char name[NAME_BYTES];
    snprintf(access, sizeof access, "%s", name_of_access(check, name));
    snprintf(text, NAME_BYTES, "%s (%s)", verb_of(check), access);
    return text;
}

/* The action of the earlier access. The builder also allocates and frees; both are writes of the whole. */
static const char *past_deed(tg_who earlier, enum tg_deed deed, const struct tg_extent *extent)
{
    if (!tg_who_is_task(earlier) && extent->state == TG_EXTENT_UNWRITTEN) return "allocates";
    if (deed == TG_DEED_ADD) return "adds to";
    return deed == TG_DEED_WRITE ? "writes" : "reads";
}

static void mend_race(struct tg_memory_check *check, struct tg_finding_item *item, tg_who earlier)
{
    tg_who later = check->who;
    if (tg_who_is_task(earlier) && tg_who_is_task(later))
        tg_finding_mend(check->findings, item,
                        "an edge from task %d to task %d, added before task %d is published, or the other way round",
                        earlier, later, later);
    else if (tg_who_is_task(earlier))
        tg_finding_mend(check->findings, item, "wait_task(%d) before that, or leave it until the run has ended",
                        earlier);
    else tg_finding_mend(check->findings, item, "do it before task %d, or one that it waits for, is published", later);
}

void tg_memory_say_race(struct tg_memory_check *check, tg_who earlier, enum tg_deed deed,
                        const struct tg_extent *extent, uint64_t end)
{
    bool tasks = tg_who_is_task(earlier) && tg_who_is_task(check->who);
    enum tg_finding_code code = tasks ? TG_FINDING_TASK_RACE : TG_FINDING_BUILDER_RACE;
    uint64_t other = place_of_who(check, earlier) * 3 + deed;
    struct tg_finding_item *item = item_of(check, code, other, &check->blocks[extent->block]);
    if (!item) return;
    char later_name[NAME_BYTES], earlier_name[NAME_BYTES], does[NAME_BYTES], range[RANGE_BYTES];
    tg_finding_what(check->findings, item, "%s %s what %s %s, and no path of edges orders them: %s",
                    name_of(check, check->who, later_name), deed_of(check, does), name_of(check, earlier, earlier_name),
                    past_deed(earlier, deed, extent), name_of_range(check, extent, extent->start, end, range));
    if (check->access) say_where(check, item);
    else tg_finding_where(check->findings, item, "%s", "the orchestration, device_free");
    mend_race(check, item, earlier);
}

void tg_memory_say_line(struct tg_memory_check *check, tg_who earlier, uint64_t line)
{
    uint64_t end;
    const struct tg_extent *extent = tg_extents_find(&check->extents, check->access->address, &end);
    const struct tg_block_note *block = &check->blocks[extent->block];
    struct tg_finding_item *item = item_of(check, TG_FINDING_LINE_RACE, place_of_who(check, earlier), block);
    if (!item) return;
    char later_name[NAME_BYTES], earlier_name[NAME_BYTES], does[NAME_BYTES], name[NAME_BYTES];
    tg_finding_what(check->findings, item,
                    "%s %s other bytes of a line than %s, and no path of edges orders them: line %" PRIu64
                    " of %s (64 bytes each), which plain stores write back as a whole",
                    name_of(check, check->who, later_name), deed_of(check, does), name_of(check, earlier, earlier_name),
                    (line - block->address) / 64, name_of_block(block, name));
    say_where(check, item);
    mend_race(check, item, earlier);
}

/* ---- addresses ---- */

/* Is the page of `address` mapped in this process? */
static bool is_host_memory(uint64_t address)
{
    unsigned char resident;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return mincore((void *)(uintptr_t)(address / page * page), 1, &resident) == 0;
}

static bool is_device_address(const struct tg_memory_check *check, uint64_t address)
{
    return address >= check->base && address - check->base < check->capacity;
}

static void say_freed(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end)
{
    const struct tg_block_note *block = &check->blocks[extent->block];
    struct tg_finding_item *item = item_of(check, TG_FINDING_GM_FREED, place_of(block->freed_file, block->freed_line),
                                           block);
    if (!item) return;
    char access[NAME_BYTES], range[RANGE_BYTES], by[NAME_BYTES] = "";
    if (block->freed_file) snprintf(by, sizeof by, " at %s:%d", block->freed_file, block->freed_line);
    tg_finding_what(check->findings, item, "%s %s %s, which the orchestration has freed%s",
                    name_of_access(check, access), verb_of(check),
                    name_of_range(check, extent, extent->start, end, range), by);
    say_where(check, item);
    tg_finding_mend(check->findings, item, "%s",
                    "free it when the tasks that use it have been waited for, or never: what "
                    "is not freed is freed when the run ends");
}

/* The nearest allocation that ends before the extent, in words; "" if none is near. */
static const char *neighbour(const struct tg_memory_check *check, const struct tg_extent *extent,
                             char text[RANGE_BYTES])
{
    text[0] = '\0';
    if (extent->start == 0) return text;
    uint64_t end, at = check->access->address;
    const struct tg_extent *before = tg_extents_find(&check->extents, extent->start - 1, &end);
    /* The visit has cut the extent at the start of the access: the part before the cut may be unallocated, too. */
    if (before->state == TG_EXTENT_NOTHING && before->start > 0) {
        at = extent->start;
        before = tg_extents_find(&check->extents, before->start - 1, &end);
    } else {
        at = extent->start;
    }
    if (before->block == 0) return text;
    char name[NAME_BYTES];
    snprintf(text, RANGE_BYTES, ", %" PRIu64 " bytes behind the end of %s", at - end,
             name_of_block(&check->blocks[before->block], name));
    return text;
}

void tg_memory_say_outside(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end)
{
    if (extent->state == TG_EXTENT_FREED) {
        say_freed(check, extent, end);
        return;
    }
    bool device = is_device_address(check, extent->start), host = !device && is_host_memory(extent->start);
    enum tg_finding_code code = host ? TG_FINDING_GM_HOST_ADDRESS : TG_FINDING_GM_OUTSIDE;
    struct tg_finding_item *item = item_of(check, code, 0, &check->blocks[0]);
    if (!item) return;
    char access[NAME_BYTES], near[RANGE_BYTES] = "";
    if (device) neighbour(check, extent, near);
    tg_finding_what(check->findings, item, "%s %s bytes 0x%" PRIx64 " to 0x%" PRIx64 ", which are %s%s",
                    name_of_access(check, access), verb_of(check), extent->start,
                    end < check->access->address + check->access->bytes ? end
                                                                        : check->access->address + check->access->bytes,
                    host     ? "memory of the host"
                    : device ? "not inside an allocation of device memory"
                             : "no device memory",
                    near);
    say_where(check, item);
    tg_finding_mend(check->findings, item, "%s",
                    host ? "give the task the address that device_malloc or orch_args gave, and copy to it"
                         : "check the address that the task was given, its offset, and the shape of the transfer");
}

void tg_memory_say_two_blocks(struct tg_memory_check *check, const struct tg_extent *extent)
{
    const struct tg_block_note *first = &check->blocks[check->block], *second = &check->blocks[extent->block];
    struct tg_finding_item *item = item_of(check, TG_FINDING_GM_OUTSIDE, place_of_block(second), first);
    if (!item) return;
    char access[NAME_BYTES], one[NAME_BYTES], other[NAME_BYTES];
    tg_finding_what(check->findings, item, "%s %s bytes of two allocations at once: of %s and of %s",
                    name_of_access(check, access), verb_of(check), name_of_block(first, one),
                    name_of_block(second, other));
    say_where(check, item);
    tg_finding_mend(check->findings, item, "%s",
                    "use each allocation by itself: where the next one lies is not the program's choice");
}

void tg_memory_say_host(struct tg_memory_check *check)
{
    struct tg_finding_item *item = item_of(check, TG_FINDING_GM_HOST_ADDRESS, 0, &check->blocks[0]);
    if (!item) return;
    const struct tg_access *access = check->access;
    char name[NAME_BYTES];
    tg_finding_what(check->findings, item,
                    "%s %s bytes 0x%" PRIx64 " to 0x%" PRIx64
                    ", which are memory of the orchestration or of the host, not of the device",
                    name_of_access(check, name), verb_of(check), access->address, access->address + access->bytes);
    say_where(check, item);
    tg_finding_mend(check->findings, item, "%s",
                    "give the task what it needs as arguments, or in memory of device_malloc");
}

void tg_memory_say_argument(struct tg_memory_check *check, uint32_t index, uint32_t n_args)
{
    struct tg_finding_item *item = item_of(check, TG_FINDING_ARGUMENT_MISSING, index, &check->blocks[0]);
    if (!item) return;
    char name[NAME_BYTES];
    tg_finding_what(check->findings, item, "%s %s args[%" PRIu32 "], and the task has %" PRIu32 " arguments",
                    name_of_access(check, name), verb_of(check), index, n_args);
    say_where(check, item);
    tg_finding_mend(check->findings, item, "%s", "give add_task as many arguments as the kernel uses");
}

void tg_memory_say_state(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end)
{
    struct tg_finding_item *item = item_of(check, TG_FINDING_KERNEL_STATE, place_of_who(check, extent->writer),
                                           &check->blocks[extent->block]);
    if (!item) return;
    char access[NAME_BYTES], writer[NAME_BYTES], range[RANGE_BYTES];
    tg_finding_what(check->findings, item, "%s reads what %s has left there: %s", name_of_access(check, access),
                    name_of(check, extent->writer, writer), name_of_range(check, extent, extent->start, end, range));
    say_where(check, item);
    tg_finding_mend(
        check->findings, item, "%s",
        "a kernel has no memory of its own between tasks: keep it in device memory, and order the tasks that "
        "use it by edges");
}

void tg_memory_say_from_host(struct tg_memory_check *check)
{
    struct tg_finding_item *item = item_of(check, TG_FINDING_GM_FROM_HOST, 0, &check->blocks[0]);
    if (!item) return;
    const struct tg_access *access = check->access;
    char name[NAME_BYTES];
    tg_finding_what(check->findings, item,
                    "%s %s device memory, bytes 0x%" PRIx64 " to 0x%" PRIx64
                    ": the orchestration runs on the host, which cannot use device addresses",
                    name_of_access(check, name), verb_of(check), access->address, access->address + access->bytes);
    tg_finding_where(check->findings, item, "%s", "the orchestration");
    tg_finding_mend(check->findings, item, "%s", "copy_to_device or copy_from_device of the host's calls");
}

/* ---- contents ---- */

void tg_memory_say_unwritten(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end)
{
    struct tg_finding_item *item = item_of(check, TG_FINDING_GM_UNWRITTEN, extent->declared != 0,
                                           &check->blocks[extent->block]);
    if (!item) return;
    char access[NAME_BYTES], range[RANGE_BYTES];
    tg_finding_what(check->findings, item, "%s reads what nobody has written: %s", name_of_access(check, access),
                    name_of_range(check, extent, extent->start, end, range));
    say_where(check, item);
    tg_finding_mend(check->findings, item, "%s",
                    extent->declared ? "read only what the host says is there"
                                     : "let a task that comes before write it, or read less: check the valid rows and "
                                       "columns of the transfer and the edge from the task that writes");
}

void tg_memory_say_read_only(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end)
{
    struct tg_finding_item *item = item_of(check, TG_FINDING_GM_READ_ONLY, 0, &check->blocks[extent->block]);
    if (!item) return;
    char access[NAME_BYTES], range[RANGE_BYTES];
    tg_finding_what(check->findings, item, "%s writes what the host has declared to be read only: %s",
                    name_of_access(check, access), name_of_range(check, extent, extent->start, end, range));
    say_where(check, item);
    tg_finding_mend(check->findings, item, "%s", "write to memory that belongs to one user alone; copy it first");
}

void tg_memory_say_output(struct tg_memory_check *check, uint64_t address, uint64_t bytes, uint64_t first, uint64_t n)
{
    uint64_t end;
    const struct tg_extent *extent = tg_extents_find(&check->extents, first, &end);
    const struct tg_block_note *block = &check->blocks[extent->block];
    const uint64_t values[] = {place_of_block(block), address};
    struct tg_finding_item *item = count(check, TG_FINDING_OUTPUT_UNWRITTEN, values, 2);
    if (!item) return;
    char range[RANGE_BYTES];
    if (end > address + bytes) end = address + bytes;
    tg_finding_what(check->findings, item,
                    "%" PRIu64 " of the %" PRIu64 " bytes that are copied back were never written, "
                    "the first are %s",
                    n, bytes, name_of_range(check, extent, first, end, range));
    tg_finding_where(check->findings, item, "%s", "the end of the run");
    tg_finding_mend(check->findings, item, "%s", "add the task that writes them, or let its stores cover them");
}
