/*
 * image.h - a complete graph as one block of bytes, for a control program that does not share the builder's memory.
 *
 *     header | tasks | arguments | successors | ready tasks | names of source files
 *
 * The block holds numbers only: kernels are func_ids, tasks are ids, a source file is its position among the names. So
 * it can be copied anywhere. The reader builds a graph of its own from it, with the order of edges and of ready tasks
 * that the builder gave them.
 */
#ifndef TG_GRAPH_IMAGE_H
#define TG_GRAPH_IMAGE_H

#include "graph/graph.h"

/* The header of an image, which is a multiple of 8 bytes long and starts at a multiple of 8. */
struct tg_graph_image {
    uint64_t n_bytes; /* of all */
    uint64_t n_args;  /* of all tasks */
    uint64_t n_edges;
    uint32_t n_tasks;
    uint32_t n_ready;    /* tasks that can run at once */
    uint32_t n_files;    /* source files that tasks name */
    uint32_t file_bytes; /* of their names, each with a 0 behind it */
};
_Static_assert(sizeof(struct tg_graph_image) == 40, "the same for every compiler");

/* A task of an image. Its arguments and successors follow those of the task before. */
struct tg_task_image {
    uint32_t func_id;
    uint32_t n_args;
    uint32_t n_successors;
    uint32_t file; /* position of its name, from 1 on; 0: unknown */
    int32_t line;
    uint32_t reserved;
};
_Static_assert(sizeof(struct tg_task_image) == 24, "the same for every compiler");

/* Fill in the header of an image of `graph`. All its tasks are published, no task has run, and `ready` is the list of
 * those that can run. TG_ERR_MEMORY. */
enum tg_status tg_graph_image_measure(struct tg_graph *graph, struct tg_task *ready, struct tg_graph_image *header);

/* Write the image with this header to header->n_bytes bytes at `to`. TG_ERR_MEMORY. */
enum tg_status tg_graph_image_write(struct tg_graph *graph, struct tg_task *ready, const struct tg_graph_image *header,
                                    void *to);

/*
 * Build the image's graph in `graph`, which is empty, with the kernels of this address space. *ready: its tasks that
 * can run, in the builder's order. The image may lie anywhere in n_bytes bytes, and is not used after the call.
 *
 * Errors    TG_ERR_ABI: the bytes are no image of a graph; TG_ERR_UNKNOWN_FUNC: a kernel is missing here; TG_ERR_EDGE;
 *           TG_ERR_MEMORY. `graph` may then hold some of the tasks
 */
enum tg_status tg_graph_image_read(const void *image, uint64_t n_bytes, const struct tg_kernels *kernels,
                                   struct tg_graph *graph, struct tg_task **ready);

#endif
