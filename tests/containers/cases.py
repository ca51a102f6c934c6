# SPDX-License-Identifier: Apache-2.0
"""What runs, and whose each call is. A case runs containers through an engine, and tells the test what the record of
each call must say; nothing of it is ever told to the agent."""
import concurrent.futures
import json
import secrets
import shlex
import shutil
import subprocess
import time
import uuid

import engines
import image
from bed import BINARY, Missing, cgroup2_root
from engines import Ran, need
from room import V1

IN_A_ROW = 100  # of each of two kinds
AT_ONCE = 50
CASES = {}
EARLY = {}
FROZEN = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


def early(function):
    """Runs before the agent is there; the case of the same name finds what it returns by t.started_early()."""
    EARLY[function.__name__.replace("_", "-")] = function
    return function


def frozen(function):
    """These run while the agent is stopped: it wakes up when nothing of them is left."""
    FROZEN["gone-" + function.__name__.replace("_", "-")] = function
    return function


def hex_id():
    return secrets.token_hex(32)


def with_node():
    return ["-v", f"{image.NODE}:/usr/local/bin/node:ro"] if image.NODE else []


def warm(t):
    """Every file once, without a call: what the first call of a new file takes is another test's matter."""
    wait = ["python3", "/lt/wait.py", "1"]
    runs = [lambda e=engine: e.run(wait) for name, engine in t.made.items() if name != "runc"]
    if "runc" in t.made:
        runs.append(lambda: t.runc.run(wait, "/lt-pods/warm", "", None))
    if "podman" in t.made and image.NODE:
        runs.append(lambda: t.podman.run(["node", "-e", "setTimeout(() => {}, 1000)"], *with_node()))
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as workers:
        list(workers.map(lambda run: run(), runs))


# ---- podman, docker, containerd ----

@case
def podman(t):
    """Two tenants by the cgroup that the administrator gave them, one by podman's own, all at the same time."""
    def one(parent, clients, *more):
        options = ["--cgroup-parent", f"/lt-pods/{parent}"] if parent else []
        t.call(lambda a: t.podman.run(a, *options, *more), parent or "podman", *clients)

    node = with_node()
    with concurrent.futures.ThreadPoolExecutor(3) as workers:
        list(workers.map(lambda work: one(*work), [
            ("acme", ["curl", "python"]), ("globex", ["curl", "python"]),
            (None, ["curl", *(["node"] if node else []), "python"], *node)]))


@case
def podman_v2(t):
    """As on a host that has cgroup v2 alone: with a cgroup namespace of its own, and with the host's."""
    t.call(lambda a: t.podman.run(a, v2=True), "podman", "curl", "python")
    t.call(lambda a: t.podman.run(a, "--cgroupns=host", v2=True), "podman", "curl")


@case
def podman_pod(t):
    """A pod as podman has them: no pod of Kubernetes."""
    t.room.run(*t.podman.command, "pod", "create", "--infra=false", "--name", "lt-pod")
    t.call(lambda a: t.podman.run(a, "--pod=lt-pod", "--network=host"), "podman", "curl")
    t.room.run(*t.podman.command, "pod", "rm", "-f", "lt-pod")


@case
def podman_exec(t):
    """A call by what was started in a container that runs already, by `podman exec`."""
    t.room.run(*t.podman.command, "run", "-d", "--name", "lt-exec", "--network", "host", *engines.limits(),
               t.podman.image, "sleep", "600")
    ident = t.room.run(*t.podman.command, "inspect", "--format", "{{.Id}}", "lt-exec").strip()

    def run(arguments):
        t.room.run(*t.podman.command, "exec", "lt-exec", *arguments)
        return Ran(ident, "podman", "lt-exec", t.podman.image, t.podman.digest)

    t.call(run, "podman", "curl")
    t.room.run(*t.podman.command, "rm", "-f", "-t", "0", "lt-exec")


WAITING = ["python3", "/lt/wait.py", "/told/now"]


@early
def running_already(t):
    """Services that do what a file says as soon as there is one: {name: (folder, engine, id)}"""
    found = {}
    for name in ("podman", "docker"):
        engine, folder = getattr(t, name), t.room.folder / f"told-{name}"
        folder.mkdir()
        more = engines.limits() if name == "podman" else []
        ident = t.room.run(*engine.command, "run", "-d", "-v", f"{folder}:/told:ro", "--network", "host", "--name",
                           "lt-early", *more, engine.image, *WAITING).strip()
        found[name] = folder, engine, ident
    return found


@case
def running_already(t):
    """They were there before the agent."""
    def run(name, arguments):
        folder, engine, ident = t.started_early()[name]
        (folder / "new").write_text(shlex.join(arguments) + "\n")
        (folder / "new").rename(folder / "now")
        t.room.run(*engine.command, "wait", "lt-early")
        t.room.run(*engine.command, "rm", "lt-early")
        return Ran(ident, name, "lt-early", engine.image, engine.digest)

    t.call(lambda a: run("podman", a), "podman", "curl", "python")
    t.call(lambda a: run("docker", a), "docker", "curl")


@case
def podman_rootless(t):
    """Its cgroup is the bare id below the user's own: which runtime it was, only its store can tell."""
    t.call(t.rootless.run, "rootless", "curl", "python")


@case
def docker(t):
    t.call(lambda a: t.docker.run(a, labelled=True), "docker", "curl", "python")
    t.call(lambda a: t.docker.run(a, "--cgroup-parent", "/lt-pods/initech"), "initech", "curl")


@case
def docker_bridge(t):
    """In a network namespace of its own, behind docker's address translation."""
    t.call(lambda a: t.docker.run(a, bridge=True), "docker", "curl", "python")


@case
def containerd_plain(t):
    """Where ctr puts what it starts: the namespace's name, and any name for the container."""
    t.call(lambda a: t.containerd.run(a, id="lt-worker-1", within="default", name=engines.ANY), "containerd", "curl", "python")


def in_pod(t, tenant, qos, arguments):
    """By ctr, as the CRI plugin runs a pod's container: the cgroup of the kubelet, and labels that say whose it is."""
    ident, uid, known = hex_id(), t.pods[tenant], {"pod": f"{tenant}-7c9d", "namespace": "shop", "name": "app"}
    labels = {"io.kubernetes.container.name": "app", "io.kubernetes.pod.name": known["pod"],
              "io.kubernetes.pod.namespace": known["namespace"], "io.kubernetes.pod.uid": uid}
    options = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    return t.containerd.run(arguments, "--cgroup", f"/kubepods/{qos}pod{uid}/{ident}", *options, id=ident, pod_uid=uid,
                            **known)


@case
def containerd_pods(t):
    for tenant, qos in (("pod-one", "burstable/"), ("pod-two", "")):
        t.call(lambda a: in_pod(t, tenant, qos, a), tenant, "curl", "python")


@case
def listing(t):
    """What `ledgertap containers` says of containers that run, without an agent."""
    config = t.bed.folder / "sources.yaml"
    config.write_text(t.sources())
    command = [str(BINARY), "containers", "--config", str(config), "--json"]
    wait = ["python3", "/lt/wait.py", "3"]
    with concurrent.futures.ThreadPoolExecutor() as workers:
        runs = [workers.submit(run) for run in (
            lambda: t.podman.run(wait), lambda: t.rootless.run(wait), lambda: t.docker.run(wait, labelled=True),
            lambda: in_pod(t, "pod-one", "burstable/", wait))]
        time.sleep(2)
        said = subprocess.run(command, capture_output=True, text=True)
        wanted = {(r.id, r.name, r.image, r.digest, r.pod, r.namespace) for r in (run.result() for run in runs)}
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    found = {tuple(row.get(key) or None for key in ("id", "name", "image", "digest", "pod", "namespace"))
             for row in rows}
    if said.returncode != 0 or found != wanted:
        raise RuntimeError(f"exit {said.returncode}, {said.stderr.strip()}\nlists {found - wanted}\nnot {wanted - found}")


# ---- names of cgroups that other engines and other drivers give ----

def shapes():
    """(path with a place for the id, runtime, what else its record says): mostly names of the systemd driver."""
    uid = str(uuid.uuid4())
    slice_of = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    kubepods, user = f"/kubepods.slice/kubepods-burstable.slice/{slice_of}", "/user.slice/user-1000.slice/user@1000.service"
    return [
        ("/system.slice/docker-{}.scope", "docker", {}),
        (kubepods + "/cri-containerd-{}.scope", "containerd", {"pod_uid": uid}),
        (kubepods + "/crio-{}.scope", "cri-o", {"pod_uid": uid}),
        (f"/kubepods/besteffort/pod{uid.replace('-', '')}/{{}}", "containerd", {"pod_uid": uid.replace("-", "")}),
        ("/machine.slice/libpod-{}.scope/container", "podman", {}),
        (user + "/user.slice/libpod-{}.scope", "podman", {"unit": "user@1000.service"}),
        (user + "/user.slice/docker-{}.scope", "docker", {"unit": "user@1000.service"}),
        ("/system.slice/nerdctl-{}.scope", "containerd", {}),
        ("/lxc/{}/init.scope", "lxc", {"unit": "init.scope"})]


@case
def names(t):
    """Every shape of name, the container's own view of the tree being private and the host's in turn."""
    for number, (path, runtime, known) in enumerate(shapes()):
        ident = t.ids[number]
        t.call(lambda a: t.runc.run(a, path.format(ident), ident, runtime, v2=number % 2 == 1, private=number % 3 == 0,
                                    **known), t.tenant_of(ident), "curl")


@case
def v1_alone(t):
    """Hybrid hosts with older engines: the container is in the v1 hierarchies only."""
    if not V1:
        raise Missing("this host has no v1 hierarchies")
    ident = hex_id()
    folders = [cgroup2_root().parent / name / "docker" / ident for name in ("memory", "pids", "systemd")]
    for folder in folders:
        folder.mkdir(parents=True)
    move = "; ".join(f"echo $$ >{folder}/cgroup.procs" for folder in folders)

    def run(arguments):
        t.room.run("sh", "-ec", f'{move}; exec env "$@"', "sh", *t.runc.variables, shutil.which("chroot"), t.runc.root,
                   *arguments)
        return Ran(ident, "docker")

    t.call(run, "docker", "curl", "python")
    for folder in folders:
        folder.rmdir()


# ---- containers in containers, and those that are no OCI containers ----

def privileged(spec):
    everything = sorted({*spec["process"]["capabilities"]["bounding"], *(
        f"CAP_{name}" for name in ("SYS_ADMIN NET_ADMIN SYS_CHROOT SETUID SETGID CHOWN DAC_OVERRIDE FOWNER FSETID MKNOD "
                                   "SETPCAP SETFCAP SYS_PTRACE").split())})
    spec["process"]["capabilities"] = {kind: everything for kind in ("bounding", "effective", "permitted")}
    spec["linux"] |= {"maskedPaths": [], "readonlyPaths": [], "resources": {"devices": [{"allow": True, "access": "rwm"}]}}
    for mount in spec["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup":
            mount["options"] = [option for option in mount["options"] if option != "ro"]


def nested(t, arguments, outer_path, inner_path, v2, private, **known):
    """runc in a privileged container that runc runs: the innermost is the container, the outermost pod the pod."""
    inner = t.runc.bundle(arguments, inner_path, root=t.runc.root)
    script = f"runc --root /run/inner run --bundle {inner} inner"
    return t.runc.run(["sh", "-c", script], outer_path, known.pop("id"), known.pop("runtime"), v2=v2, private=private,
                      lower="/", change=privileged, **known)


def engine_in(t, place, tenant, clients, v2, private, **known):
    """What docker in a container starts. On hybrid hosts v2 does not have it."""
    outer, inner = hex_id(), hex_id()
    t.call(lambda a: nested(t, a, place + outer, f"/docker/{inner}", v2, private, id=inner, runtime="docker", **known),
           tenant, *clients)


def engine_in_pod(t, v2, private):
    # Where the inner one is seen below the outer one, its name is a claim, and the rule on docker says otherwise than the pod's.
    uid, conflict = t.pods["pod-outer"], None if v2 and not private else "tenant"
    engine_in(t, f"/kubepods/burstable/pod{uid}/", "pod-outer", ["curl"], v2, private, pod_uid=uid, conflict=conflict)


@case
def docker_in_docker(t):
    """The inner engine sees a tree of its own, or the host's, in which its containers are not below the outer one's; on
    hybrid hosts they are below it in v1, and not there at all in v2."""
    for v2, private in ((True, True), (True, False), (False, False)):
        engine_in(t, "/docker/", "docker", ["curl", "python"], v2, private)


@case
def docker_in_pod(t):
    for v2, private in ((True, True), (True, False), (False, False)):
        engine_in_pod(t, v2, private)


@case
def cluster_in_docker(t):
    """A kubelet in a container, eight names deep: its pods are those of the inner cluster."""
    outer, inner, uid = hex_id(), hex_id(), str(uuid.uuid4())
    path = "/".join(["/kubelet.slice", "kubelet-kubepods.slice", "kubelet-kubepods-burstable.slice",
                     f"kubelet-kubepods-burstable-pod{uid.replace('-', '_')}.slice", f"cri-containerd-{inner}.scope"])
    t.call(lambda a: nested(t, a, f"/system.slice/docker-{outer}.scope", path, True, True, id=inner,
                            runtime="containerd", pod_uid=uid), "containerd", "curl", "python")


@case
def nspawn(t):
    """systemd-nspawn in the scope that machined would have made for it."""
    need("systemd-nspawn")
    name = "lt-machine"
    scope = cgroup2_root() / "machine.slice" / f"machine-{name.replace('-', chr(92) + 'x2d')}.scope"
    scope.mkdir(parents=True)

    def run(arguments):
        script = f"echo $$ >'{scope}/cgroup.procs'; exec \"$@\""
        t.room.run("sh", "-ec", script, "sh", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2",
                   "--resolv-conf=off", "--timezone=off", f"--machine={name}", f"--directory={t.runc.root}", "--volatile=no",
                   *(f"--setenv={variable}" for variable in t.runc.variables), *arguments)
        return Ran(name, "systemd-nspawn")

    t.call(run, "nspawn", "curl", "python")


@case
def lxc(t):
    need("lxc-execute")
    folder = t.room.folder / "lxc"
    (folder / "lt-web").mkdir(parents=True)
    (folder / "lt-web" / "config").write_text("\n".join([
        f"lxc.rootfs.path = dir:{t.runc.root}", "lxc.uts.name = lt-web", "lxc.net.0.type = none",
        "lxc.mount.auto = proc:rw sys:ro", "lxc.apparmor.profile = unconfined",
        *(f"lxc.environment = {variable}" for variable in t.runc.variables)]) + "\n")

    def run(arguments):
        t.room.run("lxc-execute", "-P", folder, "-n", "lt-web", "--", *arguments)
        return Ran("lt-web", "lxc")

    t.call(run, "lxc", "curl", "python")


# ---- many ----

def pod_of_runc(t, tenant, clients=("curl",)):
    ident, uid = hex_id(), t.pods[tenant]
    slice_of = f"kubepods-besteffort-pod{uid.replace('-', '_')}.slice"
    path = f"/kubepods.slice/kubepods-besteffort.slice/{slice_of}/cri-containerd-{ident}.scope"
    t.call(lambda a: t.runc.run(a, path, ident, "containerd", pod_uid=uid), tenant, *clients)


@case
def in_a_row(t):
    """Short-lived containers one after the other: one call each, and gone."""
    for number in range(IN_A_ROW):
        pod_of_runc(t, ("pod-one", "pod-two")[number % 2])
    for number in range(IN_A_ROW):
        parent = ("acme", "globex", "initech")[number % 3]
        t.call(lambda a: t.podman.run(a, "--cgroup-parent", f"/lt-pods/{parent}"), parent, "curl")


@case
def at_once(t):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as workers:
        list(workers.map(lambda number: pod_of_runc(t, ("pod-one", "pod-two")[number % 2]), range(AT_ONCE)))


# ---- gone before the agent looks ----

@frozen
def podman_container(t):
    t.call(lambda a: t.podman.run(a, "--cgroup-parent", "/lt-pods/acme"), "acme", "curl", "python")
    t.call(lambda a: t.podman.run(a, v2=True), "podman", "curl")


@frozen
def docker_container(t):
    t.call(t.docker.run, "docker", "curl")


@frozen
def pod(t):
    pod_of_runc(t, "pod-one", ["curl", "python"])


@frozen
def nested_pod(t):
    docker_in_pod(t)


@frozen
def hybrid(t):
    v1_alone(t)


@frozen
def nested_cluster(t):
    cluster_in_docker(t)
