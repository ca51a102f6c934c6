# SPDX-License-Identifier: Apache-2.0
"""The runtimes, each with the one image in a store of its own. Every run() starts one container, waits for its end and
removes it; what it returns is how the runtime itself names the container."""
import contextlib
import dataclasses
import json
import os
import resource
import secrets
import shutil
import socket
import subprocess
import tarfile
import time

import image
from bed import KEY_CANARY, Missing, cgroup2_root
from room import SBIN

IMAGE = "lt-pods:1"
LABEL = ("lt.team", "checkout")
ANY = "*"


@dataclasses.dataclass
class Ran:
    """A container that ran. None: its runtime has no such thing, or the name of its cgroup does not tell. ANY: either."""
    id: str
    runtime: str
    name: str = None
    image: str = None
    digest: str = None
    pod: str = None
    namespace: str = None
    pod_uid: str = None
    unit: str = None
    labelled: bool = False
    conflict: str = None  # the dimension in which a claim says otherwise


class NotInstalled(Missing):
    """What `make deps-containers` would install."""


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=f"{os.environ['PATH']}:{SBIN}"):
            raise NotInstalled(f"{program} is not here")


def environment():
    return image.ENVIRONMENT | {"LT_KEY": KEY_CANARY}


def changes():
    """For `import`: what the image says to those who run it."""
    return [word for key, value in environment().items() for word in ("-c", f"ENV {key}={value}")]


def limits():
    """podman asks for more than a host may allow: no more than is allowed here."""
    allowed = {"nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1], "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1]}
    wanted = {name: hard if 0 < hard < 32768 else 32768 for name, hard in allowed.items()}
    return [word for name, hard in wanted.items() for word in ("--ulimit", f"{name}=1024:{hard}")]


def wait_for(path, process, log):
    """Until a daemon listens."""
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens at {path}: {log.read_text()[-500:]}")


class Podman:
    """podman with runc. It needs no daemon; there is one all the same, which the agent asks beside reading the store."""

    def __init__(self, room, rootfs):
        need("podman", "conmon", "runc")
        self.room, self.folder = room, room.folder / "podman"
        self.store = self.folder / "storage"
        self.command = ["podman", "--root", self.store, "--runroot", self.folder / "run", "--tmpdir", self.folder / "tmp",
                        "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file",
                        "--network-config-dir", self.folder / "networks"]
        self.folder.mkdir()
        self.socket, log = self.folder / "socket", self.folder / "log"
        wait_for(self.socket, room.start(*self.command, "system", "service", "--time=0", f"unix://{self.socket}", log=log), log)
        with rootfs.open("rb") as tar:
            room.run(*self.command, "import", *changes(), "-", f"localhost/{IMAGE}", stdin=tar)
        self.image = f"localhost/{IMAGE}"
        self.digest = room.run(*self.command, "image", "inspect", "--format", "{{.Digest}}", self.image).strip()

    def sources(self):
        return [{"type": "podman", "socket": str(self.socket)}, {"type": "storage", "path": str(self.store)}]

    def run(self, arguments, *options, name=None, v2=False):
        name = name or f"lt-podman-{secrets.token_hex(4)}"
        id_file = self.folder / f"{name}.id"
        network = () if any(str(word).startswith(("--network", "--pod=")) for word in options) else ("--network", "host")
        more = ("--pids-limit=0",) if v2 else ()
        self.room.run(*self.command, "run", "--rm", "--cidfile", id_file, "--name", name, *network, *more, *limits(),
                      *options, self.image, *arguments, v2=v2)
        return Ran(id_file.read_text(), "podman", name, self.image, self.digest)

    def save(self, path):
        self.room.run(*self.command, "save", "-q", "--format", "docker-archive", "-o", path, self.image)


class Rootless:
    """podman as a user that the host does not have, in a cgroup that was given to that user."""
    UID = 61234

    def __init__(self, room, rootfs):
        need("podman", "newuidmap", "setpriv")
        self.room, self.home = room, room.folder / "rootless"
        self.store = self.home / "storage"
        self.home.mkdir()
        shutil.chown(self.home, self.UID, self.UID)
        user = f"lt:x:{self.UID}:{self.UID}::{self.home}:/bin/sh"
        self.room.run("sh", "-ec", f"""
            echo {user} >>/etc/passwd; echo lt:x:{self.UID}: >>/etc/group
            echo lt:300000:65536 >/etc/subuid; cp /etc/subuid /etc/subgid
            mkdir -p /run/user/{self.UID}; chown {self.UID}:{self.UID} /run/user/{self.UID}""")
        self.unit = f"user@{self.UID}.service"
        self.parent = f"/user.slice/user-{self.UID}.slice/{self.unit}"
        given = cgroup2_root() / self.parent.lstrip("/")
        (given / "init").mkdir(parents=True, exist_ok=True)
        for path in (given, given / "init", *given.glob("cgroup.*"), *(given / "init").glob("cgroup.*")):
            shutil.chown(path, self.UID, self.UID)
        self.image = f"localhost/{IMAGE}"
        with rootfs.open("rb") as tar:
            self.podman("import", *changes(), "-", self.image, stdin=tar)
        self.digest = self.podman("image", "inspect", "--format", "{{.Digest}}", self.image).strip()

    def podman(self, *arguments, stdin=subprocess.DEVNULL):
        script = f'echo $$ >/sys/fs/cgroup{self.parent}/init/cgroup.procs && cd {self.home} && exec "$@"'
        return self.room.run(
            "sh", "-c", script, "sh", "setpriv", "--reuid", self.UID, "--regid", self.UID, "--clear-groups", "env",
            f"HOME={self.home}", f"XDG_RUNTIME_DIR=/run/user/{self.UID}", "podman", "--root", self.store,
            "--storage-driver", "overlay", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend",
            "none", *arguments, stdin=stdin, v2=True)

    def sources(self):
        return [{"type": "storage", "path": str(self.store)}]

    def run(self, arguments, *options):
        name, id_file = f"lt-rootless-{secrets.token_hex(4)}", self.home / "id"
        id_file.unlink(missing_ok=True)
        self.podman("run", "--rm", "--cidfile", id_file, "--name", name, "--network", "host", *limits(), *options,
                    self.image, *arguments)
        return Ran(id_file.read_text(), None, name, self.image, self.digest, unit=self.unit)


class Containerd:
    def __init__(self, room, archive):
        need("containerd", "ctr", "runc")
        self.room, self.folder = room, room.folder / "containerd"
        self.socket = self.folder / "socket"
        self.folder.mkdir()
        config, log = self.folder / "config.toml", self.folder / "log"
        config.write_text(f"""
version = 2
root = "{self.folder}/root"
state = "{self.folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{self.socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{self.folder}/opt"
""")
        wait_for(self.socket, room.start("containerd", "-c", config, log=log), log)
        self.image, self.digest = f"localhost/{IMAGE}", None
        for within in ("k8s.io", "default"):
            self.ctr(within, "images", "import", archive)
        for line in self.ctr("k8s.io", "images", "ls").splitlines():
            if line.startswith(self.image):
                self.digest = line.split()[2]

    def ctr(self, within, *arguments):
        return self.room.run("ctr", "-a", self.socket, "-n", within, *arguments)

    def sources(self):
        return [{"type": "containerd", "socket": str(self.socket)}]

    def run(self, arguments, *options, id=None, within="k8s.io", **known):
        id = id or secrets.token_hex(32)
        self.ctr(within, "run", "--rm", "--net-host", *options, self.image, id, *arguments)
        return Ran(id, "containerd", image=self.image, digest=self.digest, **known)


class Docker:
    BRIDGE = "10.213.0.1"

    def __init__(self, room, rootfs, containerd):
        need("dockerd", "docker", "iptables")
        self.room, self.folder = room, room.folder / "docker"
        self.socket = self.folder / "socket"
        self.folder.mkdir()
        config, log = self.folder / "daemon.json", self.folder / "log"
        config.write_text(json.dumps({
            "data-root": str(self.folder / "root"), "exec-root": str(self.folder / "exec"),
            "pidfile": str(self.folder / "pid"), "hosts": [f"unix://{self.socket}"], "bip": f"{self.BRIDGE}/24",
            "exec-opts": ["native.cgroupdriver=cgroupfs"], "containerd": str(containerd.socket)}))
        wait_for(self.socket, room.start("dockerd", "--config-file", config, log=log), log)
        room.run("iptables", "-t", "nat", "-A", "PREROUTING", "-d", self.BRIDGE, "-p", "tcp", "--dport", "443", "-j",
                 "DNAT", "--to-destination", "127.0.0.1:443")
        self.command = ["docker", "-H", f"unix://{self.socket}"]
        with rootfs.open("rb") as tar:
            self.docker("import", *changes(), "-", IMAGE, stdin=tar)
        self.image, self.digest = IMAGE, self.docker("image", "inspect", "-f", "{{.Id}}", IMAGE).strip()

    def docker(self, *arguments, stdin=subprocess.DEVNULL):
        return self.room.run(*self.command, *arguments, stdin=stdin)

    def sources(self):
        return [{"type": "docker", "socket": str(self.socket)}]

    def run(self, arguments, *options, bridge=False, labelled=False):
        name = f"lt-docker-{secrets.token_hex(4)}"
        id_file = self.folder / f"{name}.id"
        network = ["--add-host", f"api.openai.com:{self.BRIDGE}"] if bridge else ["--network", "host"]
        self.docker("run", "--rm", "--cidfile", str(id_file), "--name", name, *network,
                    *(["--label", "=".join(LABEL)] if labelled else []), *options, self.image, *arguments)
        # Below somebody's own cgroup its name is the bare id, as that of other engines too.
        runtime = None if "--cgroup-parent" in options else "docker"
        return Ran(id_file.read_text(), runtime, name, self.image, self.digest, labelled=labelled)


class Runc:
    """runc alone, in a cgroup of any name: what the other engines, and those that are not here, would give it."""
    RUN = """
        mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" "$2/root"
        r=0; runc --root "$2/state" run --bundle "$2" "$3" || r=$?
        umount "$2/root"; exit $r"""

    def __init__(self, room, root):
        need("runc")
        self.room, self.root, self.folder = room, root, room.folder / "runc"
        (self.folder / "spec").mkdir(parents=True)
        room.run("runc", "spec", "--bundle", self.folder / "spec")
        self.variables = [f"{key}={value}" for key, value in environment().items()]
        self.spec = json.loads((self.folder / "spec" / "config.json").read_text())

    def bundle(self, arguments, cgroup, private=False, root="root", change=None):
        """A folder with a config. private: a cgroup namespace of its own."""
        folder = self.folder / secrets.token_hex(8)
        for name in ("up", "work", "root"):
            (folder / name).mkdir(parents=True)
        spec = json.loads(json.dumps(self.spec))
        spec["root"] = {"path": str(root), "readonly": False}
        spec["process"] |= {"terminal": False, "args": [str(word) for word in arguments], "rlimits": [], "cwd": "/",
                            "env": self.variables}
        spec["linux"]["cgroupsPath"] = cgroup
        kept = [n for n in spec["linux"]["namespaces"] if n["type"] not in ("network", "cgroup")]
        spec["linux"]["namespaces"] = kept + ([{"type": "cgroup"}] if private else [])
        if change:
            change(spec)
        (folder / "config.json").write_text(json.dumps(spec))
        return folder

    def run(self, arguments, cgroup, id, runtime, v2=False, private=False, lower=None, change=None, **known):
        folder = self.bundle(arguments, cgroup, private, change=change)
        self.room.run("sh", "-ec", self.RUN, "sh", lower or self.root, folder, f"lt-{folder.name}", v2=v2)
        shutil.rmtree(folder)
        return Ran(id, runtime, **known)


def pack(root, path):
    """The root file system as a tar, which is what import takes."""
    with tarfile.open(path, "w") as tar:
        tar.add(root, ".")
    return path
