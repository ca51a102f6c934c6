# SPDX-License-Identifier: Apache-2.0
"""An agent as aider is one: scenarios_agents.py lays this file out as pip has its entry point, and as its module. A loop of
tools whose conversation the wire does not name. aider CLIENTS_DIR [WAIT_FOR_FILE]
"""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, sys.argv[1])
import plain  # noqa: E402
import want  # noqa: E402

exchanges = want.load()


def call(connection, name, step, turn=""):
    """turn: which results of tools these are."""
    exchange = exchanges[name]
    body = exchange.request_body().replace(b"call_lt", b"call_" + turn.encode())
    headers = {name: value.replace("REDACTED", want.KEY) for name, value in exchange.request_headers()
               if name not in plain.DROPPED} | want.headers(name, step=step)
    connection.request("POST", exchange.path, body, headers)
    connection.getresponse().read()


def main():
    if len(sys.argv) > 2:
        print("waiting", flush=True)
        while not pathlib.Path(sys.argv[2]).exists():
            time.sleep(0.02)
    connection = plain.connect(exchanges["openai-chat-tools"])
    call(connection, "openai-chat-tools", 1)
    call(connection, "openai-chat-results", 2, "a")
    call(connection, "openai-chat-plain", 2)
    # A worker of the same program goes on with the same conversation.
    if os.fork() == 0:
        call(plain.connect(exchanges["openai-chat-results"]), "openai-chat-results", 3, "b")
        os._exit(0)
    _, status = os.wait()
    call(connection, "openai-chat-results", 4, "c")
    sys.exit(status != 0 and f"the worker fails: {json.dumps(status)}")


if __name__ == "__main__":
    main()
