#define _XOPEN_SOURCE 700

#include "pa_files.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "npy.h"

enum tensor_file { QUERY, KEY_CACHE, VALUE_CACHE, BLOCK_TABLE, CONTEXT_LENS, OUT, N_TENSOR_FILES };

/* The dimensions of the files by name: the same name has the same size everywhere. */
enum dimension { BATCH, HEADS, HEAD_DIM, N_BLOCKS, BLOCK_SIZE, KV_HEADS, TABLE_COLS, N_DIMENSIONS };

static const char *const dimension_names[N_DIMENSIONS] = {
    [BATCH] = "batch",           [HEADS] = "heads",       [HEAD_DIM] = "head_dim",     [N_BLOCKS] = "n_blocks",
    [BLOCK_SIZE] = "block_size", [KV_HEADS] = "kv_heads", [TABLE_COLS] = "table_cols",
};

static const struct {
    const char *name;
    uint32_t n_dims;
    enum dimension dims[4];
} files[N_TENSOR_FILES] = {
    [QUERY] = {"query.npy", 3, {BATCH, HEADS, HEAD_DIM}},
    [KEY_CACHE] = {"key_cache.npy", 4, {N_BLOCKS, BLOCK_SIZE, KV_HEADS, HEAD_DIM}},
    [VALUE_CACHE] = {"value_cache.npy", 4, {N_BLOCKS, BLOCK_SIZE, KV_HEADS, HEAD_DIM}},
    [BLOCK_TABLE] = {"block_table.npy", 2, {BATCH, TABLE_COLS}},
    [CONTEXT_LENS] = {"context_lens.npy", 1, {BATCH}},
    [OUT] = {"out.npy", 3, {BATCH, HEADS, HEAD_DIM}},
};

static const enum npy_type npy_types[PA_DTYPE_COUNT] = {
    [PA_FP32] = NPY_FLOAT32,
    [PA_FP16] = NPY_FLOAT16,
    [PA_BF16] = NPY_UINT16,
};

/* ---- loading ----------------------------------------------------------------------------------------------------- */

struct loading {
    const char *folder;
    struct npy_array arrays[N_TENSOR_FILES];
    bool has_out;
    uint64_t sizes[N_DIMENSIONS];          /* 0: not known yet */
    enum tensor_file source[N_DIMENSIONS]; /* the file that told the size */
};

/* Read the header of a file, or all of it. */
typedef enum tg_status read_fn(const char *path, struct npy_array *out, struct failure *failure);

/* Read a file of the folder. An out.npy that does not exist is left out. */
static enum tg_status read_file(struct loading *l, enum tensor_file file, read_fn *read, struct failure *failure)
{
    char *path = file_join(l->folder, files[file].name);
    if (!path) return failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a file");
    enum tg_status status = TG_OK;
    if (file != OUT || file_exists(path)) {
        status = read(path, &l->arrays[file], failure);
        l->has_out |= file == OUT && status == TG_OK;
    }
    free(path);
    return status;
}

/* Hold the dimensions of one file against those of the files before it. */
static enum tg_status check_shape(struct loading *l, enum tensor_file file, struct failure *failure)
{
    const struct npy_array *a = &l->arrays[file];
    const char *name = files[file].name;
    if (a->n_dims != files[file].n_dims) {
        return failure_set(failure, TG_ERR_FILE, "%s/%s: has %" PRIu32 " dimensions, %" PRIu32 " are needed", l->folder,
                           name, a->n_dims, files[file].n_dims);
    }
    for (uint32_t i = 0; i < a->n_dims; i++) {
        enum dimension d = files[file].dims[i];
        if (a->shape[i] == 0 || a->shape[i] > INT32_MAX) {
            return failure_set(failure, TG_ERR_FILE,
                               "%s/%s: dimension %" PRIu32 " (%s) is %" PRIu64 ", 1 to 2147483647 is allowed",
                               l->folder, name, i, dimension_names[d], a->shape[i]);
        }
        if (l->sizes[d] == 0) {
            l->sizes[d] = a->shape[i];
            l->source[d] = file;
        } else if (l->sizes[d] != a->shape[i]) {
            return failure_set(failure, TG_ERR_FILE,
                               "%s/%s: dimension %" PRIu32 " (%s) is %" PRIu64 ", in %s it is %" PRIu64, l->folder,
                               name, i, dimension_names[d], a->shape[i], files[l->source[d]].name, l->sizes[d]);
        }
    }
    return TG_OK;
}

/* The element type of the problem, from query.npy and what the caller says. */
static enum tg_status choose_dtype(const struct loading *l, const enum pa_dtype *wanted, enum pa_dtype *dtype,
                                   struct failure *failure)
{
    enum npy_type type = l->arrays[QUERY].type;
    const char *name = files[QUERY].name;
    if (wanted) {
        *dtype = *wanted;
        if (type == npy_types[*wanted]) return TG_OK;
        return failure_set(failure, TG_ERR_FILE, "%s/%s: has %s elements, --dtype %s needs %s", l->folder, name,
                           npy_type_name(type), pa_dtype_name(*wanted), npy_type_name(npy_types[*wanted]));
    }
    if (type == NPY_FLOAT32 || type == NPY_FLOAT16) {
        *dtype = type == NPY_FLOAT32 ? PA_FP32 : PA_FP16;
        return TG_OK;
    }
    if (type == NPY_UINT16) {
        return failure_set(failure, TG_ERR_FILE, "%s/%s: has uint16 elements; if they are bf16, say --dtype bf16",
                           l->folder, name);
    }
    return failure_set(failure, TG_ERR_FILE,
                       "%s/%s: has %s elements; float32, float16, or uint16 with --dtype bf16 are needed", l->folder,
                       name, npy_type_name(type));
}

static enum tg_status check_type(const struct loading *l, enum tensor_file file, enum npy_type type,
                                 enum npy_type other, struct failure *failure)
{
    enum npy_type has = l->arrays[file].type;
    if (has == type || has == other) return TG_OK;
    return failure_set(failure, TG_ERR_FILE, "%s/%s: has %s elements, %s%s%s is needed", l->folder, files[file].name,
                       npy_type_name(has), npy_type_name(type), type == other ? "" : " or ",
                       type == other ? "" : npy_type_name(other));
}

static enum tg_status check_types(const struct loading *l, enum pa_dtype dtype, struct failure *failure)
{
    enum npy_type type = npy_types[dtype];
    enum tg_status status = check_type(l, KEY_CACHE, type, type, failure);
    if (status == TG_OK) status = check_type(l, VALUE_CACHE, type, type, failure);
    if (status == TG_OK) status = check_type(l, BLOCK_TABLE, NPY_INT32, NPY_INT64, failure);
    if (status == TG_OK) status = check_type(l, CONTEXT_LENS, NPY_INT32, NPY_INT64, failure);
    if (status == TG_OK && l->has_out) status = check_type(l, OUT, type, NPY_FLOAT32, failure);
    return status;
}

/* Move the array's memory out of it. */
static void *move_data(struct npy_array *array)
{
    void *data = array->data;
    array->data = NULL;
    return data;
}

/* The array's memory as int32, narrowed in place if it holds int64. */
static enum tg_status move_int32(struct loading *l, enum tensor_file file, int32_t **out, struct failure *failure)
{
    struct npy_array *a = &l->arrays[file];
    if (a->type == NPY_INT64) {
        unsigned char *bytes = a->data;
        for (uint64_t i = 0; i < a->n_elements; i++) {
            int64_t wide;
            memcpy(&wide, bytes + i * sizeof wide, sizeof wide);
            if (wide < INT32_MIN || wide > INT32_MAX) {
                return failure_set(failure, TG_ERR_FILE,
                                   "%s/%s: element %" PRIu64 " is %" PRId64 ", which int32 cannot hold", l->folder,
                                   files[file].name, i, wide);
            }
            int32_t narrow = (int32_t)wide;
            memcpy(bytes + i * sizeof narrow, &narrow, sizeof narrow);
        }
    }
    *out = move_data(a);
    return TG_OK;
}

static enum tg_status move_reference(struct loading *l, struct pa_problem *p, struct failure *failure)
{
    if (!l->has_out) return TG_OK;
    const struct npy_array *a = &l->arrays[OUT];
    p->reference_dtype = a->type == NPY_FLOAT32 ? PA_FP32 : p->shape.dtype;
    p->reference = a->n_elements <= SIZE_MAX / sizeof(double) ? malloc(a->n_elements * sizeof(double)) : NULL;
    if (!p->reference) return failure_set(failure, TG_ERR_MEMORY, "no memory for %s", files[OUT].name);
    pa_load(p->reference_dtype, a->data, 0, a->n_elements, p->reference);
    return TG_OK;
}

/* Check what the headers say: everything that can be refused without the elements. */
static enum tg_status look_at_files(struct loading *l, const enum pa_dtype *dtype, struct pa_problem *p,
                                    struct failure *failure)
{
    enum tg_status status = TG_OK;
    for (int i = 0; status == TG_OK && i < N_TENSOR_FILES; i++)
        status = read_file(l, (enum tensor_file)i, npy_look, failure);
    for (int i = 0; status == TG_OK && i < N_TENSOR_FILES; i++)
        if (i != OUT || l->has_out) status = check_shape(l, (enum tensor_file)i, failure);
    if (status == TG_OK) status = choose_dtype(l, dtype, &p->shape.dtype, failure);
    if (status == TG_OK) status = check_types(l, p->shape.dtype, failure);
    if (status != TG_OK) return status;
    p->shape.batch = (uint32_t)l->sizes[BATCH];
    p->shape.heads = (uint32_t)l->sizes[HEADS];
    p->shape.kv_heads = (uint32_t)l->sizes[KV_HEADS];
    p->shape.head_dim = (uint32_t)l->sizes[HEAD_DIM];
    p->shape.block_size = (uint32_t)l->sizes[BLOCK_SIZE];
    p->table_cols = (uint32_t)l->sizes[TABLE_COLS];
    p->n_blocks = (uint32_t)l->sizes[N_BLOCKS];
    return pa_problem_check_memory(p, failure);
}

/* All elements. Somebody may have written a file since its header was read. */
static enum tg_status read_files(struct loading *l, struct failure *failure)
{
    for (int i = 0; i < N_TENSOR_FILES; i++) {
        const struct npy_array seen = l->arrays[i];
        if (i == OUT && !l->has_out) continue;
        enum tg_status status = read_file(l, (enum tensor_file)i, npy_read, failure);
        if (status != TG_OK) return status;
        const struct npy_array *now = &l->arrays[i];
        if (now->data && now->type == seen.type && now->n_dims == seen.n_dims &&
            memcmp(now->shape, seen.shape, sizeof seen.shape) == 0)
            continue;
        return failure_set(failure, TG_ERR_FILE, "%s/%s: it changed while it was read", l->folder, files[i].name);
    }
    return TG_OK;
}

static enum tg_status move_tensors(struct loading *l, struct pa_problem *p, struct failure *failure)
{
    p->query = move_data(&l->arrays[QUERY]);
    enum tg_status status = move_int32(l, BLOCK_TABLE, &p->block_table, failure);
    if (status == TG_OK) status = move_int32(l, CONTEXT_LENS, &p->context_lens, failure);
    if (status == TG_OK) status = move_reference(l, p, failure);
    if (status == TG_OK) status = pa_problem_finish(p, failure);
    if (status != TG_OK) return status;
    pa_problem_from_plain(p, PA_KEY, l->arrays[KEY_CACHE].data);
    npy_free(&l->arrays[KEY_CACHE]); /* may be gigabytes */
    pa_problem_from_plain(p, PA_VALUE, l->arrays[VALUE_CACHE].data);
    return TG_OK;
}

enum tg_status pa_files_load(const char *folder, const enum pa_dtype *dtype, struct pa_problem *out,
                             struct failure *failure)
{
    struct loading l = {.folder = folder};
    struct pa_problem problem = {0};
    enum tg_status status = look_at_files(&l, dtype, &problem, failure);
    if (status == TG_OK) status = read_files(&l, failure);
    if (status == TG_OK) status = move_tensors(&l, &problem, failure);
    for (int i = 0; i < N_TENSOR_FILES; i++) npy_free(&l.arrays[i]);
    if (status == TG_OK) *out = problem;
    else pa_problem_free(&problem);
    return status;
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

static bool same_folder(const char *a, const char *b)
{
    struct stat info_a, info_b;
    return stat(a, &info_a) == 0 && stat(b, &info_b) == 0 && info_a.st_dev == info_b.st_dev &&
           info_a.st_ino == info_b.st_ino;
}

/* The folder in which files are written before they have their places, and their paths in it. */
struct stage {
    char *path;
    char *files[N_TENSOR_FILES];
};

static void stage_remove(const struct stage *stage)
{
    for (int i = 0; i < N_TENSOR_FILES; i++) (void)unlink(stage->files[i]); /* most often it is not there */
    (void)rmdir(stage->path);
}

static void stage_free(struct stage *stage)
{
    for (int i = 0; i < N_TENSOR_FILES; i++) free(stage->files[i]);
    free(stage->path);
}

/* Signals that end the process remove the stage first. Writer: the committing thread, before and after it has a
 * stage. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
enum { N_ENDING = sizeof ending / sizeof ending[0] };
static const struct stage *volatile stage_to_remove;
static struct sigaction before_stage[N_ENDING];

static void remove_and_end(int number)
{
    if (stage_to_remove) stage_remove(stage_to_remove);
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* ends the process when this handler returns */
}

static void guard_stage(const struct stage *stage)
{
    struct sigaction action = {.sa_handler = remove_and_end};
    sigemptyset(&action.sa_mask);
    stage_to_remove = stage;
    for (int i = 0; i < N_ENDING; i++) {
        (void)sigaction(ending[i], NULL, &before_stage[i]);
        if (before_stage[i].sa_handler != SIG_IGN) (void)sigaction(ending[i], &action, NULL);
    }
}

static void unguard_stage(void)
{
    for (int i = 0; i < N_ENDING; i++) (void)sigaction(ending[i], &before_stage[i], NULL);
    stage_to_remove = NULL;
}

/* A new folder of a name that nobody else has: in the one that will be written, or beside it if it does not exist. */
static enum tg_status stage_open(const struct pa_save *save, struct stage *stage, struct failure *failure)
{
    const size_t n = strlen(save->folder) + 40;
    stage->path = malloc(n);
    if (!stage->path) return failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a folder");
    const char *slash = strrchr(save->folder, '/');
    const int n_parent = save->folder_exists ? (int)strlen(save->folder) : slash ? (int)(slash - save->folder) : 0;
    const char *between = save->folder_exists || slash ? "/" : "";
    (void)snprintf(stage->path, n, "%.*s%s.partial-XXXXXX", n_parent, save->folder, between);
    if (!mkdtemp(stage->path))
        return failure_set(failure, TG_ERR_FILE, "%s: cannot be written: %s", save->folder, strerror(errno));
    const mode_t mask = umask(0); /* there is no other way to ask for it */
    (void)umask(mask);
    (void)chmod(stage->path, 0777 & ~mask); /* it may become the folder itself */
    for (int i = 0; i < N_TENSOR_FILES; i++) {
        stage->files[i] = file_join(stage->path, files[i].name);
        if (stage->files[i]) continue;
        (void)rmdir(stage->path);
        return failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a file");
    }
    return TG_OK;
}

enum tg_status pa_save_open(const char *folder, const char *loaded, struct pa_save *out, struct failure *failure)
{
    struct stat info;
    struct pa_save save = {0};
    if (loaded && same_folder(folder, loaded)) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "--save and --load name one folder, %s, whose out.npy is the reference; save elsewhere",
                           folder);
    }
    save.folder_exists = stat(folder, &info) == 0;
    if (save.folder_exists && !S_ISDIR(info.st_mode)) {
        return failure_set(failure, TG_ERR_FILE, "%s: exists and is not a folder", folder);
    }
    save.folder = strdup(folder);
    if (!save.folder) return failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a folder");
    size_t n = strlen(save.folder);
    while (n > 1 && save.folder[n - 1] == '/') save.folder[--n] = '\0';
    /* The new files, in the folder or beside it. */
    char *inside = save.folder_exists ? file_join(save.folder, files[QUERY].name) : NULL;
    enum tg_status status = TG_OK;
    if (save.folder_exists && !inside) status = failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a file");
    else status = file_check_writable(inside ? inside : save.folder, failure);
    free(inside);
    if (status == TG_OK) *out = save;
    else free(save.folder);
    return status;
}

static enum tg_status write_file(const struct stage *stage, const struct pa_problem *p, enum tensor_file file,
                                 const void *data, struct failure *failure)
{
    const struct pa_shape *s = &p->shape;
    const uint64_t sizes[N_DIMENSIONS] = {
        [BATCH] = s->batch,           [HEADS] = s->heads,       [HEAD_DIM] = s->head_dim,     [N_BLOCKS] = p->n_blocks,
        [BLOCK_SIZE] = s->block_size, [KV_HEADS] = s->kv_heads, [TABLE_COLS] = p->table_cols,
    };
    uint64_t shape[4] = {0};
    for (uint32_t d = 0; d < files[file].n_dims; d++) shape[d] = sizes[files[file].dims[d]];
    enum npy_type type = file == BLOCK_TABLE || file == CONTEXT_LENS ? NPY_INT32 : npy_types[s->dtype];
    return npy_write(stage->files[file], type, files[file].n_dims, shape, data, failure);
}

/* Both caches, one after the other: only one is in memory in the plain layout too. */
static enum tg_status write_caches(const struct stage *stage, const struct pa_problem *p, struct failure *failure)
{
    void *plain = malloc((size_t)pa_problem_counts(p).cache * pa_dtype_bytes(p->shape.dtype));
    if (!plain) return failure_set(failure, TG_ERR_MEMORY, "no memory for a cache in the layout of files");
    pa_problem_to_plain(p, PA_KEY, plain);
    enum tg_status status = write_file(stage, p, KEY_CACHE, plain, failure);
    if (status == TG_OK) {
        pa_problem_to_plain(p, PA_VALUE, plain);
        status = write_file(stage, p, VALUE_CACHE, plain, failure);
    }
    free(plain);
    return status;
}

static enum tg_status write_stage(const struct stage *stage, const struct pa_problem *p, struct failure *failure)
{
    enum tg_status status = write_file(stage, p, QUERY, p->query, failure);
    if (status == TG_OK) status = write_caches(stage, p, failure);
    if (status == TG_OK) status = write_file(stage, p, BLOCK_TABLE, p->block_table, failure);
    if (status == TG_OK) status = write_file(stage, p, CONTEXT_LENS, p->context_lens, failure);
    if (status == TG_OK) status = write_file(stage, p, OUT, p->out, failure);
    return status;
}

/* Move a complete file to its place in the folder that exists, or to where a link there leads. */
static enum tg_status move_file(const char *from, const char *folder, const char *name, struct failure *failure)
{
    char *to = file_join(folder, name), *place = to ? realpath(to, NULL) : NULL;
    enum tg_status status = TG_OK;
    if (!to) status = failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a file");
    else if (rename(from, place ? place : to) != 0)
        status = failure_set(failure, TG_ERR_FILE, "%s: cannot be replaced: %s", to, strerror(errno));
    free(place);
    free(to);
    return status;
}

/* Move the complete files to their places. */
static enum tg_status move_stage(const struct pa_save *save, const struct stage *stage, struct failure *failure)
{
    enum tg_status status = TG_OK;
    if (!save->folder_exists) {
        if (rename(stage->path, save->folder) == 0) return TG_OK;
        return failure_set(failure, TG_ERR_FILE, "%s: cannot be created: %s", save->folder, strerror(errno));
    }
    for (int i = 0; i < N_TENSOR_FILES && status == TG_OK; i++)
        status = move_file(stage->files[i], save->folder, files[i].name, failure);
    return status;
}

/* Let signals that end the process wait, until *before is set as the mask again. */
static void hold_signals(sigset_t *before)
{
    sigset_t held;
    sigemptyset(&held);
    for (int i = 0; i < N_ENDING; i++) sigaddset(&held, ending[i]);
    (void)sigprocmask(SIG_BLOCK, &held, before);
}

enum tg_status pa_save_commit(const struct pa_save *save, const struct pa_problem *problem, struct failure *failure)
{
    struct stage stage = {0};
    sigset_t before;
    hold_signals(&before); /* from before there is a stage until it is guarded, and while files take their places */
    enum tg_status status = stage_open(save, &stage, failure);
    if (status == TG_OK) {
        guard_stage(&stage);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        status = write_stage(&stage, problem, failure);
        hold_signals(&before);
        if (status == TG_OK) status = move_stage(save, &stage, failure);
        stage_remove(&stage);
        unguard_stage();
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    stage_free(&stage);
    return status;
}

void pa_save_close(struct pa_save *save)
{
    free(save->folder);
    memset(save, 0, sizeof *save);
}
