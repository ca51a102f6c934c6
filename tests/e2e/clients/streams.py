#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Streaming calls at the same time: on port 8443 over one HTTP/2 connection, else over one of HTTP/1.1 each.

usage: streams.py TIMES URL EXCHANGE...
"""
import asyncio
import sys

import httpx

from want import KEY, headers


async def call(client, url, exchange):
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    fields = {"authorization": f"Bearer {KEY}", **headers(exchange)}
    async with client.stream("POST", url, json=body, headers=fields) as response:
        async for _ in response.aiter_bytes():
            pass
    return response.http_version


async def main():
    times, url, *exchanges = sys.argv[1:]
    http2 = ":8443/" in url
    async with httpx.AsyncClient(http2=http2, http1=not http2, timeout=60) as client:
        versions = await asyncio.gather(*(call(client, url, exchange) for exchange in exchanges
                                          for _ in range(int(times))))
    if set(versions) != {"HTTP/2" if http2 else "HTTP/1.1"}:
        sys.exit(f"over {set(versions)}")


asyncio.run(main())
