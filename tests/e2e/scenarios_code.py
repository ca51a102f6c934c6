# SPDX-License-Identifier: Apache-2.0
"""Scenarios of programs in which what is hooked is not, or no longer, what it was taken for."""
import json
import pathlib
import shutil
import time

from bed import HERE, PYTHON, ROOT
from scenarios import PLAIN, STREAM, need, scenario
from scenarios_go import check_way

PRETENDER = ROOT / "build" / "e2e" / "pretender"
OVERWRITTEN = [ROOT / "build" / "e2e" / name for name in ("overwritten", "overwritten_shifted")]


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


@scenario
def overwritten_program(bed, _):
    """A program with probes is overwritten in place: who runs it then must not crash, and it is attached anew."""
    for build in OVERWRITTEN:
        need(build, build.name)
    log, program, environment = bed.folder / "agent.log", bed.folder / "overwritten", bed.environment("overwritten", None)
    for times, build in enumerate(OVERWRITTEN, 1):
        with program.open("wb") as out:  # the same inode
            out.write(build.read_bytes())
        program.chmod(0o755)
        time.sleep(3)  # the agent may be in the middle of a large file
        for _run in range(5):
            bed.run([program], environment)
        if not wait_for(lambda: log.read_text().count(f"to {program} (openssl") == times):  # noqa: B023
            raise AssertionError(f"build {times} is not attached")
        for _run in range(20):
            bed.run([program], environment)


@scenario
def returns_at_sites(bed, exchanges):
    """Without return probes: a probe on every RET of OpenSSL's functions, in each way of attaching."""
    calls = " && ".join(f"{PYTHON} {HERE / 'clients' / 'plain.py'} keep-alive {ident} 4" for ident in (PLAIN, STREAM))
    for way in ("multi", "cookie", "plain"):
        tenant = f"t-sites-by-{way}"
        environment = bed.environment("returns-at-sites", tenant, comm=pathlib.Path(PYTHON).name, tls="openssl")

        def early(file, environment=environment):
            return bed.start(["sh", "-c", f"echo; while [ ! -e {file} ]; do sleep 0.05; done; {calls}"], environment)

        check_way(bed, exchanges, f"{way} --returns sites", early,
                  lambda environment=environment: bed.start(["sh", "-c", calls], environment), tenant, 4, "openssl")


@scenario
def chromium(bed, exchanges):
    """A browser: BoringSSL in the program, stripped, used by another process than the one that shows the page."""
    need(shutil.which("chromium"), "chromium")
    exchange, page = exchanges[PLAIN], bed.folder / "page.html"
    # The process that has the sockets keeps no environment.
    environment = bed.environment("chromium", None, expect_tenant="*", tls="boringssl")
    headers = dict(exchange.request_headers()) | {"x-lt-exchange": exchange.id, "x-lt-want": environment["LT_WANT"]}
    request = {"method": "POST", "body": exchange.request_body().decode(),
               "headers": {key: value for key, value in headers.items() if key not in ("host", "accept-encoding")}}
    call = f"await (await fetch({json.dumps(exchange.url)}, {json.dumps(request)})).text();"
    page.write_text(f"<script>(async () => {{ {call * 4} document.title = 'done'; }})()</script>")
    bed.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-web-security",
             "--ignore-certificate-errors", "--dump-dom", "--virtual-time-budget=30000",
             f"--user-data-dir={bed.folder / 'chromium'}", f"file://{page}"], environment)
