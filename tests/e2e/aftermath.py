# SPDX-License-Identifier: Apache-2.0
"""What must hold after the traffic: nothing of its content stays, the agent ends well, kill -9 does no harm."""
import contextlib
import json
import sqlite3
import threading
import time

from bed import ARCHIVE, KEY_CANARY, live_programs, read_calls
from checks import due, pair, settled_calls, with_expectations

PLAIN = "openai-chat-plain"
# The first two stand in tests/exchanges, in every prompt and every answer; the last two are of scenarios_agents.py.
CANARIES = {"prompt": b"PROMPT-CANARY-b72d41", "answer": b"ANSWER-CANARY-90ce5f", "key": KEY_CANARY.encode(),
            "query": b"api-version=2024-10-21", "session": b"54c1eb09-bc4c-4d2f-98eb-6d2ab2d5e2fe",
            "command line": b"CMDLINE-CANARY-77e0c4"}


def canaries_in(data):
    return [name for name, text in CANARIES.items() if text in data or text.decode().encode("utf-16-le") in data]


def writable_memory(pid):
    """(name, bytes) of the process's own memory; the ring buffer is the kernel's and holds what comes next."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, _, _, _, *name = line.split(maxsplit=5)
            name = name[0].strip() if name else "anonymous"
            if "w" not in rights or "bpf" in name or name in ("[vvar]", "[vsyscall]"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            with contextlib.suppress(OSError, ValueError):
                memory.seek(start)
                yield name, memory.read(end - start)


def privacy_problems(agent, records):
    problems = []
    time.sleep(1)
    for path in sorted(agent.state.rglob("*")):
        if path.is_file():
            problems += [f"the {what} canary is in {path.name}" for what in canaries_in(path.read_bytes())]
    problems += [f"the {what} canary is in the log" for what in canaries_in(agent.log.read_bytes())]
    problems += [f"the {what} canary is in the records" for what in canaries_in(json.dumps(records).encode())]
    for name, data in writable_memory(agent.process.pid):
        for what in canaries_in(data):
            at = max(data.find(CANARIES[what]), 0)
            problems.append(f"the {what} canary is in the agent's memory ({name}, {data.count(CANARIES[what])} times): "
                            f"{data[max(at - 60, 0):at + 60]!r}")
    if not records:
        problems.append("no traffic was recorded: this proves nothing")
    return problems


def shutdown_problems(agent):
    held = agent.programs | agent.loaded_programs()
    took = agent.stop()
    problems = []
    if not held:
        problems.append("the agent held no BPF program: this proves nothing")
    if took >= 2:
        problems.append(f"SIGTERM: the agent took {took:.1f} s to end")
    if agent.process.returncode != 0:
        problems.append(f"SIGTERM: exit code {agent.process.returncode}")
    left = wait_gone(held)
    if left:
        problems.append(f"BPF programs left behind: {sorted(left)}")
    return problems


def sink_problems(agent):
    """Of the agent that has ended: each record of its ledger is in the file as it was in the end."""
    newest = {}
    for line in (agent.state / ARCHIVE).read_text().splitlines():
        record = json.loads(line)
        if record["revision"] >= newest.get(record["record_id"], record)["revision"]:
            newest[record["record_id"]] = record
    ledger = {record["record_id"]: record for record in read_calls(agent.state)}
    gone = {key for key, record in newest.items() if record["record_state"] == "void"}
    problems = [f"record {key} is not in the file" for key in ledger.keys() - newest.keys()]
    problems += [f"record {key} is in the file alone" for key in newest.keys() - ledger.keys() - gone]
    problems += [f"record {key} is another one in the file" for key in ledger.keys() & newest.keys()
                 if ledger[key] != newest[key]]
    return problems if ledger else ["no record: this proves nothing"]


def wait_gone(programs, seconds=3):
    """The kernel frees programs after a grace period."""
    end = time.monotonic() + seconds
    while (left := programs & live_programs()) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def sound(state):
    """Problems of the SQLite file as SQLite sees them."""
    found = []
    for path in state.glob("*"):
        if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3":
            with contextlib.closing(sqlite3.connect(path)) as database:
                answer = database.execute("pragma integrity_check").fetchone()[0]
            if answer != "ok":
                found.append(f"{path.name}: {answer}")
    return found


def restart_problems(bed, exchanges):
    """Kills the agent with SIGKILL under traffic, three times; what was committed before must be there after."""
    problems, stop = [], threading.Event()
    environment = bed.environment("restart", "t-restart", comm="curl")

    def traffic():
        while not stop.is_set():
            bed.curl(exchanges[PLAIN], environment)

    worker = threading.Thread(target=traffic)
    before = []
    try:
        for number in range(3):
            agent = bed.agent("restart")
            agent.wait_ready()
            if number == 0:
                worker.start()
            time.sleep(1.0)
            before = settled_calls(agent, lambda records, known=len(before): len(records) >= known + 5, 5)
            agent.kill()
            problems += sound(agent.state)
            after = {record["record_id"] for record in read_calls(agent.state)}
            lost = [r for r in before if r["record_id"] not in after]
            if lost:
                problems.append(f"kill {number + 1}: {len(lost)} records that were readable before are gone")
            left = wait_gone(agent.programs)
            if not agent.programs:
                problems.append("the agent held no BPF program: this proves nothing")
            if left:
                problems.append(f"kill {number + 1}: BPF programs left behind: {sorted(left)}")
    finally:
        stop.set()
        if worker.ident:
            worker.join()
    return problems + after_restart(bed, exchanges, len(before))


def after_restart(bed, exchanges, before):
    if before == 0:
        return ["no call was recorded before the kill: this proves nothing"]
    agent = bed.agent("restart")
    try:
        agent.wait_ready()
        environment = bed.environment("restart-after", "t-restart", comm="curl")
        for _ in range(5):
            bed.curl(exchanges[PLAIN], environment)
        served = [row for row in with_expectations(bed.served(), exchanges)
                  if row["want"].get("scenario") == "restart-after"]
        wanted = {row["response_id"] for row in due(served)}
        end = time.monotonic() + 5
        while time.monotonic() < end:
            records = agent.calls()
            if wanted <= {record["response_id"] for record in records}:
                break
            time.sleep(0.2)
        pairs, _ = pair(served, records)
        problems = [f"after the restart: {len(found)} records of a call" for _, found in pairs if len(found) != 1]
        ids = [record["record_id"] for record in records]
        if len(ids) != len(set(ids)):
            problems.append("a record id occurs twice")
        return problems
    finally:
        agent.stop()
