#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The first call of a brand-new file: every start has a copy of its own that nobody has run before, makes one call and
is gone within some ten milliseconds. Then the same file again and again.

usage: first_call.py [--starts N] [--only KIND,...] [--keep]

At least 95 of 100 new files must have their record, and every start of a file that was seen before.
"""
import argparse
import dataclasses
import os
import pathlib
import shutil
import sys
import time
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import alone  # noqa: E402
import checks  # noqa: E402
import scenarios_go  # noqa: E402
from bed import BINARY, ROOT, SHORT_CALL, Bed, Missing, finish, why_no_bpf  # noqa: E402
from exchanges import load  # noqa: E402
from scenarios import EXCHANGES, PLAIN, need, system_library  # noqa: E402

STATIC_CALL = ROOT / "build" / "e2e" / "static_call"
REQUEST = ("api.openai.com", "/v1/chat/completions", f"x-lt-exchange: {PLAIN}\r\n", '{"model":"gpt-4o-mini"}')
SHARE = 0.95


@dataclasses.dataclass
class Kind:
    source: typing.Callable  # the file that is copied
    start: typing.Callable  # of (bed, copy, environment)


def have(path, what):
    need(path, what)
    return path


def curl(bed, copy, environment):
    bed.curl(load()[PLAIN], environment | {"LD_LIBRARY_PATH": str(copy.parent)})


KINDS = {
    "openssl-linked-in": Kind(lambda: have(STATIC_CALL, "static_call"),
                              lambda bed, copy, env: finish(bed.start([copy, *REQUEST], env))),
    "libssl-by-dlopen": Kind(lambda: system_library("libssl.so.3"),
                             lambda bed, copy, env: finish(bed.start([SHORT_CALL, "-l", copy, *REQUEST], env))),
    "curl-with-libssl": Kind(lambda: system_library("libssl.so.3"), curl),
    "go": Kind(lambda: scenarios_go.build("client", "stripped"),
               lambda bed, copy, env: finish(bed.start([copy, EXCHANGES, "in-turn", 1, PLAIN], env))),
}


def new_copy(bed, kind, source, number):
    """Another inode is what makes it new; other bytes make sure that nothing keys on a checksum."""
    folder = bed.folder / f"{kind}.{number}"
    folder.mkdir()
    copy = folder / source.name
    shutil.copy(source, copy)
    with copy.open("ab") as file:
        file.write(str(number).encode())
    return copy


def run_kind(bed, name, starts):
    """Seconds of the median start."""
    kind, took = KINDS[name], []
    source = kind.source()
    for number in range(starts):
        copy = new_copy(bed, name, source, number)
        environment = bed.environment(f"{name}, new", f"t-{name}")
        started = time.monotonic()
        kind.start(bed, copy, environment)
        took.append(time.monotonic() - started)
        if number < starts - 1:
            shutil.rmtree(copy.parent)
    time.sleep(0.5)
    for _ in range(starts):
        kind.start(bed, copy, bed.environment(f"{name}, seen before", f"t-{name}"))
    return sorted(took)[len(took) // 2]


def judge(name, when, served, records, needed):
    rows = [row for row in served if row["want"].get("scenario") == f"{name}, {when}"]
    wanted = {row["response_id"]: row["expected"]["output_tokens"] for row in rows}
    found = [record for record in records if record.get("response_id") in wanted
             and checks.usage(record).get("output_tokens") == wanted[record["response_id"]]]
    ok = len(rows) > 0 and len({r["response_id"] for r in found}) == len(found) and len(found) >= needed * len(rows)
    return ok, f"{len(found)} of {len(rows)}"


def measure(bed, kinds, starts):
    """Prints a line for each kind; how many failed."""
    failed, took = 0, {}
    agent = bed.agent("agent")
    try:
        agent.wait_ready()
        for name in kinds:
            try:
                took[name] = run_kind(bed, name, starts)
            except Missing as missing:
                print(f"SKIPPED: first call: {name}: {missing}")
        served = checks.due(checks.with_expectations(bed.served(), load()))
        records = checks.settled_calls(agent, checks.all_recorded(served))
        for name, seconds in took.items():
            new, new_text = judge(name, "new", served, records, SHARE)
            seen, seen_text = judge(name, "seen before", served, records, 1)
            failed += not (new and seen)
            print(f"{'ok' if new and seen else 'FAIL':>4}  first call: {name:18} new: {new_text}, seen before: "
                  f"{seen_text}, {seconds * 1000:.0f} ms from start to end", flush=True)
    finally:
        took_to_end = agent.stop(60)
    print(f"      the agent ended in {took_to_end:.1f} s, load {os.getloadavg()[0]:.1f}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--keep", action="store_true", help="copy state and logs to build/e2e/first-call")
    args = parser.parse_args()
    reason = why_no_bpf()
    if reason:
        print(f"SKIPPED: first call: {reason}", flush=True)
        return 0
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not built: run make first")
    held = alone.hold_host()
    with Bed() as bed:
        failed = measure(bed, args.only.split(","), args.starts)
        if args.keep:
            shutil.copytree(bed.folder, BINARY.parent / "e2e" / "first-call", dirs_exist_ok=True)
    held.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
