# SPDX-License-Identifier: Apache-2.0
"""Scenarios of what cannot be read: each connection to a known host is one flow record, others are none."""
import contextlib
import pathlib
import shutil
import sys
import time

from bed import HERE, PYTHON, Agent, Missing, cgroup2_root, finish
from scenarios import PLAIN, scenario

sys.path.insert(0, str(HERE / "clients"))
import hello  # noqa: E402

URL = "https://api.openai.com/v1/chat/completions"
CALL = HERE / "clients" / "Call.java"
CONTAINER = "f10e" * 16


def java(bed, name, mode, count, connections, url=URL):
    """Starts the client and says what has to come of it."""
    if not shutil.which("javac"):
        raise Missing("no JDK is here")
    cgroup2_root()
    environment = bed.environment(name, f"t-{name}", flow="yes")
    client = bed.start(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", CALL, url, PLAIN, mode, count], environment)
    if connections:
        bed.expect_flows(name, connections, host="api.openai.com", provider="openai", pid=client.pid, comm="java",
                         tenant=f"t-{name}")
    return client


def say_hello(bed, name, form, count=1, host="api.anthropic.com"):
    """It lives for some milliseconds: its environment, and with it its tenant, may be gone before it is read."""
    cgroup2_root()
    environment = bed.environment(name, f"t-{name}")
    client = bed.start([PYTHON, HERE / "clients" / "hello.py", host, form, count], environment)
    bed.expect_flows(name, count, host=host, provider="anthropic", pid=client.pid, comm=pathlib.Path(PYTHON).name,
                     request_bytes=len(hello.hello_of(host, form)) + hello.SENT, response_bytes=hello.RECEIVED)
    finish(client)


@scenario
def flow_java(bed, _):
    """Java's own TLS: a connection for every call, and one for all."""
    finish(java(bed, "flow-java", "new", 3, 3))
    finish(java(bed, "flow-java", "kept", 4, 1))


@scenario
def flow_java_elsewhere(bed, _):
    """The same client at a host that nobody knows: nothing comes of it."""
    finish(java(bed, "flow-java-elsewhere", "new", 2, 0, url="https://unrelated.example.com/v1/chat/completions"))


@scenario
def flow_hello(bed, _):
    """The host is found whatever its ClientHello looks like, and the bytes are exact."""
    for form in ("whole", "pieces", "records", "late"):
        say_hello(bed, "flow-hello", form, 2)
    if pathlib.Path("/proc/sys/net/ipv6").exists():
        say_hello(bed, "flow-hello", "ipv6")


@scenario
def flow_short(bed, _):
    """Each a process of its own that is gone at once."""
    for _ in range(20):
        say_hello(bed, "flow-short", "whole")


@scenario
def flow_none(bed, _):
    """A handshake alone, and requests to a host that is not known."""
    environment = bed.environment("flow-none", "t-flow-none")
    bed.run([PYTHON, HERE / "clients" / "hello.py", "api.anthropic.com", "handshake", 3], environment)
    bed.run([PYTHON, HERE / "clients" / "hello.py", "unrelated.example.com", "whole", 3], environment)


@scenario
def flow_container(bed, _):
    """In the cgroup of a container."""
    folder = cgroup2_root() / "system.slice" / f"docker-{CONTAINER}.scope"
    folder.mkdir(parents=True, exist_ok=True)

    def remove():
        for path in (folder, folder.parent):
            with contextlib.suppress(OSError):
                path.rmdir()

    bed.cleanups.append(remove)
    environment = bed.environment("flow-container", "t-flow-container")
    script = f'echo $$ > {folder}/cgroup.procs; exec "$@"'
    client = bed.start(["sh", "-ec", script, "sh", PYTHON, HERE / "clients" / "hello.py", "api.anthropic.com", "whole"],
                       environment)
    bed.expect_flows("flow-container", 1, host="api.anthropic.com", pid=client.pid, container_id=CONTAINER,
                     runtime="docker")
    finish(client)


@scenario
def flow_open(bed, _):
    """A connection that outlives the agent: its record comes at the agent's end. By a second agent."""
    log = bed.folder / "flow-open.log"
    log.touch()
    agent = Agent(bed.folder / "flow-open.state", bed.config, log)
    try:
        agent.wait_ready()
        client = java(bed, "flow-open", "open", 1, 1)
        if client.stdout.readline().strip() != "open":
            raise RuntimeError(client.communicate()[1][-600:])
        time.sleep(2)  # it is asked which TLS it has when a second has passed
        agent.stop()
        found = [record for record in agent.calls() if record.get("pid") == client.pid]
    finally:
        agent.kill()
    finish(client)
    if "calls openai through TLS that was not read (Java's own TLS" not in log.read_text():
        raise RuntimeError("the agent did not say that Java's TLS is not read")
    if [record["coverage_class"] for record in found] != ["known_host_encrypted"]:
        raise RuntimeError(f"{len(found)} records at the end of the agent, expected one flow")
    if found[0]["request_bytes"] < 300 or found[0]["response_bytes"] < 300:
        raise RuntimeError(f"the flow has {found[0]['request_bytes']} bytes out, {found[0]['response_bytes']} in")
