# SPDX-License-Identifier: Apache-2.0
"""The providers' own Python SDKs: sdk_python.py sync|async [--times N] EXCHANGE_ID...

Each exchange is one call with the arguments that stand in its request body. async makes all calls at once.
"""
import argparse
import asyncio

import anthropic
import openai

import want

AZURE = {"api_version": "2024-10-21", "azure_endpoint": "https://ledger-demo.openai.azure.com",
         "azure_deployment": "claims-gpt4o"}


def client_of(exchange, asynchronous):
    shared = {"api_key": want.KEY, "max_retries": 0}
    if exchange.raw["provider"] == "anthropic":
        return (anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic)(**shared)
    if exchange.raw["provider"] == "azure":
        return (openai.AsyncAzureOpenAI if asynchronous else openai.AzureOpenAI)(**shared, **AZURE)
    base = exchange.url.partition("/v1/")[0] + "/v1"
    return (openai.AsyncOpenAI if asynchronous else openai.OpenAI)(**shared, base_url=base)


def create_of(client, exchange):
    api = exchange.raw["api"]
    if api == "messages":
        return client.messages.create
    return {"chat_completions": client.chat.completions, "responses": client.responses,
            "embeddings": client.embeddings}[api].create


def arguments(exchange):
    body = dict(exchange.raw["request"]["body"])
    if exchange.raw["provider"] == "azure":
        body["model"] = AZURE["azure_deployment"]
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
        except (openai.APIError, anthropic.APIError) as error:
            expect_failure(exchange, error)


async def call_async(client, exchange):
    try:
        answer = await create_of(client, exchange)(**arguments(exchange))
        if exchange.streaming:
            async for _ in answer:
                pass
    except (openai.APIError, anthropic.APIError) as error:
        expect_failure(exchange, error)


async def run_async(exchanges):
    clients = {exchange.host: client_of(exchange, True) for exchange in exchanges}
    await asyncio.gather(*(call_async(clients[exchange.host], exchange) for exchange in exchanges))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["sync", "async"])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("ids", nargs="+")
    args = parser.parse_args()
    known = want.load()
    exchanges = [known[name] for name in args.ids] * args.times
    if args.mode == "sync":
        run_sync(exchanges)
    else:
        asyncio.run(run_async(exchanges))


if __name__ == "__main__":
    main()
