# SPDX-License-Identifier: Apache-2.0
"""An API server that is none: it lists and watches pods as a real one does (what it says was recorded from one, see
recorded/), and misbehaves as it is told. TLS, tokens, field selectors, pages, bookmarks, versions that expire."""
import copy
import json
import pathlib
import queue
import ssl
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = pathlib.Path(__file__).resolve().parent
NODE = "lt-node"


def recorded(name):
    text = (HERE / "recorded" / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def make_certificate(folder):
    """A self-signed one for 127.0.0.1: it is its own CA."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/ca.pem", "-days", "2", "-subj", "/CN=fake",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake"

    def log_message(self, *_):
        pass

    def send_json(self, code, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, code, message="", headers=()):
        self.send_json(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
                              "code": code}, headers)

    def do_GET(self):
        fake, url = self.server.fake, urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        fake.requests.append((url.path, query))
        try:
            if fake.token and self.headers.get("Authorization") != f"Bearer {fake.token}":
                self.refuse(401, "Unauthorized")
            elif refusal := fake.next_refusal(url.path, query):
                self.refuse(*refusal)
            elif url.path == "/pods":
                self.send_json(200, fake.list({}))
            elif url.path != "/api/v1/pods":
                self.get_owner(fake, url.path)
            elif query.get("fieldSelector") != f"spec.nodeName={NODE}":
                self.refuse(400, "this test is about one node")
            elif query.get("watch"):
                self.watch(fake, query)
            else:
                answer = fake.list(query)
                self.send_json(200, answer) if answer else self.refuse(410, "expired")
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def get_owner(self, fake, path):
        wants = self.headers.get("Accept", "")
        thing = fake.owners.get(path)
        if "as=PartialObjectMetadata" not in wants:
            self.refuse(406, "more than the metadata was asked for")
        elif thing:
            self.send_json(200, thing)
        else:
            self.refuse(404, "not found")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def watch(self, fake, query):
        events = fake.subscribe(int(query["resourceVersion"]))
        if events is None and fake.expire_by_event:
            status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                      "message": "too old resource version", "reason": "Expired", "code": 410}
            events = queue.Queue()
            events.put({"type": "ERROR", "object": status})
            events.put(None)
        elif events is None:
            return self.refuse(410, "too old resource version")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        try:
            while (event := events.get()) is not None:
                if not self.send_event(fake, event):
                    self.close_connection = True
                    return
        finally:
            fake.unsubscribe(events)
        self.wfile.write(b"0\r\n\r\n")

    def send_event(self, fake, event):
        """False: the connection was cut."""
        data = event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n"
        if fake.cut_after and fake.take("cut_after"):
            self.chunk(data[:len(data) // 2])
            return False
        if fake.drip:
            for i in range(0, len(data), fake.drip):
                self.chunk(data[i:i + fake.drip])
                time.sleep(0.0005)
        else:
            self.chunk(data)
        return True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, fake, port, folder):
        self.fake, self.open = fake, set()
        super().__init__(("127.0.0.1", port), Handler)
        if folder:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{folder}/ca.pem", f"{folder}/key.pem")
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass


class Fake:
    def __init__(self, folder=None, token=None, version=1000):
        self.folder, self.token = folder, token
        self.lock = threading.RLock()
        self.pods, self.events, self.watchers = {}, [], []
        self.version, self.oldest = version, version
        self.requests, self.refusals, self.owners = [], [], {}
        self.expire_by_event, self.cut_after, self.drip = True, 0, 0
        self.server, self.port = None, 0
        self.start()

    # ---- the server

    def start(self):
        self.server = Server(self, self.port, self.folder)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """As if it were gone: nobody listens, and all connections are closed."""
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            for watcher in self.watchers:
                watcher.put(None)
        for connection in list(self.server.open):
            try:
                connection.shutdown(2)
            except OSError:
                pass

    @property
    def url(self):
        return f"{'https' if self.folder else 'http'}://127.0.0.1:{self.port}"

    def take(self, name):
        with self.lock:
            setattr(self, name, getattr(self, name) - 1)
            return True

    def refuse(self, what, *answer, times=1):
        """The next so many requests whose path holds @what, or ("watch") are watches, are answered (code, message,
        headers)."""
        with self.lock:
            self.refusals += [(what, answer)] * times

    def next_refusal(self, path, query):
        with self.lock:
            for i, (what, answer) in enumerate(self.refusals):
                if what in path or (what == "watch" and query.get("watch")) or \
                        (what == "continue" and query.get("continue")):
                    return self.refusals.pop(i)[1]
        return None

    def asked(self, path, **query):
        return [q for p, q in list(self.requests) if path in p and all(q.get(k) == v for k, v in query.items())]

    # ---- the pods

    def put(self, pod, kind=None):
        with self.lock:
            self.version += 1
            pod = copy.deepcopy(pod)
            uid = pod["metadata"]["uid"]
            pod["metadata"]["resourceVersion"] = str(self.version)
            kind = kind or ("MODIFIED" if uid in self.pods else "ADDED")
            if kind == "DELETED":
                self.pods.pop(uid, None)
            else:
                self.pods[uid] = pod
            self.tell({"type": kind, "object": pod})

    def delete(self, uid):
        with self.lock:
            if uid in self.pods:
                self.put(self.pods[uid], "DELETED")

    def bookmark(self):
        with self.lock:
            self.version += 1
            self.tell({"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {
                "resourceVersion": str(self.version), "creationTimestamp": None}, "spec": {"containers": None},
                "status": {}}}, keep=False)

    def tell(self, event, keep=True):
        """To all watchers; and, but for bookmarks and rubbish, to those that come later."""
        with self.lock:
            if keep:
                self.events.append((self.version, event))
            for watcher in self.watchers:
                watcher.put(event)

    def end_watches(self):
        with self.lock:
            for watcher in self.watchers:
                watcher.put(None)

    def expire(self):
        """All versions that anybody knows are too old."""
        with self.lock:
            self.version += 1
            self.oldest, self.events = self.version, []
            self.end_watches()

    def subscribe(self, version):
        with self.lock:
            if version < self.oldest:
                return None
            events = queue.Queue()
            for at, event in self.events:
                if at > version:
                    events.put(event)
            self.watchers.append(events)
            return events

    def unsubscribe(self, events):
        with self.lock:
            if events in self.watchers:
                self.watchers.remove(events)

    def list(self, query):
        """None: the continue token is too old."""
        with self.lock:
            names = sorted(self.pods.values(), key=lambda p: (p["metadata"]["namespace"], p["metadata"]["name"]))
            limit, start = int(query.get("limit", 0)), 0
            if query.get("continue"):
                start, version = (int(n) for n in query["continue"].split("~"))
                if version < self.oldest:
                    return None
            page = names[start:start + limit] if limit else names
            metadata = {"resourceVersion": str(self.version)}
            if limit and start + limit < len(names):
                metadata["continue"] = f"{start + limit}~{self.version}"
                metadata["remainingItemCount"] = len(names) - start - limit
            return {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": copy.deepcopy(page)}
