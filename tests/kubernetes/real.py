#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real control plane, kubelet and containers on this machine, and the agent beside them: three tenants, pods that are
made and killed during calls, an API server that is stopped for a minute.

usage: real.py [--without-agent] [KUBE_BIN]

KUBE_BIN is a folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, containerd, ctr and
runc; those that are missing there are looked for in PATH. Nothing of them is built here. Without them it says SKIPPED.
LT_OUTAGE is how long the API server is away, in seconds (60).
"""
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import alone  # noqa: E402
import bed as e2e  # noqa: E402
from cluster import API_PORT, KUBELET_PORT, NODE, cluster, missing, pod_spec, wait  # noqa: E402
from exchanges import load  # noqa: E402
from replay import BINARY, Follower, check  # noqa: E402
from workloads import OWNERS, TENANTS, all_of_them, job  # noqa: E402

MANIFEST = HERE.parents[1] / "packaging" / "kubernetes" / "ledgertap.yaml"
EXCHANGE = "openai-chat-plain"
PERMISSIONS = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding")
SELECTOR = f"fieldSelector=spec.nodeName%3D{NODE}"
SHORT_PODS = 6  # of each tenant, in each of two rounds

CALL = """\
curl -sS -o /dev/null --max-time 20 --cacert /work/certs/ca.pem --connect-to ::127.0.0.1:443 \
 -H 'content-type: application/json' -H 'x-lt-exchange: {exchange}' \
 -H "x-lt-want: pod_uid=$POD_UID; tenant=$TENANT" --data-binary @/work/body {url}
"""


def skipped(why):
    print(f"SKIPPED test-kubernetes: {why}", flush=True)
    return 0


def same_as_api(api, shown):
    """What is wrong with @shown (uid -> pod), compared with what the API server says now."""
    wrong, listed = [], {p["metadata"]["uid"]: p for p in api("GET", f"/api/v1/pods?{SELECTOR}")["items"]}
    if set(listed) != set(shown):
        wrong.append(f"pods: {sorted(p['metadata']['name'] for u, p in listed.items() if u not in shown)} are missing, "
                     f"{sorted(p['pod'] for u, p in shown.items() if u not in listed)} are too many")
    for uid in set(listed) & set(shown):
        pod, got = listed[uid], shown[uid]
        ids = {c["containerID"].partition("://")[2] for c in pod["status"].get("containerStatuses", [])
               if c.get("containerID")}
        want = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"],
                "labels": pod["metadata"].get("labels", {}), "owner_pending": False}
        wrong += [f"{got['pod']}: {k} is {got[k]}, not {v}" for k, v in want.items() if got[k] != v]
        if {c["id"] for c in got["containers"]} != ids:
            wrong.append(f"{got['pod']}: its containers are {got['containers']}, not {ids}")
    return wrong


def settled(api, follower, seconds=30):
    """Waits until both say the same; pods change while we look."""
    end = time.monotonic() + seconds
    while (wrong := same_as_api(api, dict(follower.pods))) and time.monotonic() < end:
        time.sleep(0.5)
    check(not wrong, "; ".join(wrong[:5]))


def check_owners(shown):
    for name, (namespace, kind) in OWNERS.items():
        of_it = [p for p in shown.values() if p["namespace"] == namespace and p["pod"].startswith(f"{name}-")]
        check(of_it, f"no pod of {name}")
        for pod in of_it:
            owner = (pod["owner_kind"], pod["owner_name"])
            check(owner == (kind, name), f"{pod['pod']}: its owner is {owner}, not {(kind, name)}")


class Run:
    def __init__(self, api, say, folder):
        self.api, self.say, self.folder = api, say, folder
        self.killed = set()
        self.token = folder / "token"
        self.write_token()

    def write_token(self):
        fresh = self.folder / "token.new"
        fresh.write_text(self.api.token_of("ledgertap", "ledgertap"))
        fresh.rename(self.token)

    def config(self, **kubernetes):
        rules = [{"match": {"namespace": list(TENANTS), "label.tenant": "*"}, "set": {"tenant": "${label.tenant}"}}]
        path = self.folder / f"config-{len(kubernetes)}.yaml"
        settings = {"from": "api", "api": f"https://127.0.0.1:{API_PORT}", "token_file": str(self.token),
                    "ca_file": str(self.folder / "cluster" / "pki" / "apiserver.crt"), "node": NODE}
        config = {"kubernetes": kubernetes or settings, "capture": {"flow_ports": [443, API_PORT]}}
        if not kubernetes and "--without-agent" not in sys.argv:
            config["attribution"] = {"rules": rules}
        path.write_text(json.dumps(config))
        return path

    def caller(self, tenant, name, script):
        """A Job's spec whose pod runs @script, which knows its pod and its tenant."""
        thing = job(tenant, name, ["/bin/sh", "-c", script])
        spec = thing["spec"]["template"]["spec"] = pod_spec(["/bin/sh", "-c", script],
                                                            mounts=[("work", "/work", True)], restartPolicy="Never")
        for volume in spec["volumes"]:
            if volume["name"] == "work":
                volume["hostPath"]["path"] = str(self.folder / "work")
        spec["containers"][0]["env"] = [
            {"name": "TENANT", "value": tenant},
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}]
        return thing

    def start_callers(self, call):
        for tenant in TENANTS:
            self.api.apply(self.caller(tenant, "caller", f"while :; do {call}sleep 0.7; done"))

    def short_pods(self, call, round_):
        """Pods of one call each, and callers that are killed between their calls, whenever that is."""
        for n in range(SHORT_PODS):
            for tenant in TENANTS:
                self.api.apply(self.caller(tenant, f"short-{round_}-{n}", call))
        for pod in self.pods_of("caller"):
            self.killed.add(pod["metadata"]["uid"])
            self.api("DELETE", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}")
        wait("the short pods", lambda: all(p["status"]["phase"] == "Succeeded"
                                           for p in self.pods_of(f"short-{round_}")), 120)

    def pods_of(self, name):
        return [p for p in self.api("GET", f"/api/v1/pods?{SELECTOR}")["items"]
                if p["metadata"]["name"].startswith(name)]

    def outage(self, follower):
        seconds = int(os.environ.get("LT_OUTAGE", "60"))
        known = len(follower.pods)
        self.say("stop kube-apiserver")
        follower.wait("it says so", lambda f: f.said[-1][0] == "fails")
        time.sleep(seconds)
        check(len(follower.pods) == known, "what is known stays")
        self.say("api")
        wait("the API server", lambda: self.api("GET", "/readyz") == "ok", 60)
        follower.wait("it works again", lambda f: f.said[-1][0] == "works", 30)
        settled(self.api, follower)
        print(f"  ok      the API server was away for {seconds} s: {known} pods stayed", flush=True)


def pods_are_known(run, follower):
    wait("the pods", lambda: all(run.pods_of(name) for name in OWNERS), 90)
    settled(run.api, follower)
    check_owners(follower.pods)
    print(f"  ok      {len(follower.pods)} pods, owners up to {sorted({p['owner_kind'] or '-' for p in follower.pods.values()})}",
          flush=True)
    shown = subprocess.run([BINARY, "pods", "--json", "--config", str(run.config(**{
        "from": "kubelet", "kubelet": f"http://127.0.0.1:{KUBELET_PORT}", "node": NODE}))],
        capture_output=True, text=True, check=True, timeout=30)
    by_kubelet = {pod["pod"]: pod for pod in json.loads(shown.stdout)}
    check(set(by_kubelet) == {p["pod"] for p in follower.pods.values()}, "the kubelet names others")
    check_owners({name: pod for name, pod in by_kubelet.items()})
    print("  ok      the kubelet says the same", flush=True)


def check_records(run, agent, served):
    """Each call is one record, of its pod and tenant. The last call of a killed pod may have been cut."""
    records = collections.defaultdict(list)
    for record in agent.calls():
        records[record.get("response_id")].append(record)
        check(record["pid"] != agent.process.pid, "the agent recorded itself")
    last = {row["want"].get("pod_uid"): row for row in served}
    wrong, calls, cut = [], 0, 0
    for row in served:
        want, got = row["want"], records.get(row["response_id"], [])
        if want["pod_uid"] in run.killed and last[want["pod_uid"]] is row and not got:
            cut += 1
            continue
        calls += 1
        if len(got) != 1:
            wrong.append(f"{len(got)} records of a call of {want}")
        elif (got[0]["pod_uid"], got[0]["tenant"]) != (want["pod_uid"], want["tenant"]):
            wrong.append(f"{want}: recorded as {got[0]['pod_uid']}, {got[0]['tenant']}")
    check(calls > 3 * 2 * SHORT_PODS, f"only {calls} calls were made")
    check(not wrong, f"{len(wrong)} of {calls} are wrong: " + "; ".join(wrong[:5]))
    pods = len({row["want"]["pod_uid"] for row in served})
    print(f"  ok      {calls} calls of {pods} pods: each is one record of its pod and tenant ({cut} cut)", flush=True)


class Upstream:
    """The stand-in for providers, on the host's network, where the pods are too."""

    def __init__(self, folder):
        self.work, self.log = folder / "work", folder / "served.jsonl"
        (self.work / "certs").mkdir(parents=True)
        exchange = load()[EXCHANGE]
        e2e.sh(e2e.HERE / "certs.sh", self.work / "certs", exchange.host)
        (self.work / "body").write_bytes(exchange.request_body())
        self.call = CALL.format(exchange=EXCHANGE, url=exchange.url)
        self.log.touch()
        python = e2e.VENV if e2e.VENV.exists() else e2e.PYTHON
        self.process = subprocess.Popen(
            [str(python), "-B", str(e2e.HERE / "upstream.py"), "--certs", str(self.work / "certs"), "--log",
             str(self.log)], stdout=subprocess.PIPE, text=True)
        check(self.process.stdout.readline(), "the upstream does not start")

    def served(self):
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [row for row in rows if row.get("sent_all") and row["want"].get("pod_uid")]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def run_all(api, say, folder):
    import yaml  # pylint: disable=import-outside-toplevel
    for thing in yaml.safe_load_all(MANIFEST.read_text()):
        if thing["kind"] in PERMISSIONS:
            api.apply(thing)
    wait("the service account", lambda: api("GET", "/api/v1/namespaces/ledgertap/serviceaccounts/ledgertap"))
    run = Run(api, say, folder)
    upstream, agent = Upstream(folder), None
    follower = Follower(run.config())
    try:
        if "--without-agent" not in sys.argv:
            log = folder / "agent.log"
            log.touch()
            agent = e2e.Agent(folder / "state", run.config(), log)
            agent.wait_ready()
        for thing in all_of_them(api):
            api.apply(thing)
        pods_are_known(run, follower)
        run.start_callers(upstream.call)
        wait("the callers", lambda: len(upstream.served()) > 6, 60)
        run.short_pods(upstream.call, 1)
        run.write_token()
        settled(api, follower)
        print("  ok      pods were made and killed: all are known, none too many", flush=True)
        run.outage(follower)
        run.short_pods(upstream.call, 2)
        settled(api, follower)
        print("  ok      and again, after it", flush=True)
        for tenant in TENANTS:
            api("DELETE", f"/apis/batch/v1/namespaces/{tenant}/jobs/caller?propagationPolicy=Foreground")
        run.killed |= {p["metadata"]["uid"] for p in run.pods_of("caller")}
        if agent:
            time.sleep(12)  # what came late is filled in
            agent.stop()
            check_records(run, agent, upstream.served())
    finally:
        if agent and agent.process.poll() is None:
            agent.kill()
        follower.stop()
        upstream.stop()


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if not words:
        return skipped("KUBE_BIN=DIR says where etcd, kube-apiserver, kubelet and the others are")
    if lacking := missing(words[0]):
        return skipped(f"{words[0]} and PATH lack {', '.join(lacking)}")
    if why := e2e.why_no_bpf():
        return skipped(why)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing is left then either
    held = alone.hold_host()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lt-kube."))
    try:
        with cluster(words[0], folder / "cluster") as (api, say):
            print(f"  Kubernetes {api('GET', '/version')['gitVersion']}", flush=True)
            run_all(api, say, folder)
    except AssertionError as e:
        print(f"  FAILED  {e}")
        return 1
    finally:
        held.close()
        if not os.environ.get("LT_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
