#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Live end-to-end tests: real clients, a stand-in upstream, the agent beside them.

usage: run.py [--list] [--only NAME[,NAME]] [--keep] [-v]

Every call that the upstream served must be one record with the tokens, the model, the status and the owner
that it should have; nothing else may be recorded. Needs root. Where BPF can't be loaded nothing is tested,
and one line says so.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import pathlib
import shutil
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import aftermath  # noqa: E402
import alone  # noqa: E402
import checks  # noqa: E402
from bed import BINARY, Bed, Missing, why_no_bpf  # noqa: E402
from exchanges import load, load_corpus  # noqa: E402
from scenarios import BEFORE, SCENARIOS  # noqa: E402
import scenarios_agents  # noqa: E402, F401 (adds its own)
import scenarios_claims  # noqa: E402, F401 (adds its own)
import scenarios_code  # noqa: E402, F401 (adds its own)
import scenarios_flow  # noqa: E402, F401 (adds its own)
import scenarios_identity  # noqa: E402, F401 (adds its own)
import scenarios_go  # noqa: E402, F401 (adds its own)
import scenarios_rust  # noqa: E402, F401 (adds its own)
import scenarios_plain  # noqa: E402, F401 (adds its own)
import scenarios_tls  # noqa: E402, F401 (adds its own)

WORKERS = 4
WITHOUT_CALLS = ("unrelated", "found-wrongly", "overwritten-program", "plain-other-port")  # that the upstream would know of


class Results:
    def __init__(self):
        self.counts = collections.Counter()

    def add(self, name, problems=(), skipped=None, note=""):
        verdict = "skip" if skipped else "FAIL" if problems else "ok"
        self.counts[verdict] += 1
        print(f"{verdict:>4}  {name:26} {skipped or note}", flush=True)
        for problem in list(problems)[:8]:
            print(f"        {problem}")
        if len(problems) > 8:
            print(f"        ... and {len(problems) - 8} more")

    def finish(self):
        print(f"{self.counts['ok']} passed, {self.counts['FAIL']} failed, {self.counts['skip']} skipped")
        return 1 if self.counts["FAIL"] else 0


def drive(bed, exchanges, names):
    """Runs the scenarios a few at a time. {name: None | exception}"""
    def one(name):
        try:
            SCENARIOS[name](bed, exchanges)
        except Exception as error:
            return error
        return None

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
        return dict(zip(names, workers.map(one, names)))


def judge(names, outcomes, pairs, strangers, flows, results):
    checks.mark_repeats(pairs)
    flow_problems, flow_counts, flow_strangers = flows
    by_scenario = collections.defaultdict(list)
    for row, found in pairs:
        by_scenario[row["want"].get("scenario")].append((row, found))
    for name in names:
        error = outcomes[name]
        if isinstance(error, Missing):
            results.add(name, skipped=str(error))
            continue
        problems = [str(error)] if error else []
        mine = by_scenario[name]
        if name.startswith("flow-"):
            results.add(name, problems + flow_problems[name], note=f"{flow_counts[name]} flow records")
            continue
        if not mine and name not in WITHOUT_CALLS and not error:
            problems.append("the upstream served no call of it")
        for row, found in mine:
            if "hops" in row["want"]:
                problems += checks.hops(found)
                continue
            record = checks.as_one(found)
            if record is None:
                problems.append(f"{row['exchange']}: {len(found)} records instead of 1 (pid {row['want'].get('pid')})")
            for record in [record or found[0]] if found else []:
                problems += checks.differences(row, record)
        problems += checks.run_problems(mine)
        results.add(name, problems, note=f"{len(mine)} calls, {sum(len(found) for _, found in mine)} records")
    results.add("nothing-else", [
        f"a record that belongs to no call: {record.get('host')} {record.get('api')} {record.get('status_code')} "
        f"pid {record.get('pid')} {record.get('comm')} {record.get('response_id')} {record['coverage_class']}"
        for record in strangers + flow_strangers],
        note=f"{sum(len(found) for _, found in pairs) + len(strangers)} records, {len(pairs)} calls, "
             f"{sum(flow_counts.values())} flows")


def live(bed, exchanges, names, results):
    for name in names:
        with contextlib.suppress(Missing):  # the scenario says itself what is missing
            if name in BEFORE:
                bed.early[name] = BEFORE[name](bed)
    started = time.monotonic()
    agent = bed.agent("agent")
    try:
        agent.wait_ready()
        ready = time.monotonic() - started
        outcomes = drive(bed, exchanges, names)
        served = checks.with_expectations(bed.served(), exchanges | bed.corpus)
        records = checks.settled_calls(agent, checks.all_recorded(served, bed.flows))
        calls, flows = checks.apart(records)
        pairs, strangers = checks.pair(served, calls)
        judge(names, outcomes, pairs, strangers, checks.flow_problems(bed.flows, flows), results)
        results.add("cost", *checks.costs(calls, pairs))
        if any("run" in row["want"] for row, _ in pairs):
            results.add("runs", *checks.run_sums(agent, pairs))
        results.add("privacy", aftermath.privacy_problems(agent, records), note="state, log, records, memory")
        results.add("shutdown", aftermath.shutdown_problems(agent), note=f"ready after {ready:.2f} s")
        results.add("sink", aftermath.sink_problems(agent), note="each record as a line of a file")
    finally:
        agent.kill()
        for client in bed.early.values():
            client.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="names of the scenarios")
    parser.add_argument("--only", help="run these scenarios alone, separated by commas")
    parser.add_argument("--keep", action="store_true", help="copy state, logs and what was served to build/e2e/last")
    parser.add_argument("-v", "--verbose", action="store_true", help="tracebacks of what went wrong")
    args = parser.parse_args()
    if args.list:
        print("\n".join([*SCENARIOS, "restart"]))
        return 0
    names = args.only.split(",") if args.only else [*SCENARIOS, "restart"]
    unknown = set(names) - {*SCENARIOS, "restart"}
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    reason = why_no_bpf()
    if reason:
        print(f"SKIPPED: live tests: {reason}; {len(names)} scenarios were NOT tested", flush=True)
        print(f"0 passed, 0 failed, {len(names)} skipped")
        return 0
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not built: run make first")
    return test(args, names)


def test(args, names):
    held = alone.hold_host()
    results, exchanges, corpus = Results(), load(), load_corpus() if "corpus" in names else {}
    with Bed(corpus) as bed:
        for phase in ("live", "restart"):
            chosen = [name for name in names if (name == "restart") == (phase == "restart")]
            if not chosen:
                continue
            try:
                if phase == "live":
                    live(bed, exchanges, chosen, results)
                else:
                    results.add("restart", aftermath.restart_problems(bed, exchanges), note="kill -9, three times")
            except Exception as error:
                results.add(phase, [str(error)])
                if args.verbose:
                    traceback.print_exc()
        if args.keep:
            shutil.copytree(bed.folder, BINARY.parent / "e2e" / "last", dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("o1", "o2", "hidden-mount"))
    held.close()
    return results.finish()


if __name__ == "__main__":
    sys.exit(main())
