#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures and prints a table with the ceilings; writes build/bench.json. Root for the probes."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
# name: (bound, True when more is better)
BOUNDS = {
    "probe_ratio_100b": (1.6, False),
    "probe_ratio_16k": (2.0, False),
    "probe_ratio_ignore": (1.15, False),
    "plain_ratio_getpid_sockets": (1.2, False),
    "plain_ratio_other_port_sockets": (1.2, False),
    "plain_ratio_wanted_port_sockets": (1.6, False),
    "plain_ratio_getpid_syscalls_idle": (1.2, False),
    "plain_ratio_getpid_syscalls_followed": (3.0, False),
    "plain_ratio_other_port_syscalls_followed": (1.3, False),
    "flow_ratio_packet_other": (1.15, False),
    "flow_ratio_packet_watched": (1.15, False),
    "flow_ratio_connection_other": (1.15, False),
    "flow_ratio_connection_watched": (1.6, False),
    "decode_sse_mb_per_s": (400, True),
    "decode_json_mb_per_s": (400, True),
    "decode_http2_ratio": (0.6, True),
    "attribution_rss_mb": (20, False),
    "attribution_find_ns": (1000, False),
    "attribution_agent_rss_mb": (60, False),
    "rules_ns": (20000, False),
    "rules_again_ns": (200000, False),
    "agent_rss_mb": (40, False),
    "agent_rss_mb_streaming": (40, False),
    "streaming_calls_lost": (0, False),
}


def run(*command):
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in (line.split() for line in text.splitlines())}


def library():
    """The libssl that the benchmark itself is linked with."""
    text = subprocess.run(["ldd", BUILD / "release/tests/bench/bench_probe"], capture_output=True, text=True).stdout
    return next(line.split()[2] for line in text.splitlines() if "libssl" in line)


def resident_mb(pid):
    """Resident memory. The ring's pages are mapped twice, one behind the other, and counted once here."""
    total = ring = rss = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("Rss:"):
            rss = int(line.split()[1])
            total += rss
            ring = max(ring, rss if name.endswith("bpf-map") else 0)
        elif "-" in line.split()[0]:
            name = line.split()[-1]
    return (total - ring / 2) / 1024


def agent_rss():
    """Memory of an agent that has started and settled."""
    with tempfile.TemporaryDirectory() as state, open(pathlib.Path(state, "log"), "w+") as log:
        agent = subprocess.Popen([BUILD / "ledgertap", "agent", "--state-dir", state], stderr=log)
        time.sleep(3)
        resident = resident_mb(agent.pid)
        agent.terminate()
        agent.wait()
    return {"agent_rss_mb": resident}


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def streaming_load(calls=100):
    """An agent while so many calls stream at the same time, a part every 50 ms: percent of one core, memory, records."""
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    from bed import HERE, VENV, Bed
    if not VENV.exists():
        print("SKIPPED: 100 streaming calls (tests/e2e/setup.sh)")
        return {}
    with Bed() as bed:
        agent = bed.agent("bench")
        agent.wait_ready()
        environment = bed.environment("bench", "t-bench", "delay=50; repeat=200")
        cpu, wall = cpu_seconds(agent.process.pid), time.monotonic()
        bed.run([VENV, HERE / "clients" / "streams.py", str(calls), "https://api.openai.com/v1/chat/completions",
                 "openai-chat-stream-usage"], environment)
        wall = time.monotonic() - wall
        cpu = cpu_seconds(agent.process.pid) - cpu
        resident = resident_mb(agent.process.pid)
        time.sleep(1)
        records = agent.calls()
        agent.stop()
    whole = sum(record["usage_completeness"] == "complete" and not record["lost_bytes"] for record in records)
    return {"agent_cpu_percent": 100 * cpu / wall, "agent_rss_mb_streaming": resident,
            "streaming_calls_lost": calls - whole}


def main():
    figures = run(BUILD / "release/tests/bench/bench_decode")
    figures |= run(BUILD / "release/tests/bench/bench_rules") | run(BUILD / "release/tests/bench/bench_attribution")
    if os.geteuid() == 0:
        figures |= run(BUILD / "release/tests/bench/bench_probe", library())
        figures |= run(BUILD / "release/tests/bench/bench_plain")
        figures |= run(BUILD / "release/tests/bench/bench_flow")
        figures |= agent_rss()
        figures["attribution_agent_rss_mb"] = figures["agent_rss_mb"] + figures["attribution_rss_mb"]
        figures |= streaming_load()
    else:
        print("SKIPPED: probes and agent (root is needed)")
    (BUILD / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    missed = []
    for name, value in figures.items():
        bound, more = BOUNDS.get(name, (None, None))
        verdict = "" if bound is None else "ok" if (value >= bound) == more or value == bound else "MISSED"
        limit = "" if bound is None else f"{'at least' if more else 'at most'} {bound:g}"
        print(f"{name:32} {value:10.2f}  {limit:14} {verdict}")
        missed += [name] if verdict == "MISSED" else []
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
