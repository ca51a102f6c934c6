#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""packaging/sql/hops.sql over the ledgers of two nodes: who is whose hop, and what the sums are.

    tests/golden/joins.py

Two ledgers are made (the client's node and the gateway's), merged as a backend would, and asked. The last line is
"N passed, N failed".
"""
import pathlib
import random
import re
import sqlite3
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQL = ROOT / "packaging" / "sql" / "hops.sql"
CLICKHOUSE = ROOT / "packaging" / "sql" / "hops.clickhouse.sql"
FIELDS = ROOT / "userspace" / "ledger" / "fields.h"
COLUMNS = ["record_id", "revision", "record_state", "node_uid", "start_ns", "end_ns", "counts_in_total", "dedupe_key",
           "hop_role", "parent_record_id", "coverage_class", "tenant", "conn_tgid", "host", "request_model", "response_model",
           "status_code", "error_type", "inferred", "stored", "model_part", "input_total", "output_total", "usage_source",
           "usage_completeness", "cost_pico", "currency"]
NODE, POD = "client-node", "gateway-node"
SECOND = 1_000_000_000


def record(ident, node, start, end, **more):
    """A call; times in seconds."""
    client = node == NODE
    return {"record_id": ident, "revision": 1, "record_state": "final", "node_uid": node, "start_ns": int(start * SECOND),
            "end_ns": int(end * SECOND), "counts_in_total": 1, "dedupe_key": None, "hop_role": "single", "parent_record_id": None,
            "coverage_class": "decoded", "tenant": "acme" if client else "gateway", "conn_tgid": 10 if client else 20,
            "host": "litellm.ai" if client else "api.openai.com", "request_model": "openai/gpt-4o" if client else "gpt-4o",
            "response_model": None if client else "gpt-4o-2024-08-06", "status_code": 200, "error_type": None, "inferred": None,
            "stored": 0, "model_part": None, "input_total": 31, "output_total": 17, "usage_source": "wire",
            "usage_completeness": "complete", "cost_pico": None if client else 1000, "currency": None if client else "USD"} | more


def failed(ident, start, end, **more):
    return record(ident, POD, start, end, status_code=429, input_total=None, output_total=None, usage_source="none", cost_pico=None,
                  currency=None, **more)


def settle(records, gateways=(("litellm.ai", "gateway"),), times=1):
    """{record_id: row of call_settled}"""
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.execute(f"create table call_record ({', '.join(COLUMNS)})")
    db.executemany(f"insert into call_record values ({', '.join('?' * len(COLUMNS))})",
                   [[r[name] for name in COLUMNS] for r in records])
    for _ in range(times):
        db.executescript(SQL.read_text())
    db.executemany("insert into gateway values (?, ?)", gateways)
    return {row["record_id"]: dict(row) for row in db.execute("select * from call_settled")}


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, expected {want!r}")


def hop_of(rows, child, parent, inferred=0):
    same(rows[child]["hop_parent"], parent, f"parent of {child}")
    same(rows[child]["counts"], 0 if parent else 1, f"{child} counts")
    same(rows[child]["hop_inferred"], inferred, f"{child} inferred")


def counted(rows):
    return sum(row["settled_cost_pico"] or 0 for row in rows.values() if row["counts"])


def the_columns_are_those_of_the_ledger():
    """What the views read is there under these names, besides the node."""
    own = set(re.findall(r'"([a-z0-9_]+)"', FIELDS.read_text())) | {"record_id", "cost_pico", "input_total", "output_total"}
    same(sorted(set(COLUMNS) - own), ["node_uid"], "columns that a ledger has not")
    for path in (SQL, CLICKHOUSE):
        text = re.sub(r"--.*", "", path.read_text())
        read = set(re.findall(r"\b(?:r|i|o|c|f|m)\.([a-z_]+)", text)) - {"ns", "duration_ns", "joined", "free", "by_tenant"}
        same(sorted(read - set(COLUMNS)), [], f"columns in {path.name} beside these")


def one_id_on_two_nodes():
    for skew in (-1.5, 0, 1.5):
        rows = settle([record("o", NODE, 10, 13, dedupe_key="k"), record("i", POD, 10.5 + skew, 12.5 + skew, dedupe_key="k")],
                      gateways=())
        hop_of(rows, "i", "o")
        same((rows["o"]["hop"], rows["i"]["hop"]), ("origin", "terminal"), "roles")
        same(rows["o"]["settled_cost_pico"], 1000, "cost")
        same((rows["o"]["tenant"], counted(rows)), ("acme", 1000), "who pays")


def not_one_call():
    cases = [record("i", POD, 10.5, 12.5, dedupe_key="other"), record("i", NODE, 10.5, 12.5, dedupe_key="k"),
             record("i", POD, 20, 22, dedupe_key="k"), record("i", POD, 9, 14, dedupe_key="k", record_state="void"),
             record("i", POD, 10.5, 12.5, dedupe_key="k", host="litellm.ai")]
    for inner in cases:
        rows = settle([record("o", NODE, 10, 13, dedupe_key="k"), inner], gateways=())
        same(rows["o"]["hop"], "single", f"the client's beside {inner}")


def other_ids_need_a_known_gateway():
    both = [record("o", NODE, 10, 13), record("i", POD, 10.5, 12.5)]
    hop_of(settle(both), "i", "o", 1)
    hop_of(settle(both, times=3), "i", "o", 1)
    hop_of(settle(both, gateways=()), "i", None)
    hop_of(settle(both, gateways=[("litellm.ai", "somebody")]), "i", None)
    hop_of(settle([both[0] | {"response_model": "fast", "request_model": "fast"}, both[1]]), "i", "o", 1)
    both[0]["response_model"] = "gpt-4o"
    hop_of(settle(both), "i", "o", 1)
    for change in ({"input_total": 32}, {"output_total": 0}, {"request_model": "gpt-4", "response_model": "gpt-4-0613"},
                   {"usage_source": "estimated"}, {"start_ns": 1}, {"node_uid": NODE}):
        hop_of(settle([both[0], both[1] | change]), "i", None)


def doubt_joins_nothing():
    rows = settle([record("o1", NODE, 10, 13), record("o2", NODE, 10, 13.1), record("i1", POD, 10.5, 12.5),
                   record("i2", POD, 10.6, 12.6)])
    same({row["hop"] for row in rows.values()}, {"single"}, "roles")
    same(counted(rows), 2000, "sum")
    rows = settle([record("o1", NODE, 10, 13), record("o2", NODE, 10, 13), record("i1", POD, 10.5, 12.5)])
    hop_of(rows, "i1", None)


def what_was_tried_is_paid_by_who_asked():
    rows = settle([record("o", NODE, 10, 20, dedupe_key="k"), failed("f1", 10.5, 11),
                   record("f2", POD, 11.5, 13, usage_completeness="truncated", cost_pico=70, output_total=3),
                   record("i", POD, 14, 19.5, dedupe_key="k"), failed("early", 1, 2), failed("other", 12, 13, conn_tgid=21)])
    for ident in ("f1", "f2"):
        hop_of(rows, ident, "o", 1)
    hop_of(rows, "i", "o")
    hop_of(rows, "early", None)
    hop_of(rows, "other", None)
    same(rows["o"]["settled_cost_pico"], 1070, "cost")
    rows = settle([record("o1", NODE, 10, 20, dedupe_key="k"), record("o2", NODE, 10, 20, dedupe_key="l"), failed("f", 10.5, 11),
                   record("i1", POD, 14, 19, dedupe_key="k"), record("i2", POD, 14, 19, dedupe_key="l")])
    hop_of(rows, "f", None)


def a_gateway_behind_a_gateway():
    rows = settle([record("o", NODE, 10, 20, dedupe_key="k", cost_pico=5000, currency="USD"),
                   record("t", "middle", 10.5, 19.5, dedupe_key="k", host="inner.gateway", cost_pico=None, currency=None),
                   record("p", POD, 11, 19, dedupe_key="k")])
    hop_of(rows, "t", "o")
    hop_of(rows, "p", "t")
    same([rows[k]["hop"] for k in "otp"], ["origin", "transit", "terminal"], "roles")
    same({row["settled_cost_pico"] for row in rows.values()}, {1000}, "costs")


def what_a_node_joined_stays():
    rows = settle([record("o", NODE, 10, 20, dedupe_key="k"),
                   record("t", POD, 10.5, 19.5, dedupe_key="k", host="inner.gateway", hop_role="origin", cost_pico=1000,
                          currency="USD"),
                   record("p", POD, 11, 19, dedupe_key="k", hop_role="terminal", parent_record_id="t", counts_in_total=0,
                          inferred=4)])
    hop_of(rows, "p", "t", 1)
    hop_of(rows, "t", "o")
    same(counted(rows), 1000, "sum")


def the_latest_revision_holds():
    first = record("i", POD, 10.5, 12.5, dedupe_key="k")
    rows = settle([record("o", NODE, 10, 13, dedupe_key="k"), first, first | {"revision": 2, "cost_pico": 900}])
    same((len(rows), counted(rows)), (2, 900), "records and sum")
    rows = settle([record("o", NODE, 10, 13, dedupe_key="k"), first, first | {"revision": 2, "record_state": "void"}])
    same(list(rows), ["o"], "records")


def many_at_once_are_never_crossed():
    """Whatever is joined, it is the right one, and the sum is that of what the providers were asked for."""
    rng, joined = random.Random(1), 0
    for _ in range(20):
        records, width = [], rng.choice((5, 50, 500))
        for n in range(64):
            start = rng.uniform(0, 100 * width)
            end = start + rng.uniform(0.1, width)
            quarter = (end - start) / 4
            records += [record(f"o{n}", NODE, start, end), record(f"i{n}", POD, start + quarter / 2, end - quarter)]
        rows = settle(records)
        for n in range(64):
            if rows[f"i{n}"]["hop_parent"]:
                hop_of(rows, f"i{n}", f"o{n}", 1)
                joined += 1
        same(counted(rows), 64000, "sum")
    if not 100 < joined < 1280:
        raise AssertionError(f"{joined} joined")


CASES = [the_columns_are_those_of_the_ledger, one_id_on_two_nodes, not_one_call, other_ids_need_a_known_gateway, doubt_joins_nothing, what_was_tried_is_paid_by_who_asked,
         a_gateway_behind_a_gateway, what_a_node_joined_stays, the_latest_revision_holds, many_at_once_are_never_crossed]


def main():
    bad = 0
    for case in CASES:
        try:
            case()
        except (AssertionError, sqlite3.Error) as error:
            bad += 1
            print(f"FAILED joins: {case.__name__}: {error}")
    print(f"{len(CASES) - bad} passed, {bad} failed")
    return 1 if bad else 0


sys.exit(main())
