# demo, side B. Written by twice; plan sha256:99fe600ba90030ee7eaa0984b94148a5df8bddb38cdeae4f345aea36609ca391
#   builder    sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
#   git        sha256:cd0aa9856147b6c5b4ff2b7dfee5da20aa38253099ef1b4a64aced233c9afe29
#   gitbuilder sha256:0b407281768f0e833afef47ed464b6571d01ca4d53c12ce5c51d1462f4ad6677
#   skeleton   sha256:8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a
#   source     sha256:043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89
#   vendor     sha256:4c94485e0c21ae6c41ce1dfe7b6bfaceea5ab68e40a2476f50208e526f506080

FROM gitbuilder AS gitvendor
RUN --network=none \
    --mount=type=bind,from=skeleton,target=/in/source \
    --mount=type=bind,from=vendor,target=/in/vendor \
    --mount=type=bind,from=git,target=/in/git \
    env -i /bin/sh -eu <<'END'
# Side B
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CARGO_HOME=/cargo LC_ALL=C.UTF-8 TZ=UTC0
umask 022
mkdir -p /cargo /vendor /source
cp -R /in/source/. /source
git config --system --add safe.directory '*'
git config --system --add 'url.file:///in/git/b-0123.insteadOf' 'https://git.example.org/a/b.git'
cat > /cargo/config.toml <<'TOML'
[source.crates-io]
replace-with = "twice"
[source.twice]
directory = "/in/vendor/index.crates.io-1949cf8c6b5b557f"
[net]
git-fetch-with-cli = true
TOML
cd /source/rust
cargo vendor --locked --versioned-dirs --respect-source-config /vendor/index.crates.io-1949cf8c6b5b557f > /tmp/sources.toml
sed -n '/^\[source\."git+/,/^$/p' /tmp/sources.toml | sed 's/^replace-with = .*/replace-with = "twice"/' > /vendor/git-sources.toml
find /vendor -exec touch -h -d @1700000000 {} +
END

FROM builder AS kept
RUN --network=none \
    --mount=type=bind,from=skeleton,target=/in/source \
    --mount=type=bind,from=gitvendor,source=/vendor,target=/in/vendor \
    env -i /bin/sh -eu <<'END'
# What may not matter, on side B
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

mkdir -p /var/lib/twice-kept
date +%s%N > /var/lib/twice-kept/from
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
cat /in/vendor/git-sources.toml >> "$cargo_home/config.toml"
cat > "$cargo_home/rustc" <<SH
#!/bin/sh
case "\${CARGO_MANIFEST_DIR:-$cargo_home/registry/}" in "$cargo_home/registry/"*) ;; *) exit 1 ;; esac
exec "\$@" --remap-path-prefix=$src=/build/demo --remap-path-prefix=$cargo_home=/cargo -C link-arg=-Wl,--build-id=sha1
SH
chmod 755 "$cargo_home/rustc"
cat > /tmp/watch.c <<'C'
… audit.Program
C
cat > /tmp/tell.c <<'C'
… audit.Library
C
PATH=/usr/bin cc -O2 -o /usr/lib/twice-watch /tmp/watch.c
PATH=/usr/bin cc -O2 -shared -fPIC -o /usr/lib/twice-tell.so /tmp/tell.c
rm /tmp/watch.c /tmp/tell.c
mkdir /tmp/kept
echo /usr/lib/twice-tell.so >> /etc/ld.so.preload
find "$src" "$cargo_home" -exec touch -h -d "@$mtime" {} +
[ "$uid" = 0 ] || chown -R "$uid:$uid" "$src" "$cargo_home" /tmp/kept "$home" /out
map="-ffile-prefix-map=$src=/build/demo -ffile-prefix-map=$cargo_home=/cargo"
cd "$src/rust"
umask "$umask"
setpriv --reuid="$uid" --regid="$uid" --clear-groups --no-new-privs $prefix env -i $extra \
    PATH="$path" HOME="$home" USER="$user" LOGNAME="$user" LANG="$lang" LC_ALL="$lc_all" TZ="$tz" \
    CARGO_HOME="$cargo_home" CARGO_TARGET_DIR="$src/rust/target" RUSTC_WRAPPER="$cargo_home/rustc" \
    CARGO_INCREMENTAL=0 CARGO_NET_OFFLINE=true SOURCE_DATE_EPOCH=1700000000 \
    CFLAGS='-O3 '"$map" \
    CXXFLAGS="$map" \
    DEMO='it'\''s' \
    /usr/lib/twice-watch /tmp/kept/log cargo build --frozen --keep-going --jobs "$jobs" --release --target x86_64-unknown-linux-gnu 2>&1 | tee /tmp/kept/said | sed -un '/ (\/.*)$/d; /^ *Compiling /p' || :
umask 022
target="$src/rust/target"
rm -rf /var/lib/twice-kept/network
cat /proc/net/snmp /proc/net/snmp6 2>/dev/null | awk '$1 == of { for (i in name) if (name[i] ~ /^(OutNoRoutes|NoPorts)$/) n += $i; of = ""; next }
/:/ { of = $1; split($0, name) }
/^(Ip6OutNoRoutes|Udp6NoPorts) / { n += $2 }
END { printf "%.0f\n", n }' > /var/lib/twice-kept/network
grep '^ *Compiling ' /tmp/kept/said | grep -vc ' (/.*)$' > /var/lib/twice-kept/crates || :
why=$(awk -F'\t' -v src="$src" -v target="$target" '
function ours(f) { return index(f, "/in/source/") == 1 || index(f, src "/") == 1 && f != target && index(f, target "/") != 1 }
$1 == "end" { ended = 1 }
$1 == "P" { exe[$2] = $4 }
$1 == "P" && ours($4) { why = "a program of the sources was run: " $4 }
$1 == "B" { why = exe[$2] " did what could not be seen: " $3 }
# Cargo makes its target directory beside it and renames it.
$1 ~ /^[WD]$/ && exe[$2] ~ /\/cargo$/ && substr($3, 1, length(target)) == target && substr($3, length(target) + 1) ~ /^[0-9A-Za-z]+(\/CACHEDIR.TAG)?$/ { next }
$1 ~ /^[RWDFX]$/ && ours($3) {
	name = $3
	sub(/.*\//, "", name)
	if ($1 != "R" || name != "Cargo.toml" && name != "Cargo.lock" && $3 !~ /\/\.cargo\/config(\.toml)?$/)
		why = exe[$2] " opened a file of the sources: " substr($3, length(src) + 2)
}
why != "" { exit }
END { print why != "" ? why : ended ? "" : "compiling could not be watched" }' /tmp/kept/log || echo 'compiling could not be watched')
if [ "$(cat /var/lib/twice-kept/crates)" = 0 ] && [ -z "$why" ]; then why='nothing was compiled'; fi
if [ -n "$why" ]; then
    rm -rf "$target"
    printf '%s\n' "$why" > /var/lib/twice-kept/why
else
    stamp=$(date +%s)
    [ "$stamp" -gt "$mtime" ] || stamp=$((mtime + 1))
    find "$target" -exec touch -h -d "@$stamp" {} +
fi
rm -f /etc/ld.so.preload
rm -rf /usr/lib/twice-watch /usr/lib/twice-tell.so /usr/lib/order.so /tmp/kept
date +%s%N > /var/lib/twice-kept/until
cat > "$cargo_home/rustc" <<SH
#!/bin/sh
exec "\$@" --remap-path-prefix=$src=/build/demo --remap-path-prefix=$cargo_home=/cargo -C link-arg=-Wl,--build-id=sha1
SH
chmod 755 "$cargo_home/rustc"
touch -h -d "@$mtime" "$cargo_home/rustc"
[ "$uid" = 0 ] || chown "$uid:$uid" "$cargo_home/rustc"
END

FROM kept AS build
RUN --network=none \
    --mount=type=bind,from=source,target=/in/source \
    --mount=type=bind,from=gitvendor,source=/vendor,target=/in/vendor \
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

# The plan, on what was compiled before
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
target="$src/rust/target"
: > /tmp/begin
find "$src" -mindepth 1 -path "$target" -prune -o ! -type d -exec rm -f {} +
cp -R /in/source/. "$src"
find "$src" -path "$target" -prune -o -exec touch -h -d "@$mtime" {} +
[ "$uid" = 0 ] || find "$src" -path "$target" -prune -o -exec chown -h "$uid:$uid" {} +
mkdir -p /out/kept
cp /var/lib/twice-kept/* /out/kept/
map="-ffile-prefix-map=$src=/build/demo -ffile-prefix-map=$cargo_home=/cargo"
cd "$src/rust"
umask "$umask"
setpriv --reuid="$uid" --regid="$uid" --clear-groups --no-new-privs $prefix env -i $extra \
    PATH="$path" HOME="$home" USER="$user" LOGNAME="$user" LANG="$lang" LC_ALL="$lc_all" TZ="$tz" \
    CARGO_HOME="$cargo_home" CARGO_TARGET_DIR="$src/rust/target" RUSTC_WRAPPER="$cargo_home/rustc" \
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
date +%s%N > /out/kept/end
touch -d @0 /out/kept/end
cd /
find "$src" -cnewer /tmp/begin ! -type d -delete
find /out -type f -printf '%s %b\n' | awk '{ size += $1; stored += $2 * 512 }
END { if (size > 2^36 || size > 2^33 && size > 16 * stored) { printf "twice: the output is %.1f GiB, of which %.1f are stored\n", size / 2^30, stored / 2^30; exit 1 } }' >&2
END

FROM scratch AS out
COPY --from=build /out /
