# SPDX-License-Identifier: Apache-2.0
"""The providers' own Python SDKs: sdk_python.py sync|async [--options TEXT]... EXCHANGE_ID...

Each exchange is one call with the arguments that stand in its request body. async makes all calls at once. --options goes
to the upstream with all calls; given several times, all calls are made with each.
"""
import argparse
import asyncio
import os

import want

# The end of each API's path: what stands in front of it is the base URL.
PATHS = {"chat_completions": "/chat/completions", "responses": "/responses", "embeddings": "/embeddings",
         "images": "/images/generations"}


def sdk_of(exchange):
    """Imported when it is needed: each takes seconds."""
    if exchange.raw["provider"] == "anthropic":
        import anthropic
        return anthropic
    import openai
    return openai


def deployment(exchange):
    """Azure's name of the model, None where the path has none."""
    _, found, rest = exchange.path.partition("/openai/deployments/")
    return rest.partition("/")[0] if found else None


def client_of(exchange, asynchronous):
    sdk, shared, prefix = sdk_of(exchange), {"api_key": want.KEY, "max_retries": 0}, "Async" if asynchronous else ""
    if exchange.raw["provider"] == "anthropic":
        return getattr(sdk, prefix + "Anthropic")(**shared)
    if deployment(exchange):
        shared |= {"api_version": "2024-10-21", "azure_endpoint": f"https://{exchange.host}",
                   "azure_deployment": deployment(exchange)}
        return getattr(sdk, prefix + "AzureOpenAI")(**shared)
    base = exchange.url.partition(PATHS[exchange.raw["api"]])[0]
    return getattr(sdk, prefix + "OpenAI")(**shared, base_url=base)


def create_of(client, exchange):
    api = exchange.raw["api"]
    if api == "messages":
        return client.messages.create
    if api == "images":
        return client.images.generate
    return {"chat_completions": client.chat.completions, "responses": client.responses,
            "embeddings": client.embeddings}[api].create


def arguments(exchange):
    body = dict(exchange.raw["request"]["body"])
    if deployment(exchange):
        body["model"] = deployment(exchange)
    return body | {"extra_headers": want.headers(exchange.id)}


def expect_failure(exchange, error):
    """A failed call is right where the exchange is a failure."""
    if exchange.status < 400 and not exchange.expected["error"]:
        raise error


def run_sync(exchanges):
    clients = {}
    for exchange in exchanges:
        client = clients.setdefault(exchange.host, None) or client_of(exchange, False)
        clients[exchange.host] = client
        try:
            answer = create_of(client, exchange)(**arguments(exchange))
            if exchange.streaming:
                for _ in answer:
                    pass
        except sdk_of(exchange).APIError as error:
            expect_failure(exchange, error)


async def call_async(client, exchange):
    try:
        answer = await create_of(client, exchange)(**arguments(exchange))
        if exchange.streaming:
            async for _ in answer:
                pass
    except sdk_of(exchange).APIError as error:
        expect_failure(exchange, error)


async def run_async(exchanges):
    clients = {exchange.host: client_of(exchange, True) for exchange in exchanges}
    await asyncio.gather(*(call_async(clients[exchange.host], exchange) for exchange in exchanges))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["sync", "async"])
    parser.add_argument("--options", action="append")
    parser.add_argument("ids", nargs="+")
    args = parser.parse_args()
    known = want.load()
    exchanges = [known[name] for name in args.ids]
    for options in args.options or [os.environ.get("LT_OPTIONS", "")]:
        os.environ["LT_OPTIONS"] = options
        if args.mode == "sync":
            run_sync(exchanges)
        else:
            asyncio.run(run_async(exchanges))


if __name__ == "__main__":
    main()
