#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Processes that come and go, with probes that come and go below them: nobody may crash or hang, and the agent must be
afterwards what it was before.

usage: soak.py [--cycles N]

Each cycle is a process: of a new file, or of one that was attached before and may be losing its probes just now. Two
agents watch. One runs through and keeps files for two seconds only; the other is started and ended (every second time
killed) all the time, so that probes go in the middle of calls. Some processes live long and call through all of that.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import alone  # noqa: E402
import checks  # noqa: E402
import scenarios_go  # noqa: E402
from aftermath import wait_gone  # noqa: E402
from bed import BINARY, CONFIG, SHORT_CALL, Bed, Missing, sh, why_no_bpf  # noqa: E402
from exchanges import load  # noqa: E402
from first_call import REQUEST, STATIC_CALL, new_copy  # noqa: E402
from scenarios import EXCHANGES, PLAIN, system_library  # noqa: E402

WIDTH = 4  # processes at the same time
HANG_S = 30
FILES_KEPT = 24  # copies that are run again
SETTLE_S = 100
BUSY = "Text file busy"  # a child of another thread has the copy open for writing, until its exec
SHORT_LIVES = "capture:\n  sweep: 1s\n  keep: 2s\n"
REMEMBERED_S = 65  # so long the agent remembers a process that has ended
ROOM_KIB, PROCESS_KIB = 6144, 2  # of memory: the ledger's cache and the allocator's; for each process of the last minute


def kinds():
    """{name: (file that is copied, command line of a copy)}"""
    out = {"libssl": (system_library("libssl.so.3"), lambda copy: [SHORT_CALL, "-l", copy, *REQUEST])}
    if STATIC_CALL.exists():
        out["static"] = (STATIC_CALL, lambda copy: [copy, *REQUEST])
    try:
        out["go"] = (scenarios_go.build("client", "stripped"), lambda copy: [copy, EXCHANGES, "in-turn", 1, PLAIN])
    except Missing as missing:
        print(f"SKIPPED: soak: without go: {missing}")
    return out


class Cycles:
    def __init__(self, bed, count):
        self.bed, self.count, self.kinds = bed, count, kinds()
        self.rng, self.lock = random.Random(7), threading.Lock()
        self.copies, self.ended, self.problems = collections.deque(), collections.Counter(), []

    def choose(self, number):
        """The command of a cycle: half of them have a new file."""
        with self.lock:
            if number % 2 and self.copies:
                return self.rng.choice(self.copies)
            kind = self.rng.choice(sorted(self.kinds))
        source, command = self.kinds[kind]
        copy = new_copy(self.bed, kind, source, number)
        with self.lock:
            self.copies.append([str(word) for word in command(copy)] + [str(copy.parent)])
            old = self.copies.popleft() if len(self.copies) > FILES_KEPT else None
        if old:
            shutil.rmtree(old[-1], ignore_errors=True)
        with self.lock:
            return self.copies[-1]

    def one(self, number):
        *command, folder = self.choose(number)
        environment = self.bed.environment("soak", "t-soak")
        process, errors = self.bed.start(command, environment), BUSY
        try:
            while BUSY in errors:
                _, errors = process.communicate(timeout=HANG_S)
                if BUSY in errors:
                    time.sleep(0.02)
                    process = self.bed.start(command, environment)
        except subprocess.TimeoutExpired:
            state = pathlib.Path(f"/proc/{process.pid}/wchan").read_text()
            process.kill()
            process.communicate()
            self.note("hung", f"cycle {number}: hangs in {state!r}: {command[0]}")
            return
        if process.returncode == 0:
            self.ended["well"] += 1
        elif pathlib.Path(folder).exists():
            self.note("badly", f"cycle {number}: {command[0]} ends with {process.returncode}: {errors.strip()[-200:]}")
        else:
            self.ended["its file was gone"] += 1

    def note(self, how, what):
        with self.lock:
            self.ended[how] += 1
            self.problems.append(what)

    def run(self, first, count):
        with concurrent.futures.ThreadPoolExecutor(WIDTH) as workers:
            list(workers.map(self.one, range(first, first + count)))


class Restarts(threading.Thread):
    """An agent that is ended and started again all the time."""

    def __init__(self, bed):
        super().__init__()
        self.bed, self.stopping = bed, threading.Event()
        self.times, self.problems = 0, []

    def run(self):
        while not self.stopping.is_set():
            agent = self.bed.agent(f"restarted{self.times}")
            try:
                agent.wait_ready()
                self.stopping.wait(random.random() * 2)
                self.times += 1
                if self.times % 2:
                    agent.kill()
                elif (took := agent.stop(20)) > 10 or agent.process.returncode != 0:
                    self.problems.append(f"an agent took {took:.1f} s to end, exit code {agent.process.returncode}")
            except Exception as error:
                self.problems.append(f"an agent that was restarted: {error}")
            finally:
                if agent.process.poll() is None:
                    agent.kill()
            shutil.rmtree(agent.state, ignore_errors=True)


def long_lived(bed, seconds):
    """Programs that call all the time, on files whose probes go with each agent that ends."""
    environment = bed.environment("soak, long", "t-soak", "delay=20")
    go = [[scenarios_go.build("client", "stripped"), EXCHANGES, "at-once", 200, PLAIN]] if shutil.which("go") else []
    script = 'end=$(($(date +%s) + $1)); shift; while [ "$(date +%s)" -lt "$end" ]; do "$@" || exit 1; done'
    return [bed.start(["sh", "-c", script, "sh", int(seconds), *command], environment) for command in go]


def entries(agent):
    """Entries in the hash tables of the kernel that grow."""
    ids, total = set(), 0
    for info in pathlib.Path(f"/proc/{agent.process.pid}/fdinfo").iterdir():
        try:
            text = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        # Those that drop the oldest have their memory from the beginning: what is in them costs nothing.
        if int(text.get("map_type", 0)) == 1:
            ids.add(int(text["map_id"]))
    for ident in ids:
        dumped = sh(shutil.which("bpftool") or "/usr/sbin/bpftool", "-j", "map", "dump", "id", ident, check=False)
        total += len(json.loads(dumped.stdout or "[]")) if dumped.returncode == 0 else 0
    return total


def size_of(agent):
    """What the agent holds, as numbers that must come back."""
    process = pathlib.Path(f"/proc/{agent.process.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    kinds = collections.Counter()
    for info in (process / "fdinfo").iterdir():
        try:
            text = info.read_text()
        except OSError:
            continue
        kinds["links"] += "link_id:" in text
        kinds["programs"] += "prog_id:" in text and "link_id:" not in text
        kinds["maps"] += "map_id:" in text
    return {"RSS KiB": int(status["VmRSS"].split()[0]), "anonymous KiB": int(status["RssAnon"].split()[0]),
            "threads": int(status["Threads"]), "fds": len(list((process / "fd").iterdir())),
            "mappings": len((process / "maps").read_text().splitlines()), "table entries": entries(agent), **kinds}


class Forks(threading.Thread):
    """Counts the processes of this host: the agent remembers those of the last minute, whoever started them."""

    def __init__(self):
        super().__init__(daemon=True)
        self.samples = collections.deque(maxlen=REMEMBERED_S)
        self.start()

    def run(self):
        while True:
            text = pathlib.Path("/proc/stat").read_text()
            self.samples.append(int(text.partition("processes ")[2].split()[0]))
            time.sleep(1)

    def remembered(self):
        return self.samples[-1] - self.samples[0]


def grown(before, after, forks):
    """What is more than before and may not be. Threads that detach stay; others on this host may run files to attach."""
    memory = ROOM_KIB + PROCESS_KIB * forks.remembered()
    room = {"RSS KiB": memory, "anonymous KiB": memory, "threads": 16, "mappings": 64, "fds": 8, "links": 8}
    return [f"{name}: {before[name]} before, {after[name]} after, {room.get(name, 0)} may be more" for name in before
            if after[name] > before[name] + room.get(name, 0)]


def settled_size(agent, forks, before=None):
    """What the agent holds when it changes no more; where there is a before, when it is back there."""
    end, size = time.monotonic() + SETTLE_S, size_of(agent)
    while time.monotonic() < end:
        time.sleep(3)
        newer = size_of(agent)
        if not grown(before, newer, forks) if before else newer["links"] == size["links"]:
            return newer
        size = newer
    return size


def soak(bed, count):
    config = bed.folder / "soak.yaml"
    config.write_text(CONFIG.replace("capture:\n", SHORT_LIVES))
    bed.config_file = config
    cycles, agent = Cycles(bed, count), bed.agent("steady")
    warm_up = max(count // 10, 40)
    restarts, forks = Restarts(bed), Forks()
    try:
        agent.wait_ready()
        cycles.run(0, warm_up)
        before = settled_size(agent, forks)
        started = time.monotonic()
        steady = long_lived(bed, max(5, count / 100))
        restarts.start()
        cycles.run(warm_up, count)
        took = time.monotonic() - started
        restarts.stopping.set()
        restarts.join()
        for process in steady:
            process.communicate(timeout=120)
            if process.returncode != 0:
                cycles.problems.append(f"a long-lived process ends with {process.returncode}")
        peak = size_of(agent)
        after = settled_size(agent, forks, before)
        problems = cycles.problems + restarts.problems + grown(before, after, forks)
        served = checks.due(checks.with_expectations(bed.served(), load()))
        records = checks.settled_calls(agent, lambda now: len(now) >= len(served), 10)
        ids = {record.get("response_id") for record in records}
        seen = sum(row["response_id"] in ids for row in served)
        programs = agent.programs | agent.loaded_programs()
        took_to_end = agent.stop(30)
        if agent.process.returncode != 0:
            problems.append(f"the agent ends with {agent.process.returncode}")
        if left := wait_gone(programs):
            problems.append(f"BPF programs left behind: {sorted(left)}")
    finally:
        restarts.stopping.set()
        agent.kill()
    print(f"      {count + warm_up} cycles in {took:.0f} s: {dict(cycles.ended)}; the other agent was started "
          f"{restarts.times} times; {seen} of {len(served)} calls recorded; the agent ended in {took_to_end:.1f} s")
    for name in before:
        print(f"      {name:16} {before[name]:>8} before {peak[name]:>8} at the end {after[name]:>8} after")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=int(os.environ.get("CYCLES") or 500))
    args = parser.parse_args()
    reason = why_no_bpf()
    if reason:
        print(f"SKIPPED: soak: {reason}", flush=True)
        return 0
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not built: run make first")
    held = alone.hold_host()
    with Bed() as bed:
        problems = soak(bed, args.cycles)
    held.close()
    for problem in problems[:20]:
        print(f"        {problem}")
    print(f"{'FAIL' if problems else 'ok':>4}  soak: {args.cycles} cycles, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
