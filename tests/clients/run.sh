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

. "$root/tests/service.sh"

echo "== a generated Python client"
rm -rf "$work/shopscore_client"
PATH="$work/venv/bin:$PATH" "$work/venv/bin/openapi-python-client" generate --path "$root/openapi.yaml" --meta none \
  --output-path "$work/shopscore_client" >"$work/python.log" 2>&1 || { cat "$work/python.log" >&2; exit 1; }
PYTHONPATH="$work" "$work/venv/bin/python" "$here/smoke.py" "http://$address" "$(key --scope events:write --scope scores:read --scope admin)" "$root/examples/shop.ndjson"

echo "== a generated TypeScript client"
(cd "$work" && npx --no-install openapi-typescript "$root/openapi.yaml" --output schema.ts >typescript.log && npx --no-install tsc -p tsconfig.json)
node "$work/smoke.js" "http://$address" "$(key --scope events:write --scope scores:read --scope admin)" "$root/examples/shop.ndjson"
