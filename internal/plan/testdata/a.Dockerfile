# demo, side A. Written by twice; plan sha256:be4a8cbdae6ba37404be6a077d011bf4cd70069d3964cb72f5787643d8ddef03
#   builder    sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
#   source     sha256:043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89
#   vendor     sha256:4c94485e0c21ae6c41ce1dfe7b6bfaceea5ab68e40a2476f50208e526f506080

FROM builder AS build
RUN --network=none \
    --mount=type=bind,from=source,target=/in/source \
    --mount=type=bind,from=vendor,target=/in/vendor \
    env -i /bin/sh -eu <<'END'
# What may not matter, on side A, run r1-A
src=/build/demo cargo_home=/cargo home=/root user=root uid=0
lang=C.UTF-8 lc_all=C.UTF-8 tz='UTC' umask=0022 jobs=2 mtime=1700000000
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
