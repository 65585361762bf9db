"""How schemathesis writes lines of events."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    if isinstance(value, bytes):
        return value
    entries = value if isinstance(value, list) else [value]
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    return "\n".join(texts).encode("utf-8", "surrogatepass")
