# Thin: makes sure that PostgreSQL's programs exist (installs Debian's package where it is allowed to), then calls cargo.

.PHONY: demo test serve check clients client-tools browser otel screenshots openapi reference faults abuse bench bench-ingest bench-run bench-read postgres

demo: postgres
	cargo run --release --quiet -- demo $(ARGS)

# The tests, after a short round of the generated requests that "make abuse" sends more of.
test: postgres browser client-tools
	cargo build --quiet
	tests/abuse/run.sh target/debug/shopscore target/abuse 3
	cargo test

serve: postgres
	cargo run --release -- serve

check: postgres
	cargo fmt --all -- --check
	cargo clippy --all-targets -- -D warnings

# Validates openapi.yaml, generates a Python and a TypeScript client from it, and lets both talk to a running service.
clients: postgres client-tools
	cargo build --quiet
	tests/clients/run.sh target/debug/shopscore target/clients

client-tools:
	@{ python3 -c 'import ensurepip' && command -v npm; } >/dev/null 2>&1 \
	|| { test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv nodejs npm >/dev/null; } \
	|| { command -v sudo >/dev/null 2>&1 && sudo -n apt-get update -qq && sudo -n apt-get install -y -qq --no-install-recommends python3-venv nodejs npm >/dev/null; } \
	|| { echo "Python with venv, Node.js and npm are missing: apt-get install python3-venv nodejs npm" >&2; exit 1; }

# What the tests of the dashboard drive: Chromium, and playwright-core on Node.js.
browser:
	@missing=; command -v npm >/dev/null 2>&1 || missing="nodejs npm"; \
	test -n "$$SHOPSCORE_CHROMIUM" || command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$$missing chromium"; \
	test -z "$$missing" \
	|| { test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	|| { command -v sudo >/dev/null 2>&1 && sudo -n apt-get update -qq && sudo -n apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	|| { echo "The tests of the dashboard lack something: apt-get install $$missing" >&2; exit 1; }
	@cd tests/dashboard && { test node_modules/.package-lock.json -nt package-lock.json || npm ci --silent --no-audit --no-fund; }

# Clients that mean no good, in numbers; kills, a database that goes away and processes that are replaced under load; and generated
# requests to every operation (schemathesis, installed with pip). Takes about half an hour; tests/abuse/run.sh says what is sent.
abuse: postgres client-tools
	cargo build --release
	SHOPSCORE_ABUSE=long cargo test --release --test shopscore -- abuse:: process:: operating:: --nocapture --test-threads 1
	tests/abuse/run.sh target/release/shopscore target/abuse 150

# What the feature "otel" adds: traces and figures that are sent to an OpenTelemetry Collector.
otel: postgres
	cargo clippy --quiet --features otel -- -D warnings
	cargo test --features otel --test shopscore -- otel::

# Pictures of the dashboard for the README and docs/dashboard.md, taken of the demo. Chinese ones need a Chinese font.
screenshots: postgres browser
	cargo build --release
	node tests/dashboard/screenshots.mjs target/release/shopscore docs/images

# Writes openapi.yaml from the code.
openapi:
	cargo run --quiet -- openapi > openapi.yaml.new && mv openapi.yaml.new openapi.yaml

# Writes docs/reference.md and the generated parts of all pages from the code.
reference:
	cargo run --quiet -- reference --docs docs

# The fault tests with a hundred kills of the service and of PostgreSQL each.
faults: postgres
	SHOPSCORE_FAULT_KILLS=100 cargo test --test shopscore process:: -- --nocapture

bench: bench-ingest bench-run bench-read

bench-ingest: postgres
	cargo bench --bench ingest -- $(ARGS)

bench-run: postgres
	cargo bench --bench run -- $(ARGS)

bench-read: postgres
	cargo bench --bench read -- $(ARGS)

postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || test -n "$$SHOPSCORE_POSTGRES_BIN" \
	|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1 \
	     && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; } \
	|| { command -v sudo >/dev/null 2>&1 && sudo -n apt-get update -qq && sudo -n apt-get install -y -qq --no-install-recommends postgresql >/dev/null; } \
	|| { echo "PostgreSQL's programs are missing: apt-get install postgresql" >&2; exit 1; }
