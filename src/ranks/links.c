#include "ranks/links.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT_MS = 30000, TRY_MS = 2000 };

/* This computer's addresses; the loopback is the last one, for ranks on the same computer. */
static void find_addresses(struct link_place *place)
{
    struct ifaddrs *all = NULL;
    uint32_t n = 0;
    memset(place->addresses, 0, sizeof place->addresses);
    if (getifaddrs(&all) == 0) {
        for (const struct ifaddrs *each = all; each && n + 1 < LINK_ADDRESSES; each = each->ifa_next) {
            if (!each->ifa_addr || each->ifa_addr->sa_family != AF_INET) continue;
            struct sockaddr_in in;
            memcpy(&in, each->ifa_addr, sizeof in);
            if (in.sin_addr.s_addr != htonl(INADDR_LOOPBACK)) place->addresses[n++] = in.sin_addr.s_addr;
        }
        freeifaddrs(all);
    }
    place->addresses[n] = htonl(INADDR_LOOPBACK);
}

bool links_open(struct links *links, uint32_t count, uint32_t own, struct link_place *place)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof in;
    *links = (struct links){.listener = -1, .count = count, .own = own};
    links->sockets = malloc(count * sizeof *links->sockets);
    if (!links->sockets) return false;
    for (uint32_t i = 0; i < count; i++) links->sockets[i] = -1;
    links->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (links->listener < 0 || bind(links->listener, (struct sockaddr *)&in, sizeof in) != 0 ||
        listen(links->listener, (int)count) != 0 || getsockname(links->listener, (struct sockaddr *)&in, &size) != 0) {
        links_close(links);
        return false;
    }
    place->port = ntohs(in.sin_port);
    find_addresses(place);
    return true;
}

void links_close(struct links *links)
{
    for (uint32_t i = 0; links->sockets && i < links->count; i++)
        if (links->sockets[i] >= 0) close(links->sockets[i]);
    if (links->listener >= 0) close(links->listener);
    free(links->sockets);
    links->sockets = NULL;
    links->listener = -1;
}

/* A computer that loses its power closes nothing: probes find that it does not answer. */
static void keep(struct links *links, uint32_t rank, int fd)
{
    const int on = 1, idle_s = 5, interval_s = 2, n_probes = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n_probes, sizeof n_probes);
    links->sockets[rank] = fd;
}

/* Send or receive the four bytes of a greeting, the sender's rank. */
static bool greet(int fd, uint32_t *rank, bool sends)
{
    const struct timeval limit = {TRY_MS / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const ssize_t n = sends ? send(fd, rank, sizeof *rank, MSG_NOSIGNAL) : recv(fd, rank, sizeof *rank, MSG_WAITALL);
    return n == (ssize_t)sizeof *rank;
}

static int connect_to(uint32_t address, uint32_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address, .sin_port = htons((uint16_t)port)};
    const struct timeval limit = {TRY_MS / 1000, 0};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* of connect, too */
    if (connect(fd, (struct sockaddr *)&in, sizeof in) == 0) return fd;
    close(fd);
    return -1;
}

/* Another computer may have an address of ours, 127.0.0.1 at least: the answer tells whether it is the right rank. */
static bool reach(struct links *links, uint32_t rank, const struct link_place *place)
{
    for (int i = 0; i < LINK_ADDRESSES && place->addresses[i]; i++) {
        const int fd = connect_to(place->addresses[i], place->port);
        if (fd < 0) continue;
        uint32_t own = links->own, answer = UINT32_MAX;
        if (greet(fd, &own, true) && greet(fd, &answer, false) && answer == rank) {
            keep(links, rank, fd);
            return true;
        }
        close(fd);
    }
    return false;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The lowest rank above this one that has not connected, or -1. */
static int64_t missing_above(const struct links *links)
{
    for (uint32_t i = links->own + 1; i < links->count; i++)
        if (links->sockets[i] < 0) return i;
    return -1;
}

/* A stranger's connection is closed. */
static void accept_one(struct links *links)
{
    const int fd = accept(links->listener, NULL, NULL);
    uint32_t rank = 0, own = links->own;
    if (fd < 0) return;
    if (greet(fd, &rank, false) && rank > own && rank < links->count && links->sockets[rank] < 0 &&
        greet(fd, &own, true))
        keep(links, rank, fd);
    else close(fd);
}

int64_t links_connect(struct links *links, const struct link_place *places)
{
    for (uint32_t i = 0; i < links->own; i++)
        if (!reach(links, i, &places[i])) return i;
    const int64_t end_ms = now_ms() + CONNECT_MS;
    while (missing_above(links) >= 0) {
        struct pollfd wait = {.fd = links->listener, .events = POLLIN};
        const int64_t left_ms = end_ms - now_ms();
        if (left_ms <= 0) return missing_above(links);
        if (poll(&wait, 1, (int)left_ms) > 0) accept_one(links);
    }
    return -1;
}

int64_t links_ended(const struct links *links)
{
    for (uint32_t i = 0; i < links->count; i++) {
        char byte;
        if (links->sockets[i] < 0) continue;
        const ssize_t n = recv(links->sockets[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) return i;
    }
    return -1;
}
