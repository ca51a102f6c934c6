# SPDX-License-Identifier: Apache-2.0
"""The openai SDK on WebSockets, one after the other: sockets.py realtime|responses [--sync] EXCHANGE_ID...

Says what the exchange's client says, each time after the server has said its part. --sync: a thread of the websockets
package reads all the time while the main one writes.
"""
import asyncio
import sys

import openai

import want


# CPython before 3.13 does not lock an SSL object that two threads use: while one reads the tickets that TLS 1.3 sends
# after the handshake, the other's request can be swallowed (one connection in 600 with nobody beside it, when each call is
# slowed by 30 us). TLS 1.2 has them in the handshake.
SYNC_URL = "wss://api.openai.com:8444/v1"


def connect(client, exchange, kind):
    headers = want.headers(exchange.id)
    if kind == "realtime":
        return client.realtime.connect(model="gpt-realtime", extra_headers=headers)
    return client.responses.connect(extra_headers=headers)


def check(event, message):
    if event.type != message["data"]["type"]:
        sys.exit(f"the server says {event.type} instead of {message['data']['type']}")


def talk(exchange, kind):
    with connect(openai.OpenAI(api_key=want.KEY, websocket_base_url=SYNC_URL), exchange, kind) as connection:
        for message in exchange.messages:
            if message["dir"] == "c2s":
                connection.send(message["data"])
            else:
                check(connection.recv(), message)


async def talk_async(exchange, kind):
    async with connect(openai.AsyncOpenAI(api_key=want.KEY), exchange, kind) as connection:
        for message in exchange.messages:
            if message["dir"] == "c2s":
                await connection.send(message["data"])
            else:
                check(await connection.recv(), message)


def main():
    kind, *names = sys.argv[1:]
    known, sync = want.load(), names[0] == "--sync"
    for name in names[sync:]:
        if sync:
            talk(known[name], kind)
        else:
            asyncio.run(talk_async(known[name], kind))


if __name__ == "__main__":
    main()
