#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads tests/exchanges/*.json (or files of the corpus) and renders their bodies.

As a program it writes them in the corpus' own schema, for tools that read that:
    exchanges.py export OUT_DIR        OUT_DIR/<provider>/<id>.json
"""
import base64
import functools
import json
import pathlib
import sys
from urllib.parse import urlsplit

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import event_stream  # noqa: E402
import grpc_messages  # noqa: E402

FOLDER = HERE.parent / "exchanges"
CORPUS = HERE.parents[2] / "shared" / "corpus"  # recordings of real clients, where the project has them beside it
USAGE = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens",
         "cache_write_1h_tokens", "reasoning_tokens", "audio_input_tokens", "audio_output_tokens",
         "image_input_tokens", "image_output_tokens"]


compact = event_stream.compact


def sse(chunk):
    """One element of response.chunks as the bytes of an SSE event."""
    data = chunk["data"]
    lines = b"event: " + chunk["event"].encode() + b"\n" if "event" in chunk else b""
    return lines + b"data: " + (data.encode() if isinstance(data, str) else compact(data)) + b"\n\n"


class Exchange:
    def __init__(self, raw):
        self.raw = raw
        self.id = raw["id"]
        self.expected = raw["expected"]
        self.streaming = bool(raw["streaming"])
        self.status = raw["response"]["status"]
        self.method = raw["request"]["method"]
        self.url = raw["request"]["url"]
        split = urlsplit(self.url)
        self.host, self.path = split.hostname, split.path
        self.encoded = raw["response"].get("content_encoding_present")
        self.messages = raw["response"].get("ws_messages")
        self.trailers = raw["response"].get("trailers", [])

    @property
    def records(self):
        """What each record of the exchange says: a socket has one for every answer on it."""
        return [self.expected | part for part in self.raw.get("expected_records") or [{}]]

    def request_headers(self):
        return [(name, value) for name, value in self.raw["request"]["headers"]]

    def response_headers(self):
        return [(name, value) for name, value in self.raw["response"]["headers"]]

    def request_body(self):
        request = self.raw["request"]
        if request.get("body_b64"):
            return base64.b64decode(request["body_b64"])
        return compact(request["body"]) if request.get("body") is not None else b""

    def response_parts(self, number=None):
        """The response body as a list of (delay in seconds, bytes); number makes the ids those of one call."""
        response = self.raw["response"]
        if "chunks" in response:
            framed = event_stream.message if event_stream.is_event_stream(response["headers"]) else sse
            return [(chunk["delay_ms"] / 1000, framed(chunk)) for chunk in self.stamped(response["chunks"], number)]
        if self.grpc_messages:
            return [(0, grpc_messages.framed(packed, self.stamped_bytes(data, number)))
                    for packed, data in self.grpc_messages]
        if response.get("body_b64"):
            return [(0, self.stamped_bytes(base64.b64decode(response["body_b64"]), number))]
        body = self.stamped(response.get("body"), number)
        return [(0, compact(body) if body is not None else b"")]

    @functools.cached_property
    def grpc_messages(self):
        """[(packed, bytes)] of the answer, [] when it is not gRPC."""
        response = self.raw["response"]
        if not response.get("body_b64") or not grpc_messages.is_grpc(response["headers"]):
            return []
        return grpc_messages.messages(base64.b64decode(response["body_b64"]))

    def response_body(self):
        return b"".join(part for _, part in self.response_parts())

    @functools.cached_property
    def said(self):
        """All that the answer says, as text in which an id can be looked for."""
        response = self.raw["response"]
        plain = b"".join(data for _, data in self.grpc_messages) or base64.b64decode(response.get("body_b64") or "")
        return json.dumps({key: value for key, value in response.items() if key != "body_b64"}) + plain.decode("latin-1")

    def ids(self):
        """Strings that are unique per call at a real provider; the upstream makes them so. Not inside a recorded
        body that is still compressed; and not the id of an object that the client asks for by its path."""
        found = [record.get(key) for record in self.records for key in ("response_id", "request_id")]
        return [] if self.encoded else list(dict.fromkeys(i for i in found if i and i in self.said))

    def stamped(self, value, number):
        """A JSON value in which the ids are those of call number: before it is framed, summed up or encoded."""
        if number is None:
            return value
        text = json.dumps(value)
        for ident in self.ids():
            text = text.replace(ident, numbered(ident, number))
        return json.loads(text)

    def stamped_bytes(self, data, number):
        """The same for bytes that are no JSON; the ids keep their length."""
        for ident in self.ids() if number is not None else []:
            data = data.replace(ident.encode(), numbered(ident, number).encode())
        return data


def numbered(ident, number):
    """The id of call number (eight characters): at its end, where tests/exchanges has zeros."""
    return ident[:-8] + number


def load(folder=FOLDER):
    """{id: Exchange} of every JSON file below folder."""
    paths = sorted(pathlib.Path(folder).rglob("*.json"))
    exchanges = [Exchange(json.loads(path.read_text())) for path in paths]
    return {exchange.id: exchange for exchange in exchanges}


# Recordings whose expectation is wrong: see CORRECTED in tests/golden/run.py.
CORRECTED = {"azure-responses-7872ccea21": {"input_tokens": 19, "output_tokens": 1720}}


def load_corpus():
    """{id: Exchange} of the recorded calls that this project decodes, {} when there is no corpus."""
    wanted = {"openai": ("chat_completions", "responses", "embeddings"), "anthropic": ("messages",)}
    wanted["azure"] = wanted["openai"]
    out = {}
    for provider, apis in wanted.items():
        folder = CORPUS / provider
        for ident, exchange in (load(folder) if folder.is_dir() else {}).items():
            if exchange.raw["api"] in apis and exchange.raw["request"].get("body_b64") and exchange.host:
                exchange.raw["expected"].update(CORRECTED.get(ident, {}))
                out[ident] = exchange
    return out


def to_corpus(exchange):
    """The same exchange in the schema of the corpus: bodies in base64."""
    out = json.loads(json.dumps(exchange.raw))
    out["request"].pop("body", None)
    out["request"]["body_b64"] = base64.b64encode(exchange.request_body()).decode()
    out["response"] = {"status": exchange.status, "headers": out["response"]["headers"],
                       "body_b64": base64.b64encode(exchange.response_body()).decode(),
                       "content_encoding_present": exchange.encoded}
    if exchange.messages:
        out["response"] |= {"body_b64": None, "ws_messages": [
            {"dir": message["dir"], "opcode": 1, "data_b64": base64.b64encode(compact(message["data"])).decode()}
            for message in exchange.messages]}
    return out


def export(target):
    for exchange in load().values():
        path = pathlib.Path(target, exchange.raw["provider"], exchange.id + ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(to_corpus(exchange), indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "export":
        sys.exit(__doc__)
    export(sys.argv[2])
