# SPDX-License-Identifier: Apache-2.0
"""The clients of the matrix: how each is had, how it calls, over which TLS stack.

A client is a function of its seat in the bed (see matrix.py). What it called stands in the upstream's log.
"""
import contextlib
import dataclasses
import json
import os
import platform
import re
import shutil
import subprocess
import time
import typing

import scenarios_go
import scenarios_tls
from bed import HERE, KEY_CANARY, NODE_PATH, PYTHON, VENV, Missing
from matrix_install import java, npm, program, rust
from scenarios import CACHE, EXCHANGES, PLAIN, STREAM, need

CALLERS = HERE / "clients"
RESPONSES, GEMINI = "openai-responses-stream", "gemini-generate-stream"
ALL = (PLAIN, STREAM, CACHE, RESPONSES)
GRPC = ("gemini-grpc-plain", "vertex-grpc-stream", "vertex-grpc-plain", "xai-grpc-stream")


@dataclasses.dataclass
class Client:
    name: str
    title: str
    stack: str
    run: typing.Callable
    version: typing.Callable  # of its text, "" when it cannot be said
    tls: str | None = None  # tls_library of its records, where it is settled
    flow: bool = False  # cannot be read: its connections are due, not its calls
    both: bool = False  # finds the providers where they speak HTTP/2 and HTTP/1.1, at an address of its own
    runs: int = 0  # an agent, under its name here, and how often it is started


CLIENTS: dict[str, Client] = {}


def client(name, title, stack, version, **more):
    def keep(function):
        CLIENTS[name] = Client(name, title, stack, function, version, **more)
        return function
    return keep


def said(*command, pattern=r"\d+\.\d+[\w.+-]*"):
    """What a program says of its version; the programs are asked when all is over."""
    def ask():
        words = [word() if callable(word) else word for word in command]
        run = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60,
                             env=os.environ | {"DISABLE_AUTOUPDATER": "1"})
        found = re.search(pattern, run.stdout + run.stderr)
        return found[1] if found and found.re.groups else found[0] if found else ""
    return ask


def pinned(path, pattern):
    """A version that stands in a file of ours, as a number."""
    return lambda: (re.search(pattern, (HERE / path).read_text()) or ["", ""])[1]


def packaged(*names):
    """The version of a Debian package, the first that is installed."""
    def ask():
        for name in names:
            run = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True)
            if run.returncode == 0 and run.stdout:
                return run.stdout.partition("-")[0]
        return ""
    return ask


def environment_of(seat, **more):
    tls = {"tls": CLIENTS[seat.client].tls} if CLIENTS[seat.client].tls else {}
    return seat.environment(seat.client, f"t-{seat.client}", **tls) | {key: str(value) for key, value in more.items()}


def run_before(seat, binary):
    """The agent has seen this file run. A new one, just built or of 100 MB, may be examined for longer than its first call
    takes: first_call.py says how often, the matrix is about the others."""
    with contextlib.suppress(RuntimeError):  # some know no such option
        seat.run([binary, "--version"], environment_of(seat))
    end = time.monotonic() + 5
    while os.path.realpath(binary) not in (seat.folder / "agent.log").read_text() and time.monotonic() < end:
        time.sleep(0.05)


# ---- C libraries -------------------------------------------------------------------------------------

def curl_program():
    return program("CURL", lambda: shutil.which("curl"))


@client("curl-openssl", "curl", "OpenSSL, shared", said(curl_program, "--version"), tls="openssl")
def curl_openssl(seat):
    folder = seat.folder / "curl-openssl"
    folder.mkdir()
    (folder / "curl").symlink_to(curl_program())
    environment = environment_of(seat, PATH=f"{folder}:{os.environ['PATH']}")
    for name in ALL:
        for version, port in (("--http1.1", 443), ("--http2", 8443)):
            seat.curl(seat.exchanges[name], environment, version, "--compressed", port=port)


@client("curl-gnutls", "libcurl-gnutls", "GnuTLS", packaged("libcurl3-gnutls", "libcurl3t64-gnutls"), tls="gnutls")
def curl_gnutls(seat):
    scenarios_tls.libcurl(seat, seat.client, "gnutls", "--times", "3", *ALL)
    scenarios_tls.libcurl(seat, seat.client, "gnutls", "--http2", "--times", "2", *ALL)


@client("curl-nss", "libcurl-nss", "NSS", packaged("libcurl3-nss"), tls="nss")
def curl_nss(seat):
    scenarios_tls.libcurl(seat, seat.client, "nss", "--times", "3", *ALL)
    scenarios_tls.libcurl(seat, seat.client, "nss", "--http2", "--times", "2", *ALL)


@client("wget", "wget", "GnuTLS", said("wget", "--version"), tls="gnutls")
def wget(seat):
    scenarios_tls.wget(seat, seat.exchanges)


# ---- Python ------------------------------------------------------------------------------------------

def python_program():
    return program("PYTHON", lambda: PYTHON)


python_version = said(python_program, "--version")


def python(seat, *arguments):
    seat.run([python_program(), "-B", *arguments], environment_of(seat))


@client("python-ssl", "Python ssl (http.client)", "OpenSSL, shared", python_version, tls="openssl")
def python_ssl(seat):
    for name in ALL:
        python(seat, CALLERS / "plain.py", "keep-alive", name, 3)


@client("python-asyncio", "Python asyncio", "OpenSSL, shared, memory BIO", python_version, tls="openssl")
def python_asyncio(seat):
    python(seat, CALLERS / "asyncio_call.py", 4, *ALL)


@client("python-httpx", "Python httpx", "OpenSSL, shared", pinned("requirements.txt", r"httpx==(\S+)"), tls="openssl")
def python_httpx(seat):
    need(VENV, "the Python venv")
    for port in ("", ":8443"):
        seat.run([VENV, CALLERS / "streams.py", 6, f"https://api.openai.com{port}/v1/chat/completions", STREAM],
                 environment_of(seat))


@client("python-grpcio", "Python grpcio", "BoringSSL, linked in, stripped",
        pinned("requirements.txt", r"grpcio==(\S+)"), tls="boringssl")
def python_grpcio(seat):
    need(VENV, "the Python venv")
    seat.run([VENV, CALLERS / "grpc_python.py", 8443, 3, *GRPC], environment_of(seat))


# ---- JavaScript --------------------------------------------------------------------------------------

def node_program():
    return program("NODE", lambda: shutil.which("node"))


node_version = said(node_program, "--version")


def javascript(seat, command, how, times, *names, **more):
    seat.run([*command, CALLERS / "calls.mjs", how, EXCHANGES, times, *names], environment_of(seat, **more))


@client("node-https", "Node https", "OpenSSL, linked in", node_version, tls="openssl")
def node_https(seat):
    javascript(seat, [node_program()], "https", 3, *ALL)


@client("node-fetch", "Node fetch", "OpenSSL, linked in", node_version, tls="openssl")
def node_fetch(seat):
    javascript(seat, [node_program()], "fetch", 3, *ALL)


@client("node-undici", "Node undici", "OpenSSL, linked in", pinned("matrix/package.json", r'"undici": "([^"]+)'),
        tls="openssl")
def node_undici(seat):
    javascript(seat, [node_program()], "undici", 3, *ALL, NODE_PATH=npm())


@client("node-http2", "Node http2", "OpenSSL, linked in", node_version, tls="openssl", both=True)
def node_http2(seat):
    javascript(seat, [node_program()], "http2", 5, *ALL)


def bun_program():
    return program("BUN", lambda: npm() / ".bin" / "bun")


@client("bun", "Bun", "BoringSSL, linked in, stripped", said(bun_program, "--version"), tls="boringssl", both=True)
def bun(seat):
    run_before(seat, bun_program())
    javascript(seat, [bun_program()], "fetch", 3, *ALL)
    javascript(seat, [bun_program()], "https", 3, *ALL)


def deno_program():
    return program("DENO", lambda: NODE_PATH / ".bin" / "deno")


@client("deno", "Deno", "rustls (aws-lc), stripped", said(deno_program, "--version"), tls="rustls", both=True)
def deno(seat):
    command = [deno_program(), "run", "--allow-all", "--no-remote", "--cert", seat.ca]
    run_before(seat, deno_program())
    for how in ("fetch", "https"):
        javascript(seat, command, how, 3, *ALL, DENO_DIR=seat.folder / "deno", DENO_NO_UPDATE_CHECK=1)


# ---- agents, as their users have them ----------------------------------------------------------------

def agent(seat, command, times=None, **more):
    """That many runs, each with a home of its own to begin with; nothing tells the upstream whose calls these are."""
    home = seat.folder / seat.client
    home.mkdir(exist_ok=True)
    environment = environment_of(seat, HOME=home, **more)
    for _ in range(times or CLIENTS[seat.client].runs):
        seat.run(["sh", "-c", 'cd "$HOME"; exec "$@" </dev/null', "sh", *command], environment, timeout=60)


def write_tool(seat, name):
    exchange = seat.exchanges[name]
    body = seat.folder / seat.client / "tool.json"
    body.write_bytes(exchange.request_body())
    (body.parent / "tool.sh").write_text(
        f"exec curl -sS -o /dev/null '{exchange.url}' -H 'content-type: application/json' -H 'x-lt-exchange: {name}' \\\n"
        f"  -H \"x-lt-want: $LT_WANT; pid=$$; agent={seat.client}; step=1; tls=openssl\" --data-binary '@{body}'\n")


def claude_program():
    return program("CLAUDE", lambda: npm() / ".bin" / "claude")


@client("claude-code", "Claude Code", "BoringSSL in Bun, stripped", said(claude_program, "--version"),
        tls="boringssl", both=True, runs=4)
def claude_code(seat):
    alone = {"ANTHROPIC_API_KEY": KEY_CANARY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": 1, "DISABLE_AUTOUPDATER": 1}
    agent(seat, [claude_program(), "-p", "hi", "--max-turns", 1], 3, **alone)
    # A turn with a tool, which calls another provider by curl: of the same run, in the step that asked for it.
    write_tool(seat, PLAIN)
    agent(seat, [claude_program(), "-p", "hi", "--model", "claude-loop", "--allowedTools", "Bash"], 1, **alone)


def codex_program():
    return program("CODEX", lambda: npm() / ".bin" / "codex")


CODEX_CONFIG = """\
model = "gpt-5"
model_provider = "direct"
[model_providers.direct]
name = "direct"
base_url = "https://api.openai.com/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
"""


@client("codex", "Codex CLI", "rustls, linked in, stripped", said(codex_program, "--version"), tls="rustls", both=True,
        runs=3)
def codex(seat):
    folder = seat.folder / seat.client / ".codex"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(CODEX_CONFIG)
    agent(seat, [codex_program(), "exec", "--skip-git-repo-check", "say hi"], OPENAI_API_KEY=KEY_CANARY,
          CODEX_CA_CERTIFICATE=seat.ca)


def gemini_program():
    return program("GEMINI", lambda: npm() / ".bin" / "gemini")


@client("gemini-cli", "Gemini CLI", "OpenSSL in Node", said(gemini_program, "--version"), tls="openssl", both=True,
        runs=3)
def gemini_cli(seat):
    folder = seat.folder / seat.client / ".gemini"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))
    agent(seat, [gemini_program(), "--skip-trust", "-m", "gemini-2.5-flash", "-p", "hi"], GEMINI_API_KEY=KEY_CANARY,
          GEMINI_CLI_TRUST_WORKSPACE="true")


def opencode_program():
    return program("OPENCODE", lambda: npm() / ".bin" / "opencode")


@client("opencode", "OpenCode", "BoringSSL in Bun, stripped", said(opencode_program, "--version"),
        tls="boringssl", both=True, runs=2)
def opencode(seat):
    agent(seat, [opencode_program(), "run", "-m", "anthropic/claude-sonnet-4-5", "hi"], ANTHROPIC_API_KEY=KEY_CANARY,
          OPENCODE_DISABLE_AUTOUPDATE=1)


# ---- Go, Rust, Java ----------------------------------------------------------------------------------

go_version = said("go", "version", pattern=r"go(\d\S+)")


def go(seat, form):
    """net/http over both protocols, and several calls at the same time."""
    both = (PLAIN, STREAM)
    run_before(seat, scenarios_go.build("client", form))
    scenarios_go.client(seat, seat.client, form, "in-turn", 3, *both, CACHE)
    scenarios_go.client(seat, seat.client, form, "in-turn", 3, *both, flags=["-http2"])
    scenarios_go.client(seat, seat.client, form, "at-once", 5, *both, flags=["-http2"], options="delay=5")


@client("go-static", "Go net/http, http2", "Go crypto/tls, static", go_version, tls="go_tls")
def go_static(seat):
    go(seat, "static")


@client("go-stripped", "Go net/http, http2", "Go crypto/tls, static, stripped", go_version, tls="go_tls")
def go_stripped(seat):
    go(seat, "stripped")


@client("go-pie", "Go net/http, http2", "Go crypto/tls, PIE, stripped", go_version, tls="go_tls")
def go_pie(seat):
    go(seat, "pie")


def rust_calls(seat, kind):
    binary = program(f"RUST_{kind.upper().replace('-', '_')}", lambda: rust(kind))
    environment = environment_of(seat)
    run_before(seat, binary)
    for flags in ([], ["-http2"]):
        seat.run([binary, *flags, EXCHANGES, "in-turn", 3, *ALL], environment)
    seat.run([binary, "-http2", "-threads", 2, EXCHANGES, "at-once", 5, PLAIN, STREAM], environment)


def reqwest_version(kind):
    return pinned(f"clients/rust/{kind}/Cargo.toml", r'reqwest = \{ version = "=?([^"]+)')


@client("rust-aws-lc", "Rust reqwest", "rustls (aws-lc), stripped", reqwest_version("aws-lc"), tls="rustls")
def rust_aws_lc(seat):
    rust_calls(seat, "aws-lc")


@client("rust-ring", "Rust reqwest", "rustls (ring), stripped", reqwest_version("ring"), tls="rustls")
def rust_ring(seat):
    rust_calls(seat, "ring")


@client("rust-native-tls", "Rust reqwest", "OpenSSL, shared (native-tls)", reqwest_version("native-tls"), tls="openssl")
def rust_native_tls(seat):
    rust_calls(seat, "native-tls")


def java_calls(seat, name, times):
    exchange = seat.exchanges[PLAIN]
    body = seat.folder / f"{seat.client}.json"
    body.write_bytes(exchange.request_body())
    seat.run([*java(name), exchange.url, body, PLAIN, times], environment_of(seat))


java_version = said("java", "-version")


@client("java-httpclient", "Java HttpClient", "JSSE (flow record)", java_version, flow=True)
def java_httpclient(seat):
    java_calls(seat, "HttpClientCalls", 5)


@client("java-netty", "Java Netty", "BoringSSL in netty-tcnative",
        pinned("matrix/pom.xml", r"netty-handler</artifactId>\s*<version>([^<]+)"), tls="boringssl")
def java_netty(seat):
    if platform.machine() != "x86_64":
        raise Missing("the jar of netty-tcnative is that of x86_64")
    java_calls(seat, "NettyCalls", 8)


def version_of(name):
    """For the table: a version, and where this is another binary than ours, its name too."""
    try:
        return CLIENTS[name].version()
    except (Missing, OSError, subprocess.SubprocessError):
        return ""


# The order in which they are started: what needs no build first, and what is long soon.
FIRST = ("codex", "opencode", "gemini-cli", "claude-code")
LAST = ("rust-native-tls", "rust-aws-lc", "rust-ring")


def in_order(names):
    return sorted(names, key=lambda name: (name in LAST, name not in FIRST))

