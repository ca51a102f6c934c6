#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far estimated tokens are from those that a provider states.

    tests/golden/estimates.py [--ledgertap build/ledgertap] [--table]

Takes every recorded stream that states its usage, hides the numbers, and compares what is estimated in their place. What
is charged but never sent (reasoning, the provider's own prompts for tools) cannot be counted: exchanges with it stand in
the table and are left out of the medians. The last line is "N passed, N failed". Exit code 0: all passed.
"""

import argparse
import base64
import json
import pathlib
import statistics
import sys
import tempfile

from run import CONFIG, CORPUS, body_of, replay, to_har

# Other names of the same length: no size on the wire changes.
HIDDEN = {b'"usage"': b'"usagX"', b'"usageMetadata"': b'"usageMetadatX"', b'"x_groq"': b'"x_grXX"'}
LIMITS = {"output, own encoding": 0.02, "input, own encoding": 0.02, "output, scaled": 0.25}
OWN = ("o200k_base", "cl100k_base")


def streams():
    for path in sorted(CORPUS.glob("*/*.json")):
        exchange = json.loads(path.read_text())
        body = body_of(exchange["response"])
        if (exchange.get("streaming") and exchange["expected"].get("output_tokens") and body
                and not exchange["response"].get("content_encoding_present") and any(name in body for name in HIDDEN)):
            yield exchange, body


def hidden(exchange, body):
    for name, other in HIDDEN.items():
        body = body.replace(name, other)
    har = to_har(exchange)
    har["log"]["entries"][0]["response"]["content"] = {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    return har


def has_unseen(exchange):
    """Reasoning that is not sent, or tools that the provider runs and charges for."""
    expected = exchange["expected"]
    return bool(expected.get("reasoning_tokens") or any((expected.get("server_tool_calls") or {}).values()))


def measure(binary):
    exchanges = list(streams())
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / f"{exchange['id']}.har" for exchange, _ in exchanges]
        for path, (exchange, body) in zip(files, exchanges):
            path.write_text(json.dumps(hidden(exchange, body)))
        config = pathlib.Path(folder) / "config.yaml"
        config.write_text(CONFIG)
        records = replay(binary, config, files, [])
    for exchange, _ in exchanges:
        for record in records.get(exchange["id"], []):
            if record["usage_source"] == "estimated":
                yield exchange, record


def errors(rows, side, own):
    """Relative errors of one side, for exchanges in which all that is charged can be seen."""
    found = []
    for exchange, record in rows:
        want, got = exchange["expected"].get(f"{side}_tokens"), record["usage"].get(f"{side}_tokens")
        if want and got is not None and (record["usage_method"] in OWN) == own and not has_unseen(exchange):
            found.append(abs(got - want) / want)
    return found


def print_table(rows):
    for exchange, record in rows:
        want, got = exchange["expected"], record["usage"]
        print(f"{exchange['id'][:44]:44} {record['usage_method'][:16]:16} output {want['output_tokens']:6}"
              f" {got.get('output_tokens') or 0:6}  input {want['input_tokens'] or 0:6} {got.get('input_tokens') or 0:6}"
              f"{'  unseen' if has_unseen(exchange) else ''}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--ledgertap", default="build/ledgertap")
    options.add_argument("--table", action="store_true", help="every exchange")
    options = options.parse_args()
    if not CORPUS.is_dir():
        print(f"SKIPPED estimates: {CORPUS} is not there\n0 passed, 0 failed")
        return 0
    rows = list(measure(options.ledgertap))
    if options.table:
        print_table(rows)
    failed = 0
    for name, limit in LIMITS.items():
        found = errors(rows, name.split(",")[0], "own" in name)
        median = statistics.median(found) if found else 1
        failed += median > limit
        print(f"  {'ok ' if median <= limit else 'FAIL'} {name}: median {median:.1%} of {len(found)} (at most {limit:.0%})")
    print(f"{len(LIMITS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
