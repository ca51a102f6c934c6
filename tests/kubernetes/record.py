#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes recorded/: what a real API server and kubelet answer, shortened. By hand, for a new release.

usage: record.py KUBE_BIN
"""
import json
import pathlib
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from cluster import KUBELET_PORT, NODE, cluster, pod, wait
from workloads import all_of_them

HERE = pathlib.Path(__file__).resolve().parent
SELECTOR = f"fieldSelector=spec.nodeName%3D{NODE}"


def shorten(thing):
    """Without what no test looks at; what is left is as it was sent."""
    thing.get("metadata", {}).pop("managedFields", None)
    spec = thing.get("spec", {})
    for key in ("volumes", "tolerations", "securityContext"):
        spec.pop(key, None)
    for container in spec.get("containers") or []:
        container.pop("volumeMounts", None)
    thing.get("status", {}).pop("conditions", None)
    return thing


def save(name, value):
    (HERE / "recorded").mkdir(exist_ok=True)
    (HERE / "recorded" / name).write_text(value if isinstance(value, str) else json.dumps(value, indent=1) + "\n")


def watch(api, query, seconds, lines):
    request = urllib.request.Request(f"{api.base}/api/v1/pods?watch=1&{SELECTOR}&{query}&timeoutSeconds={seconds}",
                                     headers={"Authorization": f"Bearer {api.token}"})
    with urllib.request.urlopen(request, timeout=seconds + 10, context=api.context) as answer:
        for line in answer:
            lines.append(json.loads(line))


def refusal(do):
    try:
        do()
    except urllib.error.HTTPError as e:
        return {"code": e.code, "body": json.loads(e.read())}
    raise RuntimeError("it was not refused")


def partial(api, path):
    request = urllib.request.Request(api.base + path, headers={
        "Authorization": f"Bearer {api.token}",
        "Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"})
    with urllib.request.urlopen(request, timeout=10, context=api.context) as answer:
        return shorten(json.load(answer))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder, cluster(sys.argv[1], folder) as (api, say):
        for thing in all_of_them(api):
            api.apply(thing)
        pods = lambda: api("GET", f"/api/v1/pods?{SELECTOR}")["items"]
        wait("the pods", lambda: len(pods()) >= 7 and all(p["status"]["phase"] == "Running" for p in pods()), 120)
        page = api("GET", f"/api/v1/pods?{SELECTOR}&limit=3")
        save("pods-page.json", page | {"items": [shorten(p) for p in page["items"]]})
        whole = api("GET", f"/api/v1/pods?{SELECTOR}")
        save("pods.json", whole | {"items": [shorten(p) for p in whole["items"]]})
        with urllib.request.urlopen(f"http://127.0.0.1:{KUBELET_PORT}/pods", timeout=10) as answer:
            kubelet = json.load(answer)
        save("kubelet-pods.json", kubelet | {"items": [shorten(p) for p in kubelet["items"]]})
        lines = []
        query = f"allowWatchBookmarks=true&resourceVersion={whole['metadata']['resourceVersion']}"
        thread = threading.Thread(target=watch, args=(api, query, 75, lines))
        thread.start()
        time.sleep(1)
        api.apply(pod("short", "acme", labels={"tenant": "acme"}))
        wait("a pod", lambda: [p for p in pods() if p["metadata"]["name"] == "short" and
                               p["status"]["phase"] == "Running"])
        api("DELETE", "/api/v1/namespaces/acme/pods/short")
        thread.join()
        short = [e for e in lines if e["type"] == "BOOKMARK" or e["object"]["metadata"]["name"] == "short"]
        save("watch.jsonl", "".join(json.dumps({"type": e["type"], "object": shorten(e["object"])}) + "\n"
                                    for e in short))
        for p in whole["items"]:
            for owner in p["metadata"].get("ownerReferences", []):
                group = {"ReplicaSet": "apps/v1/namespaces/{}/replicasets/{}",
                         "Job": "batch/v1/namespaces/{}/jobs/{}"}.get(owner["kind"])
                if group:
                    path = "/apis/" + group.format(p["metadata"]["namespace"], owner["name"])
                    save(f"{owner['kind'].lower()}-{owner['name'].split('-')[0]}.json", partial(api, path))
        # A server that was started anew remembers nothing older.
        say("stop kube-apiserver")
        say("api")
        wait("the API server", lambda: api("GET", "/readyz") == "ok", 60)
        expired = []
        try:
            watch(api, "resourceVersion=1", 5, expired)
        except urllib.error.HTTPError as e:
            expired.append({"type": "ERROR", "object": json.loads(e.read())})
        save("watch-expired.jsonl", "".join(json.dumps(e) + "\n" for e in expired))
        api.token = "wrong"
        save("401.json", refusal(lambda: api("GET", "/api/v1/pods")))
        print("recorded", sorted(p.name for p in (HERE / "recorded").iterdir()))


if __name__ == "__main__":
    main()
