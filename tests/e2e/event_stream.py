# SPDX-License-Identifier: Apache-2.0
"""AWS event streams, both checksums included: one message for each chunk of an exchange."""
import base64
import json
import struct
import zlib

CONTENT_TYPE = "application/vnd.amazon.eventstream"
TEXT = 7  # the type of a header whose value is a string


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def header(name, value):
    name, value = name.encode(), value.encode()
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", TEXT, len(value)) + value


def message(chunk):
    """The bytes of one chunk: "event" or "exception" names it; "wrapped" is a document that travels inside, in base64."""
    if "exception" in chunk:
        headers = header(":exception-type", chunk["exception"]) + header(":content-type", "application/json")
        headers += header(":message-type", "exception")
    else:
        headers = header(":event-type", chunk["event"]) + header(":content-type", "application/json")
        headers += header(":message-type", "event")
    data = chunk.get("data")
    if "wrapped" in chunk:
        data = {"bytes": base64.b64encode(compact(chunk["wrapped"])).decode(), "p": "abcdefghijklm"}
    payload = compact(data)
    prelude = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    whole = prelude + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def is_event_stream(headers):
    return any(name.lower() == "content-type" and value.startswith(CONTENT_TYPE) for name, value in headers)
