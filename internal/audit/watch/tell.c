/* Tells watch which variables a program asks for, and which hosts. Preloaded
   through /etc/ld.so.preload, which no program finds in its environment. The
   prctl fails with EINVAL, as it does where nobody watches. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
extern char **environ;
static void tell(int kind, const char *what, void *caller) {
  int e = errno;
  Dl_info from = {0};
  if (!dladdr(caller, &from) || !from.dli_fname) from.dli_fname = "";
  syscall(SYS_prctl, 0x74776963, kind, what, from.dli_fname, 0);
  errno = e;
}
static char *value(const char *name) {
  size_t n = strlen(name);
  if (environ && n) for (char **e = environ; *e; e++) if (!strncmp(*e, name, n) && (*e)[n] == '=') return *e + n + 1;
  return NULL;
}
char *getenv(const char *name) {
  tell('E', name, __builtin_return_address(0));
  return value(name);
}
char *secure_getenv(const char *name) { /* nothing that is watched gains privileges */
  tell('E', name, __builtin_return_address(0));
  return value(name);
}
__attribute__((constructor)) static void begin(void) { syscall(SYS_prctl, 0x74776963, 'V', &environ, 0, 0); }
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  if (node) tell('H', node, __builtin_return_address(0));
  real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
  return real ? real(node, service, hints, res) : EAI_SYSTEM;
}
