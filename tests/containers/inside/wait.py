# SPDX-License-Identifier: Apache-2.0
"""A service that has its TLS library mapped and makes no call. usage: wait.py SECONDS | wait.py FILE, which the shell
runs in its place as soon as it is there."""
import os
import ssl  # noqa: F401
import sys
import time

if sys.argv[1].startswith("/"):
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    os.execv("/bin/sh", ["sh", sys.argv[1]])
time.sleep(float(sys.argv[1]))
