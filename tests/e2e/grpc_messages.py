# SPDX-License-Identifier: Apache-2.0
"""Messages of gRPC in a body: before each its length in four bytes, and one byte that says whether it is gzip.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""
import gzip
import struct

CONTENT_TYPE = "application/grpc"


def is_grpc(headers):
    return any(name.lower() == "content-type" and value.startswith(CONTENT_TYPE) for name, value in headers)


def messages(body):
    """[(whether it was gzip, its bytes)] of a whole body."""
    out = []
    while body:
        packed, size = struct.unpack(">BI", body[:5])
        data, body = body[5:5 + size], body[5 + size:]
        if len(data) != size:
            raise ValueError(f"a message of {size} bytes has {len(data)}")
        out.append((packed, gzip.decompress(data) if packed else data))
    return out


def framed(packed, data):
    data = gzip.compress(data, mtime=0) if packed else data
    return struct.pack(">BI", packed, len(data)) + data
