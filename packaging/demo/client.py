# SPDX-License-Identifier: Apache-2.0
"""A program of a tenant in the demo: plain standard library, calls a provider, prints nothing.

usage: client.py openai|anthropic|azure...
"""
import json
import sys
import urllib.error
import urllib.request

QUESTION = [{"role": "user", "content": "Good morning"}]
AZURE = "https://ledger-demo.openai.azure.com/openai/deployments/claims-gpt4o/chat/completions?api-version=2024-10-21"
CALLS = {
    "openai": [
        ("https://api.openai.com/v1/responses", {"model": "gpt-5", "input": "Good morning", "stream": True}),
        ("https://api.openai.com/v1/chat/completions", {"model": "gpt-5-mini", "messages": QUESTION}),
        ("https://api.openai.com/v1/chat/completions", {"model": "gpt-4o", "messages": QUESTION, "stream": True}),
    ],
    "anthropic": [
        ("https://api.anthropic.com/v1/messages",
         {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": QUESTION}),
        ("https://api.anthropic.com/v1/messages",
         {"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": QUESTION, "stream": True}),
    ],
    "azure": [(AZURE, {"messages": QUESTION}), (AZURE, {"messages": QUESTION, "stream": True})],
}
KEYS = {"openai": ("authorization", "Bearer sk-of-the-demo"), "anthropic": ("x-api-key", "sk-of-the-demo"),
        "azure": ("api-key", "sk-of-the-demo")}

for provider in sys.argv[1:]:
    for url, body in CALLS[provider]:
        request = urllib.request.Request(url, json.dumps(body).encode(), dict([KEYS[provider]]))
        request.add_header("content-type", "application/json")
        try:
            urllib.request.urlopen(request, timeout=30).read()
        except urllib.error.HTTPError as error:
            error.read()  # over its limit, say: a call like any other
