/* SPDX-License-Identifier: Apache-2.0 */
/* Where machine code goes on from an instruction. x86-64 and arm64; foreign input. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lt_code_step {
	size_t length;
	bool goes_on;	/* to the instruction behind it */
	bool jumps;	/* to another one */
	bool call;	/* jumps, and comes back */
	int64_t target; /* from where the instruction begins; only of what jumps */
};

/* The instruction at @code; false: unknown, or longer than @n. A jump through a register or memory
 * neither jumps nor goes on; a call of that kind just goes on. */
bool lt_code_step(unsigned machine, const uint8_t *code, size_t n, struct lt_code_step *ret);
