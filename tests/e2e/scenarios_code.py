# SPDX-License-Identifier: Apache-2.0
"""Scenarios of programs whose TLS library is linked in and stripped: found by what its code does."""
import time

from bed import ROOT
from scenarios import need, scenario

PRETENDER = ROOT / "build" / "e2e" / "pretender"


def wait_for(said, seconds=20):
    end = time.monotonic() + seconds
    while not said():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@scenario
def found_wrongly(bed, _):
    """What only looks like a TLS library is hooked, found out by what it does, let go of and reported."""
    need(PRETENDER, "pretender")
    log = bed.folder / "agent.log"
    bed.run([PRETENDER], bed.environment("found-wrongly", None))
    if not wait_for(lambda: "pretender: what was taken for TLS functions (boringssl-code)" in log.read_text()):
        raise AssertionError("the agent does not say that what it hooked is no TLS library")
