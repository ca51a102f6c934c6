# SPDX-License-Identifier: Apache-2.0
"""Where the runtimes run: the bed's network namespace, and mount and pid namespaces below it. All that they start or
mount ends with the room's first process, also when the test itself is killed."""
import os
import pathlib
import signal
import subprocess

from bed import cgroup2_root

HERE = pathlib.Path(__file__).resolve().parent
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
V1 = pathlib.Path("/sys/fs/cgroup/memory/cgroup.procs").exists()  # hybrid: v1 hierarchies beside the unified one


class Room:
    def __init__(self, bed):
        self.folder, self.path = bed.folder, f"{os.environ['PATH']}:{SBIN}"
        for name in ("etc", "var"):
            for kind in ("up", "work"):
                (bed.folder / "room" / f"{name}.{kind}").mkdir(parents=True)
        self.environment = {"PATH": self.path, "HOME": str(bed.folder / "room"), "LANG": "C.UTF-8"}
        log = bed.folder / "room.log"
        # --kill-child: who watches the room dies with us, and the room with it.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nsenter", "-t", str(bed.upstream.pid), "-n", "-m", "--", "unshare", "-m",
             "-p", "--kill-child", "--mount-proc", "--propagation", "private", str(HERE / "room.sh"), str(bed.folder)],
            env=self.environment, stdout=subprocess.PIPE, stderr=log.open("w"), text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the room for the runtimes cannot be made: {log.read_text()}")
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            self.first = int(children.read())

    def end(self):
        os.kill(self.first, signal.SIGKILL)
        self.process.wait(30)

    def inside(self, *command, v2=False):
        """A command line that runs in the room. v2: with the unified hierarchy as the only one, as most hosts have it."""
        if v2 and V1:
            view = f'mount --bind {cgroup2_root()} /sys/fs/cgroup && exec "$@"'
            command = ("unshare", "-m", "--propagation", "private", "sh", "-c", view, "sh", *command)
        return ["nsenter", "-t", str(self.first), "-n", "-m", "-p", "--", *(str(word) for word in command)]

    def run(self, *command, v2=False, stdin=subprocess.DEVNULL, timeout=60):
        """Its output. What fails is an error with what the command said."""
        ran = subprocess.run(self.inside(*command, v2=v2), env=self.environment, stdin=stdin, capture_output=True,
                             text=True, timeout=timeout)
        if ran.returncode != 0:
            raise RuntimeError(f"{' '.join(str(word) for word in command)[:160]}: exit {ran.returncode}: "
                               f"{(ran.stderr or ran.stdout).strip()[-500:]}")
        return ran.stdout

    def start(self, *command, log):
        return subprocess.Popen(self.inside(*command), env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=log.open("wb"), stderr=subprocess.STDOUT)
