# SPDX-License-Identifier: Apache-2.0
"""One small root file system for every runtime: this host's curl, Python and shell with their libraries, and the
test's CA in the place where a distribution keeps those it trusts. What is not in it is no part of the test."""
import pathlib
import shutil
import subprocess

from bed import PYTHON, sh

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = ["curl", "dash", "sleep", "cat", "true"]
NOT_NEEDED = ["test", "idlelib", "ensurepip", "lib2to3", "tkinter", "turtledemo", "pydoc_data", "distutils", "unittest",
              "__pycache__", "config-*", "dist-packages", "site-packages"]
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
NODE = shutil.which("node")  # is mounted into one container: too large to be copied into every image store
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "SSL_CERT_FILE": CA_FILE, "NODE_EXTRA_CA_CERTS": CA_FILE}


def libraries(files):
    """What the loader maps for these files, itself included."""
    said = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    return {word for line in said.splitlines() for word in line.split() if word.startswith("/") and word[-1] != ":"}


def add(root, path):
    """A file under the path that it has here. Both are taken as a merged /usr has them."""
    path = str(path)
    target = root / (path.lstrip("/") if path.startswith("/usr") else f"usr{path}")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def add_python(root):
    stdlib = pathlib.Path(sh(PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))").stdout.strip())
    shutil.copytree(stdlib, root / stdlib.relative_to("/"), ignore=shutil.ignore_patterns(*NOT_NEEDED), symlinks=False)
    add(root, PYTHON)
    return [PYTHON, *(str(path) for path in stdlib.glob("lib-dynload/*.so"))]


def build(root, ca, hosts, body):
    """Fills the folder root. ca, hosts, body: files of the bed."""
    root.mkdir()
    for folder in ("lib", "lib64", "bin", "sbin"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for folder in ("dev", "proc", "sys", "tmp", "run", "etc/ssl/certs", "usr/local/bin", "lt"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    files = [shutil.which(name) for name in PROGRAMS] + add_python(root)
    for path in {*files[:len(PROGRAMS)], *libraries(files + ([NODE] if NODE else []))}:
        add(root, path)
    (root / "usr" / "bin" / "sh").symlink_to("dash")
    shutil.copy(ca, root / CA_FILE.lstrip("/"))
    shutil.copy(hosts, root / "etc" / "hosts")
    shutil.copy(body, root / "lt" / "body")
    for script in (HERE / "inside").iterdir():
        shutil.copy(script, root / "lt" / script.name)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\n")
