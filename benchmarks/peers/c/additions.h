/* The work of one request, for work.c, and for Python as a shared library. */
#include <stdint.h>

/* The sum of so many bytes, beginning anew at their end: each is added by itself, since the loop is what is measured. */
uint64_t add_bytes(const unsigned char *bytes, uint32_t length, uint32_t additions);
