/* layout.h - where the elements of a KV cache are. */
#ifndef TG_ATTENTION_LAYOUT_H
#define TG_ATTENTION_LAYOUT_H

#include <tilegraph/kv_cache.h>

/* Elements of all keys, or of all values, of a block in any layout. */
uint64_t tg_kv_key_elements(const struct tg_kv_view *view);
uint64_t tg_kv_value_elements(const struct tg_kv_view *view);

/* Bytes from view->key, or view->value, to behind the last element. 0: there are no blocks. */
uint64_t tg_kv_key_extent(const struct tg_kv_view *view);
uint64_t tg_kv_value_extent(const struct tg_kv_view *view);

/* Scales of two arrays are multiplied and divided by each other: fp32 has the results, and those of its numbers. */
#define TG_KV_SCALE_MAX 1e18f

/* Is a scale from 1 / TG_KV_SCALE_MAX to TG_KV_SCALE_MAX? TG_ERR_ARGUMENT: names the field. */
enum tg_status tg_kv_check_scale(const char *name, float scale);

/* Bytes of the scales of all blocks and heads, of keys or of values. */
uint64_t tg_kv_scale_bytes(const struct tg_kv_view *view);

/* Take the caller's structure, which may be of another version, with zeros for what it lacks. TG_ERR_ARGUMENT. */
enum tg_status tg_kv_view_take(struct tg_kv_view *to, const struct tg_kv_view *from);

#endif
