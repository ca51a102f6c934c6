# SPDX-License-Identifier: Apache-2.0
"""WebSocket sessions: the messages of an exchange in their order, each side waiting for the other as recorded.

Options of x-lt-exchange:

    deflate=takeover | deflate=fresh   permessage-deflate, with or without a window that is kept between messages
    split=N                            frames of N bytes at most: a message is several
"""
import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import struct
import zlib

from exchanges import compact

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
NORMAL, VIOLATED = 1000, 1008
TAIL = b"\x00\x00\xff\xff"  # of a flushed block; RFC 7692 leaves it out
CLOSE_SECONDS = 10


class Deflate:
    def __init__(self, keeps_window):
        self.keeps_window = keeps_window
        self.renew()

    def renew(self):
        self.packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.opener = zlib.decompressobj(-15)

    def pack(self, data):
        out = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        if not self.keeps_window:
            self.renew()
        return out.removesuffix(TAIL)

    def open(self, data):
        out = self.opener.decompress(data + TAIL)
        if not self.keeps_window:
            self.renew()
        return out


class Socket:
    def __init__(self, reader, writer, deflate, frame_max):
        self.reader, self.writer, self.deflate, self.frame_max = reader, writer, deflate, frame_max

    def frame(self, opcode, data, last=True, packed=False):
        head = bytes([(0x80 if last else 0) | (0x40 if packed else 0) | opcode])
        if len(data) < 126:
            head += bytes([len(data)])
        else:
            head += struct.pack(">BH", 126, len(data)) if len(data) < 65536 else struct.pack(">BQ", 127, len(data))
        self.writer.write(head + data)

    async def send(self, text):
        data = self.deflate.pack(text) if self.deflate else text
        pieces = [data[at:at + self.frame_max] for at in range(0, len(data), self.frame_max)]
        for number, piece in enumerate(pieces):
            self.frame(CONTINUATION if number else TEXT, piece, number == len(pieces) - 1, bool(self.deflate) and not number)
        await self.writer.drain()

    async def read_frame(self):
        first, second = await self.reader.readexactly(2)
        size = second & 0x7f
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        if not second & 0x80:
            raise ValueError("a client's frame without a mask")
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        key = (mask * (size // 4 + 1))[:size]
        return first, (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")

    async def receive(self):
        """The next whole message of the client, None when it closes."""
        message, packed = b"", False
        while True:
            first, data = await self.read_frame()
            opcode = first & 0x0f
            if opcode == CLOSE:
                return None
            if opcode == PING:
                self.frame(PONG, data)
            if opcode >= CLOSE:
                continue
            packed |= bool(first & 0x40)
            message += data
            if first & 0x80:
                return self.deflate.open(message) if packed else message

    async def close(self, code):
        self.frame(CLOSE, struct.pack(">H", code))
        await self.writer.drain()


def switch(request, options):
    """The head of the 101 and the compression that it agrees to."""
    accept = base64.b64encode(hashlib.sha1((request.headers["sec-websocket-key"] + GUID).encode()).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Accept: {accept}"]
    deflate = None
    if "deflate" in options:
        if "permessage-deflate" not in request.headers.get("sec-websocket-extensions", ""):
            raise ValueError("the client offers no permessage-deflate")
        deflate = Deflate(options["deflate"] == "takeover")
        fresh = "" if deflate.keeps_window else "; server_no_context_takeover; client_no_context_takeover"
        lines.append("Sec-WebSocket-Extensions: permessage-deflate" + fresh)
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), deflate


async def play(socket, messages):
    for message in messages:
        if message["dir"] == "s2c":
            await asyncio.sleep(message.get("delay_ms", 0) / 1000)
            await socket.send(compact(message["data"]))
            continue
        said = await socket.receive()
        if said is None or json.loads(said).get("type") != message["data"]["type"]:
            await socket.close(VIOLATED)
            raise ValueError(f"the client says {said!r} instead of a {message['data']['type']}")


async def serve(exchange, options, number, request, reader, writer):
    head, deflate = switch(request, options)
    writer.write(head)
    socket = Socket(reader, writer, deflate, int(options.get("split", 1 << 30)))
    await play(socket, exchange.stamped(exchange.messages, number))
    # All is said. The client ends it, as it would with a provider, and need not wait for the other's word.
    with contextlib.suppress(asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        while await asyncio.wait_for(socket.receive(), CLOSE_SECONDS) is not None:
            pass
        await socket.close(NORMAL)
