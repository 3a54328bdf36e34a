/* no_entry.c - a shared object that exports nothing that is looked for. */
int nothing_of_interest(void);

__attribute__((visibility("default"))) int nothing_of_interest(void) { return 0; }
