#!/usr/bin/env bash
# Everything that must hold, from a clean clone. Called by `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
# One seed for all property tests, so that a run says something about the commit and not about the
# day. PROPTEST_RNG_SEED=N tries another; a seed that fails becomes a test.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261125}"
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

# The tests' PostgreSQL: the system's newest, else what is on PATH, else the fetched one.
pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
[ -n "$pg" ] || pg=$(dirname "$(command -v postgres || echo "$PWD/target/pg/bin/postgres")")
export PATH="$PATH:$pg" WEIR_TEST_PG_BIN="$pg"

step "the dashboard: packages, build, types, units, size"
# First of all, so that the binary is built with it once.
bash scripts/browser.sh check

step "format"
cargo fmt --all --check

step "clippy, without warnings"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "unit, scenario, simulator and spec tests"
# One process per test binary: the spec tests share one PostgreSQL.
cargo test --workspace --locked --no-fail-fast

step "the proxy once more, without io_uring"
# Where the kernel has none, the first run was without it already.
WEIR_TEST_IO=epoll cargo test --locked -p weir-proxy

step "drivers, through Weir and direct"
bash scripts/drivers.sh

step "the dashboard in a browser"
# It measures times on a machine that others may use: once more where it fails, and what failed stays in the log.
bash scripts/browser.sh test || {
    step "the dashboard in a browser failed above; once more"
    bash scripts/browser.sh test
}

step "done"
