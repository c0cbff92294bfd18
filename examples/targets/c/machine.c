/* The C compiler's idea of what it compiles for. */
#include <stdio.h>

#if defined(__aarch64__)
#define MACHINE "aarch64"
#elif defined(__x86_64__)
#define MACHINE "x86_64"
#endif

const char *machine(void) {
    static char text[64];
    snprintf(text, sizeof text, "%s, compiled from %s", MACHINE, __FILE__);
    return text;
}
