#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls by clients on TLS libraries in C and in the clear, to a server in the same network namespace; and of a tool, to a
child.

usage: unshare -n calls.py FOLDER CLIENTS    FOLDER: for a certificate; CLIENTS: where those in C are
       calls.py --check < LEDGER.jsonl       whether every call is one record with its usage, under the right library
"""
import collections
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

BODY = (b'{"id":"chatcmpl-of-the-kernel-test","object":"chat.completion","model":"gpt-4o-mini","choices":[],'
        b'"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}')
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
REQUEST = ("localhost", "/v1/chat/completions", "")
OLLAMA_PORT, IN_THE_CLEAR = 11434, 3
TOOL_SERVER, TOOL_CALLS = "kernel-test-tools", 3
CLIENTS = [(4, "gnutls", "gnutls_call", "send"), (4, "gnutls", "gnutls_call", "retry"),
           (4, "gnutls", "gnutls_call", "trickle"), (2, "nss", "nss_call", "plain"), (2, "nss", "nss_call", "peek"),
           (2, "nss", "nss_call", "vectors"), (4, "mbedtls", "mbedtls_call", "slow"),
           (4, "mbedtls", "mbedtls_call", "again"), (4, "wolfssl", "wolfssl_call", "again"),
           (4, "wolfssl", "wolfssl_call", "vectors")]


def serve(listener, context):
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0], context), daemon=True).start()


def answer(connection, context):
    if context:
        connection = context.wrap_socket(connection, server_side=True)
    with connection as tls, tls.makefile("rb") as requests:
        while requests.readline():
            size = 0
            while line := requests.readline().strip().lower():
                name, _, value = line.partition(b":")
                size = int(value) if name == b"content-length" else size
            requests.read(size)
            tls.sendall(ANSWER)


def serve_tools():
    """A server of MCP that answers whatever it is asked."""
    for line in map(json.loads, sys.stdin):
        result = {"serverInfo": {"name": TOOL_SERVER}} if line["method"] == "initialize" else {"isError": False}
        print(json.dumps({"jsonrpc": "2.0", "id": line["id"], "result": result}), flush=True)


def call_tools():
    asked = [("initialize", {"protocolVersion": "2025-11-25"})] + [("tools/call", {"name": "track"})] * TOOL_CALLS
    with subprocess.Popen([sys.executable, __file__, "--serve-tools"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        for number, (method, params) in enumerate(asked):
            line = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            child.stdin.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            child.stdin.flush()
            child.stdout.readline()
        child.stdin.close()


def run(*command, **more):
    subprocess.run([str(word) for word in command], check=True, timeout=60, **more)


def call(folder, clients):
    run("ip", "link", "set", "lo", "up")
    key, cert = folder / "key.pem", folder / "cert.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj",
        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    for port, how in ((443, context), (OLLAMA_PORT, None)):
        listener = socket.create_server(("127.0.0.1", port), backlog=50)
        threading.Thread(target=serve, args=(listener, how), daemon=True).start()
    environment = os.environ | {"SSL_CERT_FILE": str(cert), "HOME": str(folder), "LT_WANT": "kernel"}
    run("curl", "-sS", "-4", "--cacert", cert, "-o", "/dev/null", "-H", "content-type: application/json", "-d",
        '{"model":"gpt-4o-mini"}', "https://localhost/v1/chat/completions", env=environment)
    # Where system calls are followed, that begins with the first connection.
    first = socket.create_connection(("127.0.0.1", OLLAMA_PORT))
    time.sleep(0.5)
    body = folder / "body"
    body.write_text('{"model":"gpt-4o-mini","user":"%s"}' % ("x" * 200_000))
    for _ in range(IN_THE_CLEAR):
        run("curl", "-sS", "-4", "-o", "/dev/null", "-H", "content-type: application/json", "--data-binary", f"@{body}",
            f"http://localhost:{OLLAMA_PORT}/v1/chat/completions")
    first.close()
    call_tools()
    for _, _, program, mode in CLIENTS:
        run(clients / program, mode, *REQUEST, env=environment)


def check(lines):
    due = collections.Counter({"openssl": 1, "plaintext": IN_THE_CLEAR})
    for count, library, _, _ in CLIENTS:
        due[library] += count
    due["tools"] = TOOL_CALLS
    found = collections.Counter()
    for record in map(json.loads, lines):
        found["tools"] += (record["host"], record["tool_name"], record["error_type"]) == (TOOL_SERVER, "track", None)
        if record["host"] != "localhost":
            continue  # somebody else's, on the same host
        usage = record.get("usage") or {}
        whole = (usage.get("input_tokens"), usage.get("output_tokens"), record.get("lost_bytes") or 0) == (7, 5, 0)
        found[record["tls_library"] if whole else f"{record['tls_library']}, without its usage"] += 1
    if found != due:
        sys.exit(f"records by library: {dict(found)}, expected {dict(due)}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check(sys.stdin)
    elif sys.argv[1:] == ["--serve-tools"]:
        serve_tools()
    elif len(sys.argv) == 3:
        call(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
