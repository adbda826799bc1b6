/* The yardstick for HTTP with work: adds bytes of each request's body and answers with the sum, on epoll, one thread.
 *
 * Of a head it reads Content-Length and nothing else. What it does is right: a request may come in any pieces, requests may
 * come together, answers are sent in full under partial writes, and while one is pending nothing is read. A request that
 * does not fit into one read, and a length that is no number, end the connection. An idle connection owns 24 bytes of table
 * and no buffer.
 */
#include "server.h"
#include "additions.h"
#include <strings.h>

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\n"
    "content-type: text/plain\r\n"
    "content-length: 1024\r\n"
    "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "server: C\r\n"
    "\r\n";
enum { HEAD_BYTES = sizeof HEAD - 1, BODY_BYTES = 1024, ANSWER_BYTES = HEAD_BYTES + BODY_BYTES };

struct connection {
    char *rest;          /* input not dealt with: part of a request, or what came behind one whose answer is stuck */
    char *answer;        /* one that the kernel has not taken in full; NULL almost always */
    uint32_t rest_bytes;
    uint32_t sent;       /* bytes of the answer that it has taken */
};

static struct connection *connections; /* indexed by descriptor */
static uint32_t additions;

static void close_connection(int fd) {
    free(connections[fd].rest);
    free(connections[fd].answer);
    connections[fd] = (struct connection){0};
    close_descriptor(fd);
}

/* The length of the body that a head announces, or -1 if that is nothing we serve. */
static int64_t body_bytes(const char *head, const char *end) {
    static const char NAME[] = "\r\ncontent-length:";
    for (const char *line = head; (line = memchr(line, '\r', (size_t)(end - line))); line++) {
        if ((size_t)(end - line) < sizeof NAME || strncasecmp(line, NAME, sizeof NAME - 1) != 0) continue;
        const char *value = line + sizeof NAME - 1;
        while (*value == ' ') value++; /* the head ends in \r\n\r\n, so this and what follows stay within it */
        int64_t length = 0;
        int digits = 0;
        for (; *value >= '0' && *value <= '9' && digits < 9; value++, digits++) length = length * 10 + (*value - '0');
        return digits && *value == '\r' ? length : -1;
    }
    return 0;
}

/* Answers the first request in these bytes. Returns its length, 0 if it is not all there, -1 if it is none we serve. */
static int64_t answer_first(const char *bytes, size_t length, char *answer) {
    static const char END[] = "\r\n\r\n";
    const char *end = memmem(bytes, length, END, sizeof END - 1);
    if (!end) return 0;
    int64_t body_length = body_bytes(bytes, end + 2);
    if (body_length < 0) return -1;
    const char *body = end + sizeof END - 1;
    if (body_length > bytes + length - body) return 0;
    uint64_t sum = add_bytes((const unsigned char *)body, (uint32_t)body_length, additions);
    char digits[21];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)sum);
    memcpy(answer, HEAD, HEAD_BYTES);
    memcpy(answer + HEAD_BYTES, digits, (size_t)count);
    memset(answer + HEAD_BYTES + count, ' ', (size_t)(BODY_BYTES - count));
    return body - bytes + body_length;
}

/* Keeps what a connection has to remember of `input` and of an answer. Returns false if there is no memory for it. */
static bool keep(char **place, const char *bytes, size_t length) {
    free(*place);
    *place = NULL;
    if (length == 0) return true;
    *place = malloc(length);
    if (*place) memcpy(*place, bytes, length);
    return *place != NULL;
}

/* Answers the requests at the beginning of `input`, until an answer is stuck, and keeps the rest. */
static void serve(int fd, size_t length) {
    struct connection *connection = &connections[fd];
    char answer[ANSWER_BYTES];
    size_t used = 0;
    ssize_t sent = ANSWER_BYTES;
    int64_t request = 0;
    while (sent == ANSWER_BYTES && (request = answer_first(input + used, length - used, answer)) > 0) {
        used += (size_t)request;
        sent = send_some(fd, answer, ANSWER_BYTES);
    }
    bool is_stuck = sent < ANSWER_BYTES, fits = length - used < sizeof input;
    if (sent < 0 || request < 0 || (!is_stuck && !fits) || !keep(&connection->rest, input + used, length - used) ||
        (is_stuck && !keep(&connection->answer, answer, ANSWER_BYTES))) {
        close_connection(fd);
        return;
    }
    connection->rest_bytes = (uint32_t)(length - used);
    connection->sent = is_stuck ? (uint32_t)sent : 0;
}

/* Copies to `input` what was kept. Returns its length. */
static size_t take_up(const struct connection *connection) {
    if (connection->rest) memcpy(input, connection->rest, connection->rest_bytes);
    return connection->rest ? connection->rest_bytes : 0;
}

static void on_readable(int fd) {
    size_t kept = take_up(&connections[fd]);
    ssize_t length = recv(fd, input + kept, sizeof input - kept, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) { /* end of input: every whole request was answered, since nothing is read while an answer is stuck */
        close_connection(fd);
        return;
    }
    serve(fd, kept + (size_t)length);
    if (connections[fd].answer) watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void on_writable(int fd) {
    struct connection *connection = &connections[fd];
    ssize_t sent = send_some(fd, connection->answer + connection->sent, ANSWER_BYTES - connection->sent);
    if (sent < 0) {
        close_connection(fd);
        return;
    }
    connection->sent += (uint32_t)sent;
    if (connection->sent < ANSWER_BYTES) return;
    keep(&connection->answer, NULL, 0);
    watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    serve(fd, take_up(connection));
    if (connection->answer) watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void on_event(int fd) {
    if (connections[fd].answer) {
        on_writable(fd);
    } else {
        on_readable(fd);
    }
}

int main(void) {
    const char *text = getenv("ADDITIONS");
    char *end = NULL;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    if (!text || !*text || *end || value > UINT32_MAX) {
        fprintf(stderr, "ADDITIONS has to be in the environment: a number of up to 32 bits\n");
        return 1;
    }
    additions = (uint32_t)value;
    connections = open_table(sizeof *connections);
    run();
}
