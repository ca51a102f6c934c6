# SPDX-License-Identifier: Apache-2.0
"""The scenarios: each drives real clients against the upstream while the agent watches from outside.

A scenario is a function of the bed and the exchanges. It returns nothing: what it called stands in the
upstream's log, under the scenario's name, and run.py compares that with the ledger afterwards.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil

from bed import HERE, NODE_PATH, PYTHON, SHORT_CALL, VENV, Missing, cgroup2_root, finish, sh

SCENARIOS = {}
BEFORE = {}  # what a scenario has to start before the agent does
EXCHANGES = HERE.parent / "exchanges"
PLAIN, STREAM, CACHE = "openai-chat-plain", "openai-chat-stream-usage", "anthropic-messages-stream-cache"


def scenario(function):
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def in_parallel(jobs, width=4):
    with concurrent.futures.ThreadPoolExecutor(width) as workers:
        for future in [workers.submit(*job) for job in jobs]:
            future.result()


def need(path, what):
    if not path or not os.path.exists(path):
        raise Missing(f"{what} is not here (tests/e2e/setup.sh)")


def plain(bed, name, habit, exchange, count=1, options="", **wanted):
    environment = bed.environment(name, f"t-{name}", options, comm=pathlib.Path(PYTHON).name, **wanted)
    return bed.run([PYTHON, HERE / "clients" / "plain.py", habit, exchange, count], environment)


def over_http(exchanges):
    return [e for e in exchanges.values() if not e.messages]


# (provider, api) of the exchanges that an SDK can call; whatever is added under one of these, it calls too. What stands
# under no SDK is asked by curl alone, which asks all.
CHAT = "chat_completions"
CALLS = {
    "openai": {("openai", CHAT), ("openai", "responses"), ("openai", "embeddings"), ("openai", "images"), ("azure", CHAT),
               ("openai_compatible", CHAT), ("compatible", CHAT), ("moonshot", CHAT), ("perplexity", CHAT)},
    "anthropic": {("anthropic", "messages")},
    "google": {("gemini", "generate_content"), ("gemini", "stream_generate_content")},
    "mistral": {("mistral", CHAT), ("mistral", "conversations")},
    "cohere": {("cohere", "v2_chat")},
    "bedrock": {("bedrock", api) for api in ("converse", "converse_stream", "invoke", "invoke_stream")},
    "grpc": {("gemini", "generate_content_grpc"), ("vertex", "generate_content_grpc"), ("xai", "chat_grpc")},
}


def ids_for(sdk, exchanges):
    return [e.id for e in over_http(exchanges) if (e.raw["provider"], e.raw["api"]) in CALLS[sdk]]


@scenario
def curl(bed, exchanges):
    environment = bed.environment("curl", "t-curl", comm="curl")
    in_parallel((bed.curl, exchange, environment) for exchange in over_http(exchanges))


HTTP2_PORT = 8443


def over_http2(exchange):
    scheme, _, rest = exchange.url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}:{HTTP2_PORT}{slash}{path}"


@scenario
def http2_curl(bed, exchanges):
    need(VENV, "the Python venv")
    environment = bed.environment("http2-curl", "t-h2", comm="curl")
    in_parallel((curl_http2, bed, exchange, environment) for exchange in over_http(exchanges))


def curl_http2(bed, exchange, environment):
    bed.curl(exchange, environment, "--http2", "--compressed", port=HTTP2_PORT)


@scenario
def http2_streams(bed, exchanges):
    """Forty calls on one connection, all at the same time."""
    need(VENV, "the Python venv")
    environment = bed.environment("http2-streams", "t-h2s", "delay=5; split=random:3", comm=VENV.name)
    bed.run([VENV, HERE / "clients" / "streams.py", "40", over_http2(exchanges[STREAM]), STREAM], environment)


@scenario
def curl_encodings(bed, exchanges):
    jobs = []
    for name in (PLAIN, STREAM, CACHE, "openai-responses-stream"):
        for number, encoding in enumerate(("gzip", "deflate", "br", "zstd")):
            options = f"encoding={encoding}; split=random:{number}; delay=0"
            environment = bed.environment("curl-encodings", "t-enc", options)
            jobs.append((bed.curl, exchanges[name], environment, "--compressed"))
    if not VENV.exists():
        raise Missing("brotli and zstandard are not here (tests/e2e/setup.sh)")
    in_parallel(jobs)


@scenario
def curl_framings(bed, exchanges):
    options = ["framing=close", "framing=trailers", "framing=chunked; split=1; delay=0", "pad=300000",
               "pad=100000; encoding=gzip; framing=chunked; split=1000", "framing=close; encoding=gzip"]
    in_parallel((bed.curl, exchanges[name], bed.environment("curl-framings", "t-fr", option), "--compressed")
                for option in options for name in (PLAIN, "anthropic-messages-plain"))


@scenario
def expect_continue(bed, exchanges):
    """curl asks before it sends a large body; the upstream says 100 first."""
    body = bed.folder / "large.body"
    document = exchanges[PLAIN].raw["request"]["body"] | {"metadata": {"blob": "x" * 3_000_000}}
    body.write_text(json.dumps(document))
    bed.curl(exchanges[PLAIN], bed.environment("expect-continue", "t-100", comm="curl"), "-H",
             "Expect: 100-continue", body=body)
    bed.curl(exchanges[PLAIN], bed.environment("expect-continue", "t-100", comm="curl"), "-H",
             "Transfer-Encoding: chunked", body=body)


def python_sdk(bed, exchanges, name, mode, sdk):
    need(VENV, "the Python venv")
    environment = bed.environment(name, f"t-{name}", comm=VENV.name)
    bed.run([VENV, HERE / "clients" / "sdk_python.py", mode, *ids_for(sdk, exchanges)], environment)


@scenario
def python_openai_sync(bed, exchanges):
    python_sdk(bed, exchanges, "python-openai-sync", "sync", "openai")


@scenario
def python_openai_async(bed, exchanges):
    python_sdk(bed, exchanges, "python-openai-async", "async", "openai")


@scenario
def python_anthropic_sync(bed, exchanges):
    python_sdk(bed, exchanges, "python-anthropic-sync", "sync", "anthropic")


@scenario
def python_anthropic_async(bed, exchanges):
    python_sdk(bed, exchanges, "python-anthropic-async", "async", "anthropic")


@scenario
def python_sdk_encodings(bed, _):
    need(VENV, "the Python venv")
    environment = bed.environment("python-sdk-encodings", "t-se", comm=VENV.name)
    # The Anthropic SDK does not offer zstd.
    for ids, encodings in (((STREAM, PLAIN), ("gzip", "br", "zstd")), ((CACHE,), ("gzip", "br"))):
        options = [word for encoding in encodings for word in ("--options", f"encoding={encoding}")]
        bed.run([VENV, HERE / "clients" / "sdk_python.py", "sync", *options, *ids], environment)


def run_node(bed, name, program, *arguments, options="", **wanted):
    node = shutil.which("node")
    need(node, "node")
    need(NODE_PATH / "openai", "the Node SDKs")
    environment = bed.environment(name, f"t-{name}", options, comm="node", **wanted)
    bed.run([node, HERE / "clients" / program, *arguments], environment)


def node_sdk(bed, exchanges, name, sdk):
    run_node(bed, name, "sdk_node.cjs", EXCHANGES, *ids_for(sdk, exchanges))


@scenario
def node_openai(bed, exchanges):
    node_sdk(bed, exchanges, "node-openai", "openai")


@scenario
def node_anthropic(bed, exchanges):
    node_sdk(bed, exchanges, "node-anthropic", "anthropic")


def vendor_python(bed, name, mode, ids):
    """Calls of another provider's Python SDK."""
    need(VENV, "the Python venv")
    environment = bed.environment(name, f"t-{name}", comm=VENV.name)
    bed.run([VENV, HERE / "clients" / "vendors.py", mode, *ids], environment)


def vendor_node(bed, exchanges, name, sdk):
    run_node(bed, name, "vendors.cjs", EXCHANGES, sdk, *ids_for(sdk, exchanges))


@scenario
def python_google(bed, exchanges):
    vendor_python(bed, "python-google", "google", ids_for("google", exchanges))


@scenario
def python_google_async(bed, exchanges):
    vendor_python(bed, "python-google-async", "google-async", ids_for("google", exchanges))


@scenario
def node_google(bed, exchanges):
    vendor_node(bed, exchanges, "node-google", "google")


@scenario
def python_mistral(bed, exchanges):
    vendor_python(bed, "python-mistral", "mistral", ids_for("mistral", exchanges))


@scenario
def node_mistral(bed, exchanges):
    vendor_node(bed, exchanges, "node-mistral", "mistral")


@scenario
def python_cohere(bed, exchanges):
    vendor_python(bed, "python-cohere", "cohere", ids_for("cohere", exchanges))


@scenario
def node_cohere(bed, exchanges):
    vendor_node(bed, exchanges, "node-cohere", "cohere")


@scenario
def python_bedrock(bed, exchanges):
    vendor_python(bed, "python-bedrock", "bedrock", ids_for("bedrock", exchanges))


@scenario
def node_bedrock(bed, exchanges):
    """HTTP/2: this SDK speaks nothing else."""
    need(VENV, "the Python venv")
    vendor_node(bed, exchanges, "node-bedrock", "bedrock")


@scenario
def node_grpc(bed, exchanges):
    """Calls and streams of messages; one is refused at once."""
    need(VENV, "the Python venv")
    run_node(bed, "node-grpc", "grpc_node.cjs", EXCHANGES, HTTP2_PORT, *ids_for("grpc", exchanges))


@scenario
def node_grpc_fails_late(bed, exchanges):
    """The messages came, and then the server says that it was for nothing."""
    need(VENV, "the Python venv")
    run_node(bed, "node-grpc-fails-late", "grpc_node.cjs", EXCHANGES, HTTP2_PORT, "vertex-grpc-stream", "xai-grpc-stream",
             options="grpc-status=8", failed="RESOURCE_EXHAUSTED")


LITELLM = (PLAIN, STREAM, "openai-chat-401", "anthropic-messages-plain", CACHE)


@scenario
def python_litellm(bed, _):
    vendor_python(bed, "python-litellm", "litellm", LITELLM)


@scenario
def python_litellm_async(bed, _):
    vendor_python(bed, "python-litellm-async", "litellm-async", LITELLM)


@scenario
def http2_node(bed, _):
    """Thirty calls at the same time on one session of Node's own module."""
    need(VENV, "the Python venv")
    run_node(bed, "http2-node", "http2_node.cjs", EXCHANGES, HTTP2_PORT, 10, PLAIN, STREAM, "openai-chat-401",
             options="split=random:5; delay=5")


MCP_URL = "https://mcp.example.net/mcp"


@scenario
def python_mcp(bed, _):
    need(VENV, "the Python venv")
    for mode in ("auto", "legacy"):
        environment = bed.environment("python-mcp", "t-python-mcp", comm=VENV.name)
        bed.run([VENV, HERE / "clients" / "mcp_python.py", mode, MCP_URL], environment)


@scenario
def node_mcp(bed, _):
    run_node(bed, "node-mcp", "mcp_node.cjs", MCP_URL)


def python_socket(bed, name, options, *arguments):
    need(VENV, "the Python venv")
    environment = bed.environment(name, f"t-{name}", options, comm=VENV.name)
    bed.run([VENV, HERE / "clients" / "sockets.py", *arguments], environment)


@scenario
def python_realtime(bed, _):
    """As it is, and compressed with a window that is kept, in frames that cut the messages."""
    python_socket(bed, "python-realtime", "", "realtime", "openai-realtime-audio")
    python_socket(bed, "python-realtime", "deflate=takeover; split=200", "realtime", "openai-realtime-text")


@scenario
def python_realtime_threads(bed, _):
    """One thread waits for the answer while another writes the request: the answer may be seen first."""
    python_socket(bed, "python-realtime-threads", "", "realtime", "--sync", *["openai-realtime-audio"] * 10)


@scenario
def node_realtime(bed, _):
    run_node(bed, "node-realtime", "sockets.cjs", EXCHANGES, "realtime", "openai-realtime-text")
    run_node(bed, "node-realtime", "sockets.cjs", EXCHANGES, "realtime", "openai-realtime-audio", options="deflate=fresh")


@scenario
def python_responses_socket(bed, _):
    python_socket(bed, "python-responses-socket", "", "responses", "openai-responses-socket")


@scenario
def node_responses_socket(bed, _):
    run_node(bed, "node-responses-socket", "sockets.cjs", EXCHANGES, "responses", "openai-responses-socket",
             options="deflate=takeover")


@scenario
def forked_pool(bed, _):
    plain(bed, "forked-pool", "pool", PLAIN, 4)


@scenario
def exit_after_call(bed, _):
    in_parallel([(plain, bed, "exit-after-call", "one", name) for name in (PLAIN, STREAM, CACHE) * 2])


@scenario
def client_abort(bed, _):
    for name in (STREAM, CACHE):
        plain(bed, "client-abort", "abort", name, 400, "repeat=40; delay=20", abort=1)


@scenario
def upstream_cut(bed, exchanges):
    """The upstream goes away in the middle of a stream; curl complains, and that is right."""
    for name in (STREAM, CACHE):
        environment = bed.environment("upstream-cut", "t-cut", "cut=4", comm="curl")
        with contextlib.suppress(RuntimeError):
            bed.curl(exchanges[name], environment)


@scenario
def keep_alive_50(bed, _):
    plain(bed, "keep-alive-50", "keep-alive", PLAIN, 50)


@scenario
def streams_64(bed, _):
    plain(bed, "streams-64", "parallel", STREAM, 64, "repeat=60; delay=10")


@scenario
def pipelined(bed, _):
    plain(bed, "pipelined", "pipeline", PLAIN, 6)


@scenario
def chunked_upload(bed, _):
    plain(bed, "chunked-upload", "chunked", "anthropic-messages-tools")


@scenario
def unrelated(bed, exchanges):
    """Another host on the same machine: no record may come of it."""
    plain(bed, "unrelated", "unrelated", PLAIN, 8)
    environment = bed.environment("unrelated", "t-un")
    bed.curl(exchanges[PLAIN], environment, url="https://unrelated.example.com/v1/other")


@scenario
def compatible(bed, exchanges):
    """A host that nobody named, but a path and an answer that say what it is."""
    environment = bed.environment("compatible", "t-compatible", provider="compatible")
    bed.curl(exchanges[PLAIN], environment, url="https://gateway.example.net/v1/chat/completions")


@scenario
def compatible_models(bed, _):
    """The same, after something else was asked on the connection."""
    plain(bed, "compatible-models", "models", PLAIN, provider="compatible")


@scenario
def gateway(bed, exchanges):
    """Client and gateway on one host: the same call twice on the wire, once in the sums."""
    hop = bed.start(["python3", "-B", HERE / "clients" / "gateway.py", bed.ca.parent, 9443],
                    bed.environment("gateway", "t-proxy"))
    hop.stdout.readline()
    bed.curl(exchanges[PLAIN], bed.environment("gateway", "t-gateway"),
             url="https://gateway.example.net:9443/v1/chat/completions")
    finish(hop)


def short_call(bed, name, *flags, **more):
    finish(start_short_call(bed, name, *flags, **more))


def start_short_call(bed, name, *flags, library=None, prefix=(), **wanted):
    need(SHORT_CALL, "short_call")
    environment = bed.environment(name, f"t-{name}", comm=SHORT_CALL.name, **wanted)
    with_library = ["-l", library] if library else []
    return bed.start([*prefix, SHORT_CALL, *flags, *with_library, "api.openai.com", "/v1/chat/completions",
                      f"x-lt-exchange: {PLAIN}\r\n", '{"model":"gpt-4o-mini"}'], environment)


@scenario
def short_lived(bed, _):
    """Processes that live some ten milliseconds, and are gone before anybody in user space can look at them."""
    in_parallel([(short_call, bed, "short-lived")] * 20)


def system_library(name):
    for line in sh("ldconfig", "-p").stdout.splitlines():
        if line.strip().startswith(name + " ") and "=>" in line:
            return pathlib.Path(line.rpartition("=> ")[2])
    raise Missing(f"no {name}")


def library_copy(bed, name):
    """A libssl that nobody on this host has mapped yet."""
    folder = bed.folder / name
    folder.mkdir()
    source = system_library("libssl.so.3")
    copy = folder / "libssl.so.3"
    shutil.copy(source, copy)
    # Another inode is enough for a new file; other bytes make sure that nothing keys on a checksum.
    with copy.open("ab") as file:
        file.write(name.encode())
    return copy


@scenario
def new_library(bed, _):
    """A private copy of libssl that is loaded when the process starts."""
    short_call(bed, "new-library", "-a", 1500, library=library_copy(bed, "new-library"))


@scenario
def late_library(bed, _):
    """A library that appears by dlopen long after the process was looked at."""
    short_call(bed, "late-library", "-b", 1500, "-a", 1500, library=library_copy(bed, "late-library"))


@scenario
def deleted_library(bed, _):
    """The file is gone from the disk when it is used: only the mapping leads to it."""
    short_call(bed, "deleted-library", "-u", "-a", 1500, library=library_copy(bed, "deleted-library"))


def start_early_process(bed):
    return start_short_call(bed, "early-process", "-u", "-w", bed.folder / "early-process.go",
                            library=library_copy(bed, "early-process"))


BEFORE["early-process"] = start_early_process


@scenario
def early_process(bed, _):
    """It was there before the agent, with a library of its own whose file is gone since."""
    (bed.folder / "early-process.go").touch()
    finish(bed.early.pop("early-process"))


@scenario
def hidden_library(bed, _):
    """The library lies on a file system that only the process's own mount namespace has."""
    copy = library_copy(bed, "hidden-library")
    mount = bed.folder / "hidden-mount"
    mount.mkdir()
    script = f'mount -t tmpfs none {mount} && cp {copy} {mount}/libssl.so.3 && exec "$@"'
    short_call(bed, "hidden-library", "-a", 1500, library=mount / "libssl.so.3",
               prefix=["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"])


OVERLAY = """
for n in 1 2; do
    mkdir -p $T/o$n/u/etc $T/o$n/w $T/o$n/m
    cp $T/hosts $T/o$n/u/etc/hosts
    mkdir -p $T/o$n/u$T && cp -r $T/certs $T/openai-chat-plain.body $T/o$n/u$T/
    mount -t overlay overlay -o lowerdir=/,upperdir=$T/o$n/u,workdir=$T/o$n/w $T/o$n/m
    mount -t devtmpfs dev $T/o$n/m/dev 2>/dev/null || mount --bind /dev $T/o$n/m/dev
done
"""


def overlays(bed, name):
    """A folder with two overlay roots o1/m and o2/m over this host's own root, and the shell that mounts them."""
    folder = bed.folder / name
    folder.mkdir()
    for item in ("certs", "hosts"):
        (shutil.copytree if item == "certs" else shutil.copy)(bed.folder / item, folder / item)
    return folder


@scenario
def overlay_twice(bed, exchanges):
    """One image under two mounts: the library's inode is one, so every call is seen once."""
    folder = overlays(bed, "overlay")
    exchange = exchanges[PLAIN]
    (folder / f"{PLAIN}.body").write_bytes(exchange.request_body())
    environment = bed.environment("overlay-twice", "t-overlay") | {"T": str(folder)}
    environment["CURL_CA_BUNDLE"] = str(folder / "certs" / "ca.pem")
    calls = f"""
for n in 1 2 1 2; do
    chroot $T/o$n/m sh -c 'exec curl -sS -o /dev/null -H "x-lt-exchange: {PLAIN}" \
        -H "content-type: application/json" -H "x-lt-want: $LT_WANT; pid=$$" \
        --data-binary @{folder}/{PLAIN}.body {exchange.url}'
done"""
    bed.run(["unshare", "-m", "--propagation", "private", "sh", "-e", "-c", OVERLAY + calls], environment)


def container_config(bundle, root, cgroup, arguments, environment):
    sh("runc", "spec", "--bundle", bundle)
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    config["root"] = {"path": str(root), "readonly": False}
    config["process"] |= {"terminal": False, "args": arguments, "rlimits": [], "cwd": "/",
                          "env": [f"{key}={value}" for key, value in environment.items()]}
    config["linux"]["cgroupsPath"] = cgroup
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] not in ("network", "cgroup")]
    path.write_text(json.dumps(config))


def remove_cgroups(name):
    """Empty cgroup folders below name, deepest first, in every hierarchy."""
    roots = [pathlib.Path(line.split()[1]) for line in pathlib.Path("/proc/mounts").read_text().splitlines()
             if line.split()[2] in ("cgroup", "cgroup2")]
    for root in roots:
        for folder in sorted(root.glob(f"{name}/**/"), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()


@scenario
def containers(bed, exchanges):
    """Two containers of one image, in cgroups named as a kubelet with the systemd driver names them."""
    if not shutil.which("runc", path=os.environ["PATH"] + ":/usr/sbin"):
        raise Missing("runc is not here")
    folder = overlays(bed, "containers")
    exchange = exchanges[PLAIN]
    (folder / f"{PLAIN}.body").write_bytes(exchange.request_body())
    slice_name = "kubepods.slice"
    bed.cleanups.append(lambda: remove_cgroups(slice_name))
    script = OVERLAY
    for number in (1, 2):
        container = f"{number}e2e".encode().hex().ljust(64, "0")[:64]
        pod = f"1c0ffee{number}_0000_4000_8000_00000000000{number}"
        cgroup = (f"/{slice_name}/kubepods-burstable.slice/kubepods-burstable-pod{pod}.slice/"
                  f"cri-containerd-{container}.scope")
        environment = bed.environment("containers", None, expect_tenant="in-a-pod", container=container,
                                      runtime="containerd", comm="curl")
        environment["CURL_CA_BUNDLE"] = str(folder / "certs" / "ca.pem")
        bundle = folder / f"bundle{number}"
        bundle.mkdir()
        command = ["curl", "-sS", "-o", "/dev/null", "-H", f"x-lt-exchange: {PLAIN}", "-H",
                   "content-type: application/json", "-H", f"x-lt-want: {environment['LT_WANT']}", "--data-binary",
                   f"@{folder}/{PLAIN}.body", exchange.url]
        container_config(bundle, folder / f"o{number}" / "m", cgroup, command, environment)
        script += f"runc --root $T/runc run --bundle $T/bundle{number} lt-e2e-{os.getpid()}-{number} </dev/null\n"
    bed.run(["unshare", "-m", "--propagation", "private", "sh", "-e", "-c", script],
            {"PATH": os.environ["PATH"] + ":/usr/sbin", "T": str(folder)})


@scenario
def tenants(bed, exchanges):
    for tenant in ("acme", "globex", "initech"):
        bed.curl(exchanges[PLAIN], bed.environment("tenants", tenant, comm="curl"))
    bed.curl(exchanges[PLAIN], bed.environment("tenants", None, comm="curl"))


@scenario
def unit(bed, exchanges):
    """No variable, but a systemd unit that a rule knows."""
    folder = cgroup2_root() / "system.slice" / "lt-billing.service"
    folder.mkdir(parents=True, exist_ok=True)

    def remove():
        for path in (folder, folder.parent):
            with contextlib.suppress(OSError):
                path.rmdir()

    bed.cleanups.append(remove)
    environment = bed.environment("unit", None, expect_tenant="finance", team="billing", comm="curl")
    bed.curl(exchanges[CACHE], environment, prefix=(f"echo $$ > {folder}/cgroup.procs;",))


@scenario
def corpus(bed, _):
    """The recordings of real traffic that lie beside the project, once through the wire."""
    if not bed.corpus:
        raise Missing("no ../shared/corpus beside this checkout")
    environment = bed.environment("corpus", "t-corpus", comm=pathlib.Path(PYTHON).name)
    bed.run([PYTHON, HERE / "clients" / "plain.py", "recorded", *bed.corpus], environment)
