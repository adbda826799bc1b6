/* What both yardsticks share: a listener on a free port of loopback, the epoll loop, and accepting.
 *
 * Running out of descriptors pauses accepting instead of spinning. Descriptors index the connection table of the server
 * that includes this. That is safe here, since one thread owns them all and epoll reports a descriptor at most once per
 * wait: nothing in a batch can refer to a descriptor closed earlier in that batch.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_PER_WAIT = 128, READ_BYTES = 128 * 1024, BACKLOG = 4096, MAX_DESCRIPTORS = 1 << 20 };

static int epoll;
static int listener;
static bool accepting = true;
static char input[READ_BYTES]; /* shared: what is not dealt with at once moves to its connection */

static void on_event(int fd); /* the server's: its connection is readable, or writable if it waits for that */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int fd, int operation, uint32_t interest) {
    struct epoll_event event = {.events = interest, .data.fd = fd};
    if (epoll_ctl(epoll, operation, fd, &event) < 0) die("epoll_ctl");
}

static void close_descriptor(int fd) {
    close(fd); /* the only descriptor of this socket, so epoll forgets it too */
    if (!accepting) {
        watch(listener, EPOLL_CTL_MOD, EPOLLIN);
        accepting = true;
    }
}

/* Send what the kernel takes. Returns the number of bytes sent, or -1 if the connection is broken. */
static ssize_t send_some(int fd, const char *data, size_t length) {
    size_t sent = 0;
    while (sent < length) {
        ssize_t n = send(fd, data + sent, length - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ssize_t)sent;
}

static void on_connectable(void) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            watch(fd, EPOLL_CTL_ADD, EPOLLIN);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            watch(listener, EPOLL_CTL_MOD, 0); /* until a connection closes: newcomers wait in the backlog */
            accepting = false;
            return;
        } /* everything else concerns that newcomer only: accept(2), "Error handling" */
    }
}

static void open_listener(void) {
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) < 0) die("bind");
    if (listen(listener, BACKLOG) < 0) die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) die("getsockname");
    printf("listening 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

/* A zeroed table with an entry for every descriptor there may be; untouched pages cost nothing. */
static void *open_table(size_t entry_bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
    limit.rlim_cur = limit.rlim_max < MAX_DESCRIPTORS ? limit.rlim_max : MAX_DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
    void *table = calloc((size_t)limit.rlim_cur, entry_bytes); /* no descriptor reaches the limit */
    if (!table) die("calloc");
    return table;
}

static void run(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    open_listener();
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    struct epoll_event events[EVENTS_PER_WAIT];
    for (;;) { /* until SIGTERM, whose default action is what we want */
        int count = epoll_wait(epoll, events, EVENTS_PER_WAIT, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                on_connectable();
            } else {
                on_event(fd);
            }
        }
    }
}
