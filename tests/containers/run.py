#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real containers, judged: every call lands on its container, its image and its tenant.

usage: run.py [--list] [--only CASE[,CASE]] [--keep] [-v]

Starts podman, containerd, docker and runc in a room of their own with one small image, the agent on the host beside
them, and compares its records with what the runtimes said. Leaves the host as it was, and says so. Needs root.
"""
import argparse
import collections
import dataclasses
import json
import pathlib
import secrets
import shutil
import signal
import sys
import threading
import time
import traceback
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
sys.dont_write_bytecode = True
import alone  # noqa: E402
import checks  # noqa: E402
import engines  # noqa: E402
import image  # noqa: E402
from bed import BINARY, Bed, Missing, cgroup2_root, why_no_bpf  # noqa: E402
from cases import CASES, EARLY, FROZEN, warm  # noqa: E402
from exchanges import load  # noqa: E402
from host import Host  # noqa: E402
from room import Room  # noqa: E402

PLAIN = "openai-chat-plain"

# Whose a call is, by what the kernel knows of its container. %(told)s: ids that were chosen before the agent started.
RULES = """\
attribution:
  rules:
%(told)s
    - match: {pod_uid: "%(pod-one)s"}
      set: {tenant: pod-one}
    - match: {pod_uid: "%(pod-two)s"}
      set: {tenant: pod-two}
    - match: {pod_uid: "%(pod-outer)s"}
      set: {tenant: pod-outer}
    - match: {cgroup: "/lt-pods/acme/*"}
      set: {tenant: acme}
    - match: {cgroup: "/lt-pods/globex/*"}
      set: {tenant: globex}
    - match: {cgroup: "/lt-pods/initech/*"}
      set: {tenant: initech}
    - match: {unit: "user@61234.service"}
      set: {tenant: rootless}
    - match: {container_id: "lt-machine", runtime: systemd-nspawn}
      set: {tenant: nspawn}
    - match: {container_id: "lt-web", runtime: lxc}
      set: {tenant: lxc}
    - match: {runtime: containerd}
      set: {tenant: containerd}
    - match: {runtime: docker}
      set: {tenant: docker}
    - match: {runtime: podman}
      set: {tenant: podman}
    - match: {container_id: "*"}
      set: {environment: in-a-container}
"""
TOLD = """\
    - match: {container_id: "%s"}
      set: {tenant: "%s"}
"""
# By what the runtimes know.
NAME_RULES = """\
    - match: {container_name: "lt-podman-*"}
      set: {use_case: by-name}
    - match: {image_digest: "%(digest)s"}
      set: {cost_center: by-digest}
    - match: {image: "localhost/lt-pods:*"}
      set: {cost_center: by-image}
    - match: {label.%(label)s: "*"}
      set: {team: "by-label"}
"""


@dataclasses.dataclass
class Due:
    """What the records of one container must say."""
    case: str
    tenant: str
    calls: int
    ran: engines.Ran

    def labels(self):
        """As checks.identity() takes them."""
        conflict = {"conflict": self.ran.conflict} if self.ran.conflict else {}
        return {"tenant": self.tenant, "container": self.ran.id, "runtime": self.ran.runtime} | conflict

    def problems(self, record, digest):
        ran = self.ran
        want = {"environment": "in-a-container", "pod_uid": ran.pod_uid, "unit": ran.unit}
        names = {"container_name": ran.name, "image": ran.image, "image_digest": ran.digest, "pod": ran.pod,
                 "namespace": ran.namespace} | by_names(ran, digest)
        # Of what is gone before the agent could ask, it may know the names or not; but no wrong ones.
        if self.case in FROZEN:
            names = {field: value for field, value in names.items() if record.get(field) is not None}
        return [f"{field} is {record.get(field)!r}, expected {value!r}" for field, value in (want | names).items()
                if value != engines.ANY and record.get(field) != value]


def by_names(ran, digest):
    """What NAME_RULES make of a container."""
    known = (ran.image or "").startswith("localhost/lt-pods:")
    return {"use_case": "by-name" if (ran.name or "").startswith("lt-podman-") else None,
            "cost_center": "by-digest" if ran.digest == digest else "by-image" if known else None,
            "team": "by-label" if ran.labelled else None}


class Test:
    def __init__(self, bed):
        self.bed, self.due, self.current, self.lock = bed, {}, None, threading.Lock()
        self.ids = [secrets.token_hex(32) for _ in range(16)]
        self.pods = {name: str(uuid.uuid4()) for name in ("pod-one", "pod-two", "pod-outer")}
        self.made, self.why_not, self.early = {}, {}, {}

    def prepare(self):
        body = self.bed.folder / "body"
        body.write_bytes(load()[PLAIN].request_body())
        root = self.bed.folder / "root"
        image.build(root, self.bed.ca, self.bed.folder / "hosts", body)
        packed, archive = engines.pack(root, self.bed.folder / "root.tar"), self.bed.folder / "image.tar"
        self.make("runc", lambda: engines.Runc(self.room, root))
        self.make("podman", lambda: engines.Podman(self.room, packed))
        self.digest = self.podman.digest if "podman" in self.made else None
        self.make("rootless", lambda: engines.Rootless(self.room, packed))
        self.make("containerd", lambda: (self.podman.save(archive), engines.Containerd(self.room, archive))[1])
        self.make("docker", lambda: engines.Docker(self.room, packed, self.containerd))

    def make(self, name, start):
        try:
            self.made[name] = start()
        except Exception as error:
            self.why_not[name] = error

    def make_early(self, name):
        try:
            self.early[name] = EARLY[name](self)
        except Exception as error:
            self.early[name] = error

    def started_early(self):
        """What the case of now started before the agent was there."""
        found = self.early[self.current]
        if isinstance(found, Exception):
            raise found
        return found

    def __getattr__(self, name):
        if name in self.why_not:
            raise self.why_not[name]
        return self.made[name]

    def sources(self):
        """The one place that says where the runtimes are: the section of a config."""
        sources = [source for made in self.made.values() if hasattr(made, "sources") for source in made.sources()]
        return "containers:\n  runtimes:\n" + "".join(f"    - {json.dumps(source)}\n" for source in sources)

    def write_config(self):
        told = "".join(TOLD % (ident, self.tenant_of(ident)) for ident in self.ids)
        self.bed.config_file = self.bed.folder / "containers.yaml"
        self.bed.config_file.write_text(
            RULES % (self.pods | {"told": told}) + NAME_RULES % {"digest": self.digest, "label": engines.LABEL[0]}
            + self.sources())

    @staticmethod
    def tenant_of(ident):
        return f"told-{ident[:8]}"

    def call(self, run, tenant, *clients):
        """One call by each client, in one container that run() starts with these arguments."""
        with self.lock:
            key = f"{self.current}.{len(self.due)}"
            self.due[key] = None
        ran = run(["sh", "/lt/call.sh", f"scenario={self.current}; key={key}", PLAIN, *clients])
        self.due[key] = Due(self.current, tenant, len(clients), ran)


class Results:
    def __init__(self):
        self.counts = collections.Counter()

    def add(self, name, problems=(), skipped=None, note=""):
        verdict = "skip" if skipped else "FAIL" if problems else "ok"
        self.counts[verdict] += 1
        print(f"{verdict:>4}  {name:20} {skipped or note}", flush=True)
        for problem, times in list(collections.Counter(problems).items())[:8]:
            print(f"        {problem}{f' ({times} times)' if times > 1 else ''}")
        if len(problems) > 8:
            print(f"        {len(problems)} problems in all")


def drive(test, name, function):
    """(seconds, error)"""
    test.current, started, error = name, time.monotonic(), None
    try:
        function(test)
    except Exception as raised:
        error = raised
    return time.monotonic() - started, error


def drive_frozen(test, agent, chosen):
    """Each once beside the agent, so that it knows the files; then all again while it sleeps."""
    outcomes = {name: drive(test, name, FROZEN[name]) for name in chosen}
    checks.settled_calls(agent, checks.all_recorded(served(test)))
    agent.process.send_signal(signal.SIGSTOP)
    try:
        for name in chosen:
            if outcomes[name][1] is None:
                outcomes[name] = drive(test, name, FROZEN[name])
        for due in test.due.values():
            if due and due.case in chosen and list(cgroup2_root().glob(f"**/*{due.ran.id}*")):
                outcomes[due.case] = 0, RuntimeError("its cgroup is still there: this tests nothing")
    finally:
        agent.process.send_signal(signal.SIGCONT)
    return outcomes


def served(test):
    rows = checks.with_expectations(test.bed.served(), load())
    for row in rows:
        due = test.due.get(row["want"].get("key"))
        row["want"] |= due.labels() if due else {}
    return rows


def judge(test, outcomes, agent, results, strict):
    rows = served(test)
    records = checks.settled_calls(agent, checks.all_recorded(rows), seconds=30)
    pairs, strangers = checks.pair(rows, records)
    checks.mark_repeats(pairs)
    problems, calls, missing = collections.defaultdict(list), collections.Counter(), 0
    for row, found in pairs:
        key = row["want"].get("key", "")
        due, case = test.due.get(key), key.partition(".")[0]
        calls[key] += 1
        if not due:
            continue
        if len(found) != 1:
            problems[case].append(f"{len(found)} records instead of 1 of a call by {row['want'].get('comm')}")
        for record in found[:1]:
            problems[case] += checks.differences(row, record) + due.problems(record, test.digest)
            missing += record.get("tenant") in (None, "unattributed")
    for key, due in test.due.items():
        if due and calls[key] != due.calls:
            problems[due.case].append(f"{calls[key]} calls served, {due.calls} made")
    for name, (seconds, error) in outcomes.items():
        mine = [due for due in test.due.values() if due and due.case == name]
        note = f"{len(mine)} containers, {sum(due.calls for due in mine)} calls, {seconds:.1f} s"
        if isinstance(error, Missing) and not (strict and isinstance(error, engines.NotInstalled)):
            results.add(name, skipped=str(error))
        else:
            results.add(name, problems[name] + ([str(error)] if error else []) + ([] if mine or name == "listing" else ["nothing ran"]), note=note)
    results.add("nothing-else", [f"a record of no call: {r.get('host')} {r.get('comm')} {r['coverage_class']}"
                                 for r in strangers], note=f"{len(records)} records, {missing} unattributed")


def run(args, names, results):
    with Bed() as bed:
        test = Test(bed)
        test.room = Room(bed)
        bed.cleanups.append(test.room.end)
        started = time.monotonic()
        test.prepare()
        test.write_config()
        for name in names:
            if name in EARLY:
                test.make_early(name)
        print(f"      {', '.join(test.made)} are ready after {time.monotonic() - started:.1f} s", flush=True)
        agent = bed.agent("agent")
        try:
            agent.wait_ready()
            warm(test)
            outcomes = {name: drive(test, name, CASES[name]) for name in names if name in CASES}
            outcomes |= drive_frozen(test, agent, [name for name in names if name in FROZEN])
            if args.verbose:
                for name, (_, error) in outcomes.items():
                    if error and not isinstance(error, Missing):
                        traceback.print_exception(error)
            judge(test, outcomes, agent, results, args.strict)
        finally:
            agent.stop(30)
            if args.keep:
                keep(bed)


def keep(bed):
    folder = BINARY.parent / "containers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for item in [*bed.folder.glob("*.log"), *bed.folder.glob("*.yaml"), *bed.folder.glob("*.jsonl")]:
        shutil.copy(item, folder)
    shutil.copytree(bed.folder / "agent.state", folder / "agent.state")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="names of the cases")
    parser.add_argument("--only", help="run these cases alone, separated by commas")
    parser.add_argument("--strict", action="store_true", help="a runtime that is not here is a failure")
    parser.add_argument("--keep", action="store_true", help="copy state, logs and what was served to build/containers")
    parser.add_argument("-v", "--verbose", action="store_true", help="tracebacks of what went wrong")
    args = parser.parse_args()
    every = [*CASES, *FROZEN]
    if args.list:
        print("\n".join(every))
        return 0
    names = args.only.split(",") if args.only else every
    unknown = set(names) - set(every)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    reason = why_no_bpf()
    if reason:
        print(f"SKIPPED: containers: {reason}; {len(names)} cases were NOT tested", flush=True)
        return 0
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not built: run make first")
    held, results, host = alone.hold_host(), Results(), Host()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    try:
        run(args, names, results)
    except Exception as error:
        results.add("run", [str(error)])
        if args.verbose:
            traceback.print_exc()
    finally:
        host.clear()
        results.add("host", host.differences(), note="is as it was")
    held.close()
    print(f"{results.counts['ok']} passed, {results.counts['FAIL']} failed, {results.counts['skip']} skipped")
    return 1 if results.counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
