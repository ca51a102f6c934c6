# SPDX-License-Identifier: Apache-2.0
"""Calls through the HTTP client of the AWS common runtime (awscrt), which is on s2n-tls.

usage: aws_http.py [--times N] [--pad BYTES] [--http2] EXCHANGE_ID...    a host's calls share a connection
"""
import argparse
import io
import os

import want
from awscrt import http, io as aws

DROPPED = {"accept-encoding", "content-length", "transfer-encoding", "connection"}


def connect(host, http2):
    options = aws.TlsContextOptions()
    options.override_default_trust_store_from_path(None, os.environ["SSL_CERT_FILE"])
    tls = aws.ClientTlsContext(options).new_connection_options()
    tls.set_server_name(host)
    if http2:
        tls.set_alpn_list(["h2"])
    bootstrap = aws.ClientBootstrap(aws.EventLoopGroup(1), aws.DefaultHostResolver(aws.EventLoopGroup(1)))
    make = http.Http2ClientConnection if http2 else http.HttpClientConnection
    port = 8443 if http2 else 443
    return make.new(host_name=host, port=port, bootstrap=bootstrap, tls_connection_options=tls).result(30)


def call(connection, exchange, body, http2):
    headers = dict(exchange.request_headers()) | want.headers(exchange.id)
    pairs = [(name, value.replace("REDACTED", want.KEY)) for name, value in headers.items()
             if name.lower() not in DROPPED | {"host"} and not name.startswith(":")]
    pairs.append(("content-length", str(len(body))))
    path = exchange.url.partition(exchange.host)[2]
    if http2:
        pseudo = [(":method", exchange.method), (":scheme", "https"), (":path", path), (":authority", exchange.host)]
        request = http.Http2Request(headers=http.HttpHeaders(pseudo + pairs), body_stream=io.BytesIO(body))
    else:
        pairs.insert(0, ("host", exchange.host))
        request = http.HttpRequest(exchange.method, path, http.HttpHeaders(pairs), io.BytesIO(body))
    stream = connection.request(request, None, lambda http_stream, chunk, **more: None)
    stream.activate()
    stream.completion_future.result(60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--pad", type=int, default=0)
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("exchanges", nargs="+")
    args = parser.parse_args()
    exchanges = want.load()
    connections = {}
    for name in args.exchanges * args.times:
        exchange = exchanges[name]
        if exchange.host not in connections:
            connections[exchange.host] = connect(exchange.host, args.http2)
        body = exchange.request_body()
        # White space before the end of the object is nothing to the model.
        call(connections[exchange.host], exchange, body[:-1] + b" " * args.pad + body[-1:], args.http2)


main()
