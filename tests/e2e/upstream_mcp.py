# SPDX-License-Identifier: Apache-2.0
"""A server of the Model Context Protocol (streamable HTTP) out of the exchanges that have this shape.

What a client asks is found by method and by the tool's name, and answered under the id that the client gave it. What has
no exchange is bare protocol: notifications are taken, a stream of the server's own is not offered, and a method that
nobody knows is refused.
"""
import json

from exchanges import Exchange, compact

NOT_FOUND = -32601


def choose(exchanges, request):
    """The exchange that answers this request, None when none does."""
    asked = request.json()
    for exchange in exchanges:
        body = exchange.raw["request"].get("body") or {}
        if exchange.raw["api"] == "streamable_http" and request.method == "POST" and \
                (body["method"], tool(body)) == (asked.get("method"), tool(asked)):
            return under_id(exchange, asked.get("id"))
    return None


def tool(message):
    return (message.get("params") or {}).get("name")


def under_id(exchange, ident):
    raw = json.loads(json.dumps(exchange.raw))
    answers = [chunk["data"] for chunk in raw["response"].get("chunks", [])] + [raw["response"].get("body")]
    for answer in answers:
        if answer and "id" in answer:
            answer["id"] = ident
    return Exchange(raw)


def bare(request):
    """(status, body) where no exchange answers."""
    if request.method == "DELETE":
        return 200, b""
    if request.method != "POST":
        return 405, b""
    asked = request.json()
    if "id" not in asked:
        return 202, b""
    return 404, compact({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": NOT_FOUND, "message": "No such method."}})
