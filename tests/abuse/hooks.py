"""How schemathesis writes bodies that are not JSON: lines of events, and rule files."""

import json

import schemathesis


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value)


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    if isinstance(value, bytes):
        return value
    entries = value if isinstance(value, list) else [value]
    return "\n".join(map(text_of, entries)).encode("utf-8", "surrogatepass")


@schemathesis.serializer("application/toml")
def rule_file(ctx, value):
    return value if isinstance(value, bytes) else text_of(value).encode("utf-8", "surrogatepass")
