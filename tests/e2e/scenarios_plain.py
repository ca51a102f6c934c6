# SPDX-License-Identifier: Apache-2.0
"""Scenarios in the clear: HTTP without TLS, to ports of model servers, and MCP between a process and its child. Each
record says plaintext."""
import contextlib
import pathlib
import shutil

from bed import HERE, PYTHON, VENV, cgroup2_root, finish
from scenarios import BEFORE, CACHE, EXCHANGES, PLAIN, STREAM, in_parallel, need, over_http, run_node, scenario
from scenarios_go import build

CLIENTS = HERE / "clients"
OLLAMA, GENERATE = "compatible-ollama-chat-stream", "compatible-ollama-generate"
PORT, OLLAMA_PORT, OTHER_PORT = 8000, 11434, 7777


def environment_of(bed, name, program, options="", **wanted):
    return bed.environment(name, f"t-{name}", options, comm=pathlib.Path(program).name[:15], tls="plaintext", **wanted)


def curl(bed, exchange, environment, *extra, port=PORT, **more):
    """The exchange's own URL, over HTTP: only the connection goes to the port."""
    url = "http://" + exchange.url.partition("://")[2]
    bed.curl(exchange, environment, "--connect-to", f"::localhost:{port}", *extra, url=url, **more)


def habit(bed, name, *arguments, options="", port=PORT, **wanted):
    """plain.py in the clear."""
    environment = environment_of(bed, name, PYTHON, options, **wanted) | {"LT_PLAIN_PORT": str(port)}
    bed.run([PYTHON, CLIENTS / "plain.py", *arguments], environment)


def by_hand(bed, name, how, exchange, port=PORT):
    bed.run([PYTHON, CLIENTS / "clear.py", port, how, exchange], environment_of(bed, name, PYTHON))


@scenario
def plain_curl(bed, exchanges):
    """Every exchange, whoever the provider is."""
    environment = environment_of(bed, "plain-curl", "curl")
    in_parallel((curl, bed, exchange, environment) for exchange in over_http(exchanges))


@scenario
def plain_ollama(bed, exchanges):
    """At the port and under the name that Ollama has; lines of JSON in pieces."""
    for options in ("", "split=7; delay=1", "split=random:4; framing=close", "encoding=gzip; split=50"):
        environment = environment_of(bed, "plain-ollama", "curl", options)
        for name in (OLLAMA, GENERATE):
            curl(bed, exchanges[name], environment, "--compressed", port=OLLAMA_PORT)


@scenario
def plain_python(bed, _):
    """The standard library: connections that are kept, forked workers, pipelining, chunks."""
    habit(bed, "plain-python", "keep-alive", PLAIN, 20)
    habit(bed, "plain-python", "pool", PLAIN, 4)
    habit(bed, "plain-python", "parallel", STREAM, 16, options="repeat=20; delay=5")
    habit(bed, "plain-python", "pipeline", PLAIN, 6)
    habit(bed, "plain-python", "chunked", "anthropic-messages-tools")
    habit(bed, "plain-python", "one", CACHE)


@scenario
def plain_urllib(bed, _):
    by_hand(bed, "plain-urllib", "urllib", PLAIN)
    by_hand(bed, "plain-urllib", "urllib", OLLAMA, OLLAMA_PORT)


@scenario
def plain_abort(bed, _):
    habit(bed, "plain-abort", "abort", STREAM, 400, options="repeat=40; delay=20", abort=1)


@scenario
def plain_system_calls(bed, _):
    """All ways in which a program moves bytes through a socket; what it only looks at does not count."""
    for how in ("vectors", "peek", "dup", "half"):
        by_hand(bed, "plain-system-calls", how, PLAIN)
    by_hand(bed, "plain-system-calls", "vectors", STREAM)


@scenario
def plain_threads(bed, _):
    by_hand(bed, "plain-threads", "threads", PLAIN)


@scenario
def plain_large(bed, exchanges):
    """Requests of two megabytes: by parts as the socket takes them, at once, and in curl's pieces."""
    by_hand(bed, "plain-large", "large", PLAIN)
    body = bed.folder / "plain-large.body"
    document = exchanges[PLAIN].request_body()
    body.write_bytes(document[:-1] + b',"metadata":{"blob":"' + b"x" * 2_000_000 + b'"}}')
    curl(bed, exchanges[PLAIN], environment_of(bed, "plain-large", "curl"), "-H", "Expect:", body=body)
    curl(bed, exchanges[PLAIN], environment_of(bed, "plain-large", "curl", "pad=2000000"))


@scenario
def plain_httpx(bed, _):
    """Thirty streams at the same time on an event loop."""
    need(VENV, "the Python venv")
    environment = environment_of(bed, "plain-httpx", VENV, "delay=5; split=random:3")
    bed.run([VENV, CLIENTS / "streams.py", 30, f"http://api.openai.com:{PORT}/v1/chat/completions", STREAM], environment)


@scenario
def plain_node(bed, _):
    run_node(bed, "plain-node", "fetch.mjs", EXCHANGES, PORT, 5, PLAIN, STREAM, CACHE, OLLAMA, tls="plaintext",
             options="split=random:5; delay=2")


@scenario
def plain_go(bed, _):
    program = build("client", "static")
    environment = environment_of(bed, "plain-go", program, "delay=2; split=random:4")
    for way, times in (("in-turn", 5), ("at-once", 20)):
        bed.run([program, "-clear", PORT, EXCHANGES, way, times, PLAIN, STREAM], environment)


def start_early(bed):
    early = bed.start([PYTHON, CLIENTS / "clear.py", PORT, "wait", PLAIN, bed.folder / "plain-early"],
                      environment_of(bed, "plain-early", PYTHON))
    early.stdout.readline()
    return early


BEFORE["plain-early"] = start_early


@scenario
def plain_early(bed, _):
    """Its connection is older than the agent."""
    (bed.folder / "plain-early").touch()
    finish(bed.early.pop("plain-early"))


@scenario
def plain_other_port(bed, exchanges):
    """The same calls at a port that nobody named: no record."""
    environment = environment_of(bed, "plain-other-port", "curl", unseen=1)
    curl(bed, exchanges[PLAIN], environment, port=OTHER_PORT)
    habit(bed, "plain-other-port", "keep-alive", PLAIN, 5, port=OTHER_PORT, unseen=1)


def start_cgroup(bed):
    """A process in a cgroup that the config names, and the folder of one below it."""
    folder = cgroup2_root() / "lt-e2e-plain.slice" / "agent.service"
    folder.mkdir(parents=True, exist_ok=True)

    def remove():
        for path in (folder, folder.parent):
            with contextlib.suppress(OSError):
                path.rmdir()

    bed.cleanups.append(remove)
    script = f'echo $$ > {folder.parent}/cgroup.procs; exec "$@"'
    early = bed.start(["sh", "-c", script, "sh", PYTHON, CLIENTS / "clear.py", OTHER_PORT, "wait", PLAIN,
                       bed.folder / "plain-cgroup"], environment_of(bed, "plain-cgroup", PYTHON))
    early.stdout.readline()
    return early


BEFORE["plain-cgroup"] = start_cgroup


@scenario
def plain_cgroup(bed, exchanges):
    """In a cgroup that the config names, and below it, every port counts."""
    (bed.folder / "plain-cgroup").touch()
    finish(bed.early.pop("plain-cgroup"))
    folder = cgroup2_root() / "lt-e2e-plain.slice" / "agent.service"
    curl(bed, exchanges[CACHE], environment_of(bed, "plain-cgroup", "curl"), port=OTHER_PORT,
         prefix=(f"echo $$ > {folder}/cgroup.procs;",))


@scenario
def plain_gateway(bed, exchanges):
    """A gateway in the clear on this host, which calls the provider over TLS: one call, once in the sums."""
    need(shutil.which("python3"), "python3")
    hop = bed.start(["python3", "-B", CLIENTS / "gateway.py", bed.ca.parent, 4000, "plain"],
                    bed.environment("plain-gateway", "t-proxy"))
    hop.stdout.readline()
    bed.curl(exchanges[PLAIN], bed.environment("plain-gateway", "t-gateway"),
             url="http://gateway.example.net:4000/v1/chat/completions")
    finish(hop)


@scenario
def mcp_stdio_python(bed, _):
    """The official SDK on both sides, with a handshake and without."""
    need(VENV, "the Python venv")
    for mode in ("legacy", "auto"):
        bed.run([VENV, CLIENTS / "mcp_stdio.py", mode], environment_of(bed, "mcp-stdio-python", VENV))


@scenario
def mcp_stdio_node(bed, _):
    need(VENV, "the Python venv")
    run_node(bed, "mcp-stdio-node", "mcp_stdio_node.cjs", VENV, "-B", CLIENTS / "mcp_stdio.py", "serve",
             tls="plaintext")
