/*
 * state.h - processor state that code may leave behind in its thread: the rounding mode, flushing of subnormals,
 * enabled exceptions, the direction of string copies.
 *
 * Foreign code runs in the default state, and its changes end with it. The library also computes in the default state:
 * results do not depend on the caller's state.
 *
 *     tg_state_reset   set the default; the old state does not matter
 *     tg_state_enter    set the default and keep the old state, for tg_state_leave
 *
 * The default is the C library's: round to nearest, keep subnormals, trap nothing. Setting it takes 2 ns. Reading the
 * old state takes 4 ns more on some processors; fegetenv with fesetenv takes more than 100.
 */
#ifndef TG_OS_STATE_H
#define TG_OS_STATE_H

#include <stdint.h>

#if defined(__x86_64__)

/* Intel SDM, volume 1: 8.1.5 (x87 control word), 10.2.3 (MXCSR), 3.4.3 (EFLAGS). */
#define TG_STATE_MXCSR 0x1F80u
#define TG_STATE_X87 0x037Fu

enum {
    TG_STATE_DIRECTION = 1 << 10, /* strings are copied downwards */
    TG_STATE_NESTED = 1 << 14,
    TG_STATE_ALIGNMENT = 1 << 18, /* an unaligned access traps */
    TG_STATE_FLAGS = TG_STATE_DIRECTION | TG_STATE_NESTED | TG_STATE_ALIGNMENT
};

struct tg_state {
    uint32_t mxcsr; /* includes the exceptions raised so far */
    uint16_t x87;
    uint16_t zero; /* in place of padding, so that two states can be compared as bytes */
};

/* The flags that compiled code relies on. Only assembly language can call with other values. */
static inline void tg_state_clear_flags(void)
{
    const unsigned long long flags = __builtin_ia32_readeflags_u64();
    if (flags & TG_STATE_FLAGS) __builtin_ia32_writeeflags_u64(flags & ~(unsigned long long)TG_STATE_FLAGS);
}

/* After fninit or emms the x87 registers are empty, even where code has used them as MMX registers. fldcw and emms
 * deliver a pending exception; fninit clears it. */
static inline void tg_state_set(const struct tg_state *state)
{
    uint16_t x87;
    tg_state_clear_flags();
    __asm__ volatile("ldmxcsr %1\n\tfnstcw %0" : "=m"(x87) : "m"(state->mxcsr));
    if (x87 == state->x87) __asm__ volatile("emms");
    else __asm__ volatile("fninit\n\tfldcw %0" : : "m"(state->x87));
}

static inline void tg_state_reset(void)
{
    static const struct tg_state standard = {TG_STATE_MXCSR, TG_STATE_X87, 0};
    tg_state_set(&standard);
}

static inline struct tg_state tg_state_enter(void)
{
    struct tg_state theirs = {0, 0, 0};
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(theirs.mxcsr), "=m"(theirs.x87));
    tg_state_reset();
    return theirs;
}

#elif defined(__aarch64__)

/* Arm ARM, D19.2 (FPCR): 0 is the default. A write waits for running computations: so only a changed value is written.
 */
struct tg_state {
    uint64_t fpcr;
};

static inline void tg_state_clear_flags(void) {}

static inline void tg_state_set(const struct tg_state *state)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    if (fpcr != state->fpcr) __asm__ volatile("msr fpcr, %0" : : "r"(state->fpcr) : "memory");
}

static inline void tg_state_reset(void)
{
    static const struct tg_state standard = {0};
    tg_state_set(&standard);
}

static inline struct tg_state tg_state_enter(void)
{
    struct tg_state theirs;
    __asm__ volatile("mrs %0, fpcr" : "=r"(theirs.fpcr));
    tg_state_reset();
    return theirs;
}

#else

#include <fenv.h>

struct tg_state {
    fenv_t environment;
};

static inline void tg_state_clear_flags(void) {}
static inline void tg_state_set(const struct tg_state *state) { fesetenv(&state->environment); }
static inline void tg_state_reset(void) { fesetenv(FE_DFL_ENV); }

static inline struct tg_state tg_state_enter(void)
{
    struct tg_state theirs;
    fegetenv(&theirs.environment);
    tg_state_reset();
    return theirs;
}

#endif

/* Restore the state that tg_state_enter found. */
static inline void tg_state_leave(const struct tg_state *theirs) { tg_state_set(theirs); }

/* First statement of a public function that computes or prints numbers: the rest of it runs in the default state. */
#define TG_OWN_STATE                                                                                                   \
    __attribute__((cleanup(tg_state_leave), unused)) const struct tg_state tg_their_state = tg_state_enter()

#endif
