#!/usr/bin/env bash
# Checks openapi.yaml, generates a Python and a TypeScript client from it, and lets both talk to a running service.
# Usage: run.sh <shopscore binary> <work directory>
set -euo pipefail
binary=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
cp "$here/package.json" "$here/tsconfig.json" "$here/smoke.ts" "$work/"
(cd "$work" && npm install --silent --no-audit --no-fund)

echo "== openapi.yaml is valid"
"$work/venv/bin/openapi-spec-validator" "$root/openapi.yaml"

state=$(mktemp -d)
chmod 711 "$state"
"$binary" --listen 127.0.0.1:0 --auth required --state-dir "$state" 2>"$work/service.log" &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service" 2>/dev/null; rm -rf "$state"' EXIT
address=
while [ -z "$address" ]; do
  kill -0 "$service" || { cat "$work/service.log" >&2; exit 1; }
  address=$(sed -n 's/.*serving address=\([0-9.:]*\).*/\1/p' "$work/service.log" | head -n 1)
  sleep 0.2
done
key() { "$binary" key create --state-dir "$state" --scope events:write --scope scores:read --scope admin | grep -o 'ssk_[0-9a-f_]*' | head -n 1; }

echo "== a generated Python client"
rm -rf "$work/shopscore_client"
PATH="$work/venv/bin:$PATH" "$work/venv/bin/openapi-python-client" generate --path "$root/openapi.yaml" --meta none \
  --output-path "$work/shopscore_client" >"$work/python.log" 2>&1 || { cat "$work/python.log" >&2; exit 1; }
PYTHONPATH="$work" "$work/venv/bin/python" "$here/smoke.py" "http://$address" "$(key)" "$root/examples/shop.ndjson"

echo "== a generated TypeScript client"
(cd "$work" && npx --no-install openapi-typescript "$root/openapi.yaml" --output schema.ts >typescript.log && npx --no-install tsc -p tsconfig.json)
node "$work/smoke.js" "http://$address" "$(key)" "$root/examples/shop.ndjson"
