/* The yardstick: a minimal correct echo server on epoll, one thread, level-triggered.
 *
 * "Correct" means: every byte comes back, in order, whatever the peer does. So partial writes are kept and flushed on
 * EPOLLOUT, reading stops while output is pending (a peer that never reads costs one read's worth of memory), a
 * half-close is answered in full before we close, and running out of descriptors pauses accepting instead of spinning.
 * "Minimal" means: no timeouts, limits or statistics. An idle connection owns 16 bytes of table and no buffer.
 */
#include "server.h"

struct connection {
    char *pending;   /* output the kernel has not taken yet; NULL almost always */
    uint32_t start;  /* the first byte of it still to be sent */
    uint32_t length; /* where it ends */
};

static struct connection *connections; /* indexed by descriptor */

static void close_connection(int fd) {
    free(connections[fd].pending);
    connections[fd] = (struct connection){0};
    close_descriptor(fd);
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

static void on_event(int fd) {
    if (connections[fd].pending) {
        on_writable(fd);
    } else {
        on_readable(fd);
    }
}

int main(void) {
    connections = open_table(sizeof *connections);
    run();
}
