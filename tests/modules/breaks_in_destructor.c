/* breaks_in_destructor.c - a destructor that leaves another value in a register of its caller. */
#if defined(__x86_64__)
#define CODE "movq $7, %rbx\n ret\n"
#elif defined(__aarch64__)
#define CODE "mov x19, #7\n ret\n"
#else
#define CODE ""
#endif

__asm__(".text\n breaks:\n" CODE ".section .fini_array, \"aw\"\n .quad breaks\n .text\n"
        ".globl kernel_entry\n .globl orchestration\n kernel_entry:\n orchestration:\n ret\n");
