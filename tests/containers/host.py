# SPDX-License-Identifier: Apache-2.0
"""What a test of runtimes could leave behind on the host: seen before and after, and cleared away."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import time

# Every cgroup that the cases make is below one of these.
CGROUPS = ["lt-pods", "libpod_parent", "docker", "default", "k8s.io", "kubepods", "kubepods.slice", "kubelet.slice", "system.slice",
           "user.slice", "machine.slice", "lxc.monitor.*", "lxc.payload.*", "lxc.pivot*", "lxc", "payload", "supervisor"]
SYSCTLS = ["net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "net/bridge/bridge-nf-call-iptables"]
FOLDERS = ["/run", "/run/netns", "/var/lib", "/etc", "/etc/docker", "/etc/containers", "/etc/cni/net.d",
           "/var/lib/containers", "/var/lib/cni"]
# What runtimes make there has one of these in its path.
WORDS = ("docker", "container", "cni", "podman", "libpod", "runc", "crun", "buildah", "netns", "lxc", "machines", "nspawn")
PLACES = ("/etc", "/var", "/run", "/sys", "/proc", "/dev")
MARKER = "/lt-e2e."  # in the folder of a bed, which all that is started has in its command line
RULES = [["iptables-save"], ["ip6tables-save"], ["nft", "list", "ruleset"]]


def cgroups():
    """The folders of the cases in all hierarchies."""
    roots = [pathlib.Path(line.split()[1]) for line in pathlib.Path("/proc/mounts").read_text().splitlines()
             if line.split()[2] in ("cgroup", "cgroup2")]
    found = {folder for root in roots for name in CGROUPS for top in root.glob(name) for folder in top.glob("**/")}
    return sorted(found)


def empty(folder):
    """No process in it or below: nothing of ours lives on, so the others are somebody else's."""
    with contextlib.suppress(OSError):
        return not any(procs.read_text() for procs in folder.glob("**/cgroup.procs"))
    return False


def rules(command):
    path = shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        return set()
    said = subprocess.run([path, *command[1:]], capture_output=True, text=True).stdout
    return {line.partition(" [")[0] for line in said.splitlines() if not line.startswith("#")}


def links():
    return set(os.listdir("/sys/class/net"))


def mounts():
    """Root, place and type of each: of the test's own folders, and where runtimes mount what they do not say."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return {" ".join([*line.split()[3:5], line.partition(" - ")[2]]) for line in lines
            if MARKER in line or line.split()[4].startswith(PLACES)}


def entries():
    paths = {f"{folder}/{name}" for folder in FOLDERS if os.path.isdir(folder) for name in os.listdir(folder)}
    return {path for path in paths if any(word in path for word in WORDS)}


def sysctls():
    paths = [pathlib.Path("/proc/sys") / name for name in SYSCTLS]
    return {f"{path} {path.read_text().strip()}" for path in paths if path.exists()}


class Host:
    """As it is now."""

    def __init__(self):
        self.before, self.cgroups = self.look(), set(cgroups())

    @staticmethod
    def look():
        return {"network link": links(), "mount": mounts(), "entry": entries(), "sysctl": sysctls(),
                "rule": set().union(*(rules(command) for command in RULES))}

    def clear(self):
        """Runtimes leave the folders of cgroups that they made for containers to share. Those of processes that were
        just killed can be removed a moment later."""
        end = time.monotonic() + 5
        while (left := set(cgroups()) - self.cgroups) and time.monotonic() < end:
            for folder in sorted(left, key=lambda path: -len(path.parts)):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            time.sleep(0.05)

    def differences(self):
        """What is not as it was, in sentences."""
        found = [f"left behind: cgroup {folder}" for folder in cgroups() if folder not in self.cgroups and empty(folder)]
        for kind, now in self.look().items():
            found += [f"left behind: {kind} {thing}" for thing in sorted(now - self.before[kind])]
            found += [f"gone: {kind} {thing}" for thing in sorted(self.before[kind] - now)]
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if MARKER in command and int(folder.name) != os.getpid():
                    found.append(f"left behind: process {folder.name} {command[:100]}")
        return found
