# SPDX-License-Identifier: Apache-2.0
"""Calls in the clear, written by hand: clear.py PORT HABIT EXCHANGE_ID [FILE]

each way to move bytes through a socket that a program has, one call after the other on one connection:
vectors    the request out of many buffers (sendmsg, writev), the answer into several (recvmsg, readv)
peek       looks at the answer before it takes it, and a byte at a time
dup        writes through a copy of the descriptor, reads through the first
large      two megabytes at once, on a socket that takes a part of it at a time
half       closes its own direction before it reads
threads    one thread waits for the answer while another writes the request, two hundred times
wait       connects, says so, and calls when there is FILE
urllib     urllib.request, a connection for each of three calls
"""
import os
import pathlib
import socket
import sys
import threading
import time
import urllib.request

import want


def request(exchange, body=None, close=False):
    body = exchange.request_body() if body is None else body
    fields = {"host": f"{exchange.host}:{PORT}", "content-type": "application/json", "content-length": len(body),
              "authorization": f"Bearer {want.KEY}", **({"connection": "close"} if close else {}),
              **want.headers(exchange.id)}
    return b"".join([f"{exchange.method} {exchange.path} HTTP/1.1\r\n".encode(),
                     *(f"{name}: {value}\r\n".encode() for name, value in fields.items()), b"\r\n"]), body


def answered(data):
    """Whether the answer is whole: the upstream counts its bytes, or writes chunks."""
    head, end, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n") if end else ():
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return bool(end) and body.endswith(b"0\r\n\r\n")


def take(read):
    data = b""
    while not answered(data):
        more = read()
        if not more:
            sys.exit("the upstream went away")
        data += more


def connect():
    return socket.create_connection(("localhost", PORT))  # without a timeout it blocks, as os.readv wants it


def cut(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


def vectors(connection, exchange):
    head, body = request(exchange)
    left = [*cut(head, 100), b"", *cut(body, 7)]
    while left:
        sent = connection.sendmsg(left[:40])
        left = cut_front(left, sent)
    buffers = [bytearray(5), bytearray(50), bytearray(4000)]
    take(lambda: gathered(buffers, connection.recvmsg_into(buffers)[0]))
    left = [head, body]
    while left:
        left = cut_front(left, os.writev(connection.fileno(), left))
    take(lambda: gathered(buffers, os.readv(connection.fileno(), buffers)))


def cut_front(buffers, size):
    while buffers and size >= len(buffers[0]):
        size -= len(buffers[0])
        buffers = buffers[1:]
    return [buffers[0][size:], *buffers[1:]] if buffers else []


def gathered(buffers, size):
    return b"".join(bytes(buffer) for buffer in buffers)[:size]


def peek(connection, exchange):
    connection.sendall(b"".join(request(exchange)))

    def read():
        looked = connection.recv(60, socket.MSG_PEEK)
        connection.recv_into(bytearray(10), 10, socket.MSG_PEEK)
        return looked[:1] if connection.recv(1) == looked[:1] else b""

    take(read)


def dup(connection, exchange):
    copy = os.dup(connection.fileno())
    head, body = request(exchange)
    os.write(copy, head)
    os.write(copy, body)
    os.close(copy)
    take(lambda: os.read(connection.fileno(), 4096))


def large(connection, exchange):
    document = exchange.request_body()
    body = document[:-1] + b',"metadata":{"blob":"' + b"x" * 2_000_000 + b'"}}'
    head, body = request(exchange, body)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 30_000)
    connection.setblocking(False)
    left = head + body
    while left:
        try:
            left = left[connection.send(left):]
        except BlockingIOError:
            time.sleep(0.001)
    connection.setblocking(True)
    take(lambda: connection.recv(65536))
    connection.sendall(b"".join(request(exchange, body)))
    take(lambda: connection.recv(65536))


def half(connection, exchange):
    connection.sendall(b"".join(request(exchange, close=True)))
    connection.shutdown(socket.SHUT_WR)
    take(lambda: connection.recv(1000))


def wait(connection, exchange):
    print("connected", flush=True)
    while not pathlib.Path(sys.argv[4]).exists():
        time.sleep(0.02)
    for _ in range(3):
        connection.sendall(b"".join(request(exchange)))
        take(lambda: connection.recv(65536))


def threads(connection, exchange):
    """The writer's system call may come back after the reader's."""
    for _ in range(200):
        reader = threading.Thread(target=take, args=(lambda: connection.recv(65536),))
        reader.start()
        connection.sendall(b"".join(request(exchange)))
        reader.join()


def by_urllib(_, exchange):
    for _ in range(3):
        fields = {"content-type": "application/json", "authorization": f"Bearer {want.KEY}", **want.headers(exchange.id)}
        urllib.request.urlopen(urllib.request.Request(f"http://{exchange.host}:{PORT}{exchange.path}",
                                                      exchange.request_body(), fields)).read()


HABITS = {"vectors": vectors, "peek": peek, "dup": dup, "large": large, "half": half, "threads": threads,
          "wait": wait, "urllib": by_urllib}

if __name__ == "__main__":
    PORT = int(sys.argv[1])
    HABITS[sys.argv[2]](connect(), want.load()[sys.argv[3]])
