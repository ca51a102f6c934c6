#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""alone.py COMMAND...: runs it while no other live test is on this host. An agent sees the clients of all."""
import os
import socket
import subprocess
import sys
import time


def hold_host():
    """Waits until no other run is on this host. The name is bound until this process, or what is returned, ends."""
    lock, said = socket.socket(socket.AF_UNIX), False
    while True:
        try:
            lock.bind("\0ledgertap-e2e")
            return lock
        except OSError:
            if not said:
                print("another run is on this host: waiting for its end", flush=True)
            said = True
            time.sleep(0.5)


if __name__ == "__main__":
    held = hold_host()
    sys.exit(subprocess.call(sys.argv[1:], env=os.environ | {"LEDGERTAP_ALONE": "yes"}))
