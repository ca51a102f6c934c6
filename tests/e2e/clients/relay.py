# SPDX-License-Identifier: Apache-2.0
"""A gateway that gives answers ids of its own, and tries again: relay.py PORT

Takes requests in the clear and asks api.openai.com over TLS. `x-lt-tries: A,B` names the exchanges that it asks for,
one after the other, until one does not fail; `x-lt-keep-ids` leaves the ids as they are.
"""
import http.client
import http.server
import re
import ssl
import sys
import uuid

IDS = re.compile(rb"chatcmpl-[A-Za-z0-9]+")


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def ask(self, body, exchange):
        onward = http.client.HTTPSConnection("api.openai.com", timeout=30, context=ssl.create_default_context())
        onward.request("POST", self.path, body, {
            "content-type": "application/json", "authorization": self.headers["authorization"], "x-lt-exchange": exchange})
        return onward, onward.getresponse()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        for exchange in self.headers["x-lt-tries"].split(","):
            onward, answer = self.ask(body, exchange)
            if answer.status < 400:
                break
            answer.read()
            onward.close()
        name = b"chatcmpl-" + uuid.uuid4().hex.encode()
        self.send_response(answer.status)
        self.send_header("content-type", answer.getheader("content-type"))
        self.send_header("connection", "close")
        self.end_headers()
        for line in answer:
            self.wfile.write(line if self.headers["x-lt-keep-ids"] else IDS.sub(name, line))
        onward.close()
        self.close_connection = True

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Relay)
print("ready", flush=True)
server.serve_forever()
