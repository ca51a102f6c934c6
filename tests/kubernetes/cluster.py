# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes of one node on this machine, from ready binaries: etcd, kube-apiserver, kube-controller-manager,
kube-scheduler, kubelet, containerd. In mount and pid namespaces of its own, so that nothing of it is left.

Its pods use the host's network and, read-only, the host's /usr: images hold no more than a program that waits.
"""
import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request

NODE = "lt-node"
ADMIN = "lt-admin-token"
API_PORT, ETCD_PORT, KUBELET_PORT = 26443, 22379, 20255
NEEDED = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "containerd", "ctr", "runc"]
SYSCTLS = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"]
LEFT_BEHIND = ["/var/lib/kubelet", "/var/log/pods", "/var/log/containers", "/var/run/kubernetes", "/run/containerd"]
CGROUP = "lt-kubernetes"  # of its own: a kubelet ends what it does not know below its root
IMAGE = "localhost/lt-pod:1"

PAUSE = """
#include <signal.h>
#include <unistd.h>
static void end(int s) { (void)s; _exit(0); }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
"""

CONTAINERD = """\
version = 2
root = "{d}/containerd"
state = "{d}/containerd-state"
[grpc]
  address = "{d}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{d}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

CNI = {"cniVersion": "0.4.0", "name": "lt", "plugins": [{
    "type": "bridge", "bridge": "lt-cni0", "isGateway": True, "ipMasq": False,
    "ipam": {"type": "host-local", "subnet": "10.96.8.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}]}

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: lt
clusters:
- name: lt
  cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: "{d}/pki/apiserver.crt"}}
users:
- name: admin
  user: {{token: "{token}"}}
contexts:
- name: lt
  context: {{cluster: lt, user: admin}}
"""


def binary(folder, name):
    path = pathlib.Path(folder) / name
    return str(path) if os.access(path, os.X_OK) else shutil.which(name)


def missing(folder):
    return [name for name in NEEDED if not binary(folder, name)]


class Api:
    """The API server, spoken to by its administrator."""

    def __init__(self, ca, token=ADMIN, port=API_PORT):
        self.base, self.token = f"https://127.0.0.1:{port}", token
        self.context = ssl.create_default_context(cafile=ca) if ca else None

    def __call__(self, method, path, body=None, kind="application/json", timeout=20):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={
            "Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout, context=self.context) as answer:
            text = answer.read()
        try:
            return json.loads(text)
        except ValueError:
            return text.decode()

    def apply(self, thing):
        """Makes it, and is content with one that is there."""
        group = thing["apiVersion"]
        plural = {"NetworkPolicy": "networkpolicies"}.get(thing["kind"], thing["kind"].lower() + "s")
        where = f"/namespaces/{thing['metadata']['namespace']}" if "namespace" in thing["metadata"] else ""
        root = "/api" if "/" not in group else "/apis"
        try:
            return self("POST", f"{root}/{group}{where}/{plural}", thing)
        except urllib.error.HTTPError as e:
            if e.code != 409:
                raise RuntimeError(f"{thing['kind']}: {e.code} {e.read().decode()[:500]}") from e

    def token_of(self, namespace, account, seconds=600):
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"expirationSeconds": seconds}}
        made = self("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", body)
        return made["status"]["token"]


def tar_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data, mode in files:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if data is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
            else:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if isinstance(data, bytes) else None)
    return out.getvalue()


def make_image(folder):
    """An image with a program that waits, and the places where the host's programs are mounted."""
    subprocess.run(["gcc", "-static", "-O1", "-x", "c", "-", "-o", f"{folder}/pause"], input=PAUSE.encode(), check=True)
    folders = [(name, None, 0o755) for name in
               ("usr", "etc", "proc", "sys", "dev", "tmp", "run", "var", "work", "var/run", "root")]
    links = [("bin", "usr/bin", 0o777), ("lib", "usr/lib", 0o777), ("lib64", "usr/lib64", 0o777),
             ("sbin", "usr/sbin", 0o777)]
    layer = tar_of(folders + links + [("pause", pathlib.Path(folder, "pause").read_bytes(), 0o755)])
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps({"architecture": "arm64" if os.uname().machine == "aarch64" else "amd64", "os": "linux",
                         "config": {"Entrypoint": ["/pause"], "Env": ["PATH=/usr/bin:/bin"]},
                         "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}, "history": []}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).encode()
    pathlib.Path(folder, "image.tar").write_bytes(tar_of(
        [("config.json", config, 0o644), ("layer.tar", layer, 0o644), ("manifest.json", manifest, 0o644)]))


class Cluster:
    """Started inside of the namespaces (see __main__); the outside speaks to its API."""

    def __init__(self, kube_bin, folder):
        self.bin, self.dir = kube_bin, pathlib.Path(folder)
        self.processes = {}
        minor = re.search(r"v1\.(\d+)", subprocess.run([binary(kube_bin, "kubelet"), "--version"], check=True,
                                                      capture_output=True, text=True).stdout)
        self.minor = int(minor[1])

    def start(self, name, *args):
        log = (self.dir / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen([binary(self.bin, name), *args], stdout=log, stderr=log,
                                                stdin=subprocess.DEVNULL, env=os.environ | {"PATH": f"{self.bin}:{os.environ['PATH']}"})

    def stop(self, name):
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def prepare(self):
        d = self.dir
        for name in ("cni", "static", "kubelet", "pki"):
            (d / name).mkdir(parents=True, exist_ok=True)
        (d / "containerd.toml").write_text(CONTAINERD.format(d=d, image=IMAGE))
        (d / "cni" / "10-lt.conflist").write_text(json.dumps(CNI))
        (d / "tokens.csv").write_text(f'{ADMIN},admin,1,"system:masters"\n')
        (d / "kubeconfig").write_text(KUBECONFIG.format(port=API_PORT, d=d, token=ADMIN))
        subprocess.run(["openssl", "genrsa", "-out", d / "sa.key", "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", d / "sa.key", "-pubout", "-out", d / "sa.pub"], check=True,
                       capture_output=True)
        kubelet = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
                   "staticPodPath": str(d / "static"), "readOnlyPort": KUBELET_PORT, "port": 20250,
                   "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
                   "authorization": {"mode": "AlwaysAllow"}, "cgroupDriver": "cgroupfs", "cgroupsPerQOS": True,
                   "cgroupRoot": f"/{CGROUP}",
                   "enforceNodeAllocatable": [], "failSwapOn": False, "evictionHard": {}, "oomScoreAdj": 0,
                   "hairpinMode": "none", "healthzPort": 0, "makeIPTablesUtilChains": False, "maxOpenFiles": 20000,
                   "volumePluginDir": str(d / "kubelet" / "plugins"), "syncFrequency": "10s"}
        if self.minor >= 27:
            kubelet["containerRuntimeEndpoint"] = f"unix://{d}/containerd.sock"
        (d / "kubelet.yaml").write_text(json.dumps(kubelet))
        static = pod("static-agent", "kube-system", labels={"tier": "control-plane"})
        (d / "static" / "static.yaml").write_text(json.dumps(static))
        make_image(d)

    def start_api(self):
        d = self.dir
        self.start("kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{ETCD_PORT}", "--bind-address", "127.0.0.1",
                   "--advertise-address", "127.0.0.1", "--secure-port", str(API_PORT), "--cert-dir", f"{d}/pki",
                   "--token-auth-file", f"{d}/tokens.csv", "--authorization-mode", "RBAC", "--allow-privileged",
                   "--service-account-key-file", f"{d}/sa.pub", "--service-account-signing-key-file", f"{d}/sa.key",
                   "--service-account-issuer", "https://lt", "--service-cluster-ip-range", "10.96.7.0/24",
                   "--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none")

    def start_all(self):
        d = self.dir
        self.start("etcd", "--data-dir", f"{d}/etcd", "--listen-client-urls", f"http://127.0.0.1:{ETCD_PORT}",
                   "--advertise-client-urls", f"http://127.0.0.1:{ETCD_PORT}", "--listen-peer-urls",
                   f"http://127.0.0.1:{ETCD_PORT + 1}")
        self.start("containerd", "-c", f"{d}/containerd.toml")
        self.start_api()
        wait("containerd", lambda: subprocess.run(
            [binary(self.bin, "ctr"), "-a", f"{d}/containerd.sock", "-n", "k8s.io", "images", "import", f"{d}/image.tar"],
            capture_output=True).returncode == 0)
        wait("the API server", lambda: Api(f"{d}/pki/apiserver.crt")("GET", "/readyz") == "ok", 60)
        more = ["--container-runtime", "remote", "--container-runtime-endpoint",
                f"unix://{d}/containerd.sock"] if self.minor < 24 else []
        if self.minor < 27 and not more:
            more = ["--container-runtime-endpoint", f"unix://{d}/containerd.sock"]
        self.start("kubelet", "--config", f"{d}/kubelet.yaml", "--root-dir", f"{d}/kubelet", "--cert-dir", f"{d}/pki",
                   "--hostname-override", NODE, "--kubeconfig", f"{d}/kubeconfig", *more)
        plain = ["--secure-port", "0"]
        self.start("kube-controller-manager", "--kubeconfig", f"{d}/kubeconfig", *plain, "--leader-elect=false",
                   "--service-account-private-key-file", f"{d}/sa.key")
        self.start("kube-scheduler", "--kubeconfig", f"{d}/kubeconfig", *plain, "--leader-elect=false")

    def serve(self):
        """Commands on stdin, one a line: `stop NAME`, `api`, until its end."""
        self.prepare()
        self.start_all()
        print("started", flush=True)
        for line in sys.stdin:
            words = line.split()
            if words[:1] == ["stop"]:
                self.stop(words[1])
            elif words == ["api"]:
                self.start_api()
            print("done", flush=True)
        for name in list(self.processes):
            self.stop(name)


def wait(what, done, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError, KeyError):
            got = done()
            if got:
                return got
        time.sleep(0.1)
    raise RuntimeError(f"{what}: not there after {seconds} s")


def pod_spec(command=None, mounts=(), **more):
    """The spec of a pod on the host's network with the host's programs in it."""
    paths = [("usr", "/usr", True), ("etc", "/etc", True), *mounts]
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never",
                 "volumeMounts": [{"name": name, "mountPath": path, "readOnly": ro} for name, path, ro in paths]}
    if command:
        container["command"] = command
    return {"hostNetwork": True, "terminationGracePeriodSeconds": 1, "containers": [container],
            "automountServiceAccountToken": False, "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": name, "hostPath": {"path": path}} for name, path, _ in paths], **more}


def pod(name, namespace, command=None, labels=None, annotations=None, **more):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": annotations or {}},
            "spec": pod_spec(command, **more)}


@contextlib.contextmanager
def cluster(kube_bin, folder):
    """Runs one; gives (api, say): say("stop NAME") or say("api")."""
    for root in cgroup_mounts():
        os.makedirs(os.path.join(root, CGROUP), exist_ok=True)
    before = {name: pathlib.Path("/proc/sys", name).read_text() for name in SYSCTLS}
    there = {path for path in LEFT_BEHIND if os.path.exists(path)}
    process = subprocess.Popen(
        ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private",
         sys.executable, __file__, str(kube_bin), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        if process.stdout.readline().strip() != "done":
            raise RuntimeError(f"the cluster did not do: {line}")

    try:
        if process.stdout.readline().strip() != "started":
            raise RuntimeError(f"the cluster did not start, see {folder}/*.log")
        api = Api(f"{folder}/pki/apiserver.crt")
        wait("the node", lambda: any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in api("GET", f"/api/v1/nodes/{NODE}")["status"]["conditions"]), 60)
        yield api, say
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()
        clean(before, there)


def cgroup_mounts():
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return [where for _, where, kind, *_ in mounts if kind in ("cgroup", "cgroup2")]


def clean(sysctls, there):
    for name, value in sysctls.items():
        pathlib.Path("/proc/sys", name).write_text(value)
    for path in set(LEFT_BEHIND) - there:
        shutil.rmtree(path, ignore_errors=True)
    for _ in range(20):
        left = [d for root in cgroup_mounts() for d, _, _ in os.walk(f"{root}/{CGROUP}", topdown=False)]
        for path in left:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        if not left:
            return
        time.sleep(0.1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    Cluster(sys.argv[1], sys.argv[2]).serve()
