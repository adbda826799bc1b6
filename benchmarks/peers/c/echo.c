/* The yardstick: a minimal correct echo server on epoll, one thread, level-triggered.
 *
 * "Correct" means: every byte comes back, in order, whatever the peer does. So partial writes are kept and flushed on
 * EPOLLOUT, reading stops while output is pending (a peer that never reads costs one read's worth of memory), a
 * half-close is answered in full before we close, and running out of descriptors pauses accepting instead of spinning.
 * "Minimal" means: no timeouts, limits or statistics. An idle connection owns 16 bytes of table and no buffer.
 *
 * Descriptors index the connection table. That is safe here, since one thread owns them all and epoll reports a
 * descriptor at most once per wait: nothing in a batch can refer to a descriptor closed earlier in that batch.
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

enum { EVENTS_PER_WAIT = 128, READ_BYTES = 64 * 1024, BACKLOG = 4096, MAX_DESCRIPTORS = 1 << 20 };

struct connection {
    char *pending;   /* output the kernel has not taken yet; NULL almost always */
    uint32_t start;  /* the first byte of it still to be sent */
    uint32_t length; /* where it ends */
};

static int epoll;
static int listener;
static bool accepting = true;
static struct connection *connections; /* indexed by descriptor; untouched pages cost nothing */
static char input[READ_BYTES]; /* shared: what is not sent at once moves to `pending` */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int fd, int operation, uint32_t interest) {
    struct epoll_event event = {.events = interest, .data.fd = fd};
    if (epoll_ctl(epoll, operation, fd, &event) < 0) die("epoll_ctl");
}

static void close_connection(int fd) {
    free(connections[fd].pending);
    connections[fd] = (struct connection){0};
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

static void on_readable(int fd) {
    ssize_t length = recv(fd, input, sizeof input, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) { /* end of input: all of it was answered, since nothing is read while output is pending */
        close_connection(fd);
        return;
    }
    ssize_t sent = send_some(fd, input, (size_t)length);
    if (sent < 0) {
        close_connection(fd);
    } else if (sent < length) {
        size_t rest = (size_t)(length - sent);
        char *pending = malloc(rest);
        if (!pending) {
            close_connection(fd);
            return;
        }
        memcpy(pending, input + sent, rest);
        connections[fd] = (struct connection){.pending = pending, .length = (uint32_t)rest};
        watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
    }
}

static void on_writable(int fd) {
    struct connection *connection = &connections[fd];
    ssize_t sent = send_some(fd, connection->pending + connection->start, connection->length - connection->start);
    if (sent < 0) {
        close_connection(fd);
        return;
    }
    connection->start += (uint32_t)sent;
    if (connection->start == connection->length) {
        free(connection->pending);
        *connection = (struct connection){0};
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    }
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

static void open_table(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
    limit.rlim_cur = limit.rlim_max < MAX_DESCRIPTORS ? limit.rlim_max : MAX_DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
    connections = calloc((size_t)limit.rlim_cur, sizeof *connections); /* no descriptor reaches the limit */
    if (!connections) die("calloc");
}

int main(void) {
    open_table();
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
            } else if (connections[fd].pending) {
                on_writable(fd);
            } else {
                on_readable(fd);
            }
        }
    }
}
