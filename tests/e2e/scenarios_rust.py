# SPDX-License-Identifier: Apache-2.0
"""Scenarios with clients on rustls: reqwest on either of its providers of cryptography, with symbols and stripped, and
Deno. The first are built here, with pinned crates; without cargo they are skipped."""
import functools
import os
import shutil
import subprocess
import threading

from bed import HERE, NODE_PATH, ROOT, Missing, finish
from scenarios import BEFORE, CACHE, EXCHANGES, PLAIN, STREAM, scenario
from scenarios_go import check_way

SOURCES = HERE / "clients" / "rust"
BUILT = ROOT / "build" / "e2e" / "rust"
STRIP = {"symbols": "none", "stripped": "symbols"}
LOCK = threading.Lock()


def build(provider, form):
    """The client on that provider of cryptography: built when it is not there, or older than its source."""
    cargo = shutil.which("cargo")
    if not cargo:
        raise Missing("cargo is not here")
    out = BUILT / f"{provider}-{form}"
    folder = SOURCES / provider
    with LOCK:
        sources = [SOURCES / "client.rs", folder / "Cargo.toml", folder / "Cargo.lock"]
        if out.exists() and all(out.stat().st_mtime > path.stat().st_mtime for path in sources):
            return out
        target = BUILT / "target" / provider
        target.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
        run = subprocess.run([cargo, "build", "--release", "--locked", "-q", "--config",
                              f'profile.release.strip="{STRIP[form]}"'], cwd=folder, env=environment,
                             capture_output=True, text=True)
        if run.returncode == 0:
            shutil.copy2(target / "release" / "client", out)
            os.utime(out)
            return out
    why = run.stderr.strip()
    # Only what cannot be had here is no failure: the crates, a compiler that is too old for them.
    if any(sign in why for sign in ("failed to download", "Could not resolve", "requires rustc", "rustc 1.")):
        raise Missing(f"the client cannot be built here: {why[-200:]}")
    raise RuntimeError(f"cargo build of {provider}: {why[-600:]}")


def environment_of(bed, name, program, options=""):
    return bed.environment(name, f"t-{name}", options, comm=program.name[:15], tls="rustls")


CLIENTS = {"rust-aws-lc": ("aws-lc", "symbols"), "rust-aws-lc-stripped": ("aws-lc", "stripped"),
           "rust-ring": ("ring", "symbols"), "rust-ring-stripped": ("ring", "stripped")}


def start_early(bed, name):
    """There before the agent, with a connection that waits: neither of its keys is seen being made."""
    program = build(*CLIENTS[name])
    early = bed.start([program, "-wait", bed.folder / name, EXCHANGES, "in-turn", 3, PLAIN, STREAM],
                      environment_of(bed, name, program))
    early.stdout.readline()
    return early


if shutil.which("cargo"):
    BEFORE.update({name: functools.partial(start_early, name=name) for name in CLIENTS})


def client(bed, name, *arguments, options="", flags=()):
    program = build(*CLIENTS[name])
    bed.run([program, *flags, EXCHANGES, *arguments], environment_of(bed, name, program, options))


def all_ways(bed, name):
    """A connection older than the agent; then one call after the other on connections that are kept, and many at the
    same time, over both protocols, on one thread and on several that hand connections to each other."""
    if name not in bed.early:
        build(*CLIENTS[name])  # which says what is missing
    (bed.folder / name).touch()
    finish(bed.early.pop(name))
    both = (PLAIN, STREAM)
    client(bed, name, "in-turn", 5, *both, CACHE)
    client(bed, name, "in-turn", 5, *both, options="rekey; delay=1; split=random:2")
    client(bed, name, "in-turn", 2, PLAIN, options="framing=close; pad=300000; encoding=gzip; split=999")
    for port in ("8444", "8445"):
        client(bed, name, "at-once", 5, *both, flags=["-port", port])
    client(bed, name, "in-turn", 5, *both, flags=["-http2"])
    for threads in ("1", "4"):
        client(bed, name, "at-once", 20, *both, options="delay=5; split=random:4", flags=["-threads", threads])
        client(bed, name, "at-once", 20, *both, options="delay=5; split=random:3",
               flags=["-http2", "-threads", threads])


@scenario
def rust_aws_lc(bed, _):
    all_ways(bed, "rust-aws-lc")


@scenario
def rust_aws_lc_stripped(bed, _):
    all_ways(bed, "rust-aws-lc-stripped")


@scenario
def rust_ring(bed, _):
    all_ways(bed, "rust-ring")


@scenario
def rust_ring_stripped(bed, _):
    all_ways(bed, "rust-ring-stripped")


@scenario
def rust_ways(bed, exchanges):
    """The ways of attaching that older kernels need, and the one that spares programs under seccomp."""
    for way in ("cookie", "plain", "multi --returns sites"):
        for provider in ("aws-lc", "ring"):
            program, tenant = build(provider, "stripped"), f"t-{provider}-by-{way.split()[-1]}"
            environment = bed.environment("rust-ways", tenant, comm=program.name[:15], tls="rustls")
            calls = (EXCHANGES, "in-turn", 4, PLAIN, STREAM)
            check_way(bed, exchanges, way, lambda file: bed.start([program, "-wait", file, *calls], environment),
                      lambda: bed.start([program, "-http2", "-threads", "4", *calls], environment), tenant, 4, "rustls")


def start_deno(bed, name, port, *arguments, options="", **more):
    found = sorted((NODE_PATH / "@deno").glob("linux-*/deno"))
    if not found:
        raise Missing("deno (npm) is not installed: tests/e2e/setup.sh")
    environment = bed.environment(name, f"t-{name}", options, comm="deno", tls="rustls")
    environment |= {"DENO_CERT": str(bed.ca), "DENO_DIR": str(bed.folder / "deno"), "DENO_NO_UPDATE_CHECK": "1",
                    "NO_COLOR": "1"} | more
    return bed.start([found[0], "run", "--allow-all", "--no-remote", HERE / "clients" / "deno.mjs", EXCHANGES, port,
                      *arguments], environment)


def start_early_deno(bed, name, port):
    early = start_deno(bed, name, port, "in-turn", 1, PLAIN, LT_WAIT=str(bed.folder / name))
    early.stdout.readline()
    return early


# The file is known then, too: it takes a third of a second to look into it.
BEFORE["deno-fetch"] = functools.partial(start_early_deno, name="deno-fetch", port=443)


@scenario
def deno_fetch(bed, _):
    """The real program as npm has it: stripped, built for size, without an unwind table."""
    if "deno-fetch" not in bed.early:
        raise Missing("deno (npm) is not installed: tests/e2e/setup.sh")
    (bed.folder / "deno-fetch").touch()
    finish(bed.early.pop("deno-fetch"))
    finish(start_deno(bed, "deno-fetch", 443, "in-turn", 3, PLAIN, STREAM, CACHE))
    finish(start_deno(bed, "deno-fetch", 443, "at-once", 10, PLAIN, STREAM, options="delay=5; split=random:4"))
    finish(start_deno(bed, "deno-fetch", 8443, "in-turn", 3, PLAIN, STREAM))
    finish(start_deno(bed, "deno-fetch", 8443, "at-once", 10, PLAIN, STREAM, options="delay=5; split=random:3"))
