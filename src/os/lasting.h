/*
 * lasting.h - calls that leave something of an object in the C library, or take something of others away: pointers and
 * functions that are used after the object is gone, keys of thread-local data, locks.
 *
 * While a watched guarded call runs on the calling thread,
 *
 *     putenv, setvbuf                            work on memory of the C library, not of the object
 *     pthread_key_create                         takes no destructor
 *     pthread_key_delete                         deletes keys that foreign code has created
 *     dlclose                                    closes nothing
 *     dl_iterate_phdr                            calls its function without the loader's lock
 *     on_exit, pthread_atfork, fopencookie, ...  are refused, as refused.h says
 *
 * Everywhere else they behave like the C library's.
 *
 * Threads: any.
 */
#ifndef TG_OS_LASTING_H
#define TG_OS_LASTING_H

/* The replacement of the C library's function `name`; NULL: it leaves nothing. */
void *tg_lasting_find(const char *name);

#endif
