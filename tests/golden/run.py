#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replays recorded exchanges with known usage and compares every record, whole and in pieces.

    tests/golden/run.py [--ledgertap build/ledgertap] [--only ID-PATTERN]

The exchanges are those of tests/exchanges and, where the project has it beside it, the corpus of recordings of real
clients. Each is replayed as it is, byte by byte, in sevens and in random pieces: the records must not differ at all.
The last line is "N passed, N failed". Exit code 0: all passed.
"""

import argparse
import base64
import fnmatch
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import event_stream  # noqa: E402

EXCHANGES = HERE.parent / "exchanges"
CORPUS = HERE.parents[2] / "shared" / "corpus"
SPLITS = [[], ["--split", "1"], ["--split", "7"], ["--split", "random:1"], ["--split", "random:2"], ["--split", "random:3"],
          ["--http", "2"], ["--http", "2", "--split", "1"], ["--http", "2", "--split", "random:4"], ["--http", "2", "--join-at", "9"]]
# Recordings whose expectation is wrong, and what is right.
CORRECTED = {
    # Chat chunks under a Responses path; the last one states its usage all the same.
    "azure-responses-7872ccea21": {"input_tokens": 19, "output_tokens": 1720},
    # An administrator reads a usage report: the path ends in "completions", but nothing is generated.
    "openai-completions-390ce6d339": {"recorded": False},
    # Traces with the usage of each model run, which the reference did not read.
    "bedrock-agent-runtime-84e2be76c5": {"input_tokens": 1471, "output_tokens": 79},
}
# Whose request id header the recordings name.
REQUEST_IDS = ["openai", "azure", "anthropic"]
TOTALS = ["input_tokens", "output_tokens"]
# The wire may leave out a part that is 0.
PARTS = ["cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
         "reasoning_tokens", "audio_input_tokens", "audio_output_tokens", "image_input_tokens", "image_output_tokens"]
# record field: field of the expectation
TEXTS = {"request_model": "model_requested", "response_model": "model_returned", "response_id": "response_id",
         "finish_reason": "stop_reason", "service_tier": "service_tier", "request_id": "request_id"}
STATES = ["usage_source", "usage_completeness"]
# What differs from run to run.
VOLATILE = ["observed", "source_file"]
CONFIG = """hosts:
  - host: "llm.example.internal"
    provider: openai_compatible
"""


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(chunk):
    data = chunk["data"]
    name = f"event: {chunk['event']}\n".encode() if "event" in chunk else b""
    return name + b"data: " + (data.encode() if isinstance(data, str) else compact(data)) + b"\n\n"


def body_of(message):
    """Bytes of a request's or response's body, None when there is none."""
    if message.get("body_b64") is not None:
        return base64.b64decode(message["body_b64"])
    if "chunks" in message:
        framed = event_stream.message if event_stream.is_event_stream(message["headers"]) else sse
        return b"".join(framed(chunk) for chunk in message["chunks"])
    return compact(message["body"]) if message.get("body") is not None else None


def pairs(headers):
    return [{"name": name, "value": value} for name, value in headers]


def socket_message(message):
    """As browsers export it: text as it is, binary in base64. Ours are JSON."""
    opcode = message.get("opcode", 1)
    if "data" in message:
        data = compact(message["data"]).decode()
    else:
        data = message["data_b64"] if opcode != 1 else base64.b64decode(message["data_b64"]).decode()
    return {"type": "send" if message["dir"] == "c2s" else "receive", "opcode": opcode, "data": data}


def to_har(exchange):
    """All bodies in base64: no byte can change on the way."""
    request, response = exchange["request"], exchange["response"]
    entry = {
        "startedDateTime": "2026-10-05T09:14:07.250Z",
        "time": 1000,
        "request": {"method": request["method"], "url": request["url"], "httpVersion": "HTTP/1.1",
                    "headers": pairs(request["headers"])},
        "response": {"status": response["status"], "headers": pairs(response["headers"]), "content": {}},
        "timings": {"send": 0, "wait": 400, "receive": 600},
    }
    body = body_of(request)
    if body is not None:
        entry["request"]["postData"] = {"_base64": base64.b64encode(body).decode()}
    body = body_of(response)
    if body is not None:
        entry["response"]["content"] = {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    if response.get("ws_messages"):
        entry["_webSocketMessages"] = [socket_message(message) for message in response["ws_messages"]]
    if response.get("content_encoding_present"):
        entry["response"]["content"]["_encoded"] = True
    return {"log": {"version": "1.2", "creator": {"name": "golden", "version": "1"}, "entries": [entry]}}


def load(pattern):
    exchanges = [json.loads(path.read_text()) for path in sorted(EXCHANGES.glob("*.json"))]
    if not CORPUS.is_dir():
        print(f"SKIPPED the corpus: {CORPUS} is not there")
    for path in sorted(CORPUS.glob("*/*.json")):
        exchange = json.loads(path.read_text())
        exchanges.append(exchange)
    return [e for e in exchanges if fnmatch.fnmatch(e["id"], pattern)]


def replay(binary, config, files, split):
    """{file stem: its records}; the command must succeed."""
    command = [binary, "replay", "--format", "jsonl", "--config", config, *split, *files]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"replay exits {run.returncode}: {run.stderr.strip()}")
    records = {}
    for line in run.stdout.splitlines():
        record = json.loads(line)
        records.setdefault(pathlib.Path(record["source_file"]).stem, []).append(record)
    return records


def differences(exchange, records):
    """What is not as expected: a list of texts."""
    want = {**exchange["expected"], **CORRECTED.get(exchange["id"], {})}
    skip = set(want.get("ambiguous_fields") or [])
    out = []

    def check(field, expected, got):
        if field not in skip and expected != got:
            out.append(f"{field} is {got!r}, not {expected!r}")

    if exchange["category"] == "noise" or want.get("recorded") is False:
        check("records", 0, len(records))
        return out
    if want["billable"] is None:
        return out
    if not records:
        # A path that no provider serves need not be known: such a call fails, or is free.
        if want["billable"]:
            out.append("no record")
        return out
    if want["billable"] is False:
        for record in records:
            if record["billable"] and record["usage"]["input_tokens"]:
                out.append("charged, though it is free or failed")
        return out
    compare(exchange, want, records, check)
    for record in records:
        check_parts(record, out)
    return out


def total(records, field):
    values = [record["usage"][field] for record in records if record["usage"][field] is not None]
    return sum(values) if values else None


def stated(record):
    """The record with what the provider states alone; estimates.py looks at estimates."""
    if record["usage_source"] != "estimated":
        return record
    return record | {"usage_source": "none", "usage": dict.fromkeys(record["usage"]) | {"units": {}}}


def compare(exchange, want, records, check):
    """One record, or those of a session added up."""
    if want.get("usage_source") != "estimated":
        records = [stated(record) for record in records]
    record = records[0]
    check("billable", want["billable"], record["billable"])
    for field in TOTALS:
        check(field, want[field], total(records, field))
    for field in PARTS:
        check(field, want[field] or 0, total(records, field) or 0)
    for field, name in TEXTS.items():
        if want.get(name) and not (field == "request_id" and exchange["provider"] not in REQUEST_IDS):
            check(field, want[name], record[field])
    if want["tool_calls"] is not None:
        check("tool_calls", want["tool_calls"], total_calls(records))
    for field in [*STATES, "tool_results"]:
        if field in want:
            check(field, want[field], record[field])
    if "session" in want:
        check("session", want["session"], record["session_key"] is not None)
    for unit, amount in (want.get("units") or {}).items():
        if isinstance(amount, (int, float)) and not isinstance(amount, bool):
            got = sum(r["usage"]["units"].get(unit, 0) for r in records)
            if abs(got - amount) >= 1e-6:
                check(f"units.{unit}", amount, got)


def total_calls(records):
    return sum(record["tool_calls"] or 0 for record in records)


def check_parts(record, out):
    """What holds of any record."""
    usage = record["usage"]
    if not record["usage_contradictory"]:
        inside = sum(usage[part] or 0 for part in ("cache_read_tokens", "cache_write_tokens"))
        if usage["input_tokens"] is not None and inside > usage["input_tokens"]:
            out.append("the cached input is more than the input")
    if record["status_code"] and record["status_code"] >= 400 and not record["error_type"]:
        out.append("a failed call without error_type")
    if record["start"][:19] != "2026-10-05T09:14:07":
        out.append(f"start is {record['start']}")


def stable(records, split):
    """Without what may differ: under HTTP/2 the ids and the count of body bytes are other ones."""
    skip = VOLATILE + (["record_id", "parent_record_id", "request_bytes", "response_bytes", "end", "ttfb_ms"] if "--http" in split else [])
    return [{key: value for key, value in record.items() if key not in skip} for record in records]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledgertap", default="build/ledgertap")
    parser.add_argument("--only", default="*")
    args = parser.parse_args()
    exchanges = load(args.only)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "config.yaml")
        config.write_text(CONFIG)
        files = []
        for exchange in exchanges:
            path = pathlib.Path(folder, exchange["id"] + ".har")
            path.write_text(json.dumps(to_har(exchange)))
            files.append(str(path))
        runs = [replay(args.ledgertap, str(config), files, split) for split in SPLITS]
    for exchange in exchanges:
        ident = exchange["id"]
        wrong = differences(exchange, runs[0].get(ident, []))
        for split, run in zip(SPLITS[1:], runs[1:]):
            if "--join-at" in split and exchange["response"].get("ws_messages"):
                continue  # a socket begins on HTTP/1.1, and without its upgrade it is none
            if stable(run.get(ident, []), split) != stable(runs[0].get(ident, []), split):
                wrong.append(f"another record with {' '.join(split)}")
        failed += bool(wrong)
        for text in wrong:
            print(f"{ident}: {text}")
    print(f"{len(exchanges) - failed} passed, {failed} failed")
    return 1 if failed or not exchanges else 0


if __name__ == "__main__":
    sys.exit(main())
