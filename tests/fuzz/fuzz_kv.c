/* Sequences of calls of KV caches (kv_walk.h), and caches of hostile options. */
#include <tilegraph/kv_cache.h>

#include "fuzz.h"
#include "kv_walk.h"

static struct tg_device *device;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct tg_device_config config;
    (void)argc;
    (void)argv;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = 1;
    config.gm_bytes = 16 << 20;
    FUZZ_CHECK(tg_device_open(&config, &device) == TG_OK, "%s", tg_last_message());
    return 0;
}

/* `value`, or in one of four cases any number. */
static uint32_t hostile(struct fuzz_input *in, uint32_t value)
{
    const uint8_t code = fuzz_u8(in);
    if (code % 4) return value;
    return code & 8 ? fuzz_u32(in) : fuzz_u16(in);
}

static void try_options(struct fuzz_input *in)
{
    struct tg_kv_cache_config c;
    struct tg_kv_cache *cache = NULL;
    const tg_address nowhere[2] = {fuzz_u64(in), fuzz_u64(in)};
    tg_kv_cache_config_init(&c);
    c.n_blocks = hostile(in, 16);
    c.block_tokens = hostile(in, 16);
    c.n_layers = hostile(in, 2);
    c.kv_heads = hostile(in, 2);
    c.key_dim = hostile(in, 16);
    c.value_dim = hostile(in, 0);
    c.dtype = hostile(in, TG_FP32);
    c.layout = hostile(in, TG_KV_PACKED);
    c.max_sequences = hostile(in, 4);
    c.max_blocks = hostile(in, 0);
    c.rotary_dims = fuzz_u8(in) == 1 ? 8 : 0; /* without tables */
    if (fuzz_u8(in) == 1 && c.n_layers <= 2) c.keys = nowhere;
    if (fuzz_u8(in) == 1 && c.n_layers <= 2) c.values = nowhere;
    c.size = fuzz_u8(in) == 1 ? fuzz_u8(in) : sizeof c;
    /* The fuzzer counts addresses as memory. */
    const uint64_t rows = (uint64_t)c.max_sequences * c.n_blocks;
    if (c.n_blocks <= 1u << 30 && (rows > 1 << 26 || (uint64_t)c.n_blocks * c.block_tokens > 1 << 26)) return;
    const enum tg_status status = tg_kv_cache_open(device, &c, &cache);
    FUZZ_CHECK((status == TG_OK) == (cache != NULL), "a failed open gave a cache");
    if (status != TG_OK) {
        fuzz_reached(tg_last_message());
        FUZZ_CHECK(status == TG_ERR_ARGUMENT || status == TG_ERR_MEMORY || status == TG_ERR_DEVICE_MEMORY, "%s: %s",
                   tg_status_name(status), tg_last_message());
        FUZZ_CHECK(tg_last_message()[0], "no message");
    }
    tg_kv_cache_close(cache);
    FUZZ_CHECK(tg_device_bytes_in_use(device) == 0, "device memory is left");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    if (fuzz_u8(&in) % 8 == 7) try_options(&in);
    else (void)kv_walk(device, in.at, (size_t)(in.end - in.at));
    return 0;
}
