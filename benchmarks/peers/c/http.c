/* The yardstick for HTTP: answers every request with one fixed string, on epoll, one thread, level-triggered.
 *
 * It looks for the empty line that ends a head and at nothing else, so it serves requests without a body and only those.
 * What it does is right: a head may come in any pieces, requests may come together, answers are sent in full under
 * partial writes, and reading stops while one is pending. Nothing is parsed, no date is told, there are no limits:
 * what a server costs above this is what HTTP and its application cost.
 */
#include "server.h"

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\n"
    "content-type: text/plain; charset=utf-8\r\n"
    "content-length: 13\r\n"
    "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "server: C\r\n"
    "\r\n"
    "Hello, world!";
enum { ANSWER_BYTES = sizeof ANSWER - 1 };

static const char END[] = "\r\n\r\n";
enum { END_BYTES = sizeof END - 1 };

struct connection {
    uint32_t ended;    /* how much of the end of a head has come */
    uint32_t owed;     /* bytes of answers the kernel has not taken yet; 0 almost always */
};

static struct connection *connections; /* indexed by descriptor */

static void close_connection(int fd) {
    connections[fd] = (struct connection){0};
    close_descriptor(fd);
}

/* How many heads end in these bytes. A carriage return where another byte was due may begin the end anew. */
static uint32_t count_heads(struct connection *connection, const char *bytes, size_t length) {
    uint32_t heads = 0, ended = connection->ended;
    for (size_t i = 0; i < length; i++) {
        if (ended == 0) {
            const char *next = memchr(bytes + i, '\r', length - i);
            if (!next) break;
            i = (size_t)(next - bytes);
        }
        ended = bytes[i] == END[ended] ? ended + 1 : bytes[i] == '\r';
        if (ended == END_BYTES) {
            heads++;
            ended = 0;
        }
    }
    connection->ended = ended;
    return heads;
}

/* Sends what is owed as far as the kernel takes it. Returns false if the connection is broken. */
static bool send_owed(int fd) {
    struct connection *connection = &connections[fd];
    while (connection->owed) {
        size_t rest = (connection->owed - 1) % ANSWER_BYTES + 1; /* of the answer that is being sent */
        ssize_t sent = send_some(fd, ANSWER + ANSWER_BYTES - rest, rest);
        if (sent < 0) return false;
        connection->owed -= (uint32_t)sent;
        if ((size_t)sent < rest) break;
    }
    return true;
}

static void on_event(int fd) {
    struct connection *connection = &connections[fd];
    bool was_writing = connection->owed > 0;
    if (!was_writing) {
        ssize_t length = recv(fd, input, sizeof input, 0);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (length <= 0) { /* end of input: all was answered, since nothing is read while an answer is pending */
            close_connection(fd);
            return;
        }
        connection->owed = count_heads(connection, input, (size_t)length) * ANSWER_BYTES;
    }
    if (!send_owed(fd)) {
        close_connection(fd);
        return;
    }
    bool is_writing = connection->owed > 0;
    if (is_writing != was_writing) watch(fd, EPOLL_CTL_MOD, is_writing ? EPOLLOUT : EPOLLIN);
}

int main(void) {
    connections = open_table(sizeof *connections);
    run();
}
