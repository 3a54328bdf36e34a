/* program_list.h - the end of a kernel_programs_*.c, whose PROGRAMS(X) lists its kernels: entry, and list for the
 * test. */
static const char *const program_names[] = {
#define PROGRAM_NAME(name) #name,
    PROGRAMS(PROGRAM_NAME)
#undef PROGRAM_NAME
};

#ifdef __cplusplus
extern "C"
#endif
    TG_KERNEL_EXPORT struct program_list
    programs(void);

struct program_list programs(void)
{
    const struct program_list list = {__start_program_sites, (size_t)(__stop_program_sites - __start_program_sites),
                                      program_names, sizeof program_names / sizeof program_names[0]};
    return list;
}

void kernel_entry(int64_t *args)
{
    static void (*const all[])(const struct program *) = {
#define PROGRAM_FUNCTION(name) name,
        PROGRAMS(PROGRAM_FUNCTION)
#undef PROGRAM_FUNCTION
    };
    const struct program program = {tg_arg_addr(args[0]), args[2]};
    all[args[1]](&program);
}
