#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TLS server that stands in for the providers: it answers with tests/exchanges, over HTTP/1.1 (with WebSockets), and
over HTTP/2 on port 8443 where the h2 package is there. Port 8444 speaks TLS 1.2 with AES, 8445 with ChaCha20.
The same over HTTP/1.1 in the clear on the ports of PLAIN_PORTS.

usage: upstream.py --certs DIR --log FILE [--port 443] [--corpus] [--both ADDRESS]...

On each address of --both, port 443 speaks HTTP/2 to who asks for it and HTTP/1.1 to the others, as providers do. The log
says which address a call came to: so clients can be told apart that take no header of ours.

Which exchange: the request header `x-lt-exchange: ID`, else host + path + model + stream of the request.
The same header can carry options: `x-lt-exchange: ID; encoding=br; split=7`

    encoding=gzip|deflate|br|zstd   content-encoding, flushed after every part of a stream
    split=N | split=random:SEED     cut the encoded body every N bytes, or at random places
    delay=MS                        wait so long before every part, instead of what the exchange says
    framing=length|chunked|trailers|close
    pad=N                           N blanks in front of a JSON body, to make it long
    cut=N                           close the connection after N parts of the body
    repeat=N                        send the middle parts of a stream N times, to make it long
    rekey                           new keys for both directions before every part (TLS 1.3)
    grpc-status=N                   end a gRPC call with this status behind its messages (HTTP/2)

A socket knows options of its own: see upstream_websocket.py.

Ids of responses and requests are made unique per call: their last eight characters count the calls.
Every request becomes one line of JSON in the log, with the test's own labels from `x-lt-want: a=b; c=d`; a socket
becomes one for each record that is due.
Anything that no exchange fits (another host, say) gets a small JSON document.
"""
import argparse
import asyncio
import contextlib
import ctypes
import functools
import json
import pathlib
import random
import ssl
import sys
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import upstream_mcp  # noqa: E402
import upstream_websocket  # noqa: E402
from exchanges import load, load_corpus, numbered  # noqa: E402

MAX_BODY = 64 << 20
HTTP2_PORT = 8443
PLAIN_PORTS = (8000, 11434, 7777)  # two that the agent looks at by default, and one that it does not
OLD_PORTS = {8444: "ECDHE+AESGCM", 8445: "ECDHE+CHACHA20"}
OTHER = b'{"object":"list","data":[{"note":"nothing of interest"}]}'
SKIPPED_HEADERS = {"content-length", "transfer-encoding", "content-encoding", "connection"}


def labels(text):
    """'ID; a=b; c' -> ('ID', {'a': 'b', 'c': ''})"""
    head, *rest = [part.strip() for part in (text or "").split(";")]
    if "=" in head:
        rest, head = [head, *rest], ""
    return head, {key: value for key, _, value in (part.partition("=") for part in rest if part)}


def renew_keys(writer):
    """What Python's ssl has no call for: our next record says that new keys follow, and that they be the other side's
    duty too. Its object of C holds the socket and then the SSL behind what every object begins with."""
    held = id(writer.get_extra_info("ssl_object")._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
    library = ctypes.CDLL("libssl.so.3")
    library.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]
    if library.SSL_key_update(ctypes.c_void_p.from_address(held), 1) != 1:
        raise RuntimeError("no new keys")


class Plain:
    def part(self, data):
        return data

    def end(self):
        return b""


class Zlib:
    def __init__(self, wbits):
        self.state = zlib.compressobj(6, zlib.DEFLATED, wbits)

    def part(self, data):
        return self.state.compress(data) + self.state.flush(zlib.Z_SYNC_FLUSH)

    def end(self):
        return self.state.flush()


class Brotli:
    def __init__(self):
        import brotli
        self.state = brotli.Compressor(quality=5)

    def part(self, data):
        return self.state.process(data) + self.state.flush()

    def end(self):
        return self.state.finish()


class Zstd:
    def __init__(self):
        import zstandard
        self.block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        self.state = zstandard.ZstdCompressor().compressobj()

    def part(self, data):
        return self.state.compress(data) + self.state.flush(self.block)

    def end(self):
        return self.state.flush()


ENCODERS = {"": Plain, "identity": Plain, "gzip": lambda: Zlib(31), "deflate": lambda: Zlib(15), "br": Brotli,
            "zstd": Zstd}


def split(parts, how):
    """Cuts [(delay, bytes)] into smaller pieces; the delay stays with the first piece."""
    if not how:
        return [part for part in parts if part[1]]
    rng = random.Random(int(how.partition(":")[2] or 0)) if how.startswith("random") else None
    out = []
    for delay, data in parts:
        at = 0
        while at < len(data):
            size = rng.choice((1, 2, 3, 17, 300, 5000)) if rng else int(how)
            out.append((delay if at == 0 else 0, data[at:at + size]))
            at += size
    return out


class Request:
    def __init__(self, line, headers, body):
        self.method, self.target, self.version = line.split(" ", 2)
        self.headers, self.body = headers, body

    @property
    def host(self):
        return self.headers.get("host", "").partition(":")[0]

    def json(self):
        with contextlib.suppress(ValueError):
            document = json.loads(self.body)
            if isinstance(document, dict):
                return document
        return {}


async def read_chunked(reader):
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        if size == 0:
            while (await reader.readline()).strip():
                pass
            return body
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        if len(body) > MAX_BODY:
            raise ValueError("request too large")


async def read_request(reader, writer):
    """The next request of the connection, None at its end."""
    line = (await reader.readline()).decode("latin-1").strip()
    if not line:
        return None
    headers = {}
    while field := (await reader.readline()).decode("latin-1").strip():
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = await read_chunked(reader)
    else:
        body = await reader.readexactly(min(int(headers.get("content-length") or 0), MAX_BODY))
    return Request(line, headers, body)


def new_row(writer, connection, order, request):
    """What the log says of a request, before it is known what answers it."""
    return {"connection": connection, "port": writer.get_extra_info("peername")[1],
            "address": writer.get_extra_info("sockname")[0], "order": order, "host": request.host,
            "method": request.method, "target": request.target.partition("?")[0], "model": request.json().get("model"),
            "exchange": None, "sent_all": False, "request_bytes": len(request.body), "at": time.time()}


class Upstream:
    def __init__(self, exchanges, log, agents=()):
        self.exchanges, self.log, self.agents = exchanges, log, agents
        self.calls = self.connections = 0
        self.mcp_hosts = {e.host for e in exchanges.values() if e.raw["api"] == "streamable_http"}

    def choose(self, request):
        name, options = labels(request.headers.get("x-lt-exchange"))
        if name:
            return self.exchanges.get(name), options
        if request.host in self.mcp_hosts:
            return upstream_mcp.choose(self.exchanges.values(), request), options
        document, path = request.json(), request.target.partition("?")[0]
        asked = (request.host, path, request.method)
        fits = [e for e in self.exchanges.values() if (e.host, e.path, e.method) == asked]
        want = (document.get("model"), bool(document.get("stream")), b'"tool_result"' in request.body)

        def rank(exchange):
            body = exchange.raw["request"].get("body") or {}
            return (body.get("model") == want[0], exchange.streaming == want[1],
                    bool(exchange.expected.get("tool_results")) == want[2], exchange.status < 400)

        return max(fits, key=rank, default=None), options

    async def serve(self, reader, writer):
        self.connections += 1
        connection, order = self.connections, 0
        # A client that goes away in the middle of something is part of the test.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, ValueError):
            while request := await read_request(reader, writer):
                order += 1
                row = new_row(writer, connection, order, request)
                exchange, _ = self.choose(request)
                if exchange and exchange.messages:
                    await self.talk(request, reader, writer, row)
                    break
                if not await self.answer(request, writer, row):
                    break
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            await writer.wait_closed()

    async def answer(self, request, writer, row):
        self.calls += 1
        row["want"] = labels(request.headers.get("x-lt-want"))[1]
        exchange, options = self.choose(request)
        number = f"{self.calls:08x}"
        try:
            if exchange is None:
                status, body = self.bare(request, row)
                writer.write(b"HTTP/1.1 %d Other\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                             % (status, len(body), body))
                await writer.drain()
                more = True
            else:
                row |= {"exchange": exchange.id, "options": options}
                for key in ("response_id", "request_id"):
                    value = exchange.expected.get(key)
                    row[key] = numbered(value, number) if value in exchange.ids() else value
                more = await self.send(exchange, options, number, request, writer, row)
            row["sent_all"] = not row.get("cut")
        finally:
            self.note(row)
        return more and request.headers.get("connection", "").lower() != "close"

    def bare(self, request, row):
        """(status, body) where no exchange answers. What agents ask for beside their calls is not there."""
        if request.host in self.mcp_hosts:
            return upstream_mcp.bare(request)
        return (404 if row["address"] in self.agents else 200), OTHER

    def note(self, row):
        self.log.write(json.dumps(row) + "\n")
        self.log.flush()

    async def talk(self, request, reader, writer, row):
        """A socket: the messages of its exchange, and a line in the log for each record that comes of them."""
        self.calls += 1
        row["want"] = labels(request.headers.get("x-lt-want"))[1]
        exchange, options = self.choose(request)
        number = f"{self.calls:08x}"
        try:
            await upstream_websocket.serve(exchange, options, number, request, reader, writer)
            row["sent_all"] = True
        finally:
            for index, record in enumerate(exchange.records):
                row |= {"exchange": exchange.id, "options": options, "record": index, "request_id": None}
                self.note(row | {"response_id": numbered(record["response_id"], number)})

    def body(self, exchange, options, number):
        parts = exchange.response_parts(number)
        if "repeat" in options and len(parts) > 4:
            middle = [part for part in parts if b'"delta"' in part[1] and b'"usage":{' not in part[1]][1:2]
            parts[2:2] = middle * int(options["repeat"])
        if "pad" in options:
            parts[0] = (parts[0][0], b"{" + b" " * int(options["pad"]) + parts[0][1][1:])
        if "delay" in options:
            parts = [(float(options["delay"]) / 1000, data) for _, data in parts]
        encoder = ENCODERS[options.get("encoding", "")]()
        parts = [(delay, encoder.part(data)) for delay, data in parts] + [(0, encoder.end())]
        return split(parts, options.get("split"))

    async def send(self, exchange, options, number, request, writer, row):
        parts = self.body(exchange, options, number)
        framing = options.get("framing") or ("chunked" if exchange.streaming or "split" in options else "length")
        head = [f"HTTP/1.1 {exchange.status} {'OK' if exchange.status < 400 else 'Failed'}"]
        for name, value in exchange.response_headers():
            if name.lower() not in SKIPPED_HEADERS and not name.startswith(":"):
                head.append(f"{name}: {value}")
        encoding = options.get("encoding") or exchange.encoded
        if encoding:
            head.append(f"Content-Encoding: {encoding}")
        if framing == "length":
            head.append(f"Content-Length: {sum(len(data) for _, data in parts)}")
        elif framing == "close":
            head.append("Connection: close")
        else:
            head += ["Transfer-Encoding: chunked"] + (["Trailer: x-lt-checked"] if framing == "trailers" else [])
        text = "\r\n".join(head)
        for old in exchange.ids():
            text = text.replace(old, numbered(old, number))
        writer.write(text.encode("latin-1", "replace") + b"\r\n\r\n")
        if request.method == "HEAD":
            await writer.drain()
            return True
        cut = int(options.get("cut", -1))
        for done, (delay, data) in enumerate(parts):
            if done == cut:
                row["cut"] = True
                return False
            if delay:
                await writer.drain()
                await asyncio.sleep(delay)
            if "rekey" in options:
                renew_keys(writer)
            writer.write(data if framing in ("length", "close") else b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        if framing == "chunked":
            writer.write(b"0\r\n\r\n")
        elif framing == "trailers":
            writer.write(b"0\r\nx-lt-checked: yes\r\n\r\n")
        await writer.drain()
        return framing != "close"


def tls(args, *protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.certs / "leaf.pem", args.certs / "leaf.key")
    context.set_alpn_protocols(protocols)
    return context


async def start_http2(upstream, args):
    try:
        import upstream_http2
    except ImportError:
        return
    http2 = functools.partial(upstream_http2.serve, upstream, new_row, Request)

    async def either(reader, writer):
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        await (http2 if chosen == "h2" else upstream.serve)(reader, writer)

    await asyncio.start_server(http2, "127.0.0.1", HTTP2_PORT, ssl=tls(args, "h2"), backlog=512)
    if args.both:
        await asyncio.start_server(either, args.both, args.port, ssl=tls(args, "h2", "http/1.1"), backlog=512)


async def start_old(upstream, args):
    for port, ciphers in OLD_PORTS.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.certs / "leaf.pem", args.certs / "leaf.key")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        await asyncio.start_server(upstream.serve, "127.0.0.1", port, ssl=context, backlog=512)


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certs", type=pathlib.Path, required=True)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--both", action="append", metavar="ADDRESS", help="HTTP/1.1 and HTTP/2 on this address")
    parser.add_argument("--corpus", action="store_true", help="answer with the recordings too, by their id")
    args = parser.parse_args()
    exchanges = load() | (load_corpus() if args.corpus else {})
    upstream = Upstream(exchanges, args.log.open("a"), args.both or ())
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", args.port, ssl=tls(args, "http/1.1"), backlog=512)
    await start_http2(upstream, args)
    for port in PLAIN_PORTS:
        await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=512)
    await start_old(upstream, args)
    print(f"upstream: {len(exchanges)} exchanges on port {args.port}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
