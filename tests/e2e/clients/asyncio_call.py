# SPDX-License-Identifier: Apache-2.0
"""asyncio's own streams, TLS through memory buffers: asyncio_call.py TIMES EXCHANGE_ID...

Each exchange has a connection of its own, all at the same time, and its calls follow each other on it.
"""
import asyncio
import ssl
import sys

import want

DROPPED = {"host", "accept-encoding", "content-length", "transfer-encoding", "connection"}


def request_of(exchange):
    body = exchange.request_body()
    headers = {name: value.replace("REDACTED", want.KEY) for name, value in exchange.request_headers()
               if name.lower() not in DROPPED}
    headers |= want.headers(exchange.id) | {"host": exchange.host, "content-length": len(body)}
    lines = [f"{exchange.method} {exchange.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    if b"content-length" in fields:
        await reader.readexactly(int(fields[b"content-length"]))
        return
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


async def calls(exchange, times):
    reader, writer = await asyncio.open_connection(exchange.host, 443, ssl=ssl.create_default_context())
    for _ in range(times):
        writer.write(request_of(exchange))
        await writer.drain()
        await read_answer(reader)
    writer.close()
    await writer.wait_closed()


async def main():
    exchanges = want.load()
    await asyncio.gather(*(calls(exchanges[name], int(sys.argv[1])) for name in sys.argv[2:]))


asyncio.run(main())
