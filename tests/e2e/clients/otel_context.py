# SPDX-License-Identifier: Apache-2.0
"""Publishes resource attributes as an OpenTelemetry SDK does (process context, OTEP 4719), and then calls like plain.py.

usage: otel_context.py memfd|named|draft HABIT EXCHANGE COUNT

memfd: a mapping of a memfd; named: anonymous memory with a name, where the kernel has such names (else a memfd); draft:
the payload is a Resource, as earlier drafts have it.
"""
import ctypes
import mmap
import os
import pathlib
import runpy
import struct
import sys
import time

PR_SET_VMA, PR_SET_VMA_ANON_NAME = 0x53564D41, 0
PAGE = mmap.PAGESIZE


def field(number, body):
    assert len(body) < 128
    return bytes([number << 3 | 2, len(body)]) + body


def attribute(number, key, value):
    return field(number, field(1, key.encode()) + field(2, field(1, value.encode())))


def mapping(libc, memfd):
    """The address of a page of its own."""
    fd = -1
    if memfd:
        fd = os.memfd_create("OTEL_CTX")
        os.ftruncate(fd, PAGE)
    flags = mmap.MAP_PRIVATE | (0 if memfd else mmap.MAP_ANONYMOUS)
    address = libc.mmap(None, PAGE, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, 0)
    assert address not in (None, ctypes.c_void_p(-1).value)
    if memfd:
        os.close(fd)
    return address


def publish(way):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_char_p]
    resource = (attribute(1, "service.name", f"service-{way}") + attribute(1, "lt.team", f"team-{way}"))
    parts = [resource, attribute(1, "deployment.environment.name", "production")]
    if way == "draft":
        payload = b"".join(parts)
    else:
        # A message may come in parts of one and the same field: they are one message.
        payload = b"".join(field(1, part) for part in parts) + attribute(2, "threadlocal.schema_version", "x")
    address = mapping(libc, way != "named")
    named = libc.prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, PAGE, b"OTEL_CTX") == 0
    if way == "named" and not named:
        address = mapping(libc, True)
    header = struct.pack("=8sIIQQ", bytes(8), 2, len(payload), time.monotonic_ns(), address + 32)
    ctypes.memmove(address, header + payload, len(header) + len(payload))
    ctypes.memmove(address, b"OTEL_CTX", 8)  # last: now it is whole


publish(sys.argv.pop(1))
sys.argv[0] = str(pathlib.Path(__file__).with_name("plain.py"))
runpy.run_path(sys.argv[0], run_name="__main__")
