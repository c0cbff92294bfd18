# demo, side B. Written by twice; plan sha256:be4a8cbdae6ba37404be6a077d011bf4cd70069d3964cb72f5787643d8ddef03
#   builder    sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
#   source     sha256:043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89
#   vendor     sha256:4c94485e0c21ae6c41ce1dfe7b6bfaceea5ab68e40a2476f50208e526f506080

FROM builder AS build
RUN --network=none \
    --mount=type=bind,from=source,target=/in/source \
    --mount=type=bind,from=vendor,target=/in/vendor \
    env -i /bin/sh -eu <<'END'
# What may not matter, on side B, run r1-B
src=/b/another/path/of/demo cargo_home=/b/cargo-home home=/b/home/second user=second uid=4711
lang=fr_CH.UTF-8 lc_all=C tz='Asia/Kathmandu' umask=0077 jobs=3 mtime=1734572345
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games extra=TWICE_SECOND_BUILD=1 prefix='setarch --uname-2.6'
cpus=$(taskset -cp $$ | sed 's/.*: //')
first=${cpus%%[-,]*}
case ${cpus#"$first"} in
,*) prefix="taskset -c ${cpus#*,} $prefix" ;;
-*) prefix="taskset -c $((first + 1))${cpus#"$first"} $prefix" ;;
esac
cat > /tmp/order.c <<'C'
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

# The plan
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
mkdir -p "$src" "$home" "$cargo_home/registry/src" /out/bin /out/rlib
cp -R /in/source/. "$src"
cp -R /in/vendor/index.crates.io-1949cf8c6b5b557f "$cargo_home/registry/src/"
cat > "$cargo_home/config.toml" <<TOML
[source.crates-io]
replace-with = "twice"
[source.twice]
directory = "$cargo_home/registry/src/index.crates.io-1949cf8c6b5b557f"
TOML
cat > "$cargo_home/rustc" <<SH
#!/bin/sh
exec "\$@" --remap-path-prefix=$src=/build/demo --remap-path-prefix=$cargo_home=/cargo -C link-arg=-Wl,--build-id=sha1
SH
chmod 755 "$cargo_home/rustc"
find "$src" "$cargo_home" -exec touch -h -d "@$mtime" {} +
[ "$uid" = 0 ] || chown -R "$uid:$uid" "$src" "$cargo_home" "$home" /out
map="-ffile-prefix-map=$src=/build/demo -ffile-prefix-map=$cargo_home=/cargo"
cd "$src"
umask "$umask"
setpriv --reuid="$uid" --regid="$uid" --clear-groups --no-new-privs $prefix env -i $extra \
    PATH="$path" HOME="$home" USER="$user" LOGNAME="$user" LANG="$lang" LC_ALL="$lc_all" TZ="$tz" \
    CARGO_HOME="$cargo_home" CARGO_TARGET_DIR="$src/target" RUSTC_WRAPPER="$cargo_home/rustc" \
    CARGO_INCREMENTAL=0 CARGO_NET_OFFLINE=true SOURCE_DATE_EPOCH=1700000000 \
    CFLAGS='-O3 '"$map" \
    CXXFLAGS="$map" \
    DEMO='it'\''s' \
    cargo build --frozen --jobs "$jobs" --release --target x86_64-unknown-linux-gnu
rm -rf /out/network
cat /proc/net/snmp /proc/net/snmp6 2>/dev/null | awk '$1 == of { for (i in name) if (name[i] ~ /^(OutNoRoutes|NoPorts)$/) n += $i; of = ""; next }
/:/ { of = $1; split($0, name) }
/^(Ip6OutNoRoutes|Udp6NoPorts) / { n += $2 }
END { printf "%.0f\n", n }' > /out/network
umask 022
t=target/x86_64-unknown-linux-gnu/release
install -m 755 "$t/demo" /out/bin/
find "$t/deps" -name '*.rlib' -exec install -m 644 -t /out/rlib {} +
find /out -exec touch -h -d @0 {} +
cd /
rm -rf "$src" "$cargo_home"
find /out -type f -printf '%s %b\n' | awk '{ size += $1; stored += $2 * 512 }
END { if (size > 2^36 || size > 2^33 && size > 16 * stored) { printf "twice: the output is %.1f GiB, of which %.1f are stored\n", size / 2^30, stored / 2^30; exit 1 } }' >&2
END

FROM scratch AS out
COPY --from=build /out /
