/* clears_registers.c - a kernel and a plugin that leave 0 in a register of their caller. */
#if defined(__x86_64__)
#define CODE "xorl %eax, %eax\n xorl %r14d, %r14d\n ret\n"
#elif defined(__aarch64__)
#define CODE "mov x0, xzr\n mov x24, xzr\n ret\n"
#else
#define CODE ""
#endif

__asm__(".text\n .globl kernel_entry\n .globl orchestration\n kernel_entry:\n orchestration:\n" CODE);
