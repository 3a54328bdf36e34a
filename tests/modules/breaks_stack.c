/* breaks_stack.c - a kernel and a plugin that return with another stack pointer. */
#if defined(__x86_64__)
#define CODE "xorl %eax, %eax\n popq %rdx\n subq $64, %rsp\n jmpq *%rdx\n"
#elif defined(__aarch64__)
#define CODE "mov x0, xzr\n sub sp, sp, #64\n ret\n"
#else
#define CODE ""
#endif

__asm__(".text\n .globl kernel_entry\n .globl orchestration\n kernel_entry:\n orchestration:\n" CODE);
