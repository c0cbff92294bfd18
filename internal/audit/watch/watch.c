/* watch LOG COMMAND ARG…: runs a command, and writes what all of its processes
   did to LOG when they have ended. The lines are those that package audit reads.
   Linux 5.3 on x86-64 or arm64; needs no privilege. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TELL 0x74776963 /* what the preloaded library asks prctl for */
#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

static FILE *out; /* in memory until the end: nothing that is watched can change it */

/* A program is what one exec began. A task is a thread that is watched. */
struct program {
  unsigned id;
  int script;
  int minds;             /* whether it walks its environment */
  uint64_t list;         /* where that begins */
  uint64_t variable;     /* environ, which says so */
  uint64_t from, until;  /* an object that may read it: the one with getenv */
  char *exe;
};
struct task {
  pid_t tid;
  struct program *program;
  int waits;             /* stopped, and its parent hasn't said yet whose it is */
  long nr;               /* of the call that it is in, or -1 */
  uint64_t args[6];
  char *path, *path2;    /* of that call */
  int flags;
  uint64_t list, variable; /* that its debug registers are set to */
  struct task *next;
};
static struct task *tasks[4096];
static unsigned programs;

static void die(const char *what) { fprintf(stderr, "watch: %s: %s\n", what, strerror(errno)); exit(125); }

static void *need(void *p) { if (!p) die("memory"); return p; }

static struct task *find(pid_t tid) {
  for (struct task *t = tasks[tid & 4095]; t; t = t->next) if (t->tid == tid) return t;
  return NULL;
}

static struct task *get(pid_t tid) {
  struct task *t = find(tid);
  if (t) return t;
  t = need(calloc(1, sizeof *t));
  t->tid = tid; t->nr = -1; t->next = tasks[tid & 4095];
  return tasks[tid & 4095] = t;
}

static void clear(struct task *t) { free(t->path); free(t->path2); t->path = t->path2 = NULL; t->nr = -1; }

static void drop(pid_t tid) {
  for (struct task **p = &tasks[tid & 4095]; *p; p = &(*p)->next)
    if ((*p)->tid == tid) { struct task *t = *p; *p = t->next; clear(t); free(t); return; }
}

/* Each line is said once of each program. */
struct line { struct line *next; char text[]; };
static struct line *said[1 << 16];

static void escape(FILE *f, const char *s) {
  for (; *s; s++)
    if ((unsigned char)*s < 32 || *s == 127 || *s == '%') fprintf(f, "%%%02x", (unsigned char)*s);
    else fputc(*s, f);
}

static void say(struct task *t, char kind, const char *a, const char *b, const char *c) {
  char *text; size_t n;
  FILE *f = need(open_memstream(&text, &n));
  fprintf(f, "%c\t%u", kind, t->program->id);
  const char *all[] = {a, b, c};
  for (int i = 0; i < 3 && all[i]; i++) { fputc('\t', f); escape(f, all[i]); }
  fputc('\n', f);
  fclose(f);
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)text[i]) * 16777619u;
  struct line **p = &said[(h ^ h >> 16) & 0xffff];
  for (struct line *l = *p; l; l = l->next) if (!strcmp(l->text, text)) { free(text); return; }
  struct line *l = need(malloc(sizeof *l + n + 1));
  memcpy(l->text, text, n + 1);
  l->next = *p; *p = l;
  fputs(text, out);
  free(text);
}

static size_t take(struct task *t, uint64_t at, void *to, size_t n) {
  struct iovec local = {to, n}, remote = {(void *)at, n};
  ssize_t r = process_vm_readv(t->tid, &local, 1, &remote, 1, 0);
  return r < 0 ? 0 : (size_t)r;
}

static char *string(struct task *t, uint64_t at) {
  char *s = need(malloc(8193)); size_t n = 0;
  while (at && n < 8192) {
    size_t want = 4096 - ((at + n) & 4095), got;
    if (want > 8192 - n) want = 8192 - n;
    if (!(got = take(t, at + n, s + n, want))) break;
    char *end = memchr(s + n, 0, got);
    if (end) return s;
    n += got;
  }
  s[n] = 0;
  if (at && !n) say(t, 'B', "memory that can't be read", NULL, NULL);
  return s;
}

static char *linkof(pid_t tid, const char *what) {
  char name[64]; char *s = need(malloc(4097));
  snprintf(name, sizeof name, "/proc/%d/%s", tid, what);
  ssize_t n = readlink(name, s, 4096);
  s[n < 0 ? 0 : n] = 0;
  return s;
}

/* The path of an argument: absolute, not yet clean. */
static char *pathat(struct task *t, int dir, uint64_t at) {
  char *s = string(t, at), *full, what[32];
  if (*s == '/' || !*s) return s;
  if (dir == AT_FDCWD) strcpy(what, "cwd"); else snprintf(what, sizeof what, "fd/%d", dir);
  char *base = linkof(t->tid, what);
  if (asprintf(&full, "%s/%s", base, s) < 0) die("memory");
  free(base); free(s);
  return full;
}

static const char *name(int e) {
  const char *n = strerrorname_np(e);
  return n ? n : "?";
}

static void peer(struct task *t, const char *call, uint64_t at, size_t n, long r) {
  union { struct sockaddr any; struct sockaddr_in in; struct sockaddr_in6 in6; struct sockaddr_un un; char raw[128]; } a;
  char host[64], text[256];
  memset(&a, 0, sizeof a);
  if (!at || n < 2 || !take(t, at, &a, n > 127 ? 127 : n)) return;
  switch (a.any.sa_family) {
  case AF_INET:
    inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof host);
    snprintf(text, sizeof text, "%s:%d", host, ntohs(a.in.sin_port));
    break;
  case AF_INET6:
    inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof host);
    snprintf(text, sizeof text, "[%s]:%d", host, ntohs(a.in6.sin6_port));
    break;
  case AF_UNIX:
    snprintf(text, sizeof text, "unix:%s%s", a.un.sun_path[0] ? "" : "@", a.un.sun_path + !a.un.sun_path[0]);
    break;
  case AF_UNSPEC: case AF_NETLINK: return; /* a socket is closed; the kernel is asked for its interfaces */
  default: snprintf(text, sizeof text, "family %d", a.any.sa_family);
  }
  say(t, 'N', call, text, r < 0 ? name(-r) : "ok");
}

static void message(struct task *t, uint64_t at, long r) {
  struct msghdr m;
  if (take(t, at, &m, sizeof m) == sizeof m) peer(t, "send", (uint64_t)m.msg_name, m.msg_namelen, r);
}

/* What is watched. */
static const int calls[] = {
#ifdef SYS_open
  SYS_open, SYS_creat, SYS_unlink, SYS_rmdir, SYS_mkdir, SYS_rename, SYS_link, SYS_symlink, SYS_chmod, SYS_mknod,
#endif
  SYS_openat, SYS_openat2, SYS_unlinkat, SYS_mkdirat, SYS_renameat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_fchmodat,
  SYS_mknodat, SYS_truncate, SYS_execve, SYS_execveat, SYS_connect, SYS_bind, SYS_sendmsg, SYS_sendmmsg,
  SYS_io_uring_setup, SYS_open_by_handle_at, SYS_ptrace, SYS_process_vm_writev,
};
enum { ncalls = sizeof calls / sizeof *calls };

static void filter(void) {
  struct sock_filter f[2 * ncalls + 24]; int n = 0;
#define STMT(c, k) f[n++] = (struct sock_filter)BPF_STMT(c, k)
#define UNLESS(op, k, skip) f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | op | BPF_K, k, 0, skip)
#define LOAD(off) STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define ARG(i) (offsetof(struct seccomp_data, args) + 8 * (i))
#define TRACE STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)
#define ALLOW STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
  LOAD(offsetof(struct seccomp_data, arch));
  f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
  TRACE;
  LOAD(offsetof(struct seccomp_data, nr));
  UNLESS(BPF_JGE, 0x40000000, 1); TRACE; /* x32 */
  for (int i = 0; i < ncalls; i++) { UNLESS(BPF_JEQ, calls[i], 1); TRACE; }
  UNLESS(BPF_JEQ, SYS_prctl, 4); LOAD(ARG(0)); UNLESS(BPF_JEQ, TELL, 1); TRACE; ALLOW;
  UNLESS(BPF_JEQ, SYS_sendto, 4); LOAD(ARG(4)); /* with an address */
  f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
  TRACE;
  ALLOW;
  ALLOW;
  struct sock_fprog p = {n, f};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) die("seccomp");
}

/* Reading the environment makes no system call. A walk, unlike getenv, reads the
   first of its pointers from the program's own code, and debug registers see
   that: the first watches this pointer, the second the variable that says where
   the list is. Every thread has its own. */
static void arm(struct task *t) {
  struct program *p = t->program;
  if (!p || !p->minds || (t->list == p->list && t->variable == p->variable)) return;
#if defined(__x86_64__)
#define DEBUG(n) (void *)(offsetof(struct user, u_debugreg) + 8 * (n))
  uint64_t on = p->list ? 1 | 3 << 16 | 2 << 18 : 0;
  if (p->variable) on |= 1 << 2 | 1 << 20 | 2 << 22;
  if (!ptrace(PTRACE_POKEUSER, t->tid, DEBUG(7), 0) && !ptrace(PTRACE_POKEUSER, t->tid, DEBUG(0), p->list) &&
    !ptrace(PTRACE_POKEUSER, t->tid, DEBUG(1), p->variable) && !ptrace(PTRACE_POKEUSER, t->tid, DEBUG(7), on)) {
    t->list = p->list; t->variable = p->variable;
    return;
  }
#endif
  p->minds = 0;
  say(t, 'B', "whether it walked its environment", NULL, NULL);
}

/* The object that an address is in, and where that is. */
static void object(pid_t tid, uint64_t at, char *to, size_t n, uint64_t *begin, uint64_t *end) {
  char file[64], line[8192]; unsigned long from, until; int where;
  snprintf(file, sizeof file, "/proc/%d/maps", tid);
  FILE *f = fopen(file, "re");
  *to = 0;
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &from, &until, &where) == 2 && from <= at && at < until) {
      line[strcspn(line, "\n")] = 0;
      snprintf(to, n, "%s", line + where);
      *begin = from; *end = until;
      break;
    }
  if (f) fclose(f);
}

/* A debug register has seen something. Returns whether it was one. */
static int seen(struct task *t) {
#if defined(__x86_64__)
  siginfo_t s; struct __ptrace_syscall_info i; char from[4097];
  if (ptrace(PTRACE_GETSIGINFO, t->tid, 0, &s) || s.si_code != TRAP_HWBKPT) return 0;
  errno = 0;
  long which = ptrace(PTRACE_PEEKUSER, t->tid, DEBUG(6), 0);
  ptrace(PTRACE_POKEUSER, t->tid, DEBUG(6), 0);
  struct program *p = t->program;
  if (which & 2) take(t, p->variable, &p->list, sizeof p->list);
  if (which & 1 && ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof i, &i) > 0) {
    uint64_t at = i.instruction_pointer, begin = 0, end = 0;
    if (p->from <= at && at < p->until) return 1;
    object(t->tid, at, from, sizeof from, &begin, &end);
    if (!strcmp(from, p->exe)) say(t, 'E', "*", from, NULL);
    else { p->from = begin; p->until = end; }
  }
  return 1;
#else
  (void)t;
  return 0;
#endif
}

/* A call begins: what it is asked is read now. Returns whether its end matters. */
static int begins(struct task *t) {
  struct __ptrace_syscall_info i;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof i, &i) <= 0 || i.op != PTRACE_SYSCALL_INFO_SECCOMP) return 0;
  clear(t);
  uint64_t *a = memcpy(t->args, i.seccomp.args, sizeof t->args);
  t->nr = i.seccomp.nr;
  if (i.arch != ARCH || t->nr >= 0x40000000) {
    say(t, 'B', "system calls of another ABI", NULL, NULL);
    return t->nr = -1, 0;
  }
  t->flags = -1;
  switch (t->nr) {
#ifdef SYS_open
  case SYS_open: t->flags = a[1]; return 1;
  case SYS_creat: t->flags = O_WRONLY | O_CREAT | O_TRUNC; return 1;
  case SYS_unlink: case SYS_rmdir: case SYS_mkdir: case SYS_chmod: case SYS_mknod: t->path = pathat(t, AT_FDCWD, a[0]); return 1;
  case SYS_rename: case SYS_link: t->path = pathat(t, AT_FDCWD, a[0]); /* fall through */
  case SYS_symlink: t->path2 = pathat(t, AT_FDCWD, a[1]); return 1;
#endif
  case SYS_openat: t->flags = a[2]; return 1;
  case SYS_openat2: {
    uint64_t flags = 0;
    take(t, a[2], &flags, sizeof flags);
    t->flags = flags;
    return 1;
  }
  case SYS_truncate: t->path = pathat(t, AT_FDCWD, a[0]); return 1;
  case SYS_unlinkat: case SYS_mkdirat: case SYS_fchmodat: case SYS_mknodat: t->path = pathat(t, a[0], a[1]); return 1;
  case SYS_renameat: case SYS_renameat2: case SYS_linkat: t->path = pathat(t, a[0], a[1]); t->path2 = pathat(t, a[2], a[3]); return 1;
  case SYS_symlinkat: t->path2 = pathat(t, a[1], a[2]); return 1;
  case SYS_execve: t->path = pathat(t, AT_FDCWD, a[0]); return 1;
  case SYS_execveat: t->path = pathat(t, a[0], a[1]); return 1;
  case SYS_connect: case SYS_bind: case SYS_sendto: case SYS_sendmsg: case SYS_sendmmsg: return 1;
  case SYS_io_uring_setup: say(t, 'B', "io_uring", NULL, NULL); break;
  case SYS_open_by_handle_at: say(t, 'B', "files opened by handle", NULL, NULL); break;
  case SYS_ptrace: case SYS_process_vm_writev: say(t, 'B', "calls made through another process", NULL, NULL); break;
  case SYS_prctl: if (a[1] == 'V') { /* the library says where environ is */
    if (t->program->minds && take(t, a[2], &t->program->list, 8) == 8) t->program->variable = a[2];
    break;
  } else {
    char kind = a[1] == 'H' ? 'H' : 'E', *s = string(t, a[2]), *from = string(t, a[3]);
    say(t, kind, s, kind == 'H' ? NULL : from, NULL);
    free(s); free(from);
  }
  }
  t->nr = -1;
  return 0;
}

/* What an open made, by the descriptor: no name can lie about it. */
static void opened(struct task *t, long fd) {
  char what[32], file[64]; struct stat st;
  if (t->flags & O_PATH) return;
  snprintf(what, sizeof what, "fd/%ld", fd);
  snprintf(file, sizeof file, "/proc/%d/fd/%ld", t->tid, fd);
  char *path = linkof(t->tid, what);
  int writes = (t->flags & O_ACCMODE) != O_RDONLY || t->flags & (O_CREAT | O_TRUNC);
  if (stat(file, &st)) st.st_mode = 0;
  char kind = S_ISDIR(st.st_mode) ? 'L' : writes ? 'W' : 'R';
  if (*path == '/') say(t, kind, path, S_ISCHR(st.st_mode) ? "device" : NULL, NULL);
  free(path);
}

/* What an open that failed was asked for. */
static char *opens(struct task *t) {
  uint64_t *a = t->args;
#ifdef SYS_open
  if (t->nr == SYS_open || t->nr == SYS_creat) return pathat(t, AT_FDCWD, a[0]);
#endif
  return pathat(t, a[0], a[1]);
}

static void ends(struct task *t) {
  struct __ptrace_syscall_info i;
  if (t->nr < 0) return;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof i, &i) <= 0 || i.op != PTRACE_SYSCALL_INFO_EXIT) { clear(t); return; }
  long r = i.exit.rval;
  uint64_t *a = t->args;
  if (t->flags != -1) {
    int writes = (t->flags & O_ACCMODE) != O_RDONLY || t->flags & (O_CREAT | O_TRUNC);
    if (r >= 0) opened(t, r);
    else if (writes || t->program->script || r != -ENOENT) t->path = opens(t);
    if (r >= 0 || !t->path) ;
    else if (writes) say(t, 'F', t->path, name(-r), NULL);
    else say(t, 'A', t->path, name(-r), NULL);
  } else switch (t->nr) {
#ifdef SYS_open
  case SYS_unlink: case SYS_rmdir:
#endif
  case SYS_unlinkat: if (!r) say(t, 'D', t->path, NULL, NULL); break;
#ifdef SYS_open
  case SYS_rename: case SYS_link: case SYS_symlink:
#endif
  case SYS_renameat: case SYS_renameat2: case SYS_linkat: case SYS_symlinkat:
    if (!r) {
      say(t, 'W', t->path2, NULL, NULL);
#ifdef SYS_open
      if (t->nr == SYS_rename) say(t, 'D', t->path, NULL, NULL);
#endif
      if (t->nr == SYS_renameat || t->nr == SYS_renameat2) say(t, 'D', t->path, NULL, NULL);
    } else say(t, 'F', t->path2, name(-r), NULL);
    break;
  case SYS_execve: case SYS_execveat: if (r < 0) say(t, 'X', t->path, name(-r), NULL); break;
  case SYS_connect: peer(t, "connect", a[1], a[2], r); break;
  case SYS_bind: peer(t, "bind", a[1], a[2], r); break;
  case SYS_sendto: peer(t, "send", a[4], a[5], r); break;
  case SYS_sendmsg: message(t, a[1], r); break;
  case SYS_sendmmsg: message(t, a[1], r); break; /* its first */
  default: /* mkdir, chmod, mknod, truncate */
    if (!r) say(t, 'W', t->path, NULL, NULL);
    else if (r != -EEXIST) say(t, 'F', t->path, name(-r), NULL);
  }
  clear(t);
}

static size_t proc(pid_t tid, const char *what, char *to, size_t n) {
  char file[64]; size_t got = 0; ssize_t r;
  snprintf(file, sizeof file, "/proc/%d/%s", tid, what);
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && got < n && (r = read(fd, to + got, n - got)) > 0) got += r;
  if (fd >= 0) close(fd);
  return got;
}

/* An exec has succeeded: P id parent exe cwd args…, and V for cargo's variables. */
static void begun(struct task *t, struct program *parent) {
  static char text[1 << 20];
  static const char *const wanted[] = {"CARGO_PKG_NAME=", "CARGO_PKG_VERSION=", "CARGO_MANIFEST_DIR=", "CARGO_CRATE_NAME=", "OUT_DIR="};
  t->program = need(calloc(1, sizeof *t->program));
  t->program->id = ++programs;
  char *exe = linkof(t->tid, "exe"), *cwd = linkof(t->tid, "cwd");
  fprintf(out, "P\t%u\t%u\t", t->program->id, parent ? parent->id : 0);
  escape(out, exe); fputc('\t', out); escape(out, cwd);
  size_t n = proc(t->tid, "cmdline", text, sizeof text - 1);
  text[n] = 0;
  int args = 0;
  for (char *p = text; p < text + n && args < 16; p += strlen(p) + 1, args++) {
    fputc('\t', out);
    if (strlen(p) <= 300) escape(out, p);
    else { char cut[301]; memcpy(cut, p, 300); cut[300] = 0; escape(out, cut); }
  }
  fputc('\n', out);
  n = proc(t->tid, "environ", text, sizeof text - 1);
  text[n] = 0;
  int own = 0;
  for (char *p = text; p < text + n; p += strlen(p) + 1)
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
      if (!strncmp(p, wanted[i], strlen(wanted[i]))) { say(t, 'V', p, NULL, NULL); own += i == 0 || i == 4; }
  char *base = strrchr(exe, '/');
  t->program->script = own == 2 && base && (!strncmp(base, "/build-script-", 14) || !strncmp(base, "/build_script_", 14));
  uint64_t aux[64]; int has = 0;
  n = proc(t->tid, "auxv", (char *)aux, sizeof aux);
  for (size_t i = 0; i + 1 < n / 8; i += 2) has |= aux[i] == AT_BASE && aux[i + 1];
  if (!has) say(t, 'B', "a statically linked program's environment", NULL, NULL);
  t->list = t->variable = 0;
  t->program->exe = exe;
  struct __ptrace_syscall_info i; uint64_t argc = 0;
  if (t->program->script && has && /* a compiler's many threads would pay for it at each switch */
    ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof i, &i) > 0 && take(t, i.stack_pointer, &argc, 8) == 8) {
    t->program->minds = 1;
    t->program->list = i.stack_pointer + 8 * (argc + 2);
  }
  free(cwd);
}

static void inherits(pid_t child, struct task *parent) {
  struct task *t = get(child);
  t->program = parent->program;
  if (t->waits) { t->waits = 0; arm(t); ptrace(PTRACE_CONT, child, 0, 0); }
}

int main(int argc, char **argv) {
  int go[2], status, code = 125, over = 0; char c = 0;
  if (argc < 3) { fprintf(stderr, "usage: watch LOG COMMAND ARG…\n"); return 125; }
  char *text; size_t size;
  out = need(open_memstream(&text, &size));
  if (pipe2(go, O_CLOEXEC)) die("pipe");
  pid_t root = fork();
  if (root < 0) die("fork");
  if (!root) {
    if (read(go[0], &c, 1) != 1) _exit(125);
    filter();
    execvp(argv[2], argv + 2);
    die(argv[2]);
  }
  if (ptrace(PTRACE_SEIZE, root, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACESECCOMP)) die("ptrace");
  prctl(PR_SET_DUMPABLE, 0); /* what is watched can't write into this process */
  static struct program first;
  get(root)->program = &first;
  if (write(go[1], &c, 1) != 1) die("pipe");
  for (;;) {
    pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0) { if (errno == EINTR) continue; break; }
    struct task *t = find(tid);
    if (!WIFSTOPPED(status)) {
      drop(tid);
      if (tid == root && !over) {
        over = 1;
        code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        for (int i = 0; i < 4096; i++) for (t = tasks[i]; t; t = t->next) {
          if (t->program) say(t, 'B', "a program that went on after the build", NULL, NULL);
          kill(t->tid, SIGKILL);
        }
      }
      continue;
    }
    int sig = WSTOPSIG(status), event = status >> 16;
    unsigned long m = 0;
    if (!t || !t->program) {
      if (event != PTRACE_EVENT_EXEC) { /* a newborn that is here before its parent's word */
        get(tid)->waits = 1;
        continue;
      }
      t = get(tid);
    }
    switch (event) {
    case 0:
      if (sig == (SIGTRAP | 0x80)) { ends(t); sig = 0; }
      else if (sig == SIGTRAP && seen(t)) sig = 0;
      arm(t);
      ptrace(PTRACE_CONT, tid, 0, sig);
      break;
    case PTRACE_EVENT_SECCOMP:
      m = begins(t);
      arm(t);
      ptrace(m ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, 0);
      break;
    case PTRACE_EVENT_FORK: case PTRACE_EVENT_VFORK: case PTRACE_EVENT_CLONE:
      if (!ptrace(PTRACE_GETEVENTMSG, tid, 0, &m)) inherits(m, t);
      ptrace(PTRACE_CONT, tid, 0, 0);
      break;
    case PTRACE_EVENT_EXEC: {
      struct program *before = t->program;
      if (!ptrace(PTRACE_GETEVENTMSG, tid, 0, &m) && (pid_t)m != tid) { /* by another thread than the first */
        struct task *former = find(m);
        if (former && former->program) before = former->program;
        drop(m);
      }
      clear(t);
      begun(t, before);
      arm(t);
      ptrace(PTRACE_CONT, tid, 0, 0);
      break;
    }
    case PTRACE_EVENT_STOP:
      arm(t);
      ptrace(sig == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, tid, 0, 0);
      break;
    default:
      ptrace(PTRACE_CONT, tid, 0, 0);
    }
  }
  fprintf(out, "end\t%d\n", code);
  if (fclose(out)) die("memory");
  FILE *f = fopen(argv[1], "wx");
  if (!f || fwrite(text, 1, size, f) != size || fclose(f)) die(argv[1]);
  return code;
}
