#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The matrix of clients: each makes its calls against the replaying upstream, and N calls must be N records.

usage: matrix.py [--list] [--only NAME[,NAME]] [--docs] [--strict] [--keep] [-v]

Prints a table; --docs writes it into docs/coverage.md. CLIENTS=NAME,... is --only. A client that cannot be had here is
SKIPPED, which --strict counts as failed. Other builds of a client are tried by variables that name the program: CURL,
PYTHON, NODE, BUN, DENO, CLAUDE, CODEX, GEMINI, OPENCODE, RUST_AWS_LC, RUST_RING, RUST_NATIVE_TLS.

Calls carry the name of their client in a header. Those of agents, which take no header of ours, are known by the
address that they came to: each agent has one of its own, by a hosts file of its own.
"""
import argparse
import concurrent.futures
import copy
import dataclasses
import os
import pathlib
import shutil
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import alone  # noqa: E402
import checks  # noqa: E402
from bed import BINARY, ROOT, Bed, Missing, why_no_bpf  # noqa: E402
from exchanges import load  # noqa: E402
from matrix_clients import CLIENTS, in_order, version_of  # noqa: E402
from matrix_install import java, npm, rust  # noqa: E402

WIDTH = 2  # clients at the same time
DOCUMENT = ROOT / "docs" / "coverage.md"
BEGIN, END = "<!-- matrix: written by make test-clients DOCS=1 -->", "<!-- end of the matrix -->"
HEAD = ("client", "version", "TLS stack", "calls", "records", "result")


@dataclasses.dataclass
class Line:
    """A line of the table."""
    name: str
    calls: int = 0
    records: int = 0
    result: str = "ok"
    problems: list = dataclasses.field(default_factory=list)

    @property
    def failed(self):
        return self.result not in ("ok", "flow") and not self.result.startswith("SKIPPED")

    def cells(self):
        client = CLIENTS[self.name]
        return (client.title, version_of(self.name), client.stack, str(self.calls), str(self.records), self.result)


def addresses():
    """{client: the address of its own at which it finds the providers}"""
    both = [name for name, client in CLIENTS.items() if client.both]
    return {name: f"127.0.1.{number}" for number, name in enumerate(both, 1)}


def seat_for(bed, exchanges, name):
    """The bed as one client sees it: started through it, a program finds the providers at the client's address."""
    seat = copy.copy(bed)
    seat.client, seat.exchanges = name, exchanges
    if name not in addresses():
        return seat
    hosts = bed.hosts_of(addresses()[name])
    seat.inside = lambda *command: [*bed.inside("unshare", "-m", "--propagation", "private", "sh", "-ec",
                                                'mount --bind "$0" /etc/hosts; exec "$@"', hosts),
                                    *(str(word) for word in command)]
    return seat


def prepare(names):
    """Installs what takes long, beside the clients that need nothing of it."""
    jobs = [npm] if any(CLIENTS[name].both for name in names) else []
    jobs += [lambda: java("NettyCalls")] if "java-netty" in names else []
    jobs += [lambda kind=kind: rust(kind) for kind in ("native-tls", "aws-lc", "ring") if f"rust-{kind}" in names]

    def work():
        for job in jobs:
            try:
                job()
            except Missing:
                pass  # its client says so

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def drive(bed, exchanges, names, verbose):
    """{name: None | exception}"""
    def one(name):
        started = time.monotonic()
        try:
            CLIENTS[name].run(seat_for(bed, exchanges, name))
        except Exception as error:
            if verbose and not isinstance(error, Missing):
                traceback.print_exc()
            return error
        if verbose:
            print(f"  ran      {name}: {time.monotonic() - started:.1f} s", flush=True)
        return None

    with concurrent.futures.ThreadPoolExecutor(WIDTH) as workers:
        return dict(zip(names, workers.map(one, names)))


def label(served):
    """Says of each call whose it is, and what its client asked for in its own words."""
    by_address = {address: name for name, address in addresses().items()}
    for row in served:
        name = row["want"].get("scenario") or by_address.get(row["address"])
        if name not in CLIENTS:
            continue
        if "scenario" not in row["want"]:
            tls = {"tls": CLIENTS[name].tls} if CLIENTS[name].tls else {}
            row["want"] = {"scenario": name, "tenant": f"t-{name}"} | tls
            if "expected" in row and row["expected"].get("tool_results"):
                row["want"]["step"] = 2  # of a loop that has one turn with tools
            if "expected" in row and row["model"]:
                row["expected"] = row["expected"] | {"model_requested": row["model"]}
    return served


def judge_calls(line, rows, records):
    """One record for each call, which says what the call did, and no others of this client."""
    mine, others = checks.pair(rows, records)
    checks.mark_repeats(mine)
    wrong = 0
    for row, found in mine:
        record = checks.as_one(found)
        problems = [] if record else [f"{row['exchange']}: {len(found)} records instead of 1"]
        for candidate in [record or found[0]] if found else []:
            problems += checks.differences(row, candidate)
        wrong += bool(problems)
        line.problems += problems
    line.problems += [f"a record that belongs to no call: {record.get('host')} {record.get('api')} "
                      f"{record.get('status_code')} {record.get('response_id')}" for record in others]
    line.problems += run_problems(line.name, [record for _, found in mine for record in found])
    line.calls = len(mine)
    line.records = sum(len(found) for _, found in mine) + len(others)
    if line.problems:
        wrong = wrong or 1
        line.result = f"FAIL: {wrong} wrong" if not others else f"FAIL: {wrong} wrong, {len(others)} too many"


def run_problems(name, records):
    """Each start of an agent is a run, whose calls name the agent, their session and step."""
    times = CLIENTS[name].runs
    if not times:
        return []
    problems = [f"{record['api']}: agent {record['agent_name']}, session {record['session_key']}, step {record['step_no']}"
                for record in records
                if (record["agent_name"], bool(record["session_key"]), bool(record["step_no"])) != (name, True, True)]
    keys = {record["run_key"] for record in records}
    if None in keys or len(keys) != times:
        problems.append(f"{len(keys)} runs of {times}: {sorted(map(str, keys))}")
    return problems


def judge_flow(line, rows, flows):
    """One flow record for each connection: the host and who it is, but no usage and no cost."""
    connections = {(row["connection"], row["host"]) for row in rows}
    line.calls, line.records = len(rows), len(flows)
    if len(flows) != len(connections):
        line.problems.append(f"{len(flows)} flow records of {len(connections)} connections")
    wanted = sorted(host for _, host in connections)
    if flows and sorted(str(flow.get("host")) for flow in flows) != wanted:
        line.problems.append(f"the flows' hosts are {sorted({str(flow.get('host')) for flow in flows})}")
    pids = {int(row["want"]["pid"]) for row in rows if "pid" in row["want"]}
    for flow in flows:
        if flow.get("coverage_class") != "known_host_encrypted":
            line.problems.append(f"coverage_class is {flow.get('coverage_class')!r}")
        if (flow.get("cost") or {}).get("amount") is not None:
            line.problems.append("a flow has a cost")
        if flow.get("pid") not in pids:
            line.problems.append(f"pid is {flow.get('pid')}, not of {sorted(pids)}")
    line.result = f"FAIL: {len(line.problems)} wrong" if line.problems else "flow"


def judge(name, error, served, records):
    line = Line(name)
    if isinstance(error, Missing):
        line.result = "SKIPPED: " + " ".join(str(error).split())
        return line
    rows, mine = of_client(name, served, records)
    (judge_flow if CLIENTS[name].flow else judge_calls)(line, rows, mine)
    if error:
        line.problems.insert(0, str(error))
    if not rows:
        line.problems.append("the upstream served no call of it")
    if line.problems and line.result in ("ok", "flow"):
        line.result = "FAIL"
    return line


def of_client(name, served, records):
    """The calls of a client and the records of its tenant."""
    return ([row for row in checks.due(served) if row["want"].get("scenario") == name],
            [record for record in records if record.get("tenant") == f"t-{name}"])


def complete(served, name, records):
    rows, mine = of_client(name, served, records)
    if CLIENTS[name].flow:
        return len(mine) >= len({row["connection"] for row in rows})
    return all(found for _, found in checks.pair(rows, mine)[0])


def measure(bed, exchanges, names, verbose):
    """The lines of the table, and the records that are nobody's."""
    agent = bed.agent("agent")
    try:
        agent.wait_ready()
        builds = prepare(names)
        outcomes = drive(bed, exchanges, names, verbose)
        builds.join()
        served = label(checks.with_expectations(bed.served(), exchanges))
        records = checks.settled_calls(agent, lambda now: all(complete(served, name, now) for name in names))
        lines = [judge(name, outcomes[name], served, records) for name in CLIENTS if name in names]
        tenants = {f"t-{name}" for name in names}
        return lines, [record for record in records if record.get("tenant") not in tenants]
    finally:
        agent.stop(20)


def table(lines):
    """The table in Markdown, its columns as wide as they must be."""
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    drawn = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]]) + "\n"


def write_document(drawn):
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        sys.exit(f"{DOCUMENT} has no place for the table")
    DOCUMENT.write_text(f"{before}{BEGIN}\n{drawn}{END}{after}")
    print(f"written: {DOCUMENT.relative_to(ROOT)}")


def missing_in_document():
    written = DOCUMENT.read_text()
    return [f"{client.title}, {client.stack}" for client in CLIENTS.values()
            if not any(client.title in text and client.stack in text for text in written.splitlines())]


def report(lines, strangers, args):
    drawn = table(lines)
    print(drawn)
    for line in lines:
        for problem in line.problems[:6]:
            print(f"{line.name}: {problem}")
        if len(line.problems) > 6:
            print(f"{line.name}: ... and {len(line.problems) - 6} more")
        if line.result.startswith("SKIPPED"):
            print(f"SKIPPED: {line.name}{line.result.partition('SKIPPED')[2]}")
    if args.docs:
        write_document(drawn)
    bad = sum(line.failed or args.strict and line.result.startswith("SKIPPED") for line in lines)
    for name in [] if args.docs else missing_in_document():
        print(f"docs/coverage.md has no line for {name}: run make test-clients DOCS=1")
        bad += 1
    for record in strangers:
        print(f"a record that belongs to no client: {record.get('host')} {record.get('api')} {record.get('comm')} pid "
              f"{record.get('pid')} tenant {record.get('tenant')}")
    bad += bool(strangers)
    print(f"{len(lines)} clients, {sum(line.calls for line in lines)} calls, {bad} failed")
    return 1 if bad else 0


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="names of the clients")
    parser.add_argument("--only", default=os.environ.get("CLIENTS"), help="these clients alone, separated by commas")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/coverage.md")
    parser.add_argument("--strict", action="store_true", help="a client that is not here is a failure")
    parser.add_argument("--keep", action="store_true", help="copy state, logs and what was served to build/e2e/matrix")
    parser.add_argument("-v", "--verbose", action="store_true", help="how long each took, tracebacks")
    args = parser.parse_args()
    args.names = in_order(args.only.split(",") if args.only else CLIENTS)
    if set(args.names) - set(CLIENTS):
        parser.error(f"no such client: {', '.join(sorted(set(args.names) - set(CLIENTS)))}")
    if args.docs and args.only:
        parser.error("the document has all clients: --docs goes without --only")
    return args


def main():
    args = options()
    if args.list:
        print("\n".join(CLIENTS))
        return 0
    reason = why_no_bpf()
    if reason:
        print(f"SKIPPED: the matrix of clients: {reason}; {len(args.names)} clients were NOT tested", flush=True)
        return 0
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not built: run make first")
    held = alone.hold_host()
    exchanges, started = load(), time.monotonic()
    with Bed(addresses=addresses().values()) as bed:
        lines, strangers = measure(bed, exchanges, args.names, args.verbose)
        if args.keep:
            shutil.rmtree(ROOT / "build" / "e2e" / "matrix", ignore_errors=True)
            shutil.copytree(bed.folder, ROOT / "build" / "e2e" / "matrix", symlinks=True,
                            ignore=lambda folder, names: names if folder.endswith("deno") else [])
    held.close()
    code = report(lines, strangers, args)
    print(f"{time.monotonic() - started:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
