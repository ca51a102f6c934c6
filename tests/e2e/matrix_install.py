# SPDX-License-Identifier: Apache-2.0
"""Puts the clients of the matrix under build/clients, in the versions that tests/e2e pins; what is there already stays.

Each function returns where the client is, and raises Missing when it cannot be had on this machine.
"""
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import threading

from bed import HERE, ROOT, Missing

BUILT = ROOT / "build" / "clients"
RUST = HERE / "clients" / "rust"
JAVA = HERE / "clients" / "java"


def once(function):
    """One caller at a time does the work for an argument; the others wait for what it found."""
    guard, locks, known = threading.Lock(), {}, {}

    @functools.wraps(function)
    def wrapper(*arguments):
        with guard:
            lock = locks.setdefault(arguments, threading.Lock())
        with lock:
            if arguments not in known:
                try:
                    known[arguments] = (function(*arguments), None)
                except Missing as missing:
                    known[arguments] = (None, missing)
        found, missing = known[arguments]
        if missing:
            raise missing
        return found
    return wrapper


def needed(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Missing(f"{program} is not here")


def run(command, cwd, **environment):
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=os.environ | environment, text=True,
                          capture_output=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise Missing(f"{command[0]} {command[1]} fails here: {said[-300:]}")


def digest(*paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def fresh(stamp, mark):
    return stamp.exists() and stamp.read_text() == mark


@once
def npm():
    """The folder of the programs of npm packages."""
    needed("npm", "node")
    folder, source = BUILT / "npm", HERE / "matrix" / "package.json"
    stamp, mark = folder / "stamp", digest(source)
    if not fresh(stamp, mark):
        print("  NPM      build/clients/npm", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder)
        run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"], folder)
        stamp.write_text(mark)
    return folder / "node_modules"


@once
def rust(kind):
    """The client in Rust over one TLS library."""
    needed("cargo")
    crate = RUST / kind
    if not crate.is_dir():
        raise Missing(f"no {crate.relative_to(ROOT)}")
    out = BUILT / "rust" / kind
    stamp, mark = out / "stamp", digest(crate / "Cargo.toml", crate / "Cargo.lock", RUST / "client.rs")
    if not fresh(stamp, mark):
        print(f"  CARGO    build/clients/rust/{kind}", flush=True)
        out.mkdir(parents=True, exist_ok=True)
        # What the kinds have in common is built once; one cargo at a time has this folder.
        target = BUILT / "rust" / "target"
        run(["cargo", "build", "--release", "--locked", "--quiet"], crate, CARGO_TARGET_DIR=str(target))
        shutil.copy(target / "release" / "client", out / f"client-{kind}")
        stamp.write_text(mark)
    return out / f"client-{kind}"


@once
def java(program):
    """The command line of a client in Java, without its arguments."""
    needed("java", "javac")
    classes, source = BUILT / "java" / program, JAVA / f"{program}.java"
    path = [classes, *(netty() if program == "NettyCalls" else [])]
    stamp, mark = classes / "stamp", digest(source)
    if not fresh(stamp, mark):
        classes.mkdir(parents=True, exist_ok=True)
        run(["javac", "-cp", ":".join(map(str, path)), "-d", classes, source], ROOT)
        stamp.write_text(mark)
    return [shutil.which("java"), "-cp", ":".join(map(str, path)), program]


@once
def netty():
    needed("mvn")
    folder, source = BUILT / "netty", HERE / "matrix" / "pom.xml"
    stamp, mark = folder / "stamp", digest(source)
    if not fresh(stamp, mark):
        print("  MVN      build/clients/netty", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        run(["mvn", "-q", "-B", "-f", source, "dependency:copy-dependencies", f"-DoutputDirectory={folder}",
             "-DincludeScope=runtime"], folder)
        stamp.write_text(mark)
    return sorted(folder.glob("*.jar"))


def program(variable, default):
    """The program that a variable of the caller's environment names, else the default."""
    named = os.environ.get(variable)
    if named and not os.access(named, os.X_OK):
        raise Missing(f"{variable}={named} is no program")
    found = pathlib.Path(named) if named else default()
    if not found or not os.access(found, os.X_OK):
        raise Missing(f"{variable.lower()} is not here")
    return found
