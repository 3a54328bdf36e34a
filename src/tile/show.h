/* show.h - tiles as text, for the debugging of kernels: tg_tile_print. */
#ifndef TG_TILE_SHOW_H
#define TG_TILE_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>
#include <tilegraph/types.h>

#include "tile/buffers.h"

/* A kernel's request to see a tile, and the core that it comes from. */
struct tg_show {
    const struct tg_tile *tile; /* as the kernel gives it: checked before its values are read */
    const char *name, *file;    /* the tile in the kernel's source, and the source */
    uint32_t line;
    uint32_t rows, cols; /* the most to show; 0: all */
    enum tg_core_type core_type;
    uint32_t core;
    int32_t task_id;
    bool widens; /* products of the machine widen: fp8 operands are tiles, too */
};

/* Does the tile keep the rules, so that its bytes can be read? Otherwise stderr says why not. */
bool tg_show_check(const struct tg_show *show);

/* Write a checked tile to stderr: a line about it, and one for each row. No other thread's lines come between. */
void tg_show_values(const struct tg_show *show, const struct tg_buffers *buffers);

/* Say on stderr why the values are not shown. */
void tg_show_refuse(const struct tg_show *show, const char *why);

#endif
