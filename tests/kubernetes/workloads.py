# SPDX-License-Identifier: Apache-2.0
"""What the real cluster runs: three tenants, one namespace each, with every kind of owner."""
from cluster import pod, pod_spec

TENANTS = ("acme", "globex", "initech")


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def template(tenant, app, command=None, **more):
    return {"metadata": {"labels": {"tenant": tenant, "app": app}, "annotations": {"example.com/team": f"team-{app}"}},
            "spec": pod_spec(command, **more)}


def controlled(version, kind, tenant, name, command=None, **more):
    """A Deployment, StatefulSet or DaemonSet of one pod."""
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template(tenant, name, command)}
    if kind != "DaemonSet":
        spec["replicas"] = 1
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": tenant}, "spec": spec | more}


def job_spec(tenant, name, command):
    return {"template": template(tenant, name, command, restartPolicy="Never"), "backoffLimit": 0}


def job(tenant, name, command):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": tenant},
            "spec": job_spec(tenant, name, command)}


def cron_job(api, tenant, name, command):
    grown_up = any(r["kind"] == "CronJob" for r in api("GET", "/apis/batch/v1")["resources"])  # since 1.21
    return {"apiVersion": "batch/v1" if grown_up else "batch/v1beta1", "kind": "CronJob",
            "metadata": {"name": name, "namespace": tenant},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job_spec(tenant, name, command)}}}


def all_of_them(api):
    sleep = ["/usr/bin/sleep", "100000"]
    return [*(namespace(tenant) for tenant in TENANTS),
            controlled("apps/v1", "Deployment", "acme", "web"),
            controlled("apps/v1", "StatefulSet", "globex", "db"),
            controlled("apps/v1", "DaemonSet", "initech", "collector"),
            job("globex", "once", sleep),
            cron_job(api, "acme", "tick", sleep),
            pod("bare", "initech", labels={"tenant": "initech"})]


OWNERS = {"web": ("acme", "Deployment"), "db": ("globex", "StatefulSet"), "collector": ("initech", "DaemonSet"),
          "once": ("globex", "Job"), "tick": ("acme", "CronJob")}
