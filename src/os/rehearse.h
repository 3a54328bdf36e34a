/*
 * rehearse.h - the steps in the process that tries an object (probe.h): open it, check it, close it, answer.
 *
 * The other process is a small program (src/helper), or a copy of this one. The program contains this source and
 * foreign.c, and no other source of the library.
 */
#ifndef TG_OS_REHEARSE_H
#define TG_OS_REHEARSE_H

#include <stdint.h>

enum { TG_REHEARSAL_REASON_BYTES = 512 };

enum tg_rehearsal_result {
    TG_REHEARSAL_BEGUN, /* the process works; the object follows */
    TG_REHEARSAL_OPENS,
    TG_REHEARSAL_NOT_LOADED, /* the loader refuses it: `reason` */
    TG_REHEARSAL_NO_SYMBOL,
    TG_REHEARSAL_EXITS, /* closing it runs the exit handlers of the whole process */
    TG_REHEARSAL_BROKEN /* opening or closing it breaks the calling convention */
};

/* One word from the other process: TG_REHEARSAL_BEGUN, and the result once the object is closed. */
struct tg_rehearsal_answer {
    enum tg_rehearsal_result result;
    uint32_t has_abi, abi; /* the uint32_t that it exports as its version */
    char reason[TG_REHEARSAL_REASON_BYTES];
};

/* The task: the object in the file `object_fd`, which must export `symbol` and may export `abi_symbol` ("": not
 * checked). */
struct tg_rehearsal_task {
    int object_fd, answer_fd;
    const char *symbol, *abi_symbol;
};

/* Close the standard streams to the object's output, and set default actions for crashes. */
void tg_rehearse_quietly(void);

/* Say that the process works. */
void tg_rehearse_begin(const struct tg_rehearsal_task *task);

/* Try the object and answer. */
void tg_rehearse(const struct tg_rehearsal_task *task);

/* The process's exit handlers run; is this a process that may run them? */
void tg_rehearse_note_exit(void);

#endif
