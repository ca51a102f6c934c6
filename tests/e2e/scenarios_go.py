# SPDX-License-Identifier: Apache-2.0
"""Scenarios with clients of Go, built here in the forms that programs of Go come in. Without go they are skipped."""
import os
import shutil
import subprocess
import threading
import time

from bed import BINARY, HERE, ROOT, Agent, Missing, finish
from scenarios import BEFORE, CACHE, EXCHANGES, PLAIN, STREAM, scenario

SOURCES = HERE / "clients" / "go"
BUILT = ROOT / "build" / "e2e" / "go"
STRIP = ("-ldflags", "-s -w")
FORMS = {  # name: (cgo, flags of go build)
    "static": ("0", ()),
    "stripped": ("0", STRIP),
    "pie": ("0", ("-buildmode=pie", *STRIP)),
    # As distributions build: by the system's linker, which orders sections and relocates in its own way.
    "cgo-pie": ("1", ("-buildmode=pie", "-ldflags", "-linkmode=external -s -w")),
}
LOCK = threading.Lock()


def build(program, form):
    """The program in that form: built when it is not there, or older than its source."""
    go = shutil.which("go")
    if not go:
        raise Missing("go is not here")
    cgo, flags = FORMS[form]
    if cgo == "1" and not shutil.which("gcc"):
        raise Missing("gcc is not here")
    out = BUILT / f"{program}-{form}"
    with LOCK:
        if out.exists() and all(out.stat().st_mtime > path.stat().st_mtime for path in (SOURCES / program).iterdir()):
            return out
        BUILT.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"CGO_ENABLED": cgo, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
        run = subprocess.run([go, "build", *flags, "-o", out, "."], cwd=SOURCES / program, env=environment,
                             capture_output=True, text=True)
    if run.returncode == 0:
        return out
    why = run.stderr.strip()
    # Only what cannot be had here is no failure: the modules of an SDK, a Go that is too old for it.
    if any(sign in why for sign in ("dial tcp", "no such host", "requires go >=", "lookup ")):
        raise Missing(f"{program} cannot be built here: {why[-200:]}")
    raise RuntimeError(f"go build of {program}: {why[-600:]}")


def environment_of(bed, name, program, options=""):
    return bed.environment(name, f"t-{name}", options, comm=program.name[:15], tls="go_tls")


def client(bed, name, form, *arguments, options="", flags=()):
    program = build("client", form)
    bed.run([program, *flags, EXCHANGES, *arguments], environment_of(bed, name, program, options))


def all_ways(bed, name, form):
    """One after the other on connections that are kept, and forty at the same time, over both protocols."""
    both = (PLAIN, STREAM)
    client(bed, name, form, "in-turn", 5, *both, CACHE)
    client(bed, name, form, "in-turn", 5, *both, flags=["-http2"])
    client(bed, name, form, "at-once", 20, *both, options="delay=5; split=random:4")
    client(bed, name, form, "at-once", 20, *both, flags=["-http2"], options="delay=5; split=random:3")


@scenario
def go_static(bed, _):
    all_ways(bed, "go-static", "static")


@scenario
def go_stripped(bed, _):
    all_ways(bed, "go-stripped", "stripped")


@scenario
def go_pie(bed, _):
    all_ways(bed, "go-pie", "pie")


@scenario
def go_cgo_pie(bed, _):
    all_ways(bed, "go-cgo-pie", "cgo-pie")


@scenario
def go_stack_buffers(bed, _):
    """What is read lands on a goroutine's stack, which is somewhere else when Read returns."""
    client(bed, "go-stack-buffers", "static", "at-once", 10, PLAIN, STREAM, flags=["-raw"], options="framing=close")
    client(bed, "go-stack-buffers", "static", "at-once", 5, PLAIN, flags=["-raw"],
           options="framing=close; pad=200000; split=3000")


@scenario
def go_large(bed, _):
    """Answers of a megabyte, in pieces and whole."""
    for flags in ([], ["-http2"]):
        client(bed, "go-large", "stripped", "at-once", 4, PLAIN, flags=flags, options="pad=1000000")
        client(bed, "go-large", "stripped", "at-once", 4, PLAIN, flags=flags, options="pad=300000; encoding=gzip; split=999")


def start_early(bed):
    program = build("client", "stripped")
    early = bed.start([program, "-wait", bed.folder / "go-early", EXCHANGES, "in-turn", 3, PLAIN, STREAM],
                      environment_of(bed, "go-early", program))
    early.stdout.readline()
    return early


if shutil.which("go"):
    BEFORE["go-early"] = start_early


@scenario
def go_early(bed, _):
    """Its connection is there before the agent, and a goroutine waits in Read for the answer to come."""
    if "go-early" not in bed.early:
        raise Missing("go is not here")
    (bed.folder / "go-early").touch()
    finish(bed.early.pop("go-early"))


def seen_by(agent, tenant, count):
    """The calls of that tenant, when there are so many; fewer where they don't come."""
    end = time.monotonic() + 15
    while True:
        records = [record for record in agent.calls() if record.get("tenant") == tenant]
        if len(records) >= count or time.monotonic() > end:
            return records
        time.sleep(0.2)


def check_way(bed, exchanges, way, early, later, tenant, times, tls):
    """The same calls, by a second agent that attaches in that way. The command `early` is there before that agent and
    calls when there is the file that it is told of, so its program is attached for sure; `later` comes after it. Either
    calls PLAIN and STREAM so many times, for that tenant."""
    wrapper, log, file = (bed.folder / f"{tenant}{end}" for end in ("", ".log", ".call"))
    wrapper.write_text(f'#!/bin/sh\ncommand=$1; shift\n[ "$command" != agent ] || set -- --attach {way} "$@"\n'
                       f'exec {BINARY} "$command" "$@"\n')
    wrapper.chmod(0o755)
    log.touch()
    first = early(file)
    first.stdout.readline()
    agent = Agent(bed.folder / f"{tenant}.state", bed.config, log, wrapper)
    try:
        agent.wait_ready(60)
        file.touch()
        finish(first)
        finish(later())
        records = seen_by(agent, tenant, 4 * times)
    finally:
        agent.stop(20)
        first.kill()
    wanted = sorted([exchanges[ident].expected["output_tokens"] for ident in (PLAIN, STREAM)] * 2 * times)
    found = sorted((record.get("usage") or {}).get("output_tokens") or 0 for record in records)
    if found != wanted or {record.get("tls_library") for record in records} != {tls}:
        raise RuntimeError(f"--attach {way}: {len(records)} records of {4 * times} calls, output tokens {found}")


@scenario
def go_ways(bed, exchanges):
    """The ways of attaching that older kernels need; the other scenarios take the best that there is."""
    program = build("client", "pie")
    for way in ("cookie", "plain"):
        tenant = f"t-go-by-{way}"
        environment = bed.environment("go-ways", tenant, comm=program.name, tls="go_tls")
        calls = (EXCHANGES, "at-once", 4, PLAIN, STREAM)
        check_way(bed, exchanges, way, lambda file: bed.start([program, "-wait", file, *calls], environment),
                  lambda: bed.start([program, "-http2", *calls], environment), tenant, 4, "go_tls")


@scenario
def go_gateway(bed, exchanges):
    """Client and gateway on one host, the gateway a server of Go: the same call twice on the wire, once in the sums."""
    program = build("client", "stripped")
    hop = bed.start([program, EXCHANGES, "gateway", bed.ca.parent, 9444], bed.environment("go-gateway", "t-proxy"))
    hop.stdout.readline()
    bed.curl(exchanges[PLAIN], bed.environment("go-gateway", "t-gateway"),
             url="https://gateway.example.net:9444/v1/chat/completions")
    finish(hop)


@scenario
def go_openai(bed, _):
    """OpenAI's own SDK."""
    program = build("sdk", "stripped")
    bed.run([program, EXCHANGES, 5, PLAIN, STREAM, "openai-chat-401"], environment_of(bed, "go-openai", program))
