# SPDX-License-Identifier: Apache-2.0
"""The test bed: a world with the upstream in it, clients inside that world, the agent outside.

The world is a network and mount namespace of its own whose hosts file leads the providers' names to the
upstream. The agent runs on the host and sees the clients through its uprobes, as it would in production.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from exchanges import load

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = pathlib.Path(os.environ.get("LEDGERTAP") or ROOT / "build" / "ledgertap")
VENV = ROOT / "build" / "venv" / "bin" / "python"
NODE_PATH = ROOT / "build" / "node" / "node_modules"
SHORT_CALL = ROOT / "build" / "e2e" / "short_call"
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else shutil.which("python3")
HOSTS = ["unrelated.example.com", "gateway.example.net"]  # beside those of the exchanges
KEY_CANARY = "sk-KEY-CANARY-1f6ab3"

ARCHIVE = "archive.jsonl"
CONFIG = """\
mcp_stdio: true
capture:
  flow_ports: [443, 8443]
plaintext:
  cgroups: ["/lt-e2e-plain.sl*e"]
hosts:
  - host: llm.example.internal
    provider: openai_compatible
attribution:
  env: [LT_TENANT]
  headers: [x-lt-tenant]
  rules:
    - match: {cgroup: "/lt-id-a.slice/*"}
      set: {tenant: id-a}
    - match: {cgroup: "/lt-id-b.slice/*"}
      set: {tenant: id-b}
    - match: {pod_uid: "1d1d1d1d-0000-4000-8000-0000000000ad"}
      set: {tenant: id-pod}
    - match: {claim.x-lt-tenant: "*"}
      set: {tenant: "${claim.x-lt-tenant}"}
    - match: {resource.lt.team: "*"}
      set: {team: "${resource.lt.team}", environment: "${resource.deployment.environment.name}"}
    - match: {env.LT_TENANT: "*"}
      set: {tenant: "${env.LT_TENANT}"}
    - match: {unit: "lt-billing.service"}
      set: {tenant: finance, team: billing}
    - match: {cgroup: "*kubepods*", comm: "curl"}
      set: {tenant: in-a-pod}
"""


class Missing(Exception):
    """What a scenario needs is not on this machine: it is skipped."""


def sh(*command, check=True):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=check)


def cgroup2_root():
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(where)
    raise Missing("no cgroup2 mount")


def why_no_bpf():
    """None when this machine can load BPF programs and has uprobes; asked of the kernel, not of the agent."""
    if os.geteuid() != 0:
        return "not root"
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return "the kernel has no BTF"
    if not os.path.exists("/sys/bus/event_source/devices/uprobe/type"):
        return "the kernel has no uprobes"
    number = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
    if number is None:
        return f"unknown machine {platform.machine()}"
    code = ctypes.create_string_buffer(bytes.fromhex("b700000000000000" "9500000000000000"), 16)
    text = ctypes.create_string_buffer(b"Dual BSD/GPL")
    tracepoint, load = 5, 5
    attributes = (ctypes.c_uint64 * 16)(tracepoint | 2 << 32, ctypes.addressof(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    program = libc.syscall(number, load, attributes, ctypes.sizeof(attributes))
    if program < 0:
        return f"bpf(): {os.strerror(ctypes.get_errno())}"
    os.close(program)
    return None


class Agent:
    """One run of `ledgertap agent`."""

    def __init__(self, state, config, log, binary=BINARY, more=()):
        self.state, self.log, self.binary = state, log, binary
        self.log_start = log.stat().st_size
        self.process = subprocess.Popen(
            [str(binary), "agent", "--debug", "--config", str(config), "--state-dir", str(state), *more],
            stdout=subprocess.DEVNULL, stderr=log.open("ab"))
        self.programs = set()

    def wait_ready(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if "ready" in self.log.read_text()[self.log_start:]:
                self.programs = self.loaded_programs()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        said = self.log.read_text()[self.log_start:][-2000:]
        raise RuntimeError(f"the agent is not ready after {seconds} s:\n{said}")

    def loaded_programs(self):
        """Ids of the BPF programs that this agent holds, by its open files."""
        ids = set()
        with contextlib.suppress(FileNotFoundError):
            for info in pathlib.Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
                with contextlib.suppress(OSError):
                    ids |= {int(line.split()[1]) for line in info.read_text().splitlines()
                            if line.startswith("prog_id:")}
        return ids

    def stop(self, seconds=5):
        """SIGTERM; returns how long it took to end."""
        start = time.monotonic()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        took = time.monotonic() - start
        if self.process.poll() is None:
            self.kill()
        return took

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def calls(self):
        return read_calls(self.state, self.binary)


def read_calls(state, binary=BINARY):
    run = subprocess.run([str(binary), "calls", "--format", "jsonl", "--state-dir", str(state)], capture_output=True,
                         text=True)
    if run.returncode != 0:
        raise RuntimeError(f"ledgertap calls exits {run.returncode}: {run.stderr.strip()}")
    return [json.loads(line) for line in run.stdout.splitlines() if line.strip()]


def live_programs():
    """Ids of all BPF programs of the kernel."""
    shown = sh(shutil.which("bpftool") or "/usr/sbin/bpftool", "-j", "prog", "show")
    return {program["id"] for program in json.loads(shown.stdout)}


def finish(client, timeout=90):
    """Waits for a client that Bed.start() started."""
    try:
        _, errors = client.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        client.kill()
        client.communicate()
        raise
    if client.returncode != 0:
        name = pathlib.Path(client.args[client.args.index("--") + 1]).name
        raise RuntimeError(f"client {name} exits {client.returncode}: {errors.strip()[-600:]}")


class Bed:
    """Start with `with Bed() as bed`; everything that it made is gone afterwards."""

    def __init__(self, corpus=None, addresses=()):
        self.corpus, self.addresses = corpus or {}, addresses
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lt-e2e."))
        self.served_log = self.folder / "served.jsonl"
        self.config_file = None  # another one than ours
        self.upstream = None
        self.cleanups = []
        self.early = {}
        self.flows = []
        self.lock = threading.Lock()

    def __enter__(self):
        try:
            self.start_world()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for undo in reversed(self.cleanups):
            undo()
        if self.upstream:
            self.upstream.terminate()
            self.upstream.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_world(self):
        self.folder.chmod(0o755)
        certs = self.folder / "certs"
        certs.mkdir()
        names = sorted({*HOSTS, *(exchange.host for exchange in (load() | self.corpus).values())})
        sh(HERE / "certs.sh", certs, *names)
        hosts = self.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost " + " ".join(names) + "\n")
        for address in self.addresses:
            self.hosts_of(address).write_text(f"127.0.0.1 localhost\n{address} " + " ".join(names) + "\n")
        (self.folder / "config.yaml").write_text(CONFIG)
        self.served_log.touch()
        interpreter = VENV if VENV.exists() else PYTHON
        self.upstream = subprocess.Popen(
            ["unshare", "-n", "-m", "--propagation", "private", str(HERE / "world.sh"), str(hosts), str(interpreter),
             "-B", str(HERE / "upstream.py"), "--certs", str(certs), "--log", str(self.served_log),
             *(["--corpus"] if self.corpus else []), *(f"--both={address}" for address in self.addresses)],
            stdout=subprocess.PIPE, stderr=(self.folder / "upstream.log").open("wb"), text=True)
        if not self.upstream.stdout.readline():
            raise RuntimeError("the upstream does not start:\n" + (self.folder / "upstream.log").read_text())

    def hosts_of(self, address):
        """The hosts file of a client that finds the providers at this address, one of the bed's."""
        return self.folder / f"hosts.{address}"

    @property
    def ca(self):
        return self.folder / "certs" / "ca.pem"

    @property
    def config(self):
        return self.config_file or self.folder / "config.yaml"

    def agent(self, name, *more):
        log, state, config = (self.folder / f"{name}.{what}" for what in ("log", "state", "yaml"))
        log.touch()
        # Several may run beside each other: each has a file of its own.
        config.write_text(f"{self.config.read_text()}sinks:\n"
                          f"  - {{name: archive, type: file, path: {state / ARCHIVE}}}\n")
        return Agent(state, config, log, more=more)

    def expect_flows(self, scenario, count, **fields):
        """So many connections of a client that nobody can read must be so many records with these fields."""
        with self.lock:
            self.flows.append((scenario, count, fields))

    def served(self):
        return [json.loads(line) for line in self.served_log.read_text().splitlines()]

    def environment(self, scenario, tenant, options="", expect_tenant=None, **wanted):
        """The environment of a client: trust in our CA, its tenant, and its labels for the upstream. The record
        must name expect_tenant, which is tenant itself unless said otherwise; "*" is any."""
        wanted = {"scenario": scenario, "tenant": expect_tenant or tenant or "unattributed"} | wanted
        out = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "LT_KEY": KEY_CANARY,
               "LT_WANT": "; ".join(f"{key}={value}" for key, value in wanted.items()), "LT_OPTIONS": options,
               "LT_SERVED_LOG": str(self.served_log),
               "NODE_PATH": str(NODE_PATH), "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache")}
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"):
            out[name] = str(self.ca)
        return out | ({"LT_TENANT": tenant} if tenant else {})

    def inside(self, *command):
        """A command line that runs in the world; the process that starts it becomes it."""
        return ["nsenter", "-t", str(self.upstream.pid), "-n", "-m", "--", *(str(word) for word in command)]

    def start(self, command, environment):
        return subprocess.Popen(self.inside(*command), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, command, environment, timeout=90):
        return finish(self.start(command, environment), timeout)

    def curl(self, exchange, environment, *extra, prefix=(), url=None, port=443, body=None):
        """One call by curl; prefix is a shell command that runs first, in the same process. The URL is that of the
        exchange, over TLS whatever it says, and only the connection goes to the upstream's port: what curl sends
        names the host as it was recorded. Another url is asked where it says."""
        body_file = self.folder / f"{exchange.id}.body"
        with self.lock:
            if not body_file.exists():
                body_file.write_bytes(exchange.request_body())
        if url is None:
            url = "https://" + exchange.url.partition("://")[2]
            extra = ("--connect-to", f"::localhost:{port}", *extra)
        headers = []
        for name, value in exchange.request_headers():
            if name in ("host", "accept-encoding"):
                continue
            value = value.replace("REDACTED", KEY_CANARY)
            headers += ["-H", f"{name}: {value}"]
        options = "; ".join(part for part in (exchange.id, environment["LT_OPTIONS"]) if part)
        headers += ["-H", f"x-lt-exchange: {options}"]
        script = " ".join(prefix) + 'exec curl "$@" -H "x-lt-want: $LT_WANT; pid=$$"'
        command = ["sh", "-c", script, "curl", "-sS", "-o", "/dev/null", "-X", exchange.method, *headers,
                   "--data-binary", f"@{body or body_file}", *extra, url]
        return self.run(command, environment)
