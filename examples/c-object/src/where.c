/* The name of the file as the compiler sees it, in data and in debug information. */
const char *where(void) { return __FILE__; }
