#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls through gateways: each counts once, and who asked the gateway pays. Envoy, Portkey and LiteLLM's proxy as they
are (where setup.sh has installed them), and a small one that gives answers ids of its own.

usage: gateways.py [--only NAME,...] [--keep]

The gateways are spoken to in the clear and ask the stand-in for the provider over TLS. Every client has a tenant of its
own, t-NAME; the gateway's is g-GATEWAY. Needs root. The last line is "N passed, N failed, N skipped".
"""
import argparse
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import sys
import threading
import time
from decimal import Decimal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import alone  # noqa: E402
from bed import BINARY, ROOT, Bed, Missing, finish, why_no_bpf  # noqa: E402
from exchanges import load  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
GATEWAYS = ROOT / "build" / "gateways"
PLAIN, STREAM, LIMITED = "openai-chat-plain", "openai-chat-stream-usage", "openai-chat-429"
PATH = "/v1/chat/completions"
PARALLEL = 16


class Gateway:
    """A program that listens on a port of the world."""

    def __init__(self, bed, name, port, command, patience=30, **environment):
        self.bed, self.port = bed, port
        self.process = bed.start(command, bed.environment(name, f"g-{name}") | environment)
        self.text = []
        for pipe in (self.process.stdout, self.process.stderr):
            self.drain(pipe)
        end = time.monotonic() + patience
        while subprocess.run(bed.inside("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"), capture_output=True).returncode:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} does not listen on {port}: {self.said()}")
            time.sleep(0.1)

    def drain(self, pipe):
        threading.Thread(target=lambda: self.text.extend(pipe), daemon=True).start()

    def said(self):
        return "".join(self.text)[-1500:]

    def ask(self, case, exchange, *headers, model=None):
        """One call by curl; what it is answered, as text."""
        body = json.loads(load()[exchange].request_body()) | ({"model": model} if model else {})
        words = [word for header in headers for word in ("-H", header)]
        client = self.bed.start(
            ["curl", "-sS", "--fail-with-body", "-H", "content-type: application/json", "-H", "authorization: Bearer sk-KEY",
             *words, "--data-binary", json.dumps(body), f"http://gateway.example.net:{self.port}{PATH}"],
            self.bed.environment(case, f"t-{case}"))
        finish(client)


def need(path, what):
    if not path.exists():
        raise Missing(f"{what} is not installed: tests/e2e/gateways/setup.sh")
    return path


def relay(bed):
    return Gateway(bed, "relay", 5000, ["python3", "-B", HERE / "clients" / "relay.py", 5000])


def envoy(bed):
    binary = need(GATEWAYS / "envoy" / "bin" / "envoy", "Envoy")
    config = bed.folder / "envoy.yaml"
    config.write_text((HERE / "gateways" / "envoy.yaml").read_text().replace("@CA@", str(bed.ca)))
    return Gateway(bed, "envoy", 8080, [binary, "-c", config, "--use-dynamic-base-id", "--log-level", "warning"])


def portkey(bed):
    start = need(GATEWAYS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js", "Portkey")
    if not shutil.which("node"):
        raise Missing("node")
    return Gateway(bed, "portkey", 8787, ["node", start, "--headless"])


def litellm(bed):
    binary = need(GATEWAYS / "litellm" / "bin" / "litellm", "LiteLLM's proxy (LITELLM=1)")
    return Gateway(bed, "litellm", 4000, [binary, "--config", HERE / "gateways" / "litellm.yaml", "--port", 4000], patience=120,
                   LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true")


def portkey_config(*targets):
    return "x-portkey-config: " + json.dumps({"strategy": {"mode": "fallback"}, "targets": list(targets)})


def target(model, *forwarded):
    return {"provider": "openai", "api_key": "sk-proj-of-the-gateway", "override_params": {"model": model},
            "forward_headers": list(forwarded)}


# Name: (gateway, what the client does, hops that it is to have besides its own call, whether they are inferred)
CASES = {
    "other-id": (relay, lambda g, c: g.ask(c, PLAIN, f"x-lt-tries: {PLAIN}"), 1, True),
    "other-id-stream": (relay, lambda g, c: g.ask(c, STREAM, f"x-lt-tries: {STREAM}"), 1, True),
    "other-id-retry": (relay, lambda g, c: g.ask(c, PLAIN, f"x-lt-tries: {LIMITED},{LIMITED},{PLAIN}"), 3, True),
    "same-id": (relay, lambda g, c: g.ask(c, STREAM, f"x-lt-tries: {STREAM}", "x-lt-keep-ids: 1"), 1, False),
    "same-id-retry": (relay, lambda g, c: g.ask(c, PLAIN, f"x-lt-tries: {LIMITED},{PLAIN}", "x-lt-keep-ids: 1"), 2, False),
    "envoy": (envoy, lambda g, c: g.ask(c, PLAIN, f"x-lt-exchange: {PLAIN}"), 1, False),
    "envoy-stream": (envoy, lambda g, c: g.ask(c, STREAM, f"x-lt-exchange: {STREAM}"), 1, False),
    "portkey": (portkey, lambda g, c: g.ask(c, PLAIN, "x-portkey-provider: openai"), 1, False),
    "portkey-fallback": (portkey, lambda g, c: g.ask(
        c, PLAIN, f"x-lt-exchange: {LIMITED}", portkey_config(target("gpt-4o", "x-lt-exchange"), target("gpt-4o-mini"))),
        2, False),
    "litellm": (litellm, lambda g, c: g.ask(c, PLAIN, model="good"), 1, None),
    "litellm-stream": (litellm, lambda g, c: g.ask(c, STREAM, model="streamed"), 1, None),
    "litellm-fallback": (litellm, lambda g, c: g.ask(c, PLAIN, model="broken"), 2, None),
}
UPSTREAM = "api.openai.com"


def amount(record):
    return Decimal(record["cost"]["amount"] or 0)


def problems_of(case, records):
    """What is wrong with the records of a case that had its gateway for itself."""
    _, _, hops, inferred = CASES[case]
    outer = [r for r in records if r["tenant"] == f"t-{case}"]
    if len(outer) != 1:
        return [f"{len(outer)} records of the client"]
    inner = [r for r in records if r["parent_record_id"] == outer[0]["record_id"]]
    good = [r for r in inner if r["status_code"] == 200]
    want = [("hops", len(inner), hops), ("hops that worked", len(good), 1),
            ("role", outer[0]["hop_role"], "origin"), ("counts", outer[0]["counts_in_total"], True),
            ("hops that count", [r for r in inner if r["counts_in_total"]], []),
            ("roles of the hops", {r["hop_role"] for r in inner}, {"terminal"}),
            ("cost", amount(outer[0]), sum(map(amount, inner))), ("cost is known", amount(outer[0]) > 0, True)]
    if inferred is not None:
        want.append(("inferred", ["hop" in r["inferred"] for r in good], [inferred]))
    return [f"{name}: {got!r}, expected {expected!r}" for name, got, expected in want if got != expected]


def side_by_side(bed, gateway):
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda _: gateway.ask("side-by-side", PLAIN, f"x-lt-tries: {PLAIN}"), range(PARALLEL)))


def side_by_side_problems(records):
    """Like calls at the same time: whoever is joined, the sum is that of what the provider was asked for."""
    outer = [r for r in records if r["tenant"] == "t-side-by-side"]
    ids = {r["record_id"] for r in outer}
    inner = [r for r in records if r["tenant"] == "g-relay" and r["host"] == UPSTREAM and r["status_code"] == 200
             and (r["counts_in_total"] or r["parent_record_id"] in ids)]
    parents = [r["parent_record_id"] for r in inner if r["parent_record_id"]]
    counted = sum(amount(r) for r in outer + inner if r["counts_in_total"])
    want = [("calls", len(outer), PARALLEL), ("hops", len(inner), PARALLEL), ("parents", len(set(parents)), len(parents)),
            ("counted cost", counted, sum(map(amount, inner)))]
    return [f"{name}: {got!r}, expected {expected!r}" for name, got, expected in want if got != expected]


def settled(agent, enough, seconds=10):
    end = time.monotonic() + seconds
    while True:
        records = agent.calls()
        if len(records) >= enough or time.monotonic() > end:
            return records
        time.sleep(0.2)


def keys_problems(agent, bed, tenants):
    """The inventory has the clients' key, with all their tenants."""
    run = subprocess.run([BINARY, "keys", "--format", "json", "--check", "--state-dir", agent.state, "--config", bed.config],
                         capture_output=True, text=True)
    keys = json.loads(run.stdout)
    client = [key for key in keys if any(tenant.startswith("t-") for tenant in key["tenants"])]
    want = [("exit code", run.returncode, 3), ("keys of the clients", len(client), 1)]
    findings = ["shared", "new"] if tenants > 1 else ["new"]
    want += [("findings", key["findings"], findings) for key in client]
    return [f"{name}: {got!r}, expected {expected!r}" for name, got, expected in want if got != expected]


class Run:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def say(self, name, problems=(), skipped=None):
        verdict = "skip" if skipped else "FAIL" if problems else "ok"
        self.passed, self.failed, self.skipped = (self.passed + (verdict == "ok"), self.failed + (verdict == "FAIL"),
                                                  self.skipped + (verdict == "skip"))
        print(f"{verdict:>4}  {name:20} {skipped or ''}", flush=True)
        for problem in list(problems)[:8]:
            print(f"        {problem}")


def drive(bed, names, run):
    """Every case in turn, so that each has its gateway for itself. The names of those that were driven."""
    gateways, driven = {}, []
    for name in names:
        make, ask = CASES[name][:2]
        try:
            if gateways.setdefault(make, None) is None:
                gateways[make] = make(bed)
            ask(gateways[make], name)
            driven.append(name)
        except Missing as missing:
            run.say(name, skipped=str(missing))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            run.say(name, [f"{error} {gateways[make].said() if gateways[make] else ''}"])
    if gateways.get(relay):
        side_by_side(bed, gateways[relay])
    return gateways, driven


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="these cases, separated by commas")
    parser.add_argument("--keep", action="store_true", help="copy state and logs to build/e2e/gateways")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(CASES)
    reason = why_no_bpf()
    if reason:
        print(f"SKIPPED: gateways: {reason}; {len(names)} cases were NOT tested\n0 passed, 0 failed, {len(names)} skipped")
        return 0
    held, run = alone.hold_host(), Run()
    with Bed() as bed:
        agent = bed.agent("agent")
        gateways = {}
        try:
            agent.wait_ready()
            gateways, driven = drive(bed, names, run)
            enough = sum(1 + CASES[name][2] for name in driven) + (2 * PARALLEL if gateways.get(relay) else 0)
            records = settled(agent, enough)
            for name in driven:
                run.say(name, problems_of(name, records))
            if gateways.get(relay):
                run.say("side-by-side", side_by_side_problems(records))
            run.say("keys", keys_problems(agent, bed, len(driven) + bool(gateways.get(relay))))
            run.say("shutdown", [] if agent.stop() < 5 else ["it takes too long"])
        finally:
            agent.kill()
            for gateway in filter(None, gateways.values()):
                gateway.process.kill()
                gateway.process.wait()
            if args.keep:
                shutil.copytree(bed.folder, BINARY.parent / "e2e" / "gateways", dirs_exist_ok=True)
    held.close()
    print(f"{run.passed} passed, {run.failed} failed, {run.skipped} skipped")
    return 1 if run.failed else 0


sys.exit(main())
