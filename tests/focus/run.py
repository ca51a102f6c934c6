#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ledgertap export, from a ledger with a call of every kind.

    tests/focus/run.py [--validator] [--ledgertap build/ledgertap]

Checks every row of every mode and version against the rules of rules.py, sums against the ledger in exact decimals, the
files that are whole or not there, and what is said about a wrong command line. With --validator also the official
focus-validator (its offline rules are those of 1.2), on a whole file and on a file for each kind of row: it passes what
one row of many satisfies. It has a virtual environment of its own below build/, and wants Python 3.12.
The last line is "N passed, N failed". Exit code 0: all passed.
"""

import argparse
import collections
import concurrent.futures
import csv
import decimal
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / "build" / "focus-venv"
VALIDATOR = ["focus-validator==2.2.1", "pyarrow<24"]  # newer ones of pyarrow want another NumPy
CRITERIA = ",".join(f"{c}_SUPPORTED" for c in (
    "TAGGING", "SUB_ACCOUNT", "USAGE_MEASUREMENT", "UNIT_PRICING", "PUBLIC_PRICE_LIST", "NEGOTIATED_PRICING",
    "MULTIPLE_PRICING_CATEGORIES", "REGION", "MULTIPLE_SUB_ACCOUNT_TYPES", "BILLING_BASED_ON_PROVISIONED_RESOURCES",
    "RESOURCE_TYPE_ASSIGNMENT", "AVAILABILITY_ZONE"))
# "null when there is no invoice" and "not null when there is one" are run both, on all rows: one of them fails always.
# The rule that joins them (C-003) is the one that counts.
EITHER = {"InvoiceId-C-004-C", "InvoiceId-C-005-C"}
PERIOD = ["--since", "2026-11-01", "--until", "2026-12-01"]
MODES = {
    "showback": [],
    "primary": ["--focus-mode", "primary"],
    "split": ["--focus-mode", "split", "--invoice", "anthropic=INV-1:0.01", "--invoice", "openai=INV:2:99.5:USD"],
}
INVOICES = {"INV-1": "0.01", "INV:2": "99.5"}
passed, failed = [], []


def check(what, ok, why=""):
    (passed if ok else failed).append(what)
    if not ok:
        print(f"FAILED {what}: {why}")


class Export:
    def __init__(self, program, state):
        self.program, self.state = program, state

    def run(self, *options, **more):
        return subprocess.run([self.program, "export", "--state-dir", self.state, *options], capture_output=True, **more)

    def rows(self, *options):
        done = self.run("--format", "focus", *PERIOD, *options)
        check(f"export {' '.join(options)}", done.returncode == 0, done.stderr)
        return parse(done.stdout)


def parse(text):
    reader = csv.DictReader(io.StringIO(text.decode(), newline=""))
    return list(reader), reader.fieldnames


def total(rows, column, **where):
    return sum((decimal.Decimal(r[column]) for r in rows if all(r[k] == v for k, v in where.items())), decimal.Decimal(0))


def test_rules(export):
    for version in ("1.4", "1.2"):
        for mode, options in MODES.items():
            rows, titles = export.rows("--focus-version", version, *options)
            what = f"{version} {mode}"
            for bad in rules.header(titles, version) + rules.broken(rows, version):
                check(what, False, bad)
            check(f"{what}: rows", len(rows) > 30, len(rows))
            check(f"{what}: every rule is awake", not rules.asleep(rows[0], version), rules.asleep(rows[0], version))
            test_mode(what, mode, rows)


def test_mode(what, mode, rows):
    if mode == "showback":
        check(f"{what}: nothing is billed", all(r["BilledCost"] == "0.0" and not r["InvoiceId"] for r in rows))
    elif mode == "primary":
        check(f"{what}: what is effective is billed", all(r["BilledCost"] == r["EffectiveCost"] for r in rows))
    else:
        for invoice, amount in INVOICES.items():
            check(f"{what}: {invoice}", total(rows, "BilledCost", InvoiceId=invoice) == decimal.Decimal(amount),
                  total(rows, "BilledCost", InvoiceId=invoice))
        check(f"{what}: the rest", [r["x_CostCategory"] for r in rows if r["ChargeCategory"] == "Adjustment"] == ["unattributed"])


def records(export):
    return [json.loads(line) for line in export.run("--format", "jsonl").stdout.splitlines()]


def test_sums(export):
    """Rows = records, in exact decimals; what has no price is in the other list."""
    rows, _ = export.rows()
    expected, quarantined = collections.Counter(), set()
    for r in records(export):
        if r["cost"]["status"] in ("unpriced", "no_usage") or r["cost"]["currency"] == "CREDITS":
            quarantined.add(r["record_id"])
        elif r["counts_in_total"]:
            expected[r["record_id"]] += decimal.Decimal(r["cost"]["amount"] or 0)
    for record, amount in expected.items():
        check(f"sum of {record}", total(rows, "EffectiveCost", x_RecordId=record) == amount)
    check("no row without a record", {r["x_RecordId"] for r in rows} == set(expected))
    with tempfile.TemporaryDirectory() as folder:
        done = export.run("--format", "focus", "--output", f"{folder}/o.csv")
        listed = parse(pathlib.Path(f"{folder}/o.csv.quarantine.csv").read_bytes())[0]
        check("quarantine", {r["record_id"] for r in listed} == quarantined and len(quarantined) == 2, listed)
        check("quarantine is said", b"1 unpriced, 1 currency" in done.stderr, done.stderr)


def test_other_formats(export, program, state):
    """jsonl is what calls prints; csv has its order."""
    calls = subprocess.run([program, "calls", "--state-dir", state, "--format", "jsonl"], capture_output=True, check=True)
    check("jsonl", sorted(export.run("--format", "jsonl").stdout.splitlines()) == sorted(calls.stdout.splitlines()))
    rows, titles = parse(export.run("--format", "csv").stdout)
    check("csv", len(rows) == len(calls.stdout.splitlines()) and titles[:4] == ["record_id", "revision", "record_state", "node_seq"])
    check("csv in the order of time", [r["start"] for r in rows] == sorted(r["start"] for r in rows))
    check("csv, filtered", len(parse(export.run("--format", "csv", "--tenant", "inline").stdout)[0]) == 1)


def corrections(export, folder, *options):
    """An export of all but one call, as if that one had come late, and with one that was amended since."""
    done = export.run("--format", "focus", *PERIOD, *options)
    before, titles = parse(done.stdout)
    late = before[7]["x_RecordId"]
    with open(f"{folder}/before.csv", "w", newline="") as out:
        writer = csv.DictWriter(out, titles)
        writer.writeheader()
        for row in before:
            if row["x_RecordId"] == before[0]["x_RecordId"]:
                row = {**row, "x_RecordRevision": "7"}
            if row["x_RecordId"] != late:
                writer.writerow(row)
    return *export.rows("--corrects", f"{folder}/before.csv", "--fresh", f"{folder}/fresh.csv", *options), late


def test_corrections(export):
    with tempfile.TemporaryDirectory() as folder:
        rows, _, late = corrections(export, folder)
        check("corrections", all(r["ChargeClass"] == "Correction" for r in rows) and len(rows) == 13, len(rows))
        check("the late one is charged", total(rows, "x_RecordCount", x_RecordId=late) == 1)
        check("the amended one is charged once", total(rows, "x_RecordCount") == 1 and total(rows, "EffectiveCost") > 0)
        for bad in rules.broken([r for r in rows if not r["PricingQuantity"].startswith("-")], "1.4"):
            check("corrections", False, bad)
        for row in rows:
            check("corrections: products", rules.product(row, "ListUnitPrice", "ListCost"))
            check("corrections: one sign", row["PricingCurrencyEffectiveCost"] == row["EffectiveCost"])
        fresh = pathlib.Path(f"{folder}/fresh.csv").read_bytes()
        check("a fresh one beside it", fresh == export.run("--format", "focus", *PERIOD).stdout)
        before = parse(pathlib.Path(f"{folder}/before.csv").read_bytes())[0]
        check("corrected, it is as a fresh one", total(before + rows, "EffectiveCost") == total(parse(fresh)[0], "EffectiveCost"))
        check("nothing to correct", export.rows("--corrects", f"{folder}/fresh.csv")[0] == [])
        done = export.run("--format", "focus", *PERIOD[:2], "--until", "2026-11-02", "--corrects", f"{folder}/before.csv")
        check("another period", done.returncode == 1 and b"period" in done.stderr, done.stderr)


def test_files(export):
    """Whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "o.csv"
        path.write_text("old")
        done = export.run("--format", "csv", "--output", path)
        check("output", done.returncode == 0 and path.read_bytes() == export.run("--format", "csv").stdout)
        check("readable by the owner alone", path.stat().st_mode & 0o777 == 0o600)
        os.mkfifo(f"{folder}/fifo")
        done = export.run("--format", "csv", "--output", f"{folder}/fifo")
        check("a pipe is not replaced", done.returncode == 1 and b"no plain file" in done.stderr, done.stderr)
        done = export.run("--format", "csv", "--output", f"{folder}/no/o.csv")
        check("a folder that is not there", done.returncode == 1 and b"No such file" in done.stderr, done.stderr)
        path.write_text("old")
        limit = ["prlimit", "--fsize=4096"]
        done = subprocess.run(limit + [export.program, "export", "--state-dir", export.state, "--format", "csv", "--output", path],
                              capture_output=True, preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        check("a full disk", done.returncode == 1 and path.read_text() == "old" and b"cannot be written" in done.stderr, done.stderr)
        check("nothing is left behind", sorted(os.listdir(folder)) == ["fifo", "o.csv"], os.listdir(folder))


def test_usage(export):
    for options, said in [
            ([], b"which --format"), (["--format", "xml"], b"focus, csv or jsonl"),
            (["--format", "csv", "--focus-mode", "primary"], b"--format focus"),
            (["--format", "focus", "--focus-mode", "split"], b"need each other"),
            (["--format", "focus", "--invoice", "a=b:1"], b"need each other"),
            (["--format", "focus", "--focus-mode", "split", "--invoice", "a=b:1"], b"period"),
            (["--format", "focus", "--focus-mode", "split", "--invoice", "a=b:-1", *PERIOD], b"--invoice takes"),
            (["--format", "focus", "--focus-mode", "split", "--invoice", "a=b:1", "--invoice", "a=c:2", *PERIOD], b"has one"),
            (["--format", "focus", "--fresh", "f"], b"--fresh is for"),
            (["--format", "focus", "--focus-version", "1.3"], b"1.4 or 1.2"), (["--format", "csv", "more"], b"options only")]:
        done = export.run(*options)
        check(f"usage {' '.join(options)}", done.returncode == 2 and said in done.stderr, done.stderr)


# ---- the official validator ----

def python312():
    """A Python 3.12 that starts, or None."""
    for path in ["python3.12", *map(str, sorted(pathlib.Path.home().glob(".pyenv/versions/3.12.*/bin/python3")))]:
        try:
            done = subprocess.run([path, "--version"], capture_output=True)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return path
    return None


def set_up():
    program = VENV / "bin" / "focus-validator"
    if program.exists():
        return program
    python = python312()
    if not python:
        return None
    subprocess.run([python, "-m", "venv", VENV], check=True)
    done = subprocess.run([VENV / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *VALIDATOR])
    return program if done.returncode == 0 else None


def validate(program, path):
    """What fails. Its exit code is 0 even then, and it wants its own packages as current folder."""
    packages = next((VENV / "lib").glob("python3.*")) / "site-packages"
    done = subprocess.run([program, "--block-download", "--validate-version", "1.2.0.1", "--focus-dataset", "CostAndUsage",
                           "--applicability-criteria", CRITERIA, "--data-file", path, "--show-violations"],
                          cwd=packages, capture_output=True, text=True)
    summary = re.search(r"Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)", done.stdout)
    if not summary or int(summary[2]) < 250:
        return [f"it did not run: {done.stdout[-300:]} {done.stderr[-300:]}"]
    names = re.findall(r"^❌ (\S+): FAIL .*", done.stdout, re.M)
    if len(names) != int(summary[3]):
        return [f"{summary[0]}, but {names}"]
    return [] if len(names) == 1 and names[0] in EITHER else names


def write(path, titles, rows):
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, titles)
        writer.writeheader()
        writer.writerows(rows)
    return path


def validator_files(export, folder):
    """name: path of a whole file for each mode, and a file for each kind of row."""
    files = {}
    for mode, options in MODES.items():
        rows, titles = export.rows("--focus-version", "1.2", *options)
        # All of an invoice or none: see EITHER.
        rows = [r for r in rows if bool(r["InvoiceId"]) == (mode == "split")]
        files[f"whole, {mode}"] = write(f"{folder}/{mode}.csv", titles, rows)
        for row in rows:
            kind = ", ".join((mode if mode == "split" else "row", row["ChargeCategory"], row["SkuMeter"], row["x_PriceStatus"],
                              row["ServiceName"]))
            if kind not in files and (mode == "showback" or row["ChargeCategory"] != "Usage"):
                files[kind] = write(f"{folder}/{len(files)}.csv", titles, [row])
    rows, titles, _ = corrections(export, folder, "--focus-version", "1.2")
    for row in rows[:1] + rows[-1:]:
        files[f"correction of {row['EffectiveCost']}"] = write(f"{folder}/{len(files)}.csv", titles, [row])
    return files


def test_validator(export):
    program = set_up()
    if not program:
        print("SKIPPED focus-validator: there is no Python 3.12 (or its packages could not be had)")
        return
    with tempfile.TemporaryDirectory() as folder:
        files = validator_files(export, folder)
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for (name, _), bad in zip(files.items(), pool.map(lambda path: validate(program, path), files.values())):
                check(f"validator: {name}", not bad, bad)
        print(f"focus-validator: {len(files)} files in {time.monotonic() - begun:.0f} s")
        # It can fail.
        rows, titles = export.rows("--focus-version", "1.2")
        bad = validate(program, write(f"{folder}/bad.csv", titles, [{**rows[0], "ChargeFrequency": "Foo"}]))
        check("validator: a wrong value is found", "ChargeFrequency-C-003-M" in bad, bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--validator", action="store_true")
    parser.add_argument("--ledgertap", default=str(ROOT / "build" / "ledgertap"))
    parser.add_argument("--make-ledger", default=str(ROOT / "build/release/tests/focus/make_ledger"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        subprocess.run([args.make_ledger, state], check=True, stdout=subprocess.DEVNULL)
        export = Export(args.ledgertap, state)
        test_rules(export)
        test_sums(export)
        test_other_formats(export, args.ledgertap, state)
        test_corrections(export)
        test_files(export)
        test_usage(export)
        if args.validator:
            test_validator(export)
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
