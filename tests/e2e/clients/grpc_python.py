# SPDX-License-Identifier: Apache-2.0
"""gRPC's own client for Python, with the recorded messages as they are: grpc_python.py PORT TIMES EXCHANGE_ID..."""
import base64
import os
import pathlib
import sys
from urllib.parse import urlsplit

import grpc

import want
from grpc_messages import messages

SAID_ITSELF = {"host", "content-type", "te", "user-agent", "grpc-encoding", "grpc-accept-encoding"}


def call(channel, exchange, packed, message):
    fields = {name: value.replace("REDACTED", want.KEY) for name, value in exchange.request_headers()
              if name not in SAID_ITSELF}
    metadata = list((fields | want.headers(exchange.id)).items())
    compression = grpc.Compression.Gzip if packed else None
    method = urlsplit(exchange.url).path
    try:
        if exchange.streaming:
            return len(list(channel.unary_stream(method)(message, metadata=metadata, compression=compression)))
        return len([channel.unary_unary(method)(message, metadata=metadata, compression=compression)])
    except grpc.RpcError as error:
        if error.code().value[0] != (exchange.expected["error"] or {}).get("code"):
            raise
        return 0


def main():
    port, times, *names = sys.argv[1:]
    exchanges = want.load()
    trust = grpc.ssl_channel_credentials(pathlib.Path(os.environ["SSL_CERT_FILE"]).read_bytes())
    for name in names:
        exchange = exchanges[name]
        packed, message = messages(base64.b64decode(exchange.raw["request"]["body_b64"]))[0]
        options = [("grpc.default_authority", exchange.host), ("grpc.enable_retries", 0)]
        with grpc.secure_channel(f"{exchange.host}:{port}", trust, options) as channel:
            for _ in range(int(times)):
                if call(channel, exchange, packed, message) == 0 and not exchange.expected["error"]:
                    sys.exit(f"{name}: no message")


main()
