#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our costs with those of the genai-prices package that the built-in book was made from.

    /tmp/prices/bin/python tests/golden/check_prices.py [--ledgertap build/ledgertap] [--models 200 | --all]

Both sides are exact decimals; they must be equal to the last pico unit. Where the package has no opinion or
we hold one of our own on purpose (see KNOWN), the case is counted apart. Exit code 0: no difference, 1: some,
77: the package or the binary is not there.
"""

import argparse
import datetime
import decimal
import json
import random
import subprocess
import sys
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal

try:
    from genai_prices.data import providers
    from genai_prices.types import Usage
except ImportError:
    print("SKIPPED: the Python package genai-prices is not installed")
    sys.exit(77)

UTC = datetime.timezone.utc
TIMES = [
    datetime.datetime(2024, 6, 1, 12, 0, tzinfo=UTC),
    datetime.datetime(2025, 9, 1, 0, 30, tzinfo=UTC),
    datetime.datetime(2026, 8, 20, 9, 59, 59, tzinfo=UTC),
    datetime.datetime(2026, 10, 20, 3, 59, 59, tzinfo=UTC),
    datetime.datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC),
]
KNOWN = {
    "derived": "one-hour cache writes derived from the input price",
    "unpriced": "tokens or a model without a price: we say unpriced, the package says 0",
    "silent": "the package refuses the usage",
}
TIER_KEYS = {"processing", "service_tier", "speed"}
PICO = Decimal("1e-12")


def names(clause):
    """Model names that a clause would accept, or nearly."""
    for attribute, shape in (
        ("equals", "{}"),
        ("starts_with", "{}-20260101"),
        ("ends_with", "x-{}"),
        ("contains", "x-{}-y"),
    ):
        text = getattr(clause, attribute, None)
        if text is not None:
            yield shape.format(text)
            if attribute == "starts_with":
                yield text
    for part in getattr(clause, "or_", None) or getattr(clause, "and_", None) or []:
        yield from names(part)


def random_usage(rng):
    """Disjoint quantities as our options, and the same as the package's overlapping ones."""
    big = rng.choice([50, 5_000, 90_000, 150_000, 400_000])
    pick = lambda chance: rng.randrange(big) if rng.random() < chance else 0
    ours = {"input": pick(0.9), "output": pick(0.9), "cache-read": pick(0.6), "cache-write": pick(0.4)}
    ours |= {"cache-write-1h": pick(0.2), "reasoning": pick(0.4)}
    if rng.random() < 0.2:
        ours |= {"input-audio": pick(1), "output-audio": pick(0.5)}
    if rng.random() < 0.1:
        ours["input-image"] = pick(1)
    theirs = {
        "input_tokens": sum(n for k, n in ours.items() if k.startswith(("input", "cache"))),
        "output_tokens": sum(n for k, n in ours.items() if k.startswith(("output", "reasoning"))),
        "cache_read_tokens": ours["cache-read"],
        "cache_write_tokens": ours["cache-write"] + ours["cache-write-1h"],
        "cache_write_1h_tokens": ours["cache-write-1h"],
        "output_reasoning_tokens": ours["reasoning"],
        "input_audio_tokens": ours.get("input-audio", 0),
        "output_audio_tokens": ours.get("output-audio", 0),
        "input_image_tokens": ours.get("input-image", 0),
    }
    theirs = {k: n for k, n in theirs.items() if n}
    units = []
    if rng.random() < 0.2:
        units = ["web_searches=3"]
        theirs["web_searches"] = 3
    return {k: n for k, n in ours.items() if n}, units, theirs


def tiers_of(provider, model, at):
    yield "", None
    if not any(m is model for m in provider.models):
        return
    for variant in model.price_variants or []:
        ((key, value),) = variant.when.items()
        active = variant.constraint is None or variant.constraint.active(at)
        if key in TIER_KEYS and value != "default" and active:
            yield value, {key: value}


def our_cost(binary, provider, name, at, tier, ours, units):
    command = [binary, "prices", "lookup", "--format", "json", "--provider", provider, "--model", name]
    command += ["--at", at.strftime("%Y-%m-%dT%H:%M:%SZ")]
    if tier:
        command += ["--tier", tier]
    for key, n in ours.items():
        command += [f"--{key}", str(n)]
    for unit in units:
        command += ["--unit", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2 or done.returncode < 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    if not done.stdout:
        return None
    return json.loads(done.stdout).get("cost")


def compare(options, rng, provider, name, seen):
    at = rng.choice(TIMES)
    model = provider.find_model(name, all_providers=providers)
    for tier, context in tiers_of(provider, model, at):
        ours, units, theirs = random_usage(rng)
        if not theirs:
            continue
        cost = our_cost(options.ledgertap, provider.id, name, at, tier, ours, units)
        if cost and any("=" in p["entry"] for p in cost["parts"]):
            seen["derived"] += 1
            continue
        try:
            price = model.calc_price(
                Usage(**theirs), provider, genai_request_timestamp=at, price_context=context
            )
        except ValueError:
            seen["silent"] += 1
            continue
        if cost is None or cost["status"] == "unpriced":
            seen["unpriced"] += 1
            continue
        expected = price.total_price
        if Decimal(cost["amount"]) == expected.quantize(PICO, ROUND_HALF_EVEN):
            seen["equal"] += 1
            seen["equal without rounding"] += Decimal(cost["amount"]) == expected
            continue
        seen["different"] += 1
        print(f"DIFFERENT {provider.id} {name} {at} {tier} {ours} {units}: {cost} expected {expected}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ledgertap", default="build/ledgertap")
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--all", action="store_true", help="every model, every name")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        subprocess.run([options.ledgertap, "prices", "--help"], capture_output=True, check=True)
    except OSError:
        print(f"SKIPPED: {options.ledgertap} is not built")
        sys.exit(77)
    decimal.getcontext().prec = 60
    rng = random.Random(options.seed)
    cases = [(p, m) for p in providers for m in p.models]
    if not options.all:
        cases = rng.sample(cases, min(options.models, len(cases)))
    seen = Counter(models=len(cases))
    for provider, model in cases:
        found = [n for n in names(model.match) if provider.find_model(n, all_providers=providers)]
        for name in found if options.all else found[:3]:
            compare(options, rng, provider, name, seen)
    for key, count in sorted(seen.items()):
        print(f"{count:7} {key}{': ' + KNOWN[key] if key in KNOWN else ''}")
    sys.exit(1 if seen["different"] or not seen["equal"] else 0)


if __name__ == "__main__":
    main()
