/* oneTBB's flow graph: built, then run. Build: c++ -ltbb. */
#include "peers.h"

#include <deque>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

using node = tbb::flow::continue_node<tbb::flow::continue_msg>;

static void build_and_run(int64_t n_blocks, int64_t turns)
{
    tbb::flow::graph graph;
    std::deque<node> nodes;
    const auto body = [turns](const tbb::flow::continue_msg &) { spin(turns); };
    for (int64_t block = 0; block < n_blocks; block++) {
        for (int kind = 0; kind < PEER_KINDS; kind++) {
            nodes.emplace_back(graph, body);
            if (kind > 0) tbb::flow::make_edge(nodes[nodes.size() - 2], nodes.back());
        }
        if (block % PEER_CHAIN) tbb::flow::make_edge(nodes[nodes.size() - 1 - PEER_KINDS], nodes.back());
    }
    for (int64_t block = 0; block < n_blocks; block++)
        nodes[(size_t)(PEER_KINDS * block)].try_put(tbb::flow::continue_msg());
    graph.wait_for_all();
}

static void run_graph(int workers, int64_t n_blocks, int64_t turns)
{
    tbb::global_control control(tbb::global_control::max_allowed_parallelism, (size_t)workers);
    tbb::task_arena arena(workers);
    arena.execute([=] { build_and_run(n_blocks, turns); });
}

int main()
{
    peer_rows("oneTBB, flow graph", 1 << 20);
    return 0;
}
