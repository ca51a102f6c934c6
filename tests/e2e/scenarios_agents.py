# SPDX-License-Identifier: Apache-2.0
"""Scenarios with agents: pretended ones, laid out on disk as their packages are. Each call's record names the agent, the
run that the call belongs to (`run` of its labels: calls of one have one key, of two have two) and the step."""
import contextlib
import json
import shutil
import time

from bed import HERE, PYTHON, VENV, finish
from scenarios import BEFORE, EXCHANGES, PLAIN, need, plain, scenario

CLIENTS = HERE / "clients"
ENTRY = f"#!{PYTHON} -B\n"


def lay_out(bed):
    """(script of an npm package, entry point of a Python package, folder of its module)"""
    root = bed.folder / "agents"
    npm = root / "lib" / "node_modules" / "@anthropic-ai" / "claude-code" / "cli.js"
    entry, module = root / "bin" / "aider", root / "lib" / "aider" / "__main__.py"
    with bed.lock:
        for file, source in ((npm, "agent_node.cjs"), (module, "agent_python.py"), (entry, "agent_python.py")):
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                text = (CLIENTS / source).read_text()
                file.write_text(ENTRY + text if file == entry else text)
                file.chmod(0o755)
    return npm, entry, module.parent.parent


def of_agent(bed, name, agent, run, **wanted):
    return bed.environment(name, f"t-{name}", agent=agent, run=run, **wanted)


@scenario
def agent_run(bed, _):
    """One run: a loop of tools, a title, a retry, tools of a child, a curl, an agent inside, a daemon that stays."""
    need(VENV, "the Python venv")
    need(shutil.which("node"), "node")
    npm, entry, _ = lay_out(bed)
    marker = bed.folder / "agent-daemon-called"
    server = [str(VENV), "-B", str(CLIENTS / "mcp_stdio.py"), "serve"]
    bed.run([shutil.which("node"), npm, EXCHANGES, marker, json.dumps(server), json.dumps([str(entry), str(CLIENTS)]),
             "CMDLINE-CANARY-77e0c4"],
            of_agent(bed, "agent-run", "claude-code", "claude"))
    end = time.monotonic() + 20
    while not marker.exists() and time.monotonic() < end:
        time.sleep(0.05)
    if not marker.exists():
        raise RuntimeError("the daemon has not called")


@scenario
def agent_python(bed, _):
    """By its entry point, and as a module: two runs."""
    _, entry, modules = lay_out(bed)
    bed.run([entry, CLIENTS], of_agent(bed, "agent-python", "aider", "entry"))
    bed.run([PYTHON, "-B", "-m", "aider", CLIENTS],
            of_agent(bed, "agent-python", "aider", "module") | {"PYTHONPATH": str(modules)})


def start_early(bed):
    _, entry, _ = lay_out(bed)
    client = bed.start([entry, CLIENTS, bed.folder / "agent-early.go"], of_agent(bed, "agent-early", "aider", "early"))
    client.stdout.readline()
    return client


BEFORE["agent-early"] = start_early


@scenario
def agent_early(bed, _):
    """It runs before ours does."""
    (bed.folder / "agent-early.go").touch()
    finish(bed.early.pop("agent-early"))


@scenario
def agent_none(bed, _):
    """Programs of no agent, one of them with a script of the name that an agent's package has."""
    plain(bed, "agent-none", "keep-alive", PLAIN, 2, agent="none", run="none")
    folder = bed.folder / "agent-none"
    folder.mkdir()
    with contextlib.suppress(FileExistsError):
        (folder / "aider_report.py").symlink_to(CLIENTS / "plain.py")
    bed.run([PYTHON, "-B", folder / "aider_report.py", "one", PLAIN],
            of_agent(bed, "agent-none", "none", "none") | {"PYTHONPATH": f"{CLIENTS}:{HERE}"})
