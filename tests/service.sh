# To be sourced: starts $binary on an empty state directory ($state) and sets $address. It ends with the script. Its log is in $work.
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
# Makes a key, as `shopscore key create` takes its arguments.
key() { "$binary" key create --state-dir "$state" "$@" | grep -o 'ssk_[0-9a-f_]*' | head -n 1; }
