#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command 'ledgertap keys' by hand: fingerprints, secrets that are no good, rotation. Needs no root.

    tests/golden/keys.py [--ledgertap build/ledgertap]

The last line is "N passed, N failed". Exit code 0: all passed.
"""

import argparse
import hashlib
import hmac
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile

KEY = "sk-proj-golden-0123456789"


def expected(secret, key=KEY):
    return hmac.new(secret, key.encode(), hashlib.sha256).hexdigest()[:16]


class Place:
    """A state directory with a secret, and a config."""

    def __init__(self, binary, directory, secret=b"s" * 32):
        self.binary = binary
        self.state = directory / "state"
        self.config = directory / "config.yaml"
        self.state.mkdir()
        if secret:
            self.write(self.state / "secret", secret)
        self.config.write_text("")

    def write(self, path, data, mode=0o600):
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def run(self, *args, text=KEY):
        return subprocess.run([self.binary, "keys", *args, "--state-dir", self.state, "--config", self.config],
                              input=text, capture_output=True, text=True)

    def fingerprint(self, text=KEY):
        found = self.run("fingerprint", "--format", "json", text=text)
        return json.loads(found.stdout) if found.returncode == 0 else found.stderr


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, expected {want!r}")


def holds(text, want):
    if want not in text:
        raise AssertionError(f"{want!r} is not in {text!r}")


def fingerprint_is_the_hmac(place):
    same(place.fingerprint(), {"fingerprint": expected(b"s" * 32), "kind": "openai_project"}, "key")
    same(place.fingerprint(f"Bearer {KEY}\n")["fingerprint"], expected(b"s" * 32), "with scheme and line end")
    same(place.fingerprint("0f6b1c1e")["kind"], None, "kind")
    same(place.run("fingerprint").stdout, f'- {{fingerprint: "{expected(b"s" * 32)}", kind: openai_project}}\n', "line")
    place.config.write_text("credentials:\n  known:\n    " + place.run("fingerprint").stdout)
    same(place.run("fingerprint").returncode, 0, "the line in the config")
    holds(place.fingerprint(""), "no key")


def a_key_is_no_argument(place):
    found = place.run("fingerprint", KEY)
    same(found.returncode, 2, "exit code")
    same(KEY in found.stderr, False, "the key is repeated")


def no_echo_on_a_terminal(place):
    ours, theirs = pty.openpty()
    child = subprocess.Popen([place.binary, "keys", "fingerprint", "--state-dir", place.state, "--config", place.config],
                             stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    prompt = child.stderr.read(len("key (it is not shown): "))
    os.write(ours, f"{KEY}\n".encode())
    out, _ = child.communicate(timeout=30)
    holds(out, expected(b"s" * 32))
    holds(prompt, "not shown")
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        shown = os.read(ours, 1000).decode()
    except OSError:
        shown = ""
    same(KEY in shown, False, "the key is shown")


def secrets_of_a_cluster(place):
    path = place.state / "cluster"
    place.config.write_text(f"credentials:\n  secret_file: {path}\n")
    holds(place.fingerprint(), "No such file")
    place.write(path, b"c" * 32)
    same(place.fingerprint()["fingerprint"], expected(b"c" * 32), "32 bytes")
    text = b"a line of text that is longer than a secret of 32 bytes"
    place.write(path, text + b"\n")
    same(place.fingerprint()["fingerprint"], expected(hashlib.sha256(text).digest()), "text")
    place.write(path, b"short\n")
    holds(place.fingerprint(), "holds 5 bytes: a secret needs at least 32")
    place.write(path, b"x" * 5000)
    holds(place.fingerprint(), "4096")
    place.write(path, b"c" * 32, 0o644)
    holds(place.fingerprint(), "defaultMode: 0400")
    path.unlink()
    path.mkdir()
    holds(place.fingerprint(), "is no file")


def rotation_of_a_cluster(place):
    path, previous = place.state / "cluster", place.state / "before"
    place.config.write_text(f"credentials:\n  secret_file: {path}\n  previous_secret_file: {previous}\n")
    place.write(path, b"c" * 32)
    place.write(previous, b"c" * 32)
    holds(place.fingerprint(), "the same secret")
    place.write(previous, b"p" * 32)
    same(place.fingerprint()["fingerprint"], expected(b"c" * 32), "the new one holds")
    holds(place.run("rotate").stderr, "put a new one there")


def rotation_of_a_host(place):
    same(place.run("rotate").returncode, 0, "rotate")
    same((place.state / "secret.previous").read_bytes(), b"s" * 32, "the old one")
    fresh = (place.state / "secret").read_bytes()
    same(len(fresh), 32, "size of the new one")
    same(oct((place.state / "secret").stat().st_mode & 0o777), "0o600", "mode")
    same(place.fingerprint()["fingerprint"], expected(fresh), "the new one holds")
    holds(place.run("rotate").stderr, "--force")
    same(place.run("rotate", "--force").returncode, 0, "by force")
    same((place.state / "secret.previous").read_bytes(), fresh, "the one before")
    long_ago = 1_000_000_000
    os.utime(place.state / "secret", (long_ago, long_ago))
    same(place.run("rotate").returncode, 0, "after the overlap")
    same(sorted(p.name for p in place.state.iterdir()), ["secret", "secret.previous"], "files")


def nothing_is_made_by_looking(place):
    (place.state / "secret").unlink()
    holds(place.fingerprint(), "No such file")
    holds(place.run("rotate").stderr, "No such file")
    same(list(place.state.iterdir()), [], "files")
    same(place.run().returncode, 1, "no ledger")
    same(place.run("--findings=shared,nothing").returncode, 2, "wrong finding")
    same(place.run("lock").returncode, 2, "wrong verb")


CASES = [fingerprint_is_the_hmac, a_key_is_no_argument, no_echo_on_a_terminal, secrets_of_a_cluster, rotation_of_a_cluster,
         rotation_of_a_host, nothing_is_made_by_looking]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledgertap", type=pathlib.Path, default=pathlib.Path("build/ledgertap"))
    binary = parser.parse_args().ledgertap.resolve()
    failed = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as directory:
            try:
                case(Place(binary, pathlib.Path(directory)))
            except (AssertionError, OSError, ValueError, TypeError) as error:
                failed += 1
                print(f"FAILED keys: {case.__name__}: {error}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
