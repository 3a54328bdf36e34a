/* links.h - a socket from each rank to each other one, to notice that a rank has ended. No data passes. */
#ifndef TG_RANKS_LINKS_H
#define TG_RANKS_LINKS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { LINK_ADDRESSES = 8 };

/* Where a rank listens: its addresses in network order, 0 where there are fewer; its port in host order. */
struct link_place {
    uint32_t addresses[LINK_ADDRESSES];
    uint32_t port;
};

struct links {
    int listener;
    int *sockets; /* [count]; -1: its own, or not connected */
    uint32_t count, own;
};

/* Listen. false: no memory or no socket. */
bool links_open(struct links *links, uint32_t count, uint32_t own, struct link_place *place);

/* Connect to the ranks below this one, and accept those above; places[count]. Returns the rank that cannot be reached
 * within 30 s, or -1. */
int64_t links_connect(struct links *links, const struct link_place *places);
void links_close(struct links *links);

/* A rank whose socket is closed, or -1. Never blocks. */
int64_t links_ended(const struct links *links);

#endif
