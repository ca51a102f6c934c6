# SPDX-License-Identifier: Apache-2.0
"""Connections that look like TLS from outside: a ClientHello in a form that clients have, then records that nobody can
read. usage: hello.py HOST FORM [COUNT]. Client and server are this one process; both count what they send."""
import os
import socket
import struct
import sys
import threading
import time

REQUEST = b"\x17\x03\x03" + struct.pack(">H", 400) + os.urandom(400)
ANSWER = b"\x17\x03\x03" + struct.pack(">H", 3000) + os.urandom(3000)
SENT, RECEIVED = 3 * len(REQUEST), len(ANSWER)  # beside the ClientHello


def extension(kind, body):
    return struct.pack(">HH", kind, len(body)) + body


def client_hello(host, key_share=64):
    """Its message, without the record's head. The name stands behind the key share."""
    name = host.encode()
    listed = struct.pack(">BH", 0, len(name)) + name
    extensions = (extension(43, b"\x02\x03\x04") + extension(51, os.urandom(key_share))
                  + extension(0, struct.pack(">H", len(listed)) + listed) + extension(16, b"\x00\x03\x02h2"))
    body = (b"\x03\x03" + os.urandom(32) + b"\x20" + os.urandom(32) + b"\x00\x02\x13\x01" + b"\x01\x00"
            + struct.pack(">H", len(extensions)) + extensions)
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


def records(message, size):
    parts = [message[at:at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(part)) + part for part in parts)


# name: (bytes of the key share, of a record, of a write). Key shares of today's browsers have 1,216 bytes and more.
FORMS = {"whole": (64, 16000, 16000), "pieces": (64, 16000, 40), "records": (64, 30, 16000), "late": (3000, 16000, 1400),
         "ipv6": (64, 16000, 16000), "handshake": (64, 16000, 16000)}


def hello_of(host, form):
    share, record, _ = FORMS[form]
    return records(client_hello(host, share), record)


def serve(listener, wanted):
    connection, _ = listener.accept()
    with connection:
        left = wanted
        while left > 0:
            left -= len(connection.recv(left))
        connection.sendall(ANSWER)


def call(host, form):
    hello, size = hello_of(host, form), FORMS[form][2]
    body = b"" if form == "handshake" else REQUEST * 3
    family, address = (socket.AF_INET6, "::1") if form == "ipv6" else (socket.AF_INET, f"127.7.{os.getpid() % 250}.1")
    with socket.socket(family) as listener, socket.socket(family) as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, 443))
        listener.listen()
        server = threading.Thread(target=serve, args=(listener, len(hello) + len(body)))
        server.start()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect((address, 443))
        for at in range(0, len(hello), size):
            client.sendall(hello[at:at + size])
            time.sleep(0.003)
        client.sendall(body)
        while client.recv(65536):
            pass
        server.join()


if __name__ == "__main__":
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 1):
        call(sys.argv[1], sys.argv[2])
