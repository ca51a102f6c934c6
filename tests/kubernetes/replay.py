#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ledgertap pods` against an API server that is none (fake.py): what a real one answered is replayed, and all that can
go wrong goes wrong. Needs no root, no cluster and no network. CI runs it with every `make test`.

usage: replay.py [NAME...]
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from fake import NODE, Fake, make_certificate, recorded

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("LEDGERTAP") or str(ROOT / "build" / "ledgertap")
TOKEN = "the-first-token"
CASES = []


def case(function):
    CASES.append(function)
    return function


def check(truth, what):
    if not truth:
        raise AssertionError(what)


class Bed:
    """A fake server with a certificate and a token, and the config of who asks it."""

    def __init__(self, folder, tls=True):
        self.folder = pathlib.Path(folder)
        make_certificate(folder)
        self.token_file = self.folder / "token"
        self.token_file.write_text(TOKEN)
        self.fake = Fake(folder if tls else None, TOKEN if tls else None)

    def config(self, **more):
        settings = {"from": "api", "api": self.fake.url, "ca_file": str(self.folder / "ca.pem"),
                    "token_file": str(self.token_file), "node": NODE} | more
        path = self.folder / "config.yaml"
        path.write_text(json.dumps({"kubernetes": {k: v for k, v in settings.items() if v is not None}}))
        return path

    def show(self, *options, expect=0, **more):
        run = subprocess.run([BINARY, "pods", "--json", "--config", str(self.config(**more)), *options],
                             capture_output=True, text=True, timeout=30)
        check(run.returncode == expect, f"exit {run.returncode}: {run.stderr}")
        return (json.loads(run.stdout) if expect == 0 else None), run.stderr

    @contextlib.contextmanager
    def follow(self, **more):
        follower = Follower(self.config(**more))
        try:
            yield follower
        finally:
            follower.stop()


class Follower:
    """`ledgertap pods --follow`, and what it says."""

    def __init__(self, config):
        self.process = subprocess.Popen([BINARY, "pods", "--follow", "--config", str(config)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.pods, self.gone, self.said = {}, [], []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.changed:
                if event["event"] == "pod":
                    self.pods[event["pod"]["uid"]] = event["pod"]
                elif event["event"] == "gone":
                    self.pods.pop(event["uid"], None)
                    self.gone.append(event["uid"])
                else:
                    self.said.append((event["event"], event["text"]))
                self.changed.notify_all()

    def wait(self, what, done, seconds=12):
        """Until done(self); also what the server knows may make it true."""
        end = time.monotonic() + seconds
        with self.changed:
            while not done(self) and time.monotonic() < end:
                self.changed.wait(0.05)
            check(done(self), f"{what}: not after {seconds} s; it said {self.said[-4:]}, knows {len(self.pods)} pods")

    def wait_works(self):
        self.wait("it works", lambda f: any(event == "works" for event, _ in f.said))

    def stop(self):
        start = time.monotonic()
        self.process.terminate()
        self.process.wait(10)
        check(time.monotonic() - start < 0.8, "it takes too long to end")
        check(self.process.returncode == 0, f"exit {self.process.returncode}: {self.process.stderr.read()}")


def make_pod(number, owner=None, **labels):
    """A pod as the API server sends it, by the example of a recorded one."""
    pod = json.loads(json.dumps(recorded("pods.json")["items"][0]))
    metadata = pod["metadata"]
    metadata |= {"uid": f"00000000-0000-4000-8000-{number:012x}", "name": f"pod-{number}", "namespace": f"ns-{number % 3}",
                 "labels": labels, "annotations": {}, "ownerReferences": [owner] if owner else []}
    pod["spec"]["nodeName"] = NODE
    pod["status"] = {"phase": "Pending"}
    return pod


def run_pod(pod, number, restarts=0):
    pod["status"] = {"phase": "Running", "containerStatuses": [
        {"name": "main", "containerID": f"containerd://{number * 16 + restarts:064x}", "image": "localhost/app:1",
         "imageID": "localhost/app@sha256:" + "ab" * 32, "restartCount": restarts}]}
    return pod


def uid(number):
    return f"00000000-0000-4000-8000-{number:012x}"


def owner_of(kind, name, number, version="apps/v1"):
    return {"apiVersion": version, "kind": kind, "name": name, "uid": f"0000aaaa-0000-4000-8000-{number:012x}",
            "controller": True}


def replicaset(fake, namespace, name, number, parent=None):
    """Makes one known to the server; gives the reference to it."""
    reference = owner_of("ReplicaSet", name, number)
    fake.owners[f"/apis/apps/v1/namespaces/{namespace}/replicasets/{name}"] = {
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "uid": reference["uid"],
                     "ownerReferences": [parent] if parent else []}}
    return reference


# ---- what was recorded -----------------------------------------------------------------------------------------


def serve_recorded(fake):
    for pod in recorded("pods.json")["items"]:
        fake.pods[pod["metadata"]["uid"]] = pod
    for name in ("replicaset-web.json", "job-once.json", "job-tick.json"):
        thing = recorded(name)
        kind = "apps/v1/namespaces/{}/replicasets" if name.startswith("r") else "batch/v1/namespaces/{}/jobs"
        metadata = thing["metadata"]
        fake.owners[f"/apis/{kind.format(metadata['namespace'])}/{metadata['name']}"] = thing


WANTED_OWNERS = {"web": "Deployment/web", "db": "StatefulSet/db", "collector": "DaemonSet/collector", "once": "Job/once",
                 "tick": "CronJob/tick", "bare": "None/None", "static": f"Node/{NODE}"}


def check_recorded(shown, source):
    """Every pod of the recorded list, compared with what the list itself says."""
    check(len(shown) == len(source), f"{len(shown)} of {len(source)} pods")
    by_uid = {pod["uid"]: pod for pod in shown}
    for pod in source:
        metadata, got = pod["metadata"], by_uid[pod["metadata"]["uid"]]
        want = {"namespace": metadata["namespace"], "pod": metadata["name"], "labels": metadata.get("labels", {}),
                "owner_pending": False, "node": NODE}
        for key, value in want.items():
            check(got[key] == value, f"{metadata['name']}: {key} is {got[key]}, not {value}")
        ids = {c["containerID"].partition("://")[2] for c in pod["status"]["containerStatuses"]}
        check({c["id"] for c in got["containers"]} == ids, f"{metadata['name']}: {got['containers']}")
        check(all(c["digest"].startswith("sha256:") for c in got["containers"]), "no digest")


def check_owners(shown, wanted):
    for pod in shown:
        owner = f"{pod['owner_kind']}/{pod['owner_name']}"
        want = wanted[pod["pod"].split("-")[0]]
        check(owner == want, f"{pod['pod']}: its owner is {owner}, not {want}")


@case
def a_recorded_list_in_pages(bed):
    serve_recorded(bed.fake)
    bed.fake.refuse("continue", 410, "expired")
    shown, _ = bed.show(annotations=["example.com/*"])
    check_recorded(shown, recorded("pods.json")["items"])
    check_owners(shown, WANTED_OWNERS)
    web = next(pod for pod in shown if pod["pod"].startswith("web"))
    check(web["annotations"] == {"example.com/team": "team-web"}, "the chosen annotations")
    static = next(pod for pod in shown if pod["pod"].startswith("static"))
    check(static["cgroup_uid"] and static["cgroup_uid"] != static["uid"] and len(static["cgroup_uid"]) == 32,
          "a static pod's hash")
    check(all(q.get("limit") for q in bed.fake.asked("/api/v1/pods") if not q.get("watch")), "pages")


@case
def a_recorded_watch(bed):
    serve_recorded(bed.fake)
    events = recorded("watch.jsonl")
    short = next(e["object"]["metadata"]["uid"] for e in events if e["type"] == "ADDED")
    check({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"} <= {e["type"] for e in events}, "the recording is not whole")
    with bed.follow() as f:
        f.wait("a watch", lambda f: bed.fake.watchers)
        for event in events:
            bed.fake.tell(event, keep=False)
        f.wait("its end", lambda f: short in f.gone)
        last = [e["object"]["metadata"]["resourceVersion"] for e in events][-1]
        bed.fake.end_watches()
        f.wait("the watch goes on", lambda f: bed.fake.asked("/api/v1/pods", resourceVersion=last))


@case
def a_recorded_kubelet(bed):
    fake = Fake()
    for pod in recorded("kubelet-pods.json")["items"]:
        fake.pods[pod["metadata"]["uid"]] = pod
    shown, _ = bed.show(**{"from": "kubelet", "api": None, "kubelet": fake.url, "token_file": None, "ca_file": None})
    check_recorded(shown, recorded("kubelet-pods.json")["items"])
    # Nobody is asked about owners: labels and names say it. Static pods have their hash for a uid.
    check_owners(shown, WANTED_OWNERS | {"static": "None/None"})
    fake.stop()


@case
def recorded_refusals(bed):
    body = recorded("401.json")
    check(body["code"] == 401 and body["body"]["code"] == 401, "the recording")
    bed.token_file.write_text("wrong")
    _, said = bed.show("--timeout", "2", expect=1)
    check("HTTP 401" in said and "token" in said and "wrong" not in said, said)
    expired = recorded("watch-expired.jsonl")
    check(expired[0]["type"] == "ERROR" and expired[0]["object"]["code"] == 410, "the recording")
    bed.token_file.write_text(TOKEN)
    bed.fake.put(make_pod(1))
    with bed.follow() as f:
        f.wait("a watch", lambda f: bed.fake.watchers)
        lists = len(bed.fake.requests)
        bed.fake.tell(expired[0], keep=False)
        f.wait("a new list", lambda f: [q for _, q in bed.fake.requests[lists:] if not q.get("watch")], 5)


# ---- what goes wrong -------------------------------------------------------------------------------------------


@case
def certificates_and_tokens(bed):
    bed.fake.put(make_pod(1))
    other = bed.folder / "other"
    other.mkdir()
    make_certificate(other)
    _, said = bed.show("--timeout", "2", expect=1, ca_file=str(other / "ca.pem"))
    check("certificate" in said.lower(), said)
    check(not bed.fake.requests, "it spoke to a server whose certificate is not signed")
    shown, _ = bed.show(insecure=True, ca_file=None)
    check(len(shown) == 1, "insecure")
    kubeconfig = bed.folder / "kubeconfig"
    kubeconfig.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "b",
        "clusters": [{"name": "a", "cluster": {"server": bed.fake.url, "certificate-authority": "ca.pem"}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "b", "context": {"cluster": "a", "user": "u"}}]}))
    shown, _ = bed.show(kubeconfig=str(kubeconfig), api=None, token_file=None, ca_file=None)
    check(len(shown) == 1, "by a kubeconfig")


@case
def a_token_that_rotates(bed):
    bed.fake.put(make_pod(1))
    with bed.follow() as f:
        f.wait("a watch", lambda f: bed.fake.watchers)
        bed.fake.token = "the-second-token"
        bed.fake.put(make_pod(2))
        f.wait("the open watch goes on", lambda f: uid(2) in f.pods)
        bed.fake.end_watches()  # and the next one finds the old token refused
        f.wait("it is refused", lambda f: any("401" in text for _, text in f.said))
        bed.token_file.write_text("the-second-token\n")
        bed.fake.put(make_pod(3))
        f.wait("the new token", lambda f: uid(3) in f.pods)
        check(f.gone == [], "pods were lost meanwhile")


@case
def an_outage(bed):
    for n in range(20):
        bed.fake.put(run_pod(make_pod(n), n))
    with bed.follow() as f:
        f.wait("all", lambda f: len(f.pods) == 20)
        f.wait_works()
        bed.fake.stop()
        f.wait("it says so", lambda f: f.said[-1][0] == "fails")
        time.sleep(2.5)
        check(len(f.pods) == 20 and not f.gone, "what is known stays")
        for n in range(5):
            bed.fake.delete(uid(n))
        for n in range(20, 25):
            bed.fake.put(run_pod(make_pod(n), n))
        before = len(bed.fake.requests)
        bed.fake.start()
        f.wait("it is as it is", lambda f: set(f.pods) == {uid(n) for n in range(5, 25)} and f.said[-1][0] == "works")
        check(bed.fake.requests[before][1].get("watch"), "it goes on where it was")
        check(sum(event == "fails" for event, _ in f.said) <= 3, f"said too often: {f.said}")


@case
def versions_that_expire(bed):
    for by_event in (True, False):
        bed.fake.expire_by_event = by_event
        for n in range(6):
            bed.fake.put(make_pod(n))
        with bed.follow() as f:
            f.wait_works()
            bed.fake.stop()
            bed.fake.delete(uid(0))
            bed.fake.put(make_pod(9))
            bed.fake.expire()
            before = len(bed.fake.requests)
            bed.fake.start()
            f.wait("it is as it is", lambda f: set(f.pods) == {uid(n) for n in (1, 2, 3, 4, 5, 9)})
            lists = [q for p, q in bed.fake.requests[before:] if not q.get("watch")]
            check(len(lists) == 1, f"one new list: {lists}")
            check("resourceVersion" not in lists[0], "a list of what is, not of what is remembered")
        bed.fake.delete(uid(9))


@case
def owners(bed):
    fake = bed.fake
    cron = owner_of("CronJob", "tick", 1, "batch/v1")
    rollout = owner_of("Rollout", "shop", 2, "argoproj.io/v1alpha1")
    fake.put(make_pod(0, replicaset(fake, "ns-0", "web-5d9c", 3, owner_of("Deployment", "web", 4))))
    fake.put(make_pod(3, replicaset(fake, "ns-0", "web-5d9c", 3, owner_of("Deployment", "web", 4))))
    fake.put(make_pod(6, replicaset(fake, "ns-0", "shop-77", 5, rollout)))
    fake.put(make_pod(9, replicaset(fake, "ns-0", "alone", 6)))
    fake.put(make_pod(12, owner_of("Database", "main", 7, "example.com/v1")))
    job = owner_of("Job", "tick-1", 8, "batch/v1")
    fake.owners["/apis/batch/v1/namespaces/ns-0/jobs/tick-1"] = {
        "metadata": {"name": "tick-1", "uid": job["uid"], "ownerReferences": [cron]}}
    fake.put(make_pod(15, job))
    # Of the same name, but made anew since; and one whose set is gone already.
    replicaset(fake, "ns-0", "api-abc", 10, owner_of("Deployment", "wrong", 11))
    fake.put(make_pod(18, owner_of("ReplicaSet", "api-abc", 12), **{"pod-template-hash": "abc"}))
    fake.put(make_pod(21, owner_of("ReplicaSet", "old-abc", 13), **{"pod-template-hash": "abc"}))
    fake.put(make_pod(24, owner_of("ReplicaSet", "../../secrets", 14)))
    shown, _ = bed.show()
    got = {pod["pod"]: f"{pod['owner_kind']}/{pod['owner_name']}" for pod in shown}
    want = {"pod-0": "Deployment/web", "pod-3": "Deployment/web", "pod-6": "Rollout/shop", "pod-9": "ReplicaSet/alone",
            "pod-12": "Database/main", "pod-15": "CronJob/tick", "pod-18": "Deployment/api", "pod-21": "Deployment/old",
            "pod-24": "ReplicaSet/../../secrets"}
    check(got == want, f"{got}")
    check(len(fake.asked("replicasets/web-5d9c")) == 1, "an owner is asked for once")
    check(not fake.asked("secrets"), "a path out of a name")


@case
def owners_that_come_later(bed):
    fake = bed.fake
    fake.put(make_pod(0, replicaset(fake, "ns-0", "web-5d9c", 3, owner_of("Deployment", "site", 4)),
                      **{"pod-template-hash": "5d9c", "tenant": "acme"}))
    fake.refuse("replicasets", 500, times=3)
    with bed.follow() as f:
        f.wait("the pod", lambda f: f.pods.get(uid(0), {}).get("owner_pending"))
        check(f.pods[uid(0)]["owner_name"] == "web", "until then by its name")
        run = run_pod(make_pod(0, replicaset(fake, "ns-0", "web-5d9c", 3, owner_of("Deployment", "site", 4)),
                               **{"pod-template-hash": "5d9c", "tenant": "acme"}), 7)
        fake.put(run)
        f.wait("the owner", lambda f: not f.pods[uid(0)]["owner_pending"])
        pod = f.pods[uid(0)]
        check((pod["owner_kind"], pod["owner_name"]) == ("Deployment", "site"), f"{pod}")
        check(pod["labels"]["tenant"] == "acme" and pod["containers"][0]["name"] == "main", f"{pod}")


@case
def no_permission_for_owners(bed):
    for n in range(4):
        bed.fake.put(make_pod(n, owner_of("ReplicaSet", f"web{n}-5d9c", n), **{"pod-template-hash": "5d9c"}))
    bed.fake.refuse("replicasets", 403, times=100)
    shown, said = bed.show()
    check({pod["owner_name"] for pod in shown} == {f"web{n}" for n in range(4)}, f"{shown}")
    check(said.count("no permission") == 1, said)
    check(len(bed.fake.asked("replicasets")) == 1, "asked once")


@case
def bad_answers(bed):
    """Rubbish, lines cut in two, a server that says less and less."""
    fake = bed.fake
    for n in range(3):
        fake.put(run_pod(make_pod(n), n))
    with bed.follow() as f:
        f.wait("a watch", lambda f: len(f.pods) == 3 and fake.watchers)
        fake.tell(b"this is no JSON\n", keep=False)
        fake.put(make_pod(4))
        f.wait("on after rubbish", lambda f: uid(4) in f.pods)
        fake.tell(b'{"type":"ADDED","object":{"kind":"Pod"}}\n{"type":"WHAT"}\n{}\n', keep=False)
        fake.cut_after = 1
        fake.put(make_pod(5))
        f.wait("on after a cut", lambda f: uid(5) in f.pods)
        fake.refuse("watch", 429, "slow down", [("Retry-After", "1")])
        fake.end_watches()
        fake.put(make_pod(6))
        f.wait("on after 429", lambda f: uid(6) in f.pods)
        fake.drip = 3
        big = make_pod(7)
        big["metadata"]["annotations"] = {"filler": "x" * 3000}
        fake.put(big)
        f.wait("slowly", lambda f: uid(7) in f.pods)
        fake.drip = 0
        big["metadata"]["annotations"] = {"filler": "x" * 1200000}
        big["metadata"]["labels"] = {"after": "all"}
        fake.put(big)
        f.wait("a large one", lambda f: f.pods[uid(7)]["labels"] == {"after": "all"})
        big["metadata"]["annotations"] = {"filler": "x" * 5000000}
        fake.put(big)
        fake.put(make_pod(8))
        f.wait("on after one that is too large", lambda f: uid(8) in f.pods)
        check(f.gone == [], f"gone: {f.gone}")


@case
def lists_that_are_none(bed):
    """A proxy that answers 200 with something else must not end all pods."""
    bed.fake.put(make_pod(1))
    with bed.follow() as f:
        f.wait_works()
        bed.fake.list, real = (lambda _: {"message": "welcome"}), bed.fake.list
        bed.fake.expire()
        f.wait("it says so", lambda f: any("not understood" in text for _, text in f.said))
        bed.fake.list = real
        bed.fake.put(make_pod(2))
        f.wait("the true list", lambda f: uid(2) in f.pods)
        check(f.gone == [], "pods are gone by it")


@case
def pods_come_and_go(bed):
    """200 pods made and killed, with cuts, outages and expiries in between: none is lost, none is wrong."""
    fake, chance = bed.fake, random.Random(7)
    seen, pods = {}, 200
    with bed.follow() as f:
        f.wait_works()
        for n in range(pods):
            restarts = chance.randrange(3)
            fake.put(make_pod(n, tenant=f"t{n % 3}"))
            for restart in range(restarts + 1):
                fake.put(run_pod(make_pod(n, tenant=f"t{n % 3}"), n, restart))
            seen[uid(n)] = (f"ns-{n % 3}", f"t{n % 3}", f"{n * 16 + restarts:064x}")
            if chance.random() < 0.06:
                fake.cut_after = 1
            if n in (60, 140):
                fake.stop()
                fake.start()
            if n % 20 == 19:
                alive = [k for k in range(n - 19, n + 1)]
                f.wait(f"pods {alive[0]} to {n}", lambda f: all(
                    uid(k) in f.pods and f.pods[uid(k)]["containers"] and
                    f.pods[uid(k)]["containers"][-1]["id"] == seen[uid(k)][2] for k in alive), 15)
                for k in alive:
                    pod = f.pods[uid(k)]
                    got = (pod["namespace"], pod["labels"]["tenant"], pod["containers"][0]["id"])
                    check(got == seen[uid(k)], f"pod {k}: {got}")
                if n == 99:
                    fake.stop()
                    for k in alive:
                        fake.delete(uid(k))
                    fake.expire()
                    fake.start()
                else:
                    for k in alive:
                        fake.delete(uid(k))
        f.wait("all are gone", lambda f: not f.pods, 15)
        check(sorted(set(f.gone)) == sorted(seen), f"{len(set(f.gone))} of {pods} were told to be gone")


def main():
    names = sys.argv[1:]
    start, bad = time.monotonic(), 0
    for function in CASES:
        if names and function.__name__ not in names:
            continue
        folder = tempfile.mkdtemp(prefix="lt-kube.")
        began = time.monotonic()
        try:
            bed = Bed(folder)
            function(bed)
            bed.fake.stop()
            print(f"  ok      {function.__name__} ({time.monotonic() - began:.1f} s)")
        except Exception as e:  # pylint: disable=broad-except
            bad += 1
            print(f"  FAILED  {function.__name__}: {type(e).__name__}: {e}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"kubernetes: {bad} failed, {time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
