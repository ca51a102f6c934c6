# SPDX-License-Identifier: Apache-2.0
"""Clients on the standard library alone, one habit each: plain.py HABIT EXCHANGE_ID [N]

one            one call, then the process is gone without closing anything
pool N         N forked workers, five calls each on a connection of their own
keep-alive N   N calls on one connection
parallel N     N connections at the same time, one stream each
pipeline N     N requests written before the first answer is read
chunked        the request body in chunks
abort N        reads N bytes of the answer's body and goes away
models         asks a gateway for its models, and then calls it on the same connection
unrelated N    N calls to a host that is nobody's provider
recorded ID... these recordings of the corpus, in order, one connection per host

Over TLS; with LT_PLAIN_PORT in the environment in the clear, to that port.
"""
import http.client
import os
import socket
import ssl
import sys
import threading

import want

CONTEXT = ssl.create_default_context()
# What this client says itself, or does not ask for.
DROPPED = {"host", "accept-encoding", "content-length", "transfer-encoding", "connection"}


PLAIN_PORT = int(os.environ.get("LT_PLAIN_PORT") or 0)


def connect(exchange):
    if PLAIN_PORT:
        return http.client.HTTPConnection(exchange.host, PLAIN_PORT, timeout=60)
    return http.client.HTTPSConnection(exchange.host, timeout=60, context=CONTEXT)


def send(connection, exchange, body=None, **more):
    headers = dict(exchange.request_headers()) | want.headers(exchange.id, **more)
    for name in [name for name in headers if name.lower() in DROPPED or name.startswith(":")]:
        del headers[name]
    for name in headers:
        headers[name] = headers[name].replace("REDACTED", want.KEY).encode("utf-8")
    path = exchange.url.partition(exchange.host)[2]
    connection.request(exchange.method, path, exchange.request_body() if body is None else body, headers,
                       encode_chunked=body is not None)


def call(connection, exchange, **more):
    send(connection, exchange, **more)
    connection.getresponse().read()


def one(exchange, _):
    call(connect(exchange), exchange)
    os._exit(0)


def pool(exchange, workers):
    for _ in range(workers):
        if os.fork() == 0:
            connection = connect(exchange)
            for _ in range(5):
                call(connection, exchange)
            os._exit(0)
    failed = sum(os.wait()[1] != 0 for _ in range(workers))
    sys.exit(failed and f"{failed} workers failed")


def keep_alive(exchange, times):
    connection = connect(exchange)
    for _ in range(times):
        call(connection, exchange)


def parallel(exchange, connections):
    """All connections are up and all requests are sent before any answer is read."""
    gate = threading.Barrier(connections)
    errors = []

    def stream():
        try:
            connection = connect(exchange)
            connection.connect()
            gate.wait(30)
            call(connection, exchange)
        except Exception as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=stream) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit("; ".join(errors) or 0)


def pipeline(exchange, times):
    body = exchange.request_body()
    lines = [f"{exchange.method} {exchange.path} HTTP/1.1", f"host: {exchange.host}", "content-type: application/json",
             f"authorization: Bearer {want.KEY}", f"content-length: {len(body)}",
             *(f"{name}: {value}" for name, value in want.headers(exchange.id).items())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
    raw = socket.create_connection((exchange.host, PLAIN_PORT or 443), 30)
    if not PLAIN_PORT:
        raw = CONTEXT.wrap_socket(raw, server_hostname=exchange.host)
    raw.sendall(request * times)
    answers = raw.makefile("rb")
    for _ in range(times):
        size = 0
        while line := answers.readline().strip():
            name, _, value = line.lower().partition(b":")
            size = int(value) if name == b"content-length" else size
        answers.read(size)


def chunked(exchange, _):
    body = exchange.request_body()
    connection = connect(exchange)
    send(connection, exchange, iter([body[at:at + 40] for at in range(0, len(body), 40)]))
    connection.getresponse().read()


def abort(exchange, size):
    connection = connect(exchange)
    send(connection, exchange)
    connection.getresponse().read(size)
    os._exit(0)


def models(exchange, _):
    connection = http.client.HTTPSConnection("gateway.example.net", timeout=30, context=CONTEXT)
    connection.request("GET", "/v1/models", headers=want.headers(""))
    connection.getresponse().read()
    call(connection, exchange)


def unrelated(_, times):
    connection = http.client.HTTPSConnection("unrelated.example.com", timeout=30, context=CONTEXT)
    for _ in range(times):
        connection.request("POST", "/v1/chat/stats", b'{"model":"gpt-4o","usage":{"prompt_tokens":1}}',
                           {"content-type": "application/json"} | want.headers(""))
        connection.getresponse().read()


def recorded(exchanges):
    connections = {}
    for exchange in exchanges:
        call(connections.setdefault(exchange.host, connect(exchange)), exchange)


HABITS = {"one": one, "pool": pool, "keep-alive": keep_alive, "parallel": parallel, "pipeline": pipeline,
          "chunked": chunked, "abort": abort, "models": models, "unrelated": unrelated}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in (*HABITS, "recorded"):
        sys.exit(__doc__)
    if sys.argv[1] == "recorded":
        corpus = want.load_corpus()
        sys.exit(recorded([corpus[name] for name in sys.argv[2:]]))
    HABITS[sys.argv[1]](want.load()[sys.argv[2]], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
