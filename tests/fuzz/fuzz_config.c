/*
 * The flagship's orchestration on hostile configurations, block tables, context lengths and tensor sizes, each in a
 * whole run of its four kernels.
 *
 * What must hold: a run is refused by the orchestration, with a message and an untouched output, or its output is right
 * for what its configuration says. The output is compared with a softmax in double precision over all keys.
 */
#include <math.h>

#include "fuzz.h"
#include "pa_golden.h"
#include "session.h"

enum { QUERY, KEY_CACHE, VALUE_CACHE, BLOCK_TABLE, CONTEXT_LENS, OUT, CONFIG, N_TENSORS };
enum { BATCH, NUM_HEADS, KV_HEAD_NUM, HEAD_DIM, BLOCK_SIZE, BLOCK_NUM, SCALE, DTYPE, BLOCKS_PER_TASK, CONFIG_WORDS };

enum { GM_BYTES = 64 << 20 };

static struct tg_device *device;
static struct tg_program *programs[2]; /* by enum tg_runtime_kind */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct fuzz_kernel kernels[] = {
        {0, TG_AIC, "aic_qk_matmul"},
        {1, TG_AIV, "aiv_softmax_prepare"},
        {2, TG_AIC, "aic_pv_matmul"},
        {3, TG_AIV, "aiv_online_update"},
    };
    (void)argc;
    (void)argv;
    device = fuzz_open_device(GM_BYTES, false);
    programs[TG_AICPU_BUILD_GRAPH] = fuzz_load(device, kernels, 4, "orchestration", "orchestration");
    programs[TG_HOST_BUILD_GRAPH] = fuzz_load(device, kernels, 4, "orchestration", "orchestration_host");
    return 0;
}

/* ---- a problem out of bytes -------------------------------------------------------------------------------------- */

/* The program's input. Sizes in bytes may have been changed afterwards. */
struct given {
    int64_t config[CONFIG_WORDS + 2];
    uint64_t bytes[N_TENSORS];
    void *data[N_TENSORS]; /* of exactly that many bytes */
};

/* A problem that is right, and small. */
static void draw_shape(struct fuzz_input *in, struct given *g)
{
    static const uint8_t dims[] = {16, 8, 24, 32, 40, 64, 128};
    uint8_t code = fuzz_u8(in);
    uint32_t kv_heads = 1 + (code >> 2 & 1), group = 1 + (code >> 3 & 7);
    uint32_t dim = dims[fuzz_below(in, sizeof dims)], block = dims[fuzz_below(in, sizeof dims)];
    uint32_t batch = 1 + (code & 3), cols = 1 + fuzz_below(in, 4), n_blocks = 1 + fuzz_below(in, 6);
    float scale = 1.0f / sqrtf((float)dim);
    uint32_t scale_bits, dtype = fuzz_below(in, PA_DTYPE_COUNT);
    memcpy(&scale_bits, &scale, sizeof scale_bits);
    const int64_t config[] = {batch, kv_heads * group, kv_heads, dim, block, cols, scale_bits, dtype, 1 + (code >> 6)};
    memset(g, 0, sizeof *g);
    memcpy(g->config, config, sizeof config);
    uint64_t element = pa_dtype_bytes((enum pa_dtype)dtype);
    g->bytes[QUERY] = g->bytes[OUT] = (uint64_t)batch * kv_heads * group * dim * element;
    g->bytes[KEY_CACHE] = g->bytes[VALUE_CACHE] = (uint64_t)n_blocks * kv_heads * dim * block * element;
    g->bytes[BLOCK_TABLE] = (uint64_t)batch * cols * sizeof(int32_t);
    g->bytes[CONTEXT_LENS] = batch * sizeof(int32_t);
    g->bytes[CONFIG] = sizeof config;
}

static int64_t draw_word(struct fuzz_input *in, int64_t value)
{
    static const int64_t words[] = {
        0, 1, -1, 7, 8, 16, 128, 129, 136, 256, 264, INT32_MAX, INT64_MAX, INT64_MIN, (int64_t)1 << 61};
    uint8_t code = fuzz_u8(in);
    if (code < 0x40) return words[code % (sizeof words / sizeof words[0])];
    if (code < 0x80) return (int64_t)((uint64_t)value + (uint64_t)(int64_t)(int8_t)fuzz_u8(in));
    if (code < 0xA0) return (int64_t)((uint64_t)value * 2);
    if (code < 0xC0) return value / 2;
    return (int64_t)fuzz_u64(in);
}

/* Change what the right problem says; the last changes are to the contents of tables, which are there then. */
static void change_sizes(struct fuzz_input *in, struct given *g)
{
    for (uint32_t n = fuzz_below(in, 4); n > 0; n--) {
        uint8_t what = fuzz_u8(in);
        if (what < 0xA0) {
            int64_t *word = &g->config[what % CONFIG_WORDS];
            *word = draw_word(in, *word);
            continue;
        }
        uint64_t *bytes = &g->bytes[what % N_TENSORS];
        *bytes = what & 1 ? *bytes + (uint64_t)(int64_t)(int8_t)fuzz_u8(in) : 1 + (uint64_t)fuzz_u16(in);
        if (*bytes == 0 || *bytes > 1 << 20) *bytes = 1;
    }
}

static int32_t draw_int32(struct fuzz_input *in, uint32_t limit)
{
    uint8_t code = fuzz_u8(in);
    if (code == 0xFF) return (int32_t)fuzz_u32(in);
    return code == 0xFE ? -1 : (int32_t)(code % limit);
}

static void fill_elements(struct given *g, int tensor, uint32_t seed)
{
    uint32_t dtype = (uint64_t)g->config[DTYPE] < PA_DTYPE_COUNT ? (uint32_t)g->config[DTYPE] : PA_FP32;
    uint64_t n = g->bytes[tensor] / pa_dtype_bytes((enum pa_dtype)dtype);
    for (uint64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        pa_store((enum pa_dtype)dtype, g->data[tensor], i, (float)(int32_t)seed / 2147483648.0f);
    }
}

/* Contents. Lengths and block ids are mostly in range of the problem that was right. */
static void fill(struct fuzz_input *in, struct given *g, uint32_t longest, uint32_t n_blocks)
{
    for (int i = 0; i < N_TENSORS; i++) {
        g->data[i] = malloc(g->bytes[i]);
        FUZZ_CHECK(g->data[i], "no memory");
        memset(g->data[i], 0x5A, g->bytes[i]);
    }
    for (int i = QUERY; i <= VALUE_CACHE; i++) fill_elements(g, i, (uint32_t)i);
    int32_t *table = g->data[BLOCK_TABLE], *lens = g->data[CONTEXT_LENS];
    for (uint64_t i = 0; i < g->bytes[CONTEXT_LENS] / sizeof *lens; i++) lens[i] = draw_int32(in, longest + 1);
    for (uint64_t i = 0; i < g->bytes[BLOCK_TABLE] / sizeof *table; i++) table[i] = draw_int32(in, n_blocks);
    uint64_t n = g->bytes[CONFIG] < sizeof g->config ? g->bytes[CONFIG] : sizeof g->config;
    memcpy(g->data[CONFIG], g->config, n);
}

static void draw_given(struct fuzz_input *in, struct given *g)
{
    draw_shape(in, g);
    uint32_t longest = (uint32_t)(g->config[BLOCK_SIZE] * g->config[BLOCK_NUM]);
    uint64_t block = g->bytes[VALUE_CACHE];
    uint64_t element = pa_dtype_bytes((enum pa_dtype)g->config[DTYPE]);
    block /= (uint64_t)(g->config[KV_HEAD_NUM] * g->config[HEAD_DIM] * g->config[BLOCK_SIZE]) * element;
    change_sizes(in, g);
    fill(in, g, longest, (uint32_t)block);
}

static void read_run_config(struct fuzz_input *in, struct tg_run_config *config)
{
    uint8_t code = fuzz_u8(in);
    tg_run_config_init(config);
    config->runtime = code & 1 ? TG_HOST_BUILD_GRAPH : TG_AICPU_BUILD_GRAPH;
    config->build_mode = code & 2 ? TG_BUILD_SEQUENTIAL : TG_BUILD_CONCURRENT;
    config->aicpu_thread_num = 2 + (code >> 2 & 1);
    config->block_dim = 1 + (code >> 3 & 3);
    config->window = code & 32 ? 2 : 16384;
    config->schedule_seed = code >> 6;
}

/* ---- what a run that succeeded should have computed -------------------------------------------------------------- */

/* The problem as its configuration says it, which the orchestration has found to agree with the sizes. */
static void check_result(const struct given *g)
{
    const int64_t *c = g->config;
    struct pa_problem p = {0};
    struct pa_golden golden;
    struct pa_comparison comparison;
    struct failure failure = {""};
    uint32_t scale_bits = (uint32_t)c[SCALE];
    memcpy(&p.scale, &scale_bits, sizeof p.scale);
    p.shape = (struct pa_shape){(uint32_t)c[BATCH],    (uint32_t)c[NUM_HEADS],  (uint32_t)c[KV_HEAD_NUM],
                                (uint32_t)c[HEAD_DIM], (uint32_t)c[BLOCK_SIZE], PA_FP32};
    if (g->bytes[CONFIG] > DTYPE * sizeof *c) p.shape.dtype = (enum pa_dtype)c[DTYPE];
    p.table_cols = (uint32_t)c[BLOCK_NUM];
    uint64_t block = (uint64_t)p.shape.kv_heads * p.shape.head_dim * p.shape.block_size;
    p.n_blocks = (uint32_t)(g->bytes[KEY_CACHE] / (block * pa_dtype_bytes(p.shape.dtype)));
    p.query = g->data[QUERY];
    p.out = g->data[OUT];
    p.block_table = g->data[BLOCK_TABLE];
    p.context_lens = g->data[CONTEXT_LENS];
    p.key_cache = g->data[KEY_CACHE];
    p.value_cache = g->data[VALUE_CACHE];
    FUZZ_CHECK(pa_golden_compute(&p, &golden, &failure) == TG_OK, "%s", failure.message);
    pa_golden_compare(&p, &golden, &comparison);
    /* Scores too large for the kernels' number format are nobody's promise. */
    if (!comparison.pass && golden.score_bound < 1e3) {
        pa_golden_explain(&p, &golden, &comparison, &failure);
        FUZZ_CHECK(comparison.pass, "%s", failure.message);
    }
    pa_golden_free(&golden);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static enum tg_status run(const struct given *g, const struct tg_run_config *config)
{
    static const char *const names[] = {"query",        "key_cache", "value_cache", "block_table",
                                        "context_lens", "out",       "config"};
    struct tg_tensor tensors[N_TENSORS];
    for (uint32_t i = 0; i < N_TENSORS; i++)
        tensors[i] = (struct tg_tensor){names[i], g->data[i], g->bytes[i], g->bytes[i], i == OUT ? TG_OUT : TG_IN};
    struct tg_run *opened = NULL;
    enum tg_status status = tg_run_open(programs[config->runtime], config, tensors, N_TENSORS, &opened);
    if (status != TG_OK) return status;
    status = tg_run_wait(opened);
    tg_run_close(opened);
    return status;
}

static void check_refusal(const struct given *g, enum tg_status status)
{
    const uint8_t *out = g->data[OUT];
    FUZZ_CHECK(status == TG_ERR_ORCHESTRATION, "%s: %s", tg_status_name(status), tg_last_message());
    FUZZ_CHECK(tg_last_message()[0], "no message");
    for (uint64_t i = 0; i < g->bytes[OUT]; i++) FUZZ_CHECK(out[i] == 0x5A, "the output was written");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    struct tg_run_config config;
    struct given given;
    read_run_config(&in, &config);
    draw_given(&in, &given);
    enum tg_status status = run(&given, &config);
    fuzz_reached(status == TG_OK ? "" : tg_last_message());
    if (status == TG_OK) check_result(&given);
    else check_refusal(&given, status);
    FUZZ_CHECK(tg_device_bytes_in_use(device) == 0, "device memory is in use after the run");
    for (int i = 0; i < N_TENSORS; i++) free(given.data[i]);
    return 0;
}
