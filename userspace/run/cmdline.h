/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a command line, as far as they say which program runs: interpreters hide it behind
 * their own name. All views are borrowed from the text.
 */
#pragma once

#include "userspace/base/bytes.h"

struct lt_cmdline {
	struct lt_bytes script; /* path of the file that an interpreter runs; empty: none */
	struct lt_bytes module; /* of python -m, or npm:NAME of deno; empty: none */
};

/* Whether a program of this path or name runs other programs: node, python3.12, deno ... */
bool lt_is_interpreter(struct lt_bytes path);
/* What stands behind the last slash. */
struct lt_bytes lt_base_name(struct lt_bytes path);
/*
 * @text: as /proc/PID/cmdline has it, each word ended by a NUL; the last one may be cut, and is
 * then not looked at unless @whole. @program: path of the executable, for whose options the words
 * are read.
 */
struct lt_cmdline lt_cmdline_parse(struct lt_bytes program, struct lt_bytes text, bool whole);
