/* OpenMP tasks with depend clauses, created by one thread while the others run them. Build: cc -fopenmp. */
#include "peers.h"

#include <omp.h>

static void run_graph(int workers, int64_t n_blocks, int64_t turns)
{
    /* The objects of the depend clauses: a byte for each task. */
    char *done = (char *)malloc((size_t)(PEER_KINDS * n_blocks));
    if (!done) exit(5);
#pragma omp parallel num_threads(workers)
#pragma omp single
    for (int64_t block = 0; block < n_blocks; block++) {
        /* The update before this one, or what it waits for anyway. */
        char *own = done + PEER_KINDS * block, *before = block % PEER_CHAIN ? own - 1 : own + PEER_PV;
#pragma omp task depend(out : own[PEER_QK]) firstprivate(turns)
        spin(turns);
#pragma omp task depend(in : own[PEER_QK]) depend(out : own[PEER_SF]) firstprivate(turns)
        spin(turns);
#pragma omp task depend(in : own[PEER_SF]) depend(out : own[PEER_PV]) firstprivate(turns)
        spin(turns);
#pragma omp task depend(in : own[PEER_PV], before[0]) depend(out : own[PEER_UP]) firstprivate(turns)
        spin(turns);
    }
    free(done);
}

int main(int argc, char **argv)
{
    peer_rows(argc > 1 ? argv[1] : "OpenMP", 1 << 20);
    return 0;
}
