# SPDX-License-Identifier: Apache-2.0
"""The same answers over HTTP/2: each stream is a request of its own, answered while others are."""
import asyncio
import contextlib
import ssl

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (ConnectionTerminated, DataReceived, RequestReceived, StreamEnded, StreamReset,
                       WindowUpdated)
from h2.exceptions import ProtocolError

# Fields that HTTP/2 has no place for.
OF_CONNECTION = {"connection", "transfer-encoding", "keep-alive", "upgrade", "trailer"}


class Answer:
    """Takes an answer as it is written in HTTP/1.1, head first, body unframed."""

    def __init__(self, session, stream):
        self.session, self.stream = session, stream
        self.head, self.pending = b"", b""
        self.fields = None  # once the head is whole
        self.begun = False  # whether it is sent

    def write(self, data):
        if self.fields is not None:
            self.pending += data
            return
        self.head += data
        head, end, self.pending = self.head.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        fields = [(name.lower(), value) for name, value in fields if name.lower() not in OF_CONNECTION]
        self.fields = [(":status", first.split()[1]), *fields]

    def begin(self):
        """Sends the head, unless it says how a gRPC call ended: that is its whole answer, and end() sends it."""
        if self.fields is None or self.begun or self.ends_call(self.fields) and not self.pending:
            return
        self.session.connection.send_headers(self.stream, self.fields)
        self.begun = True

    @staticmethod
    def ends_call(fields):
        return any(name == "grpc-status" for name, _ in fields)

    async def drain(self):
        session = self.session
        self.begin()
        while self.begun and self.pending:
            window = session.connection.local_flow_control_window(self.stream)
            size = min(len(self.pending), window, session.connection.max_outbound_frame_size)
            if size == 0:
                session.window.clear()
                await session.flush()
                await session.window.wait()
                continue
            session.connection.send_data(self.stream, self.pending[:size])
            self.pending = self.pending[size:]
        await session.flush()

    async def end(self, trailers):
        await self.drain()
        if not self.begun:
            trailers = self.fields
        if trailers:
            self.session.connection.send_headers(self.stream, trailers, end_stream=True)
        else:
            self.session.connection.end_stream(self.stream)
        await self.session.flush()


class Session:
    def __init__(self, upstream, new_row, request_type, reader, writer):
        self.upstream, self.new_row, self.request_type = upstream, new_row, request_type
        self.reader, self.writer = reader, writer
        self.connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.window = asyncio.Event()
        self.requests, self.tasks = {}, {}

    async def flush(self):
        self.writer.write(self.connection.data_to_send())
        await self.writer.drain()

    async def run(self):
        self.connection.initiate_connection()
        await self.flush()
        while data := await self.reader.read(65536):
            for event in self.connection.receive_data(data):
                self.take(event)
            await self.flush()

    def take(self, event):
        if isinstance(event, RequestReceived):
            self.requests[event.stream_id] = (dict(event.headers), bytearray())
        elif isinstance(event, DataReceived):
            self.requests[event.stream_id][1].extend(event.data)
            self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.tasks[event.stream_id] = asyncio.ensure_future(self.respond(event.stream_id))
        elif isinstance(event, WindowUpdated):
            self.window.set()
        elif isinstance(event, ConnectionTerminated) and event.error_code == ErrorCodes.NO_ERROR:
            # The client opens no more streams; those that are open go on (RFC 9113, 6.8), which h2 does not know.
            self.connection.state_machine.state = ConnectionState.SERVER_OPEN
        elif isinstance(event, StreamReset) and event.stream_id in self.tasks:
            self.tasks[event.stream_id].cancel()

    async def respond(self, stream):
        headers, body = self.requests.pop(stream)
        headers["host"] = headers[":authority"]
        headers["x-lt-exchange"] = headers.get("x-lt-exchange", "") + "; framing=close"
        request = self.request_type(f"{headers[':method']} {headers[':path']} HTTP/2", headers, bytes(body))
        row = self.new_row(self.writer, id(self), stream, request)
        answer = Answer(self, stream)
        with contextlib.suppress(ConnectionError, ProtocolError, ssl.SSLError):
            await self.upstream.answer(request, answer, row)
            await answer.end(self.trailers(row))

    def trailers(self, row):
        """What stands behind the body: of gRPC how the call ended, as the exchange or an option has it."""
        exchange = self.upstream.exchanges.get(row["exchange"])
        if exchange is None or not row["sent_all"]:
            return []
        return [(name, row["options"].get(name, value)) for name, value in exchange.trailers]


async def serve(upstream, new_row, request_type, reader, writer):
    # A client that goes away in the middle of something is part of the test.
    with contextlib.suppress(ConnectionError, ProtocolError, ssl.SSLError):
        await Session(upstream, new_row, request_type, reader, writer).run()
    writer.close()
