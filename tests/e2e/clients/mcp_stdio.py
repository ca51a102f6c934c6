# SPDX-License-Identifier: Apache-2.0
"""The official MCP client and server as parent and child, over pipes: mcp_stdio.py auto|legacy|serve

The client notes what it called in the log that the upstream keeps (LT_SERVED_LOG): nobody else sees these calls.
"""
import json
import os
import pathlib
import sys

import anyio
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.server import MCPServer

import want

SERVER = "lt-parcels"


def serve():
    server = MCPServer(SERVER)

    @server.tool()
    def track_parcel(code: str) -> str:
        return "x" * 300_000 if code == "map" else "At the harbour. ANSWER-CANARY-90ce5f"

    @server.tool()
    def weigh_parcel(code: str) -> str:
        raise ValueError("the scales are broken")

    server.run("stdio")


def note(exchange, provider=SERVER):
    labels = dict(part.strip().split("=") for part in os.environ["LT_WANT"].split(";"))
    labels |= {"pid": str(os.getpid()), "api": "stdio", "provider": provider}
    row = {"host": provider, "method": "STDIO", "target": "/", "exchange": exchange, "options": {}, "want": labels,
           "sent_all": True, "response_id": None, "request_id": None}
    with pathlib.Path(os.environ["LT_SERVED_LOG"]).open("a") as log:
        log.write(json.dumps(row) + "\n")


async def main(mode):
    program = StdioServerParameters(command=sys.executable, args=["-B", __file__, "serve"])
    async with Client(stdio_client(program), mode=mode) as client:
        if mode == "legacy":
            note("mcp-initialize")
        tools = [tool.name for tool in (await client.list_tools()).tools]
        note("mcp-tools-list")
        if tools != ["track_parcel", "weigh_parcel"]:
            sys.exit(f"the server has {tools}")
        for code in ("LT-441 PROMPT-CANARY-b72d41", "x" * 300_000):
            if (await client.call_tool("track_parcel", {"code": code})).is_error:
                sys.exit("track_parcel fails")
            note("mcp-tools-call-plain")
        if not (await client.call_tool("weigh_parcel", {"code": "LT-444"})).is_error:
            sys.exit("weigh_parcel does not fail")
        note("mcp-tools-call-failed")
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(client.call_tool, "track_parcel", {"code": "LT-441"})
        for _ in range(5):
            note("mcp-tools-call-plain")
        if len((await client.call_tool("track_parcel", {"code": "map"})).content[0].text) != 300_000:
            sys.exit("the map is not whole")
        note("mcp-tools-call-plain")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        anyio.run(main, sys.argv[1])
