# SPDX-License-Identifier: Apache-2.0
"""Compares what the upstream served with what the ledger holds."""
import collections
import functools
import json
import subprocess
import time
from decimal import ROUND_HALF_EVEN, Decimal

from bed import BINARY
from exchanges import USAGE

NOBODY = "unrelated.example.com"
# Recordings state a part as 0 or not at all where a record may do the other; totals may not differ.
TOTALS = ("input_tokens", "output_tokens")


def due(served):
    """The served calls of which a record is due: not of those that the agent can't read, or is not to look at."""
    return [row for row in served if row["exchange"] and row["host"] != NOBODY and
            not {"flow", "unseen"} & set(row["want"])]


def pair(served, records):
    """[(row, [records])] and the records that belong to no call. The ids that the upstream gave join them; calls
    that were answered without any, or with one that others were answered with too (an object that was read twice),
    are joined by pid, status and model."""
    rows = due(served)
    times = collections.Counter(ident for row in rows for ident in ids_of(row))
    by_id = collections.defaultdict(list)
    for number, record in enumerate(records):
        by_id[record.get("response_id") or record.get("request_id") or number].append(record)
    pairs = [(row, [record for ident in ids_of(row) if times[ident] == 1 for record in by_id.pop(ident, [])])
             for row in rows]
    rest = [record for same in by_id.values() for record in same]
    for row, found in pairs:
        if not found:
            found += sorted((record for record in rest if fits(row, record)), key=lambda r: not same_tool(row, r))[:1]
            rest = [record for record in rest if all(record is not other for other in found)]
    return pairs, rest


def ids_of(row):
    return [ident for ident in (row["response_id"], row["request_id"]) if ident]


def mark_repeats(pairs):
    """row["repeat"] of each call: whether it read an object (by its id, at its host) that another call had read
    before. What the object used counts at the first read, and the agent's order says which one that is."""
    seen = set()
    for row, found in sorted(pairs, key=lambda pair: min((r["node_seq"] for r in pair[1]), default=0)):
        thing = (row["host"], row["response_id"])
        row["repeat"] = row["response_id"] is not None and thing in seen
        seen.add(thing)


def as_one(found):
    """The record of a call with the tokens of those that name it as their parent (an exchange may be charged for
    several models); None when the records are not one call."""
    first = next((r for r in found if not r.get("parent_record_id")), None)
    others = [record for record in found if record is not first]
    if first is None or any(r["parent_record_id"] != first["record_id"] or not r["counts_in_total"] for r in others):
        return None
    sums = {field: sum(usage(r)[field] or 0 for r in found) if others else usage(first)[field] for field in USAGE}
    return first | {"usage": usage(first) | sums}


def fits(row, record):
    pid = row["want"].get("pid")
    return (record.get("host") == row["host"] and record.get("status_code") in (row["status"], None)
            and (pid is None or "container" in row["want"] or record.get("pid") == int(pid))
            and record.get("request_model") == row["expected"]["model_requested"] and record.get("api") == row["api"]
            and row["expected"].get("operation") in (None, record.get("operation")))


def same_tool(row, record):
    """Calls of several tools by one process differ in nothing else."""
    return row["expected"].get("tool_name") == record.get("tool_name")


def with_expectations(served, exchanges):
    for row in served:
        exchange = exchanges.get(row["exchange"])
        if exchange:
            row |= {"expected": exchange.records[row.get("record", 0)], "status": exchange.status,
                    "streaming": exchange.streaming, "api": row["want"].get("api", exchange.raw["api"]),
                    "provider": exchange.raw["provider"]}
            if "failed" in row["want"]:
                row["expected"] = row["expected"] | {"error": {"type": row["want"]["failed"]},
                                                     "usage_completeness": "upstream_error"}
    return served


class Differences:
    def __init__(self, row):
        self.row, self.found = row, []

    def same(self, field, want, got):
        if want != got:
            self.found.append(f"{self.row['exchange']}: {field} is {got!r}, expected {want!r}")


def differences(row, record):
    """What is wrong with the record of a served call, as a list of sentences."""
    out, expected, want = Differences(row), row["expected"], row["want"]
    skip = set(expected["ambiguous_fields"])
    out.same("host", row["host"], record.get("host"))
    out.same("provider", want.get("provider", row["provider"]), record.get("provider"))
    out.same("api", row["api"], record.get("api"))
    out.same("status_code", row["status"], record.get("status_code"))
    out.same("request_model", expected["model_requested"], record.get("request_model"))
    out.same("lost_bytes", 0, record.get("lost_bytes") or 0)
    out.same("counts_in_total", not row["repeat"], record.get("counts_in_total"))
    if row["sent_all"] and not want.get("abort"):
        whole_call(out, row, record, skip)
    else:
        out.same("response_model", expected["model_returned"], record.get("response_model"))
        out.same("usage_completeness is a cut", True,
                 record.get("usage_completeness") in ("client_abort", "truncated"))
        if record.get("usage_source") != "estimated":
            out.same("output_tokens of a cut stream", None, usage(record).get("output_tokens"))
    identity(out, want, record)
    return out.found


def hops(found):
    """What is wrong with the two records of a call that went through a gateway on this host."""
    if len(found) != 2:
        return [f"{len(found)} records instead of one for each hop"]
    outer, inner = sorted(found, key=lambda record: record["host"] == "api.openai.com")
    want = [("outer host", outer["host"], "gateway.example.net"), ("outer tenant", outer["tenant"], "t-gateway"),
            ("outer counts", outer["counts_in_total"], True), ("outer role", outer["hop_role"], "origin"),
            ("inner tenant", inner["tenant"], "t-proxy"), ("inner counts", inner["counts_in_total"], False),
            ("inner role", inner["hop_role"], "terminal"), ("inner parent", inner["parent_record_id"], outer["record_id"]),
            ("outer cost", outer["cost"]["amount"], inner["cost"]["amount"]), ("usage", outer["usage"], inner["usage"])]
    return [f"{name} is {got!r}, expected {expected!r}" for name, got, expected in want if got != expected]


def keys_of_runs(pairs):
    """{name that the clients gave to a run: [key of each of its records]}"""
    keys = collections.defaultdict(list)
    for row, found in pairs:
        if "run" in row["want"]:
            keys[row["want"]["run"]] += [record.get("run_key") for record in found]
    return keys


def run_problems(pairs):
    """Calls of one run have one key, those of two have two, those of none have none."""
    keys = {name: set(found) for name, found in keys_of_runs(pairs).items()}
    problems = [f"the run {name} has {len(found)} keys" for name, found in keys.items() if len(found) != 1]
    problems += [f"calls of no run have the key {key}" for key in keys.pop("none", set()) if key]
    problems += [f"the run {name} has no key" for name, found in keys.items() if None in found]
    if len(set().union(*keys.values())) < len(keys):
        problems.append("two runs have one key")
    return problems


def run_sums(agent, pairs):
    """(problems, None, note) of what `ledgertap runs` says of these runs."""
    command = [str(agent.binary), "runs", "--format", "json", "--state-dir", str(agent.state)]
    told = {run["run"]: run for run in json.loads(subprocess.run(command, capture_output=True, text=True).stdout)}
    problems, keys = [], keys_of_runs(pairs)
    keys.pop("none", None)
    for name, found in keys.items():
        run = told.get(found[0]) if found else None
        if run is None:
            problems.append(f"the run {name} is not told of")
            continue
        records = [record for row, same in pairs if row["want"].get("run") == name for record in same]
        tools = [record for record in records if record["record_type"] in ("tool_api", "mcp")]
        models = [record for record in records if record not in tools]
        due = {"calls": len(models), "tool_calls_seen": len(tools), "steps": max(record["step_no"] or 0 for record in records),
               "sessions": len({record["session_key"] for record in records}),
               "processes": len({record["pid"] for record in records}),
               "tool_calls_asked": sum(record["tool_calls"] or 0 for record in models),
               "input_tokens": sum(usage(record)["input_tokens"] or 0 for record in records),
               "output_tokens": sum(usage(record)["output_tokens"] or 0 for record in records),
               "cost": sum(Decimal(record["cost"]["amount"] or 0) for record in records)}
        said = run | {"cost": Decimal(run["cost"] or 0)}
        problems += [f"the run {name} says {key} {said[key]}, not {value}" for key, value in due.items() if said[key] != value]
    return problems, None, f"{len(keys)} runs"


def apart(records):
    """(those of calls, those of connections that nobody could read)"""
    flows = [record for record in records if record["coverage_class"] != "decoded"]
    return [record for record in records if record["coverage_class"] == "decoded"], flows


def flow_problems(expected, flows):
    """({scenario: [problem]}, {scenario: number found}, the records that nobody expects)."""
    problems, counts = collections.defaultdict(list), collections.Counter()
    for scenario, count, fields in expected:
        found = [record for record in flows if all(record.get(key) == value for key, value in fields.items())]
        flows = [record for record in flows if all(record is not other for other in found)]
        counts[scenario] += len(found)
        if len(found) != count:
            problems[scenario].append(f"{len(found)} flow records instead of {count} with {fields}")
        for record in found:
            problems[scenario] += [f"a flow record has {key} {record.get(key)!r}" for key, value in NO_CALL.items()
                                   if record.get(key) != value]
            if record["usage_source"] != "none" or record["cost"]["amount"] is not None:
                problems[scenario].append("a flow record has usage or a cost")
            if min(record["request_bytes"], record["response_bytes"]) < 500 or record["end"] <= record["start"]:
                problems[scenario].append(f"a flow record has {record['request_bytes']} bytes out, "
                                          f"{record['response_bytes']} in, {record['start']} to {record['end']}")
    return problems, counts, flows


# What no record of a flow may claim.
NO_CALL = {"coverage_class": "known_host_encrypted", "counts_in_total": False, "api": None, "status_code": None,
           "request_model": None, "response_model": None, "response_id": None, "lost_bytes": 0}


def usage(record):
    return record.get("usage") or {}


def whole_call(out, row, record, skip):
    expected = row["expected"]
    recorded = "usage_source" not in expected
    if recorded and expected["billable"] is None:
        return
    # Recordings say what the wire stated; tests/golden/estimates.py looks at what we make of the others.
    estimated = recorded and record.get("usage_source") == "estimated"
    for field in USAGE:
        want, got = expected[field], None if estimated else usage(record).get(field)
        if field in skip or recorded and field not in TOTALS and not want and not got:
            continue
        out.same(field, want, got)
    for field, key in (("response_model", "model_returned"), ("finish_reason", "stop_reason"),
                       ("tool_calls", "tool_calls"), ("service_tier", "service_tier"), ("billable", "billable"),
                       ("usage_source", "usage_source"), ("usage_completeness", "usage_completeness")):
        if key in skip or recorded and expected.get(key) is None:
            continue
        out.same(field, expected[key], record.get(field))
    if not recorded:
        out.same("units", units_due(row), usage(record).get("units"))
        out.same("error_type", error_due(row), record.get("error_type"))
    for field in ("operation", "tool_name", "tool_results"):
        if field in expected:
            out.same(field, expected[field], record.get(field))
    if row["response_id"] or not recorded:
        out.same("response_id", row["response_id"], record.get("response_id"))
    # A failed stream is answered with JSON: then there is nothing to stream.
    if row["status"] < 400 and not recorded:
        out.same("streaming", row["streaming"], bool(record.get("streaming")))


def units_due(row):
    """A repeated read has the same units, and nothing of any."""
    return {unit: 0 if row["repeat"] else amount for unit, amount in row["expected"]["units"].items()}


def error_due(row):
    """As the answer names it; the status is the name of a failure that has none."""
    named = (row["expected"]["error"] or {}).get("type")
    return named or (str(row["status"]) if row["status"] >= 400 else None)


def identity(out, want, record):
    if want.get("tenant", "*") != "*":
        out.same("tenant", want["tenant"], record.get("tenant"))
    if want.get("pid") and not want.get("container"):
        out.same("pid", int(want["pid"]), record.get("pid"))
    if want.get("comm"):
        out.same("comm", want["comm"], record.get("comm"))
    if want.get("tls"):
        out.same("tls_library", want["tls"], record.get("tls_library"))
    for field in ("team", "environment", "service_name", "identity_source"):
        if want.get(field):
            out.same(field, want[field], record.get(field))
    out.same("claim_conflict", [want["conflict"]] if "conflict" in want else [], record.get("claim_conflict"))
    if want.get("agent"):
        out.same("agent_name", want["agent"] if want["agent"] != "none" else None, record.get("agent_name"))
    if want.get("step"):
        out.same("step_no", int(want["step"]), record.get("step_no"))
    if want.get("container"):
        out.same("container_id", want["container"], record.get("container_id"))
        out.same("runtime", want.get("runtime"), record.get("runtime"))
    elif "container" not in want:
        out.same("container_id", None, record.get("container_id") or None)


# Which price a bucket is charged at: the first of these meters that the price book has.
BUCKET_METERS = {"in_uncached": ["input"], "cache_read": ["cache_read", "input"],
                 "cache_read_audio": ["cache_audio_read", "cache_read", "input"],
                 "cache_read_image": ["cache_image_read", "cache_read", "input"],
                 "cache_write": ["cache_write", "input"], "cache_write_5m": ["cache_write_5m", "cache_write", "input"],
                 "cache_write_1h": ["cache_write_1h", "cache_write", "input"], "audio_in": ["input_audio", "input"],
                 "image_in": ["input_image", "input"], "out_visible": ["output"],
                 "reasoning": ["output_reasoning", "output"], "audio_out": ["output_audio", "output"],
                 "image_out": ["output_image", "output"]}
# Other units on the wire, and the meter that prices them.
UNIT_METERS = {"web_search_calls": "web_searches", "web_search_requests": "web_searches",
               "file_search_calls": "storage_searches", "citation_tokens": "output_citation"}


# Which part of the cached input is also part of another; the record does not say it, the exchange does.
OVERLAPS = {"cache_read_audio": "audio_in", "cache_read_image": "image_in"}


def buckets(record, expected):
    """The disjoint parts of a record's inclusive usage."""
    n = {field: usage(record).get(field) or 0 for field in USAGE}
    split = n["cache_write_5m_tokens"] + n["cache_write_1h_tokens"]
    out = {"cache_read": n["cache_read_tokens"], "cache_write": n["cache_write_tokens"] - split,
           "cache_write_5m": n["cache_write_5m_tokens"], "cache_write_1h": n["cache_write_1h_tokens"],
           "audio_in": n["audio_input_tokens"], "image_in": n["image_input_tokens"], "reasoning": n["reasoning_tokens"],
           "audio_out": n["audio_output_tokens"], "image_out": n["image_output_tokens"]}
    for both, part in OVERLAPS.items():
        out[both] = expected.get(f"{both}_tokens") or 0
        out[part] -= out[both]
        out["cache_read"] -= out[both]
    outputs = ("reasoning", "audio_out", "image_out")
    out["in_uncached"] = n["input_tokens"] - sum(v for k, v in out.items() if k not in outputs)
    out["out_visible"] = n["output_tokens"] - sum(out[k] for k in outputs)
    return out


@functools.lru_cache(maxsize=None)
def rates(provider, model, tier, input_tokens, at):
    """{meter: price of one unit} that the agent's own book says, None when it has none."""
    command = [str(BINARY), "prices", "lookup", "--provider", provider, "--model", model, "--at", at, "--input",
               str(input_tokens), "--format", "json", *(["--tier", tier] if tier else [])]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        return None
    return {line["meter"]: Decimal(line["price"]) / line["per"] for line in json.loads(run.stdout)["prices"]}


# Where the book lists models under the name of the company.
PRICE_PROVIDERS = {"gemini": "google", "vertex": "google", "bedrock": "aws", "moonshot": "moonshotai", "xai": "x-ai"}
# Tiers at the price that a model has without any, and tiers that are paid for by the month.
STANDARD_TIERS = (None, "default", "standard", "ON_DEMAND")
BOUGHT_TIERS = ("PROVISIONED_THROUGHPUT",)


def recompute(record, expected):
    """What the record must cost: the exact sum, rounded once, half to even, to 12 digits. None: nobody can say."""
    at = record["start"][:19] + "Z"
    provider = PRICE_PROVIDERS.get(record["provider"], record["provider"])
    tier = record.get("service_tier")
    for model in (record.get("response_model"), record.get("request_model")):
        price = model and rates(provider, model, None if tier in STANDARD_TIERS else tier,
                                usage(record).get("input_tokens") or 0, at)
        if price:
            break
    else:
        return None
    total = Decimal(0)
    for bucket, quantity in buckets(record, expected).items():
        meter = next((name for name in BUCKET_METERS[bucket] if name in price), None)
        if quantity < 0 or quantity and meter is None:
            return None  # the wire contradicts itself, or there is no price
        total += quantity * price[meter] if quantity else 0
    for unit, quantity in (usage(record).get("units") or {}).items():
        total += Decimal(str(quantity)) * price.get(UNIT_METERS.get(unit), 0)
    return total.quantize(Decimal("1e-12"), ROUND_HALF_EVEN)


def expected_status(record, expected):
    if record.get("billable") is False:
        return "not_billable"
    if record.get("usage_source") == "none":
        return "no_usage"
    if record.get("service_tier") in BOUGHT_TIERS:
        return "subscription"
    if recompute(record, expected) is not None:
        return "priced"
    return "inline" if record.get("inline_cost") else "unpriced"


def costs(records, pairs):
    """(problems, None, note) of the money in all records."""
    call_of = {record["record_id"]: row["expected"] for row, found in pairs for record in found}
    problems, total, priced = [], Decimal(0), 0
    for record in records:
        if record["hop_role"] == "origin":
            continue  # it has the cost of its inner hop: hops() compares the two
        cost, name = record.get("cost") or {}, f"{record.get('response_model')} {record.get('response_id')}"
        status, amount, expected = cost.get("status"), cost.get("amount"), call_of.get(record["record_id"], {})
        if status != expected_status(record, expected):
            problems.append(f"{name}: price status {status!r}, expected {expected_status(record, expected)!r}")
        elif status == "inline":
            if Decimal(amount) != Decimal(record["inline_cost"]):
                problems.append(f"{name}: costs {amount}, the provider says {record['inline_cost']}")
        elif status != "priced":
            if amount is not None:
                problems.append(f"{name}: {status}, but costs {amount}")
        else:
            want = recompute(record, expected)
            if Decimal(amount) != want:
                problems.append(f"{name}: costs {amount}, expected {want}")
            elif want == 0 or not cost.get("price_version") or cost.get("currency") != "USD":
                problems.append(f"{name}: {cost}")
            total, priced = total + Decimal(amount), priced + 1
    house = [r for r in records if r["host"] == "llm.example.internal"]
    if any((r.get("cost") or {}).get("status") != "unpriced" for r in house):
        problems.append("a model of the house has a price that nobody gave it")
    return problems, None, f"{priced} priced records, {total} USD in all"


def settled_calls(agent, enough, seconds=15):
    """Reads the ledger until enough(records), or nothing has changed for four seconds."""
    records, changed = agent.calls(), time.monotonic()
    end = changed + seconds
    while time.monotonic() < end:
        if enough(records) or time.monotonic() - changed > 4:
            break
        time.sleep(0.2)
        newer = agent.calls()
        if len(newer) != len(records):
            changed = time.monotonic()
        records = newer
    return records


def all_recorded(served, flows=()):
    """For settled_calls: every call and flow has its record. Their number would not say so: others may use this host."""
    def enough(records):
        calls, encrypted = apart(records)
        return all(found for _, found in pair(served, calls)[0]) and not any(flow_problems(flows, encrypted)[0].values())

    return enough
