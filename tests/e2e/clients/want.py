# SPDX-License-Identifier: Apache-2.0
"""What a test client tells the upstream about itself, in two extra headers; nothing else differs from real use.

LT_WANT holds the labels of the scenario; the client adds its own pid. LT_OPTIONS goes to the upstream.
"""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from exchanges import load, load_corpus  # noqa: E402, F401

KEY = os.environ.get("LT_KEY", "sk-test-of-ledgertap")


def headers(exchange, **more):
    options = "; ".join(part for part in (exchange, os.environ.get("LT_OPTIONS", "")) if part)
    wanted = "; ".join([os.environ.get("LT_WANT", ""), f"pid={os.getpid()}", *(f"{k}={v}" for k, v in more.items())])
    return {"x-lt-exchange": options, "x-lt-want": wanted}
