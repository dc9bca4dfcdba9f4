#!/usr/bin/env bash
# Real drivers, direct and through Weir, must tell the same story. Called last by scripts/test.sh.
# Packages go to target/venv, once. WEIR names the binary; without it the debug build is brought up to date and taken.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/venv
if ! "$venv/bin/python" -c 'import psycopg' 2>/dev/null; then
    mkdir -p target
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'psycopg[binary]>=3.2,<4'
fi
if [ -z "${WEIR:-}" ]; then
    cargo build --locked --quiet -p weir
    WEIR=${CARGO_TARGET_DIR:-target}/debug/weir
fi
exec "$venv/bin/python" tests/drivers/run.py "$WEIR"
