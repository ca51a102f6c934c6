# SPDX-License-Identifier: Apache-2.0
"""One call with the standard library."""
import os
import urllib.request

headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ['LT_KEY']}",
           "x-lt-exchange": os.environ["EXCHANGE"], "x-lt-want": os.environ["WANT"] + "; comm=python3"}
with open("/lt/body", "rb") as body:
    request = urllib.request.Request(os.environ["URL"], body.read(), headers)
with urllib.request.urlopen(request) as answer:
    answer.read()
