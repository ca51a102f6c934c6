# SPDX-License-Identifier: Apache-2.0
"""Python SDKs of other providers, one call for each exchange: vendors.py SDK EXCHANGE_ID...

SDK: google, google-async, mistral, cohere, bedrock, litellm, litellm-async
"""
import asyncio
import json
import os
import sys
from urllib.parse import unquote

import want

# It would ask the network for prices otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def gemini_arguments(exchange):
    body = exchange.raw["request"]["body"]
    config = {"http_options": {"headers": want.headers(exchange.id)}}
    config |= {"system_instruction": body.get("systemInstruction"), "tools": body.get("tools")}
    model = exchange.path.rpartition("/")[2].partition(":")[0]
    return {"model": model, "contents": body["contents"], "config": config}


def google(exchange):
    from google import genai
    with genai.Client(api_key=want.KEY) as client:
        if exchange.streaming:
            return list(client.models.generate_content_stream(**gemini_arguments(exchange)))
        return client.models.generate_content(**gemini_arguments(exchange))


async def google_async(exchange):
    from google import genai
    async with genai.Client(api_key=want.KEY).aio as client:
        if exchange.streaming:
            stream = await client.models.generate_content_stream(**gemini_arguments(exchange))
            return [part async for part in stream]
        return await client.models.generate_content(**gemini_arguments(exchange))


def mistral(exchange):
    from mistralai.client import Mistral
    body = dict(exchange.raw["request"]["body"], http_headers=want.headers(exchange.id))
    del body["stream"]
    with Mistral(api_key=want.KEY) as client:
        if exchange.raw["api"] == "conversations":
            return client.beta.conversations.start(**body)
        return list(client.chat.stream(**body)) if exchange.streaming else client.chat.complete(**body)


def cohere(exchange):
    import cohere as sdk
    body = dict(exchange.raw["request"]["body"])
    del body["stream"]
    body["request_options"] = {"additional_headers": want.headers(exchange.id), "max_retries": 0}
    client = sdk.ClientV2(api_key=want.KEY)
    return list(client.chat_stream(**body)) if exchange.streaming else client.chat(**body)


def bedrock(exchange):
    import boto3
    from botocore.config import Config
    client = boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id=want.KEY,
                          aws_secret_access_key="of-nobody", config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-call.bedrock-runtime",
                                lambda params, **_: params["headers"].update(want.headers(exchange.id)))
    body, model = exchange.raw["request"]["body"], unquote(exchange.path.split("/")[2])
    if exchange.raw["api"] == "converse":
        return client.converse(modelId=model, **body)
    if exchange.raw["api"] == "converse_stream":
        return list(client.converse_stream(modelId=model, **body)["stream"])
    if exchange.raw["api"] == "invoke":
        return client.invoke_model(modelId=model, body=json.dumps(body))["body"].read()
    return list(client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))["body"])


def litellm_arguments(exchange):
    body = dict(exchange.raw["request"]["body"], api_key=want.KEY, extra_headers=want.headers(exchange.id), num_retries=0)
    return body | {"model": f"{exchange.raw['provider']}/{body['model']}"}


def litellm(exchange):
    import litellm as sdk
    answer = sdk.completion(**litellm_arguments(exchange))
    return list(answer) if exchange.streaming else answer


async def litellm_async(exchange):
    import litellm as sdk
    answer = await sdk.acompletion(**litellm_arguments(exchange))
    return [part async for part in answer] if exchange.streaming else answer


SDKS = {"google": google, "google-async": google_async, "mistral": mistral, "cohere": cohere, "bedrock": bedrock,
        "litellm": litellm, "litellm-async": litellm_async}


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in SDKS:
        sys.exit(__doc__)
    call, known = SDKS[sys.argv[1]], want.load()
    for exchange in (known[name] for name in sys.argv[2:]):
        fails = exchange.status >= 400 or exchange.expected["error"]
        try:
            answer = call(exchange)
            if asyncio.iscoroutine(answer):
                asyncio.run(answer)
        except Exception:
            if not fails:
                raise
        else:
            if fails:
                sys.exit(f"{exchange.id}: the SDK takes a failure for an answer")


if __name__ == "__main__":
    main()
