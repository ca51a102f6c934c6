#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls by clients on TLS libraries in C, to a server in the same network namespace.

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

BODY = (b'{"id":"chatcmpl-of-the-kernel-test","object":"chat.completion","model":"gpt-4o-mini","choices":[],'
        b'"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}')
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
REQUEST = ("localhost", "/v1/chat/completions", "")
CLIENTS = [(4, "gnutls", "gnutls_call", "send"), (4, "gnutls", "gnutls_call", "retry"),
           (4, "gnutls", "gnutls_call", "trickle"), (2, "nss", "nss_call", "plain"), (2, "nss", "nss_call", "peek"),
           (2, "nss", "nss_call", "vectors"), (4, "mbedtls", "mbedtls_call", "slow"),
           (4, "mbedtls", "mbedtls_call", "again"), (4, "wolfssl", "wolfssl_call", "again"),
           (4, "wolfssl", "wolfssl_call", "vectors")]


def serve(listener, context):
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0], context), daemon=True).start()


def answer(connection, context):
    with context.wrap_socket(connection, server_side=True) as tls, tls.makefile("rb") as requests:
        while requests.readline():
            size = 0
            while line := requests.readline().strip().lower():
                name, _, value = line.partition(b":")
                size = int(value) if name == b"content-length" else size
            requests.read(size)
            tls.sendall(ANSWER)


def run(*command, **more):
    subprocess.run([str(word) for word in command], check=True, timeout=60, **more)


def call(folder, clients):
    run("ip", "link", "set", "lo", "up")
    key, cert = folder / "key.pem", folder / "cert.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj",
        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 443), backlog=50)
    threading.Thread(target=serve, args=(listener, context), daemon=True).start()
    environment = os.environ | {"SSL_CERT_FILE": str(cert), "HOME": str(folder), "LT_WANT": "kernel"}
    run("curl", "-sS", "-4", "--cacert", cert, "-o", "/dev/null", "-H", "content-type: application/json", "-d",
        '{"model":"gpt-4o-mini"}', "https://localhost/v1/chat/completions", env=environment)
    for _, _, program, mode in CLIENTS:
        run(clients / program, mode, *REQUEST, env=environment)


def check(lines):
    due = collections.Counter({"openssl": 1})
    for count, library, _, _ in CLIENTS:
        due[library] += count
    found = collections.Counter()
    for record in map(json.loads, lines):
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
    elif len(sys.argv) == 3:
        call(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
