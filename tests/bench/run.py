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
    "decode_sse_mb_per_s": (400, True),
    "decode_json_mb_per_s": (400, True),
    "agent_rss_mb": (40, False),
}


def run(*command):
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in (line.split() for line in text.splitlines())}


def library():
    """The libssl that the benchmark itself is linked with."""
    text = subprocess.run(["ldd", BUILD / "release/tests/bench/bench_probe"], capture_output=True, text=True).stdout
    return next(line.split()[2] for line in text.splitlines() if "libssl" in line)


def agent_rss():
    """Resident memory of an agent that has started and settled."""
    with tempfile.TemporaryDirectory() as state, open(pathlib.Path(state, "log"), "w+") as log:
        agent = subprocess.Popen([BUILD / "ledgertap", "agent", "--state-dir", state], stderr=log)
        time.sleep(3)
        status = pathlib.Path(f"/proc/{agent.pid}/status").read_text()
        agent.terminate()
        agent.wait()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return {"agent_rss_mb": kib / 1024}


def main():
    figures = run(BUILD / "release/tests/bench/bench_decode")
    if os.geteuid() == 0:
        figures |= run(BUILD / "release/tests/bench/bench_probe", library())
        figures |= agent_rss()
    else:
        print("SKIPPED: probes and agent (root is needed)")
    (BUILD / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    for name, value in figures.items():
        bound, more = BOUNDS.get(name, (None, None))
        verdict = "" if bound is None else "ok" if (value >= bound) == more or value == bound else "MISSED"
        limit = "" if bound is None else f"{'at least' if more else 'at most'} {bound:g}"
        print(f"{name:32} {value:10.2f}  {limit:14} {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
