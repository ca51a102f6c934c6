# SPDX-License-Identifier: Apache-2.0
"""An LLM gateway of the simplest kind, for one call: gateway.py CERTS PORT [plain]

Takes one request over TLS, or (plain) in the clear, sends it on to api.openai.com over TLS of its own, and passes the answer back with its id.
"""
import http.client
import http.server
import os
import ssl
import sys

KEPT = {"content-type", "authorization", "x-lt-exchange"}


class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() in KEPT}
        headers["x-lt-want"] = f"{os.environ['LT_WANT']}; hops=2; pid={os.getpid()}"
        onward = http.client.HTTPSConnection("api.openai.com", timeout=30, context=ssl.create_default_context())
        onward.request("POST", self.path, body, headers)
        answer = onward.getresponse()
        data = answer.read()
        onward.close()
        self.send_response(answer.status)
        self.send_header("content-type", answer.getheader("content-type"))
        self.send_header("content-length", str(len(data)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{sys.argv[1]}/leaf.pem", f"{sys.argv[1]}/leaf.key")
    server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Gateway)
    if sys.argv[3:] != ["plain"]:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.handle_request()


main()
