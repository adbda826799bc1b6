#include "additions.h"

/* 32 bits for the index, as in Go, since division by 64 costs more. */
uint64_t add_bytes(const unsigned char *bytes, uint32_t length, uint32_t additions) {
    if (length == 0) return 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < additions; i++) sum += bytes[i % length];
    return sum;
}
