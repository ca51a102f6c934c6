# SPDX-License-Identifier: Apache-2.0
"""Scenarios of processes that move, change, or say that they are somebody else: none may get another's tenant.

The tenants id-a and id-b are cgroups by the rules of the bed's config, id-pod is a pod.
"""
import contextlib
import pathlib

from bed import HERE, PYTHON, SHORT_CALL, Missing, cgroup2_root
from scenarios import PLAIN, STREAM, need, scenario

CLIENT = HERE / "clients" / "identity.py"
POD = "1d1d1d1d-0000-4000-8000-0000000000ad"


def memory_root():
    """The v1 hierarchy of the memory controller."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return pathlib.Path(where)
    raise Missing("no v1 hierarchy of the memory controller")


def make_cgroup(bed, root, path):
    """A cgroup that is gone afterwards, with those above it that nobody else uses."""
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)

    def remove():
        for place in (folder, *folder.parents):
            if place == root:
                return
            with contextlib.suppress(OSError):
                place.rmdir()

    bed.cleanups.append(remove)
    return folder


def pair(bed, name, root):
    return [make_cgroup(bed, root, f"lt-id-{letter}.slice/{name}") for letter in "ab"]


def run(bed, exchange, habit, *arguments, tenant=None, options="", **labels):
    environment = bed.environment(f"identity-{habit}", tenant, options, **labels)
    bed.run([PYTHON, CLIENT, habit, exchange, *arguments], environment)


@scenario
def identity_move(bed, _):
    """On a connection that is kept, each request is of the cgroup that it was sent from."""
    run(bed, STREAM, "move", *pair(bed, "move", cgroup2_root()), options="delay=20")


@scenario
def identity_move_v1(bed, _):
    """The same where v2 says nothing: all processes are in its root."""
    folders = pair(bed, "move", memory_root())
    root = cgroup2_root()
    script = f'echo $$ > {root}/cgroup.procs; exec "$@"'
    environment = bed.environment("identity-move-v1", None, "delay=20")
    bed.run(["sh", "-c", script, "sh", PYTHON, CLIENT, "move", STREAM, *folders], environment)


@scenario
def identity_exec(bed, _):
    """Who called is who called, whoever connected, and whatever runs in the process a moment later."""
    for _ in range(5):
        run(bed, PLAIN, "exec", tenant="t-identity-exec")


@scenario
def identity_fork(bed, _):
    run(bed, PLAIN, "fork", *pair(bed, "fork", cgroup2_root()))


@scenario
def identity_setns(bed, _):
    run(bed, PLAIN, "setns", *pair(bed, "setns", cgroup2_root()))


@scenario
def identity_pid_reuse(bed, _):
    run(bed, PLAIN, "pid-reuse", *pair(bed, "pid-reuse", cgroup2_root()))


@scenario
def identity_spoof(bed, _):
    """Its command, environment and headers name another tenant, and its cgroup holds the other's name."""
    folder = make_cgroup(bed, cgroup2_root(), "lt-id-a.slice/spoof/lt-id-b.slice/spoof")
    run(bed, PLAIN, "spoof", folder, tenant="id-b", conflict="tenant")


@scenario
def identity_nested(bed, _):
    """Docker in docker: the inner container's cgroup is at the root, so the pod is the ancestors'."""
    root = cgroup2_root()
    run(bed, PLAIN, "nested", make_cgroup(bed, root, f"kubepods/burstable/pod{POD}/{'ad' * 32}"),
        make_cgroup(bed, root, f"docker/{'bd' * 32}"), root)


@scenario
def identity_born(bed, _):
    """No exec tells their cgroups, whose path is longer than an exec could tell."""
    folder = make_cgroup(bed, cgroup2_root(), "lt-id-a.slice/1/2/3/4/5/6/7/8/9")
    run(bed, PLAIN, "born", folder)


@scenario
def identity_short(bed, _):
    """Two hundred containers that are gone before anybody in user space can look at them."""
    need(SHORT_CALL, "short_call")
    run(bed, PLAIN, "short", make_cgroup(bed, cgroup2_root(), "lt-id-a.slice/short"), SHORT_CALL)
