# SPDX-License-Identifier: Apache-2.0
"""The official MCP client: mcp_python.py auto|legacy URL

auto asks first whether the server speaks the protocol without sessions; ours does not, and the handshake follows.
"""
import asyncio
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

import want


async def main():
    mode, url = sys.argv[1:]
    headers = {"authorization": f"Bearer {want.KEY}", **want.headers("")}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http, \
            Client(streamable_http_client(url, http_client=http), mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        if tools != ["track_parcel", "hold_parcel", "weigh_parcel", "refund_parcel"]:
            sys.exit(f"the server has {tools}")
        for name in ("track_parcel", "hold_parcel"):
            if (await client.call_tool(name, {"code": "LT-441 PROMPT-CANARY-b72d41"})).is_error:
                sys.exit(f"{name} fails")
        if not (await client.call_tool("weigh_parcel", {"code": "LT-444"})).is_error:
            sys.exit("weigh_parcel does not fail")
        try:
            await client.call_tool("refund_parcel", {"code": "LT-443"})
        except MCPError:
            return
        sys.exit("refund_parcel does not fail")


asyncio.run(main())
