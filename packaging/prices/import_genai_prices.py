#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes userspace/price/books/book.tsv from the PyPI package genai-prices.

Run by hand when prices are to be renewed; a build needs neither Python nor the network:

    python3 -m venv /tmp/prices && /tmp/prices/bin/pip install genai-prices
    /tmp/prices/bin/python packaging/prices/import_genai_prices.py > userspace/price/books/book.tsv

The format is described in userspace/price/books/README.md. Prices go from the package's Decimals to text
without a float. Whatever the package gains that this script does not know stops it: a price that we would
read wrongly is worse than no new book.
"""

import argparse
import datetime
import importlib.metadata
import itertools
import re
import sys
from decimal import Context, Decimal

from genai_prices.data import providers
from genai_prices.data_units import unit_data

UNITS = {unit["price_key"]: (usage_key, unit["per"]) for usage_key, unit in unit_data.items()}
MAX_DIGITS = 18
MAX_PLACES = 18
TIER_KEYS = {"processing", "service_tier", "speed"}
# The package writes "not a speech model" as a lookahead; our rules say it with two negated conditions.
NOT_SPEECH = r"^(?!.*-[tT][tT][sS](?:$|-))"


def die(where, what):
    sys.exit(f"import_genai_prices: {where}: {what}")


def word(where, text):
    """A name as it may stand in a field."""
    if not text or not re.fullmatch(r"[!-~]+", text):
        die(where, f"cannot write the name {text!r}")
    return text


def meter_of(price_key):
    usage_key, per = UNITS[price_key]
    return usage_key.removesuffix("_tokens"), per


def without_float_noise(price):
    """The package holds a few prices that were once floats: 0.18000000000000002 is 0.18."""
    if len(price.as_tuple().digits) <= 15:
        return price
    rounded = Context(prec=12).plus(price)
    return rounded if abs(price - rounded) <= rounded * Decimal("1e-15") else price


def plain(price):
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def fits(text):
    digits = text.replace(".", "").lstrip("0")
    return len(text.partition(".")[2]) <= MAX_PLACES and len(digits) <= MAX_DIGITS


def price_text(where, price, per):
    """The exact price of one unit: a decimal, or decimal/divisor where that has too many places."""
    if not isinstance(price, Decimal) or not price.is_finite() or price < 0:
        die(where, f"not a price: {price!r}")
    price = without_float_noise(price)
    zeros = len(str(per)) - 1
    if per == 10**zeros:
        text = plain(price.scaleb(-zeros))
        if fits(text):
            return text
    elif per not in (60, 3600):
        die(where, f"unknown unit size {per}")
    text = plain(price)
    if not fits(text):
        die(where, f"too many digits: {text}")
    return f"{text}/{per}"


def expand_regex(where, regex):
    """The regular expressions that occur are literals with digits in them: a list of patterns, '#' = a digit."""
    if not regex.startswith("^"):
        die(where, f"unanchored regex {regex!r}")
    rest = regex[1:]
    end = ["*"]
    if rest.endswith("$"):
        rest, end = rest[:-1], [""]
    parts = []
    while rest:
        if m := re.match(r"\\d\{(\d)\}", rest):
            parts.append(["#" * int(m[1])])
        elif m := re.match(r"\\d(?![{*+?])", rest):
            parts.append(["#"])
        elif m := re.match(r"\\([.\[\]])", rest):
            parts.append([m[1]])
        elif m := re.match(r"\[([-@]+)\]", rest):
            parts.append(list(m[1]))
        elif m := re.match(r"\(((?:[^()\\]|\\.)*)\)\?", rest):
            parts.append(["", *(p[:-1] for p in expand_regex(where, "^" + m[1]))])
        elif m := re.match(r"[a-z0-9/=_-](?![{*+?])", rest):
            parts.append([m[0]])
        else:
            die(where, f"cannot translate the regex {regex!r} at {rest!r}")
        rest = rest[m.end() :]
    return ["".join(p) for p in itertools.product(*parts, end)]


def literal(where, text):
    text = word(where, text).lower()
    if re.search(r"[#*]", text):
        die(where, f"a pattern character in {text!r}")
    return text


def rules(where, clause):
    """The clause as a list of alternatives, each a list of (operator, text) that must all hold."""
    for attribute, operator in (
        ("equals", "equals"),
        ("starts_with", "starts"),
        ("ends_with", "ends"),
        ("contains", "contains"),
    ):
        text = getattr(clause, attribute, None)
        if text is not None:
            return [[(operator, literal(where, text))]]
    if (regex := getattr(clause, "regex", None)) is not None:
        if regex == NOT_SPEECH:
            return [[("!ends", "-tts"), ("!contains", "-tts-")]]
        return [
            [("like", p) if re.search("[#*]", p) else ("equals", p)] for p in expand_regex(where, regex)
        ]
    if (alternatives := getattr(clause, "or_", None)) is not None:
        return [conjunction for c in alternatives for conjunction in rules(where, c)]
    if (parts := getattr(clause, "and_", None)) is not None:
        return [
            [condition for conjunction in combination for condition in conjunction]
            for combination in itertools.product(*(rules(where, c) for c in parts))
        ]
    die(where, f"unknown clause {clause!r}")


def rate_lines(where, prices):
    lines = []
    for price_key, price in sorted(prices.__dict__.items()):
        if price is None or price_key.startswith("_"):
            continue
        if price_key not in UNITS:
            die(where, f"unknown price key {price_key}")
        meter, per = meter_of(price_key)
        fields = ["rate", meter, price_text(where, getattr(price, "base", price), per)]
        for tier in getattr(price, "tiers", []):
            fields += [f">{tier.start}", price_text(where, tier.price, per)]
        lines.append("\t".join(fields))
    return lines


def when_fields(where, constraint):
    """From date and time of day (UTC) as fields; '-' where there is none."""
    if constraint is None:
        return ["-"]
    if (start := getattr(constraint, "start_date", None)) is not None:
        return [start.isoformat()]
    hours = []
    for moment in (constraint.start_time, constraint.end_time):
        if moment.second or moment.microsecond or (moment.tzinfo and moment.utcoffset()):
            die(where, f"cannot write the hours {constraint!r}")
        hours.append(moment.strftime("%H:%M"))
    return ["-", "-".join(hours)]


def is_free(model):
    """No price in the package means free or unknown; only what says that it is free is free."""
    return model.id.endswith(":free") or (model.price_comments or "").startswith(
        ("Free of charge", "Gemini API model ID. Free of charge")
    )


def model_lines(provider, model, skipped):
    where = f"{provider.id}/{model.id}"
    lines = ["", f"model\t{provider.id}\t{word(where, model.id)}"]
    for conjunction in rules(where, model.match):
        lines.append("\t".join(["match", *itertools.chain(*conjunction)]))
    sets = [(None, model.prices)]
    if isinstance(model.prices, list):
        sets = [(c.constraint, c.prices) for c in model.prices]
    for constraint, prices in sets:
        lines.append("\t".join(["prices", *when_fields(where, constraint)]))
        rates = rate_lines(where, prices)
        if not rates and len(sets) == 1 and is_free(model):
            rates = ["rate\tinput\t0", "rate\toutput\t0"]
        lines += rates
    for variant in model.price_variants or []:
        ((key, value),) = variant.when.items()
        rates = rate_lines(where, variant.prices)
        if key not in TIER_KEYS:
            skipped[f"{key}={value}"] = skipped.get(f"{key}={value}", 0) + 1
        elif value != "default":
            lines.append("\t".join(["tier", word(where, value), *when_fields(where, variant.constraint)]))
            lines += rates
        elif rates and dict(variant.prices.__dict__) != dict(sets[-1][1].__dict__):
            skipped[f"{key}={value}"] = skipped.get(f"{key}={value}", 0) + 1
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    today = datetime.datetime.now(datetime.timezone.utc).date()
    parser.add_argument("--version", default=today.isoformat(), help="date of the book (today)")
    options = parser.parse_args()
    skipped = {}
    body = []
    for provider in sorted(providers, key=lambda p: p.id):
        fallbacks = provider.fallback_model_providers or []
        body += ["", "\t".join(["provider", word(provider.id, provider.id), *fallbacks])]
        for model in provider.models:
            body += model_lines(provider, model, skipped)
    print("ledgertap-book\t1")
    print("name\tgenai-prices")
    print(f"version\t{options.version}")
    print(f"source\tgenai-prices {importlib.metadata.version('genai-prices')}")
    print("currency\tUSD")
    print("licence\tMIT, Copyright (c) Pydantic Services Inc. 2025 to present")
    print("# Generated by packaging/prices/import_genai_prices.py; do not edit, put changes into an overlay.")
    for what, count in sorted(skipped.items()):
        print(f"# left out: {count} price sets that hold only for {what}")
    print("\n".join(body))


if __name__ == "__main__":
    main()
