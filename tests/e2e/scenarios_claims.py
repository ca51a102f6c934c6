# SPDX-License-Identifier: Apache-2.0
"""Scenarios of claims: what processes and requests say of themselves is heard where nothing better is known, and told
where it disagrees. And rules that change while an agent runs."""
import contextlib
import os
import pathlib
import signal
import time

from bed import BINARY, HERE, PYTHON, Agent, cgroup2_root, sh
from scenarios import PLAIN, scenario

CLIENTS = HERE / "clients"
ATTRIBUTES = "service.name=from-the-list,lt.team=search%2Dteam,deployment.environment.name=staging,unused=x"


@scenario
def otel_environment(bed, exchanges):
    """OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, of a program that lives for some milliseconds."""
    environment = bed.environment("otel-environment", "t-otel", comm="curl", team="search-team", environment="staging",
                                  service_name="from-the-list", identity_source="process_context")
    bed.curl(exchanges[PLAIN], environment | {"OTEL_RESOURCE_ATTRIBUTES": ATTRIBUTES})
    environment = bed.environment("otel-environment", "t-otel", comm="curl", service_name="by-name")
    bed.curl(exchanges[PLAIN], environment | {"OTEL_RESOURCE_ATTRIBUTES": ATTRIBUTES, "OTEL_SERVICE_NAME": "by-name"})


@scenario
def otel_context(bed, _):
    """A process that publishes its attributes in its memory; they replace those of its environment."""
    for way in ("memfd", "named", "draft"):
        environment = bed.environment("otel-context", "t-otel", comm=pathlib.Path(PYTHON).name, team=f"team-{way}",
                                      environment="production", service_name=f"service-{way}",
                                      identity_source="process_context")
        bed.run([PYTHON, CLIENTS / "otel_context.py", way, "keep-alive", PLAIN, 2],
                environment | {"OTEL_RESOURCE_ATTRIBUTES": ATTRIBUTES})


def in_unit(bed, name):
    """What a shell has to do first, to be of that systemd unit."""
    folder = cgroup2_root() / "system.slice" / name
    folder.mkdir(parents=True, exist_ok=True)

    def remove():
        for path in (folder, folder.parent):
            with contextlib.suppress(OSError):
                path.rmdir()

    bed.cleanups.append(remove)
    return (f"echo $$ > {folder}/cgroup.procs;",)


@scenario
def spoofed_claims(bed, exchanges):
    """A header alone is heard. Neither it nor the environment makes a unit's call another's."""
    claim = ("-H", "x-lt-tenant: globex")
    bed.curl(exchanges[PLAIN], bed.environment("spoofed-claims", None, expect_tenant="globex", comm="curl",
                                               identity_source="client_claim"), *claim)
    bed.curl(exchanges[PLAIN], bed.environment("spoofed-claims", "acme", comm="curl", conflict="tenant",
                                               identity_source="process_context"), *claim)
    unit = in_unit(bed, "lt-billing.service")
    for tenant, extra in (("acme", ()), (None, claim), ("acme", claim)):
        environment = bed.environment("spoofed-claims", tenant, expect_tenant="finance", team="billing", comm="curl",
                                      conflict="tenant", identity_source="admin_map")
        bed.curl(exchanges[PLAIN], environment, *extra, prefix=unit)


def rules(tenant, more=""):
    return (f"{more}attribution:\n  env: [LT_RELOAD]\n  rules:\n    - match: {{env.LT_RELOAD: \"*\"}}\n"
            f"      set: {{tenant: {tenant}, team: reload}}\n")


def wait_for(what, seconds, found):
    end = time.monotonic() + seconds
    while not found():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come within {seconds} s")
        time.sleep(0.1)


def put(path, text):
    """As editors and config maps do: another file in its place."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


@scenario
def rules_reload(bed, exchanges):
    """Of an agent of its own: a change is taken over, a wrong one is told with its place and changes nothing."""
    config, log = bed.folder / "reload.yaml", bed.folder / "reload.log"
    config.write_text(rules("one"))
    log.touch()
    agent = Agent(bed.folder / "reload.state", config, log)

    def tenants():
        return [record["tenant"] for record in agent.calls() if record.get("team") == "reload"]

    def call(*wanted):
        bed.curl(exchanges[PLAIN], bed.environment("rules-reload", None, comm="curl") | {"LT_RELOAD": "1"})
        wait_for(f"a record of {wanted}", 15, lambda: len(tenants()) == len(wanted))
        if tenants() != list(wanted):
            raise RuntimeError(f"tenants {tenants()} instead of {wanted}")

    try:
        agent.wait_ready(60)
        call("one")
        put(config, rules("two").replace("team:", "taem:"))
        wait_for("the place of the mistake", 10, lambda: "reload.yaml:5:26: unknown key 'taem'" in log.read_text())
        call("one", "one")
        put(config, rules("two", "log_level: info\n"))
        wait_for("the new rules", 10, lambda: "read again: 1 attribution rules" in log.read_text())
        call("one", "one", "two")
        agent.process.send_signal(signal.SIGHUP)
        wait_for("a second reading", 10, lambda: log.read_text().count("read again: 1 attribution rules") == 2)
        said = log.read_text()
        if said.count("the old rules stay") != 1 or "log_level changed in the config: that takes a restart" not in said:
            raise RuntimeError("the log does not say what it should:\n" + said[-2000:])
        last = [record["record_id"] for record in agent.calls() if record.get("team") == "reload"][-1]
        shown = sh(BINARY, "rules", "test", last, "--config", config, "--state-dir", agent.state)
        if "the ledger's record says the same" not in shown.stdout or "by rule 1 (process_context)" not in shown.stdout:
            raise RuntimeError("rules test says:\n" + shown.stdout)
    finally:
        agent.stop(20)
