# tensor-wasm for x86_64-unknown-linux-gnu: what `twice build` runs. Written by
# `twice plan --to-commit --build tensor-wasm-host`.
#
# Whoever has nothing but docker buildx builds it from a directory that
# `twice plan --context ctx` wrote anywhere. It has the inputs, and this file in it:
#
#     docker buildx build ctx
#
# With this file itself, each input is a named context. Nobody publishes the
# composed ones for everybody: they are images of that directory, which is an OCI
# layout, or of a registry that somebody pushed them to; the sources may be a commit.
#
#     docker buildx build --build-arg SOURCE_DATE_EPOCH=SECONDS --build-arg REVISION=COMMIT \
#         --build-context builder=oci-layout://ctx@sha256:DIGEST \
#         --build-context source=https://HOST/REPOSITORY.git#COMMIT:FOLDER \
#         --build-context vendor=oci-layout://ctx@sha256:DIGEST \
#         --build-context runtime=docker-image://REGISTRY/RUNTIME@sha256:DIGEST - < Dockerfile
#
# SECONDS is the commit's time (git log -1 --format=%ct). The target out has binaries
# and rlibs, image (the default) is the runtime image. Engines write times of their
# own: `twice normalize --epoch SECONDS --base RUNTIME` makes it the image of `twice build`.
# It needs a Dockerfile frontend that knows here-documents and COPY --link (BuildKit 0.10).

FROM builder AS build
ARG SOURCE_DATE_EPOCH
RUN --network=none \
    --mount=type=bind,from=source,target=/in/source \
    --mount=type=bind,from=vendor,target=/in/vendor \
    env -i SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" /bin/sh -eu <<'END'
# What may not matter, on side A
src=/build/tensor-wasm cargo_home=/cargo home=/root user=root uid=0
lang=C.UTF-8 lc_all=C.UTF-8 tz='UTC' umask=0022 jobs=$(nproc) mtime=$SOURCE_DATE_EPOCH
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin extra= prefix=''

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
rustc_commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
cat > "$cargo_home/rustc" <<SH
#!/bin/sh
exec "\$@" --remap-path-prefix=$src=/build/tensor-wasm --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=/usr/local/lib/rustlib/src/rust=/rustc/$rustc_commit -C link-arg=-Wl,--build-id=sha1
SH
chmod 755 "$cargo_home/rustc"
find "$src" "$cargo_home" -exec touch -h -d "@$mtime" {} +
[ "$uid" = 0 ] || chown -R "$uid:$uid" "$src" "$cargo_home" "$home" /out
map="-ffile-prefix-map=$src=/build/tensor-wasm -ffile-prefix-map=$cargo_home=/cargo"
cd "$src"
umask "$umask"
setpriv --reuid="$uid" --regid="$uid" --clear-groups --no-new-privs $prefix env -i $extra \
    PATH="$path" HOME="$home" USER="$user" LOGNAME="$user" LANG="$lang" LC_ALL="$lc_all" TZ="$tz" \
    CARGO_HOME="$cargo_home" CARGO_TARGET_DIR="$src/target" RUSTC_WRAPPER="$cargo_home/rustc" \
    CARGO_INCREMENTAL=0 CARGO_NET_OFFLINE=true SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH \
    CFLAGS="$map" \
    CXXFLAGS="$map" \
    BINDGEN_EXTRA_CLANG_ARGS='-resource-dir=/usr/local/libclang/lib/clang/18' \
    LIBCLANG_PATH='/usr/local/libclang/lib' \
    cargo build --frozen --jobs "$jobs" --release --target x86_64-unknown-linux-gnu --package tensor-wasm-cli
rm -rf /out/network
cat /proc/net/snmp /proc/net/snmp6 2>/dev/null | awk '$1 == of { for (i in name) if (name[i] ~ /^(OutNoRoutes|NoPorts)$/) n += $i; of = ""; next }
/:/ { of = $1; split($0, name) }
/^(Ip6OutNoRoutes|Udp6NoPorts) / { n += $2 }
END { printf "%.0f\n", n }' > /out/network
umask 022
t=target/x86_64-unknown-linux-gnu/release
install -m 755 "$t/tensor-wasm" /out/bin/
find "$t/deps" -name '*.rlib' -exec install -m 644 -t /out/rlib {} +
find /out -exec touch -h -d @0 {} +
cd /
rm -rf "$src" "$cargo_home"
find /out -type f -printf '%s %b\n' | awk '{ size += $1; stored += $2 * 512 }
END { if (size > 2^36 || size > 2^33 && size > 16 * stored) { printf "twice: the output is %.1f GiB, of which %.1f are stored\n", size / 2^30, stored / 2^30; exit 1 } }' >&2
END

FROM scratch AS out
COPY --from=build /out /

FROM builder AS root-of-image
ARG SOURCE_DATE_EPOCH
RUN --network=none \
    --mount=type=bind,from=build,source=/out,target=/in/out \
    --mount=type=bind,from=source,target=/in/source \
    env -i SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" /bin/sh -eu <<'END'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
mkdir -p /root-of-image/usr/bin
cd /root-of-image
cp /in/out/bin/tensor-wasm ./usr/bin/
find . -type d -exec touch -d @0 {} +
find . -type f -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p 'usr/share/tensor-wasm'
cp -RT '/in/source/wit' 'usr/share/tensor-wasm/wit'
find 'usr/share/tensor-wasm/wit' -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
find . -type d ! -path './usr/share/tensor-wasm/wit' ! -path './usr/share/tensor-wasm/wit''/*' -exec touch -d @0 {} +
END

FROM runtime AS image
ARG REVISION
COPY --link --from=root-of-image /root-of-image/ /
LABEL "org.opencontainers.image.revision"=$REVISION
LABEL "org.opencontainers.image.title"="tensor-wasm-host"
LABEL "org.opencontainers.image.version"="0.4.0"
EXPOSE 8080/tcp
USER 65532:65532
ENTRYPOINT ["/usr/bin/tensor-wasm"]
