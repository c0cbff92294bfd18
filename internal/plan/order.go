package plan

// reverseOrder makes readdir(3) give the entries of every directory in
// reverse, for all programs of the step. Directory order belongs to the file
// system, and both sides run on the same one, so nothing that is done to the
// files themselves would change it: ext4 sorts by a hash. The library is
// preloaded through /etc/ld.so.preload, which, unlike LD_PRELOAD, a build
// can't find in its environment. Statically linked programs don't see it.
const reverseOrder = `cat > /tmp/order.c <<'C'
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
struct list { DIR *d; struct dirent64 **e; size_t n, at; struct list *next; };
static struct list *lists;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list *take(DIR *d) {
  for (struct list **p = &lists; *p; p = &(*p)->next)
    if ((*p)->d == d) { struct list *l = *p; *p = l->next; return l; }
  return NULL;
}
static void drop(DIR *d) {
  struct list *l = take(d);
  if (!l) return;
  for (size_t i = 0; i < l->n; i++) free(l->e[i]);
  free(l->e); free(l);
}
struct dirent64 *readdir64(DIR *d) {
  static struct dirent64 *(*real)(DIR *);
  struct dirent64 *r = NULL, *x;
  pthread_mutex_lock(&lock);
  if (!real) real = (struct dirent64 *(*)(DIR *))dlsym(RTLD_NEXT, "readdir64");
  struct list *l = take(d);
  if (!l) {
    l = calloc(1, sizeof *l); l->d = d;
    while ((x = real(d))) {
      l->e = realloc(l->e, (l->n + 1) * sizeof *l->e);
      l->e[l->n] = malloc(x->d_reclen);
      memcpy(l->e[l->n++], x, x->d_reclen);
    }
    l->at = l->n;
  }
  if (l->at > 0) r = l->e[--l->at];
  l->next = lists; lists = l;
  pthread_mutex_unlock(&lock);
  return r;
}
struct dirent *readdir(DIR *d) { return (struct dirent *)readdir64(d); }
void rewinddir(DIR *d) {
  static void (*real)(DIR *);
  pthread_mutex_lock(&lock);
  if (!real) real = (void (*)(DIR *))dlsym(RTLD_NEXT, "rewinddir");
  drop(d);
  real(d);
  pthread_mutex_unlock(&lock);
}
int closedir(DIR *d) {
  static int (*real)(DIR *);
  pthread_mutex_lock(&lock);
  if (!real) real = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
  drop(d);
  int r = real(d);
  pthread_mutex_unlock(&lock);
  return r;
}
C
PATH=/usr/bin cc -O1 -shared -fPIC -o /usr/lib/order.so /tmp/order.c
rm /tmp/order.c
echo /usr/lib/order.so > /etc/ld.so.preload
`
