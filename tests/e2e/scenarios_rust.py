# SPDX-License-Identifier: Apache-2.0
"""Scenarios with clients on rustls: reqwest on either of its providers of cryptography, with symbols and stripped, and
Deno. The first are built here, with pinned crates; without cargo they are skipped."""
import os
import shutil
import subprocess
import threading

from bed import HERE, ROOT, Missing
from scenarios import CACHE, EXCHANGES, PLAIN, STREAM, scenario

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


def client(bed, name, provider, form, *arguments, options="", flags=()):
    program = build(provider, form)
    bed.run([program, *flags, EXCHANGES, *arguments],
            bed.environment(name, f"t-{name}", options, comm=program.name[:15], tls="rustls"))


def all_ways(bed, name, provider, form):
    """One after the other on connections that are kept, and many at the same time, over both protocols, on one thread
    and on several that hand connections to each other."""
    both = (PLAIN, STREAM)
    client(bed, name, provider, form, "in-turn", 5, *both, CACHE)
    client(bed, name, provider, form, "in-turn", 5, *both, flags=["-http2"])
    for threads in ("1", "4"):
        client(bed, name, provider, form, "at-once", 20, *both, options="delay=5; split=random:4",
               flags=["-threads", threads])
        client(bed, name, provider, form, "at-once", 20, *both, options="delay=5; split=random:3",
               flags=["-http2", "-threads", threads])


@scenario
def rust_aws_lc(bed, _):
    all_ways(bed, "rust-aws-lc", "aws-lc", "symbols")


@scenario
def rust_aws_lc_stripped(bed, _):
    all_ways(bed, "rust-aws-lc-stripped", "aws-lc", "stripped")


@scenario
def rust_ring(bed, _):
    all_ways(bed, "rust-ring", "ring", "symbols")


@scenario
def rust_ring_stripped(bed, _):
    all_ways(bed, "rust-ring-stripped", "ring", "stripped")
