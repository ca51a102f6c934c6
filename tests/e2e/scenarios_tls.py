# SPDX-License-Identifier: Apache-2.0
"""Scenarios of clients on other TLS libraries than OpenSSL: each record must name the library."""
import pathlib
import shutil

from bed import HERE, KEY_CANARY, PYTHON, ROOT, VENV, finish
from scenarios import CACHE, PLAIN, STREAM, in_parallel, need, over_http, scenario, system_library

CLIENTS = HERE / "clients"
CALLS = ROOT / "build" / "e2e"
REQUEST = ("api.openai.com", "/v1/chat/completions", f"x-lt-exchange: {PLAIN}\r\n")


def libcurl(bed, name, library, *arguments, options=""):
    path = system_library({"gnutls": "libcurl-gnutls.so.4", "nss": "libcurl-nss.so.4"}[library])
    environment = bed.environment(name, f"t-{name}", options, tls=library, comm=pathlib.Path(PYTHON).name)
    bed.run([PYTHON, CLIENTS / "libcurl.py", path, *arguments], environment)


def every_exchange(bed, exchanges, name, library):
    providers = ("openai", "anthropic", "azure", "mistral", "cohere")
    ids = [exchange.id for exchange in over_http(exchanges) if exchange.raw["provider"] in providers]
    in_parallel((libcurl, bed, name, library, *ids[part::4]) for part in range(4))


def habits(bed, name, library):
    """Streams that come in pieces, a connection that is kept, and requests that the socket does not take at once."""
    libcurl(bed, name, library, "--times", "20", PLAIN)
    libcurl(bed, name, library, "--times", "3", STREAM, CACHE, options="split=random:3; delay=2")
    libcurl(bed, name, library, "--times", "2", "--pad", "3000000", PLAIN)


@scenario
def curl_gnutls(bed, exchanges):
    every_exchange(bed, exchanges, "curl-gnutls", "gnutls")


@scenario
def curl_gnutls_habits(bed, _):
    habits(bed, "curl-gnutls-habits", "gnutls")


@scenario
def http2_gnutls(bed, _):
    libcurl(bed, "http2-gnutls", "gnutls", "--http2", "--times", "3", PLAIN, STREAM, CACHE)


@scenario
def curl_nss(bed, exchanges):
    every_exchange(bed, exchanges, "curl-nss", "nss")


@scenario
def curl_nss_habits(bed, _):
    habits(bed, "curl-nss-habits", "nss")


@scenario
def http2_nss(bed, _):
    libcurl(bed, "http2-nss", "nss", "--http2", "--times", "3", PLAIN, STREAM, CACHE)


@scenario
def wget(bed, exchanges):
    """Debian's wget is built with GnuTLS. Four calls on one connection, of each kind."""
    need(shutil.which("wget"), "wget")
    environment = bed.environment("wget", "t-wget", tls="gnutls", comm="wget")
    for name in (PLAIN, STREAM, CACHE):
        exchange = exchanges[name]
        body = bed.folder / f"{name}.wget-body"
        body.write_bytes(exchange.request_body())
        headers = [f"--header={key}: {value.replace('REDACTED', KEY_CANARY)}"
                   for key, value in exchange.request_headers() if key not in ("host", "accept-encoding")]
        script = 'exec wget "$@" --header="x-lt-want: $LT_WANT; pid=$$"'
        bed.run(["sh", "-c", script, "wget", "-q", "-O", "/dev/null", f"--ca-certificate={bed.ca}", *headers,
                 f"--header=x-lt-exchange: {name}", f"--post-file={body}", *[exchange.url] * 4], environment)


@scenario
def gnutls_cli(bed, exchanges):
    need(shutil.which("gnutls-cli"), "gnutls-cli")
    exchange = exchanges[PLAIN]
    environment = bed.environment("gnutls-cli", "t-gnutls-cli", tls="gnutls", comm="gnutls-cli")
    body = exchange.request_body().decode()
    head = "".join(f"{line}\\r\\n" for line in (
        f"POST {exchange.path} HTTP/1.1", f"host: {exchange.host}", f"x-lt-exchange: {PLAIN}", "connection: close",
        "content-type: application/json", f"content-length: {len(body)}"))
    # It ends when its input does, or the server: the answer is awaited.
    script = ('{ read -r pid; printf "$1x-lt-want: $LT_WANT; pid=$pid\\r\\n\\r\\n"; printf %s "$2"; sleep 2; } < "$3" | '
              'sh -c \'echo $$ > "$0"; exec gnutls-cli --x509cafile "$SSL_CERT_FILE" api.openai.com\' "$3"')
    fifo = bed.folder / "gnutls-cli.pid"
    bed.run(["sh", "-e", "-c", f'mkfifo "$3"; {script}; rm "$3"', "sh", head, body, fifo], environment)


def own_client(bed, name, program, library, *modes, request=REQUEST):
    need(CALLS / program, program)
    environment = bed.environment(name, f"t-{name}", tls=library, comm=program)
    for mode in modes:
        finish(bed.start([CALLS / program, mode, *request], environment))


def any_client(bed, name, program, library, *modes):
    """A client of clients/call.c: its own ways, a body of 3 MB in small pieces, an object that is used again, a stream."""
    own_client(bed, name, program, library, "plain", "slow", "again", *modes)
    pieces = f"x-lt-exchange: {STREAM}; split=random:3; delay=2\r\n"
    own_client(bed, name, program, library, "plain", request=(*REQUEST[:2], pieces, "gpt-4.1-mini"))


@scenario
def gnutls_calls(bed, _):
    """All ways in which GnuTLS takes data: what is repeated or was held back counts once."""
    own_client(bed, "gnutls-calls", "gnutls_call", "gnutls", "send", "retry", "cork", "trickle", "padded", "range",
               "file")


@scenario
def nss_calls(bed, _):
    """NSS, in a program that sends the like through files, pipes and sockets in the clear: no record comes of those."""
    own_client(bed, "nss-calls", "nss_call", "nss", "plain", "peek", "layer", "vectors")


@scenario
def mbedtls_calls(bed, _):
    any_client(bed, "mbedtls-calls", "mbedtls_call", "mbedtls")


@scenario
def wolfssl_calls(bed, _):
    any_client(bed, "wolfssl-calls", "wolfssl_call", "wolfssl", "send", "send slow", "vectors", "vectors slow")


def awscrt(bed, name, program, *arguments, options=""):
    environment = bed.environment(name, f"t-{name}", options, tls="s2n", comm=VENV.name)
    need(next(VENV.parents[1].glob("lib/*/site-packages/_awscrt*"), None), "awscrt")
    bed.run([VENV, CLIENTS / program, *arguments], environment)


@scenario
def s2n_calls(bed, _):
    """The functions of s2n themselves: buffers in vectors, blocked calls, an object that is used again."""
    modes = ("plain", "slow", "again", "vectors", "vectors slow")
    in_parallel((awscrt, bed, "s2n-calls", "s2n_call.py", mode, *REQUEST) for mode in modes)


@scenario
def aws_http(bed, _):
    """The AWS common runtime's client, over both protocols."""
    awscrt(bed, "aws-http", "aws_http.py", "--times", "10", PLAIN, CACHE)
    awscrt(bed, "aws-http", "aws_http.py", "--times", "3", STREAM, CACHE, options="split=random:3; delay=2")
    awscrt(bed, "aws-http", "aws_http.py", "--pad", "3000000", PLAIN)
    awscrt(bed, "aws-http", "aws_http.py", "--http2", "--times", "3", PLAIN, STREAM, CACHE)


@scenario
def netty(bed, _):
    """Java's Netty over netty-tcnative: BoringSSL with local symbols, in a file that is deleted once it is loaded."""
    java, build = shutil.which("java"), ROOT / "build" / "java"
    need(java, "java")
    need(build / "source.stamp", "Netty")
    environment = bed.environment("netty", "t-netty", tls="boringssl", comm="java")
    command = [java, "-cp", f"{build}:{build}/lib/*", "NettyCall", *REQUEST[:2]]
    bed.run([*command, PLAIN, "gpt-4o-mini", "5", "100"], environment)
    bed.run([*command, f"{STREAM}; split=random:3; delay=2", "gpt-4.1-mini", "2", "3000000"], environment)
