# SPDX-License-Identifier: Apache-2.0
"""Calls through a given build of libcurl, all on one handle, so that a host's calls share a connection.

usage: libcurl.py LIBRARY [--times N] [--pad BYTES] [--http2] EXCHANGE_ID...

The curl programs and Python modules that distributions have are built on one of the libraries; this is how the tests
reach the others. --pad makes the request bodies longer than the socket takes at once.
"""
import argparse
import ctypes
import json
import os
import sys

import want

# curl/curl.h
URL, HTTPHEADER, POSTFIELDS, CUSTOMREQUEST, CAINFO, WRITEFUNCTION = 10002, 10023, 10015, 10036, 10065, 20011
POSTFIELDSIZE, HTTP_VERSION, TIMEOUT = 60, 84, 13
HTTP_1_1, HTTP_2_TLS = 2, 4
NUM_CONNECTS = 0x200000 + 26
TAKE = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
DROPPED = {"host", "accept-encoding", "content-length", "transfer-encoding", "connection"}


class Curl:
    def __init__(self, library):
        self.lib = ctypes.CDLL(library)
        for name in ("curl_easy_init", "curl_slist_append"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(self.lib.curl_easy_init())
        self.take = TAKE(lambda data, size, count, mine: size * count)
        self.set(WRITEFUNCTION, self.take)
        self.set(CAINFO, os.environ["CURL_CA_BUNDLE"].encode())
        self.set(TIMEOUT, ctypes.c_long(60))

    def set(self, option, value):
        code = self.lib.curl_easy_setopt(self.handle, ctypes.c_int(option), value)
        if code:
            sys.exit(f"libcurl does not take option {option}: error {code}")

    def call(self, exchange, url, body):
        headers = dict(exchange.request_headers()) | want.headers(exchange.id)
        lines = None
        for name, value in headers.items():
            if name.lower() not in DROPPED and not name.startswith(":"):
                line = f"{name}: {value.replace('REDACTED', want.KEY)}".encode()
                lines = ctypes.c_void_p(self.lib.curl_slist_append(lines, line))
        self.set(URL, url.encode())
        self.set(HTTPHEADER, lines)
        self.set(CUSTOMREQUEST, exchange.method.encode())
        self.set(POSTFIELDSIZE, ctypes.c_long(len(body)))
        self.set(POSTFIELDS, body)
        code = self.lib.curl_easy_perform(self.handle)
        self.lib.curl_slist_free_all(lines)
        if code:
            sys.exit(f"{exchange.id}: curl error {code}")
        connects = ctypes.c_long()
        self.lib.curl_easy_getinfo(self.handle, ctypes.c_int(NUM_CONNECTS), ctypes.byref(connects))
        return connects.value


def padded(exchange, size):
    body = exchange.request_body()
    return json.dumps(json.loads(body) | {"metadata": {"blob": "x" * size}}).encode() if size else body


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("library")
    parser.add_argument("exchanges", nargs="+")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--pad", type=int, default=0)
    parser.add_argument("--http2", action="store_true")
    args = parser.parse_args()
    exchanges = want.load()
    curl, connects, hosts = Curl(args.library), 0, set()
    curl.set(HTTP_VERSION, ctypes.c_long(HTTP_2_TLS if args.http2 else HTTP_1_1))
    for name in args.exchanges:
        exchange = exchanges[name]
        port = ":8443" if args.http2 else ""
        url = exchange.url.replace(exchange.host, exchange.host + port, 1)
        hosts.add(exchange.host)
        for _ in range(args.times):
            connects += curl.call(exchange, url, padded(exchange, args.pad))
    if connects != len(hosts):
        sys.exit(f"{connects} connections were made to {len(hosts)} hosts")


main()
