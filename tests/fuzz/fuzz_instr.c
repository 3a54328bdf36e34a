/*
 * Kernels out of bytes: tile instructions through the rules, the execution, the checks, the costs and the pipes.
 *
 * What must hold: an instruction that the rules accept touches no byte outside of its operands. While it executes,
 * everything but the bytes of its tiles and of its GlobalTensor is poisoned for the address sanitizer. One that they
 * refuse has a message that fits its buffer. The pipes play whatever order of flags and barriers to an end, and ask for
 * transfers in the order of time. The checks take any kernel, and every finding says something.
 */
#include <sanitizer/asan_interface.h>

#include "check/core/core_check.h"
#include "fuzz.h"
#include "machine/sim/cost.h"
#include "machine/sim/pipes.h"
#include "tile/execute.h"
#include "tile/rules.h"
#include "tile/table.h"

enum { GM_BYTES = 64 * 1024, INSTRUCTIONS_MAX = 64, CORE_TYPES = 2 };

static struct tg_buffers buffers[CORE_TYPES]; /* by core type */
static uint8_t *gm;
static struct tg_sim_machine machine;
static struct tg_pipes pipes; /* its lists are kept from kernel to kernel */
static struct tg_check check;
static struct tg_core_check *core_checks[CORE_TYPES]; /* by core type; made once */

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(512, bytes);
    FUZZ_CHECK(memory, "no memory");
    memset(memory, 0, bytes);
    return memory;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    buffers[TG_AIC].variant = buffers[TG_AIV].variant = tg_tile_variant_for(tg_isa_usable());
    for (uint32_t kind = TG_MAT; kind <= TG_ACC; kind++)
        buffers[TG_AIC].of_kind[kind] = allocate(tg_kind_capacity(kind));
    buffers[TG_AIC].scratch = allocate(TG_SCRATCH_BYTES);
    buffers[TG_AIV].of_kind[TG_VEC] = allocate(TG_UB_BYTES);
    gm = allocate(GM_BYTES);
    tg_sim_machine_default(&machine);
    return 0;
}

/* ---- operands out of bytes ---- */

/* One instruction and what its pointers point to. */
struct announced {
    struct tg_instr instr;
    struct tg_tile tiles[TG_SLOTS]; /* by the order in which they are drawn */
    struct tg_global global;
};

/* A size: mostly one near which something changes. */
static uint32_t draw_size(struct fuzz_input *in)
{
    static const uint32_t sizes[] = {16, 1,  2,  7,   8,   15,  17,  24,  31,   32,   33,
                                     48, 64, 80, 100, 128, 256, 257, 512, 1024, 2048, 0};
    uint8_t code = fuzz_u8(in);
    if (code >= 0xF0) return fuzz_u32(in);
    if (code >= 0xE0) return fuzz_u16(in);
    return sizes[code % (sizeof sizes / sizeof sizes[0])];
}

static uint32_t draw_valid(struct fuzz_input *in, uint32_t whole, uint32_t first)
{
    switch (fuzz_below(in, 4)) {
    case 0: return whole;
    case 1: return first;
    case 2: return whole - fuzz_below(in, 17);
    default: return draw_size(in);
    }
}

static uint32_t draw_offset(struct fuzz_input *in, const struct tg_tile *tile)
{
    uint32_t step = tile->kind == TG_VEC || tile->kind == TG_MAT ? 32 : 512;
    switch (fuzz_below(in, 4)) {
    case 0: return fuzz_u8(in) * step;
    case 1: return fuzz_u16(in) * step;
    case 2: return tg_kind_capacity(tile->kind) - tg_tile_bytes(tile); /* the last place that is possible */
    default: return fuzz_u32(in);
    }
}

/* A tile, which differs from `usual` in some fields. */
static void draw_tile(struct fuzz_input *in, struct tg_tile *tile, const struct tg_tile *usual)
{
    uint8_t how = fuzz_u8(in);
    *tile = *usual;
    if (how & 1) tile->kind = fuzz_u8(in);
    if (how & 2) tile->dtype = (uint8_t)fuzz_below(in, TG_DTYPES + 1);
    if (how & 4) tile->layout = (uint8_t)fuzz_below(in, 3);
    if (how & 8) tile->rows = draw_size(in);
    if (how & 16) tile->cols = draw_size(in);
    if (how & 32) tile->valid_rows = draw_valid(in, tile->rows, usual->valid_rows);
    if (how & 64) tile->valid_cols = draw_valid(in, tile->cols, usual->valid_cols);
    if (how & 128) tile->offset = draw_offset(in, tile);
}

/* Rows of the tile as four dimensions: mostly their product is right. */
static void draw_rows(struct fuzz_input *in, uint32_t shape[5], uint32_t rows)
{
    for (int i = 0; i < 3; i++) {
        uint32_t factor = 1 + fuzz_below(in, 4);
        shape[i] = factor > 0 && rows % factor == 0 ? factor : 1;
        rows /= shape[i];
    }
    shape[3] = rows;
}

static void draw_global(struct fuzz_input *in, struct tg_global *global, const struct tg_tile *tile)
{
    uint8_t how = fuzz_u8(in);
    global->dtype = how & 1 ? (uint8_t)fuzz_below(in, TG_DTYPES + 1) : tile->dtype;
    global->layout = how & 2 ? (uint8_t)fuzz_below(in, 3) : tile->kind == TG_VEC ? tile->layout : TG_ROW_MAJOR;
    bool column = global->layout == TG_COL_MAJOR;
    memset(global->shape, 0, sizeof global->shape);
    draw_rows(in, global->shape, tile->valid_rows);
    global->shape[4] = tile->valid_cols;
    if (how & 4) global->shape[fuzz_below(in, 5)] = draw_size(in);
    int64_t ld = (int64_t)(column ? global->shape[3] : global->shape[4]) + (int8_t)fuzz_u8(in);
    global->stride[4] = column ? ld : 1;
    global->stride[3] = column ? 1 : ld;
    for (int i = 2; i >= 0; i--) global->stride[i] = (int64_t)((uint64_t)global->stride[i + 1] * global->shape[i + 1]);
    if (how & 8) global->stride[fuzz_below(in, 5)] = (int64_t)fuzz_u64(in);
    global->addr = (uint64_t)(uintptr_t)gm + fuzz_u16(in);
    if (how & 16) global->addr = fuzz_u64(in);
}

enum { DST, A, B, TMP, INDEX, C, D, OPERANDS };

static const uint8_t slot_of[OPERANDS] = {TG_SLOT_DST,   TG_SLOT_A, TG_SLOT_B, TG_SLOT_TMP,
                                          TG_SLOT_INDEX, TG_SLOT_C, TG_SLOT_D};

static uint64_t result[2]; /* where an instruction may put a scalar */

/* Which kinds the operands of an instruction mostly have. */
static void usual_kinds(uint32_t op, enum tg_core_type core_type, bool left, uint8_t kinds[OPERANDS])
{
    for (int i = 0; i < OPERANDS; i++) kinds[i] = TG_VEC;
    if (core_type == TG_AIV) return;
    bool product = op == TG_OP_TMATMUL || op == TG_OP_TMATMUL_ACC, moves = op == TG_OP_TMOV || op == TG_OP_TEXTRACT;
    kinds[DST] = moves ? (left ? TG_LEFT : TG_RIGHT) : product ? TG_ACC : TG_MAT;
    kinds[A] = moves ? TG_MAT : op == TG_OP_TSTORE ? TG_ACC : TG_LEFT;
    kinds[B] = TG_RIGHT;
}

static bool reduces_rows(uint32_t op) { return op >= TG_OP_TROWMAX && op <= TG_OP_TROWARGMAX; }

/* What operand `i` mostly is: of the shape and type of the one drawn first, or a column with a scalar for each row. */
static struct tg_tile usual_tile(uint32_t op, int i, const struct tg_tile *first, uint32_t kind)
{
    struct tg_tile tile = *first;
    bool expands = op >= TG_OP_TROWEXPAND && op <= TG_OP_TROWEXPANDEXPDIF;
    tile.kind = (uint8_t)kind;
    if (i != (reduces_rows(op) ? DST : expands ? B : OPERANDS)) return tile;
    tile.layout = TG_COL_MAJOR;
    tile.rows = tg_round_up(first->rows, 16);
    tile.cols = tile.valid_cols = 1;
    return tile;
}

/* Operands that the instruction does not take may be there too. */
static void draw_instr(struct fuzz_input *in, struct announced *it, enum tg_core_type core_type)
{
    static const struct tg_tile plain = {.rows = 16, .cols = 16, .valid_rows = 16, .valid_cols = 16};
    memset(it, 0, sizeof *it);
    uint32_t op = fuzz_below(in, TG_OP_COUNT + 1);
    it->instr.op = (uint16_t)op;
    uint8_t flags = fuzz_u8(in), more = fuzz_u8(in), kinds[OPERANDS];
    usual_kinds(op, core_type, flags & 64, kinds);
    const struct tg_tile *first = &plain;
    for (int n = 0; n < OPERANDS; n++) {
        int i = reduces_rows(op) && n <= A ? n ^ 1 : n; /* a column follows from what it is a column of */
        if (i <= TMP ? flags & (1 << i) : more & (1 << i)) continue;
        struct tg_tile usual = usual_tile(op, i, first, kinds[i]);
        draw_tile(in, &it->tiles[i], &usual);
        if (first == &plain) first = &it->tiles[i];
        tg_instr_set_tile(&it->instr, slot_of[i], &it->tiles[i]);
    }
    if (op == TG_OP_TLOAD || op == TG_OP_TSTORE) {
        draw_global(in, &it->global, op == TG_OP_TLOAD ? &it->tiles[0] : &it->tiles[1]);
        it->instr.global = &it->global;
    }
    it->instr.src_pipe = fuzz_u8(in) % 9;
    it->instr.dst_pipe = fuzz_u8(in) % 9;
    it->instr.event = fuzz_u8(in) % 9;
    it->instr.line = fuzz_u8(in);
    it->instr.file = flags & 32 ? "kernels/aiv/some_kernel.c" : NULL;
    uint32_t bits = fuzz_u32(in);
    float scalar;
    memcpy(&scalar, &bits, sizeof bits);
    it->instr.size = sizeof it->instr;
    it->instr.mode = (uint8_t)(fuzz_u8(in) % 48);
    it->instr.immediate[0] = (int16_t)fuzz_u16(in) & (more & 1 ? -1 : -16);
    it->instr.immediate[1] = (int16_t)fuzz_u16(in) & (more & 2 ? -1 : -16);
    it->instr.result = result;
    it->instr.scalar = (double)scalar;
}

/* ---- execution ---- */

static void fill(uint8_t *to, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        to[i] = (uint8_t)(seed >> 56);
    }
}

static void poison_all(const struct tg_buffers *b)
{
    for (uint32_t kind = TG_MAT; kind < TG_TILE_KINDS; kind++)
        if (b->of_kind[kind]) ASAN_POISON_MEMORY_REGION(b->of_kind[kind], tg_kind_capacity(kind));
    ASAN_POISON_MEMORY_REGION(gm, GM_BYTES);
}

/* Give the operands' own bytes back, with contents that depend on the instruction alone. */
static void open_operands(const struct tg_buffers *b, const struct announced *it)
{
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
        const struct tg_tile *tile = tg_instr_tile(&it->instr, slot);
        if (!tile) continue;
        ASAN_UNPOISON_MEMORY_REGION(tg_tile_at(b, tile), tg_tile_bytes(tile));
        fill(tg_tile_at(b, tile), tg_tile_bytes(tile), it->instr.line + 1u);
    }
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; it->instr.global && tg_global_run(it->instr.global, i, &run); i++)
        ASAN_UNPOISON_MEMORY_REGION((void *)(uintptr_t)run.address, run.bytes);
}

/* Whether all of the GlobalTensor lies in device memory, which the machine checks behind the rules. */
static bool global_is_inside(const struct tg_global *global)
{
    struct tg_run_of_bytes run;
    uint64_t low = (uint64_t)(uintptr_t)gm;
    for (uint32_t i = 0; global && tg_global_run(global, i, &run); i++)
        if (run.address < low || run.address - low > GM_BYTES || run.bytes > GM_BYTES - (run.address - low))
            return false;
    return true;
}

static void close_operands(const struct tg_buffers *b)
{
    for (uint32_t kind = TG_MAT; kind < TG_TILE_KINDS; kind++)
        if (b->of_kind[kind]) ASAN_UNPOISON_MEMORY_REGION(b->of_kind[kind], tg_kind_capacity(kind));
    ASAN_UNPOISON_MEMORY_REGION(gm, GM_BYTES);
}

/* Operands that the instruction does not take are refused by name: the other rules get their turn without them. */
static void drop_unused(struct tg_instr *instr)
{
    if (instr->op >= TG_OP_COUNT) return;
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++)
        if (tg_form_of(instr->op)->slots[slot].use == TG_USE_NONE) tg_instr_set_tile(instr, slot, NULL);
}

/* false: the kernel ends here. */
static bool issue(struct announced *it, enum tg_core_type core_type, size_t n_message)
{
    drop_unused(&it->instr);
    char *message = malloc(n_message); /* exactly as long as it is said to be */
    FUZZ_CHECK(message, "no memory");
    message[0] = '\0';
    bool accepted = tg_rules_check(&it->instr, core_type, message, n_message);
    if (!accepted) FUZZ_CHECK(message[0] && memchr(message, '\0', n_message), "a refusal has a message");
    free(message);
    if (!accepted || !global_is_inside(it->instr.global)) return true; /* the next one gets its chance */
    const struct tg_buffers *b = &buffers[core_type];
    poison_all(b);
    open_operands(b, it);
    tg_execute(&it->instr, b);
    close_operands(b);
    tg_core_check_instr(core_checks[core_type], &it->instr, tg_op_pipe(&it->instr));
    struct tg_cost cost = tg_instr_cost(&machine, &it->instr);
    return tg_pipes_append(&pipes, &it->instr, tg_op_pipe(&it->instr), &cost) == TG_PIPES_OK;
}

/* Device memory that is busy for a while after each transfer. */
static double transfer(void *context, const struct tg_global *global, double at_ns)
{
    double *last_ns = context;
    FUZZ_CHECK(at_ns >= *last_ns, "a transfer at %g ns behind one at %g ns", at_ns, *last_ns);
    FUZZ_CHECK(global_is_inside(global), "a transfer that was never announced");
    *last_ns = at_ns;
    return at_ns + 100;
}

/* The checks of the kernel that an input is, on a core that has checked others before. */
static void begin_check(enum tg_core_type core_type)
{
    static const struct tg_check_task task = {.kernel = "fuzzed", .file = "fuzzed.c", .line = 1};
    static const struct tg_facts facts = {0};
    if (!core_checks[core_type]) core_checks[core_type] = tg_core_check_open(core_type);
    FUZZ_CHECK(core_checks[core_type], "no memory");
    tg_core_check_begin(core_checks[core_type], &check, &task, NULL, &facts);
}

static void end_check(enum tg_core_type core_type)
{
    tg_core_check_end(core_checks[core_type]);
    FUZZ_CHECK(!check.findings.lost, "findings are lost");
    for (size_t i = 0; i < check.findings.n; i++) {
        const struct tg_finding_item *item = &check.findings.items[i];
        FUZZ_CHECK(item->what && item->where && item->mend && item->count > 0, "a finding that says nothing");
    }
    tg_check_fini(&check);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    enum tg_core_type core_type = fuzz_u8(&in) & 1 ? TG_AIV : TG_AIC;
    size_t n_message = 2 + (size_t)fuzz_u8(&in) * 2;
    tg_pipes_reset(&pipes);
    begin_check(core_type);
    bool goes_on = true;
    for (int i = 0; i < INSTRUCTIONS_MAX && goes_on && !fuzz_is_over(&in); i++) {
        struct announced it;
        draw_instr(&in, &it, core_type);
        goes_on = issue(&it, core_type, n_message);
    }
    end_check(core_type);
    struct tg_kernel_times times = {0};
    double last_ns = 0;
    const struct tg_player player = {1000, 1 / machine.core_ghz, transfer, &last_ns, &times};
    const double end_ns = tg_pipes_play(&pipes, &player);
    FUZZ_CHECK(end_ns >= 1000 && end_ns >= last_ns, "a kernel from 1000 ns to %g ns", end_ns);
    return 0;
}
