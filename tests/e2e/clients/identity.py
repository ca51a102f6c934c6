# SPDX-License-Identifier: Apache-2.0
"""Clients that do not stay who, or where, they are: identity.py HABIT EXCHANGE_ID ARGUMENT...

A folder is one of a cgroup hierarchy. What the records must say is decided here, where it happens.

move A B         calls on one connection from A, then B; a request from A whose answer comes when it is in B
exec             a call, and at once another program with another environment, on a socket that the first connected
fork A B         the child goes to B and calls on the TLS connection that its parent made in A
setns A B        a process of A in the namespaces of one of B
pid-reuse A B    one pid after the other is used in A and in B
spoof A          all that a program can say about itself says that it is somebody else
nested POD INNER OUTSIDE   in a container's cgroup that is not below its pod's, and in none
born FOLDER      children born into cgroups of their own below FOLDER, that never execute anything
short FOLDER PROGRAM       two hundred containers in a row with one call each, gone as soon as it is answered
"""
import ctypes
import http.client
import os
import pathlib
import signal
import socket
import ssl
import sys

import want
from plain import CONTEXT, call, connect, send

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE3, INTO_CGROUP, PR_SET_NAME = 435, 0x200000000, 15
NEW = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000}
REUSES, BORN, SHORT = 8, 12, 200


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def enter(folder):
    pathlib.Path(folder, "cgroup.procs").write_text(str(os.getpid()))


def clone(pid=None, cgroup=None):
    """fork, with a pid or a cgroup of our choice."""
    pids = (ctypes.c_int * 1)(pid or 0)
    args = (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD)
    if pid:
        args[8], args[9] = ctypes.addressof(pids), 1
    if cgroup is not None:
        args[0], args[10] = INTO_CGROUP, cgroup
    return checked(LIBC.syscall(CLONE3, args, ctypes.sizeof(args)))


def wait(pid):
    status = os.waitpid(pid, 0)[1]
    if status != 0:
        raise ChildProcessError(f"a child ended with {status}")


def in_child(job, make=os.fork):
    """Runs the job in a child; an exception there is one here."""
    pid = make()
    if pid == 0:
        try:
            job()
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    return pid


def move(exchange, a, b):
    enter(a)
    connection = connect(exchange)
    call(connection, exchange, tenant="id-a")
    enter(b)
    call(connection, exchange, tenant="id-b")
    enter(a)
    send(connection, exchange, tenant="id-a")
    enter(b)
    connection.getresponse().read()
    call(connection, exchange, tenant="id-b")


def exec_(exchange):
    call(connect(exchange), exchange)
    inherited = socket.create_connection((exchange.host, 443))
    inherited.set_inheritable(True)
    environment = os.environ | {"LT_TENANT": "t-identity-exec-2"}
    os.execve(sys.executable, [sys.executable, __file__, "executed", exchange.id, str(inherited.fileno())], environment)


def executed(exchange, fd):
    connection = http.client.HTTPSConnection(exchange.host, context=CONTEXT)
    connection.sock = CONTEXT.wrap_socket(socket.socket(fileno=int(fd)), server_hostname=exchange.host)
    call(connection, exchange, tenant="t-identity-exec-2")


def fork(exchange, a, b):
    enter(a)
    connection = connect(exchange)
    call(connection, exchange, tenant="id-a")

    def child():
        enter(b)
        call(connection, exchange, tenant="id-b")

    wait(in_child(child))


def hold_namespaces(folder, ready, release):
    enter(folder)
    checked(LIBC.unshare(NEW["mnt"] | NEW["uts"] | NEW["ipc"] | NEW["cgroup"] | NEW["pid"]))
    inner = in_child(lambda: os.read(release, 1))
    os.write(ready, str(inner).encode())
    wait(inner)


def setns(exchange, a, b):
    ready, release, told = os.pipe(), os.pipe(), os.pipe()
    holder = in_child(lambda: hold_namespaces(b, ready[1], release[0]))
    target = int(os.read(ready[0], 32))
    enter(a)
    for name in ("cgroup", "uts", "ipc", "pid", "mnt"):
        with open(f"/proc/{target}/ns/{name}") as namespace:
            checked(LIBC.setns(namespace.fileno(), NEW[name]))
        if name == "pid":  # it is for children; in there the child has another number than we see here
            def child():
                call(connect(exchange), exchange, tenant="id-a", pid=os.read(told[0], 32).decode())

            pid = in_child(child)
            os.write(told[1], str(pid).encode())
            wait(pid)
    call(connect(exchange), exchange, tenant="id-a")
    os.write(release[1], b".")
    wait(holder)


def pid_reuse(exchange, a, b):
    pid = in_child(lambda: None)
    wait(pid)
    for number in range(REUSES):
        folder, tenant = [(a, "id-a"), (b, "id-b")][number % 2]

        def child():
            enter(folder)
            call(connect(exchange), exchange, tenant=tenant)

        wait(in_child(child, lambda: clone(pid=pid)))


def spoof(exchange, a):
    enter(a)
    LIBC.prctl(PR_SET_NAME, b"id-b")
    send_headers = {"x-tenant": "id-b", "x-container-id": "b" * 64, "x-forwarded-for": "10.0.0.2", "x-user": "id-b"}
    original = exchange.request_headers
    exchange.request_headers = lambda: [*original(), *send_headers.items()]
    call(connect(exchange), exchange, tenant="id-a", comm="id-b")


def nested(exchange, pod, inner, outside):
    enter(pod)

    def child():
        enter(inner)
        call(connect(exchange), exchange, tenant="id-pod", container=pathlib.Path(inner).name, runtime="docker")
        enter(outside)
        call(connect(exchange), exchange, tenant="id-pod", container=pathlib.Path(pod).name, runtime="containerd")

    wait(in_child(child))


def containers(folder, count, job):
    """The job of each runs in a cgroup of its own, which is removed behind it."""
    for number in range(count):
        container = f"{number + 1:x}".ljust(64, "e")
        place = pathlib.Path(folder, f"docker-{container}.scope")
        place.mkdir()
        fd = os.open(place, os.O_RDONLY)
        wait(in_child(lambda: job(container), lambda: clone(cgroup=fd)))
        os.close(fd)
        place.rmdir()


def born(exchange, folder):
    containers(folder, BORN, lambda container: call(connect(exchange), exchange, tenant="id-a", container=container,
                                                    runtime="docker"))


def short(exchange, folder, program):
    def job(container):
        wanted = f"{os.environ['LT_WANT']}; tenant=id-a; container={container}; runtime=docker"
        os.execve(program, [program, exchange.host, "/v1/chat/completions", f"x-lt-exchange: {exchange.id}\r\n",
                            '{"model":"gpt-4o-mini"}'], os.environ | {"LT_WANT": wanted})

    containers(folder, SHORT, job)


HABITS = {"move": move, "exec": exec_, "executed": executed, "fork": fork, "setns": setns, "pid-reuse": pid_reuse,
          "spoof": spoof, "nested": nested, "born": born, "short": short}

if __name__ == "__main__":
    habit, name, *arguments = sys.argv[1:]
    try:
        HABITS[habit](want.load()[name], *arguments)
    except (OSError, ssl.SSLError) as problem:
        sys.exit(f"{habit}: {problem}")
