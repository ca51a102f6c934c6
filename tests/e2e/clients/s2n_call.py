# SPDX-License-Identifier: Apache-2.0
"""The functions of s2n-tls themselves, in the copy that awscrt exports: two sessions of two calls each.

usage: s2n_call.py MODE HOST PATH HEADERS    MODE: words of
  vectors  s2n_sendv
  slow     the socket takes little at a time, and never blocks: calls are repeated
  again    the second session uses the object of the first
"""
import ctypes
import os
import select
import socket
import sys

import _awscrt

S2N_CLIENT, BLOCKED, SENDING = 1, 3, 2
S2N = ctypes.CDLL(_awscrt.__file__)
for function in (S2N.s2n_config_new, S2N.s2n_connection_new):
    function.restype = ctypes.c_void_p
for function in (S2N.s2n_send, S2N.s2n_sendv, S2N.s2n_recv):
    function.restype = ctypes.c_ssize_t
S2N.s2n_errno_location.restype = ctypes.POINTER(ctypes.c_int)
blocked = ctypes.c_int()
repeated = 0


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def check(result, what):
    if result < 0:
        sys.exit(f"{what}: error {S2N.s2n_errno_location()[0]:#x}")


def repeat(fd, function, *arguments):
    """Until it does not block."""
    global repeated
    while (done := function(*arguments, ctypes.byref(blocked))) < 0:
        if S2N.s2n_error_get_type(S2N.s2n_errno_location()[0]) != BLOCKED:
            check(done, function.__name__)
        repeated += blocked.value == SENDING
        select.select([] if blocked.value == SENDING else [fd], [fd] if blocked.value == SENDING else [], [], 10)
    return done


def send(connection, fd, mode, request):
    buffer = ctypes.create_string_buffer(request, len(request))
    done = 0
    while done < len(request):
        left, at = len(request) - done, ctypes.addressof(buffer) + done
        if "vectors" in mode:
            cut = min(7, left)
            vectors = (Vector * 3)(Vector(at, cut), Vector(at, 0), Vector(at + cut, left - cut))
            done += repeat(fd, S2N.s2n_sendv, connection, vectors, ctypes.c_ssize_t(3))
        else:
            done += repeat(fd, S2N.s2n_send, connection, ctypes.c_void_p(at), ctypes.c_ssize_t(left))


def receive(connection, fd):
    buffer, answer = ctypes.create_string_buffer(16384), b""
    while True:
        n = repeat(fd, S2N.s2n_recv, connection, buffer, ctypes.c_ssize_t(len(buffer)))
        if n == 0:
            sys.exit("the answer ends early")
        answer += buffer.raw[:n]
        head, end, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(answer.decode())
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if end and len(body) >= int(lines[b"content-length"]):
            return


def main():
    mode, host, path, headers = sys.argv[1:5]
    slow = "slow" in mode
    body = b'{"model":"gpt-4o-mini"' + b" " * (3 << 20 if slow else 100) + b"}"
    head = (f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"x-lt-want: {os.environ['LT_WANT']}; pid={os.getpid()}\r\n{headers}content-length: {len(body)}\r\n\r\n")
    config = ctypes.c_void_p(S2N.s2n_config_new())
    with open(os.environ["SSL_CERT_FILE"], "rb") as file:
        check(S2N.s2n_config_add_pem_to_trust_store(config, file.read()), "trust")
    connection = None
    for turn in range(2):
        plain = socket.create_connection((host, 443))
        if slow:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            plain.setblocking(False)
        if connection is None:
            connection = ctypes.c_void_p(S2N.s2n_connection_new(S2N_CLIENT))
        check(S2N.s2n_connection_set_config(connection, config), "config")
        check(S2N.s2n_set_server_name(connection, host.encode()), "name")
        check(S2N.s2n_connection_set_fd(connection, plain.fileno()), "descriptor")
        repeat(plain, S2N.s2n_negotiate, connection)
        for _ in range(2):
            send(connection, plain, mode, head.encode() + body)
            receive(connection, plain)
        if "again" in mode and turn == 0:
            check(S2N.s2n_connection_wipe(connection), "wipe")
        else:
            check(S2N.s2n_connection_free(connection), "free")
            connection = None
        plain.close()
    if slow and repeated == 0:
        sys.exit("nothing had to be repeated")


main()
