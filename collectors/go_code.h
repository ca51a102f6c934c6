/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a function of Go returns, by its machine code. Foreign input: the walk reads nothing past
 * the bytes that it is given, and takes as many steps as there are bytes at most.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"

enum { LT_GO_CODE_MAX = 64 << 10 };

/* What a function's first instructions tell of how it was called. */
enum lt_go_begin {
	LT_GO_BEGIN_OTHER,    /* no function of Go that checks its stack */
	LT_GO_BEGIN_REGISTER, /* the goroutine is in its register (arm64: in both conventions) */
	LT_GO_BEGIN_STACK,    /* the goroutine is taken from thread-local storage: before 1.17 */
};

/* @machine: EM_X86_64 or EM_AARCH64. */
enum lt_go_begin lt_go_begin(unsigned machine, const uint8_t *code, size_t n);

/* Length of the instruction of x86-64 at @code, 0: unknown, or longer than @n. */
size_t lt_go_x86_length(const uint8_t *code, size_t n);

/*
 * Offsets of the function's RET instructions, at most @max. Returns how many there are (may be more
 * than @max). -EBADMSG: the code is not understood; -ENOTSUP: it also leaves by jumping elsewhere.
 */
LT_MUST_CHECK int lt_go_returns(unsigned machine, const uint8_t *code, size_t n, uint32_t *ret,
				size_t max);
