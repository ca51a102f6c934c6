# SPDX-License-Identifier: Apache-2.0
"""Scenarios of clients whose TLS library is linked in and stripped: found by what the code does."""
import os
import shutil

from bed import HERE
from scenarios import EXCHANGES, ids_for, need, scenario


@scenario
def bun_openai(bed, exchanges):
    bun = os.environ.get("BUN") or shutil.which("bun")
    need(bun, "bun")
    environment = bed.environment("bun-openai", "t-bun-openai", tls="boringssl", comm=os.path.basename(bun)[:15])
    bed.run([bun, HERE / "clients" / "sdk_node.cjs", EXCHANGES, *ids_for("openai", exchanges)], environment)
