// SPDX-License-Identifier: Apache-2.0
/*
 * x86-64: instructions have no marks, so all before a RET have to be measured. What is measured
 * here is length alone, by the maps of the processor manuals (opcode maps, appendix A of the
 * instruction set reference): prefixes, opcode, ModRM with what follows from it, immediate. That
 * the walk is in step shows in the function's own jumps: each must lead to an instruction's begin.
 */
#include "collectors/go_code.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { X86_LENGTH_MAX = 15 };

/*
 * What follows an opcode, by map:
 *   .  nothing          m  ModRM            x  no instruction of 64-bit code, or not known
 *   b  8 bits           M  ModRM, 8 bits    j  jump, 32 bits       s  jump, 8 bits
 *   z  16 or 32 bits    Z  ModRM, z         w  16 bits             e  24 bits
 *   v  16, 32, 64 bits  a  an address       g  ModRM; 8 bits too for TEST (G: z)
 *   p  a prefix         o  another map
 */
static const char one_byte[257] = "mmmmbzxxmmmmbzxo" /* 00 */
				  "mmmmbzxxmmmmbzxx" /* 10 */
				  "mmmmbzpxmmmmbzpx" /* 20 */
				  "mmmmbzpxmmmmbzpx" /* 30 */
				  "pppppppppppppppp" /* 40, REX */
				  "................" /* 50 */
				  "xxompppp"
				  "zZbM...."	      /* 60 */
				  "ssssssssssssssss"  /* 70 */
				  "MZxMmmmmmmmmmmmm"  /* 80 */
				  "..........x....."  /* 90 */
				  "aaaa....bz......"  /* a0 */
				  "bbbbbbbbvvvvvvvv"  /* b0 */
				  "MMw.ooMZe.w..bx."  /* c0 */
				  "mmmmxxx.mmmmmmmm"  /* d0 */
				  "ssssbbbbjjxs...."  /* e0 */
				  "p.pp..gG......mm"; /* f0 */

static const char two_bytes[257] = "mmmmx.....x.xm.x"  /* 0f 00 */
				   "mmmmmmmmmmmmmmmm"  /* 10 */
				   "mmmmxxxxmmmmmmmm"  /* 20 */
				   "......x.oxoxxxxx"  /* 30 */
				   "mmmmmmmmmmmmmmmm"  /* 40 */
				   "mmmmmmmmmmmmmmmm"  /* 50 */
				   "mmmmmmmmmmmmmmmm"  /* 60 */
				   "MMMMmmm.mmxxmmmm"  /* 70 */
				   "jjjjjjjjjjjjjjjj"  /* 80 */
				   "mmmmmmmmmmmmmmmm"  /* 90 */
				   "...mMmxx...mMmmm"  /* a0 */
				   "mmmmmmmmmmMmmmmm"  /* b0 */
				   "mmMmMMMm........"  /* c0 */
				   "mmmmmmmmmmmmmmmm"  /* d0 */
				   "mmmmmmmmmmmmmmmm"  /* e0 */
				   "mmmmmmmmmmmmmmmm"; /* f0 */

/* An instruction while it is measured. */
struct measure {
	const uint8_t *code;
	size_t n, at;
	bool wide;	/* REX.W */
	bool half;	/* 16-bit operands */
	bool addresses; /* of 32 bits */
};

static bool take(struct measure *m, uint8_t *ret)
{
	if (m->at >= m->n)
		return false;
	*ret = m->code[m->at++];
	return true;
}

/* ModRM, SIB and displacement. */
static bool take_operands(struct measure *m, uint8_t *ret_modrm)
{
	uint8_t modrm, sib = 0, mode;

	if (!take(m, &modrm))
		return false;
	*ret_modrm = modrm;
	mode = modrm >> 6;
	if (mode == 3)
		return true;
	if ((modrm & 7) == 4 && !take(m, &sib))
		return false;
	if (mode == 1)
		m->at += 1;
	else if (mode == 2 || (modrm & 7) == 5 || ((modrm & 7) == 4 && (sib & 7) == 5))
		m->at += 4;
	return true;
}

/* Past what follows an opcode. False: not an instruction that is known. */
static bool take_rest(struct measure *m, char what)
{
	size_t z = m->half && !m->wide ? 2 : 4;
	uint8_t modrm = 0;

	if (strchr("mMZgG", what) && !take_operands(m, &modrm))
		return false;
	switch (what) {
	case '.':
	case 'm':
		return true;
	case 'b':
	case 'M':
	case 's':
		m->at += 1;
		return true;
	case 'w':
		m->at += 2;
		return true;
	case 'e':
		m->at += 3;
		return true;
	case 'j':
		m->at += 4;
		return true;
	case 'z':
	case 'Z':
		m->at += z;
		return true;
	case 'v':
		m->at += m->wide ? 8 : z;
		return true;
	case 'a':
		m->at += m->addresses ? 4 : 8;
		return true;
	case 'g':
		m->at += (modrm & 0x30) == 0 ? 1 : 0;
		return true;
	case 'G':
		m->at += (modrm & 0x30) == 0 ? z : 0;
		return true;
	}
	return false;
}

/* An instruction of map 1 (0f), 2 (0f 38) or 3 (0f 3a) that has a VEX or EVEX prefix. */
static bool take_vector(struct measure *m, unsigned map)
{
	uint8_t opcode;

	if (!take(m, &opcode))
		return false;
	if (map == 3)
		return take_rest(m, 'M');
	if (map == 1 && (two_bytes[opcode] == 'M' || two_bytes[opcode] == '.'))
		return take_rest(m, two_bytes[opcode]);
	return map != 0 && map <= 6 && map != 4 && take_rest(m, 'm');
}

static bool take_two_bytes(struct measure *m)
{
	uint8_t opcode;

	if (!take(m, &opcode))
		return false;
	if (opcode == 0x38 || opcode == 0x3a) {
		m->at++;
		return take_rest(m, opcode == 0x38 ? 'm' : 'M');
	}
	return take_rest(m, two_bytes[opcode]);
}

/* Behind a byte that is no prefix of the old kind and leads to another map. */
static bool take_escape(struct measure *m, uint8_t escape)
{
	uint8_t byte;

	switch (escape) {
	case 0x0f:
		return take_two_bytes(m);
	case 0xc5:
		return take(m, &byte) && take_vector(m, 1);
	case 0xc4:
		if (!take(m, &byte))
			return false;
		m->at += 1;
		return take_vector(m, (byte & 0x1f) <= 3 ? byte & 0x1f : 0);
	case 0x62:
		if (!take(m, &byte))
			return false;
		m->at += 2;
		return take_vector(m, byte & 7);
	}
	return false;
}

static bool take_instruction(struct measure *m)
{
	uint8_t byte = 0;

	do {
		m->wide = (byte & 0xf8) == 0x48; /* the last one counts, and only right here */
		m->half |= byte == 0x66;
		m->addresses |= byte == 0x67;
		if (!take(m, &byte))
			return false;
	} while (one_byte[byte] == 'p');
	/* Of the family that POP began, the rest is of an extension that no processor has any more.
	 */
	if (byte == 0x8f && m->at < m->n && (m->code[m->at] & 0x38) != 0)
		return false;
	return one_byte[byte] == 'o' ? take_escape(m, byte) : take_rest(m, one_byte[byte]);
}

size_t lt_go_x86_length(const uint8_t *code, size_t n)
{
	struct measure m = {.code = code, .n = n < X86_LENGTH_MAX ? n : X86_LENGTH_MAX};

	return take_instruction(&m) && m.at <= m.n ? m.at : 0;
}

/* A direct jump (no call) in @code of @length bytes; @ret: how far, from its end. */
static bool is_jump(const uint8_t *code, size_t length, int64_t *ret)
{
	bool near = (length == 5 && code[0] == 0xe9) ||
		    (length == 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80);
	int32_t far;

	if (length == 2 && (one_byte[code[0]] == 's')) {
		*ret = (int8_t)code[1];
		return true;
	}
	if (!near)
		return false;
	memcpy(&far, code + length - sizeof(far), sizeof(far));
	*ret = far;
	return true;
}

struct walk {
	uint8_t begins[LT_GO_CODE_MAX / 8]; /* a bit for every byte where an instruction begins */
	uint32_t *returns;
	size_t max, count;
};

static bool is_begin(const struct walk *w, uint64_t at)
{
	return w->begins[at / 8] >> (at % 8) & 1;
}

/* Whether all direct jumps stay inside and meet instructions. */
static int check_jumps(const struct walk *w, const uint8_t *code, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t length = lt_go_x86_length(code + at, n - at);
		int64_t far, to;

		if (length == 0)
			return -EBADMSG;
		if (is_jump(code + at, length, &far)) {
			to = (int64_t)(at + length) + far;
			if (to < 0 || to >= (int64_t)n)
				return -ENOTSUP;
			if (!is_begin(w, (uint64_t)to))
				return -EBADMSG;
		}
		at += length;
	}
	return 0;
}

static int walk_x86(struct walk *w, const uint8_t *code, size_t n)
{
	enum { RET = 0xc3, RET_POP = 0xc2, REP = 0xf3 };

	for (size_t at = 0; at < n;) {
		size_t length = lt_go_x86_length(code + at, n - at);

		if (length == 0)
			return -EBADMSG;
		w->begins[at / 8] |= (uint8_t)(1u << (at % 8));
		if ((length == 1 && code[at] == RET) || (length == 3 && code[at] == RET_POP) ||
		    (length == 2 && code[at] == REP && code[at + 1] == RET)) {
			if (w->count < w->max)
				w->returns[w->count] = (uint32_t)at;
			w->count++;
		}
		at += length;
	}
	return check_jumps(w, code, n);
}

static uint32_t word_at(const uint8_t *code)
{
	uint32_t word;

	memcpy(&word, code, sizeof(word));
	return word;
}

/* RET, by the link register alone: Go uses no other. */
static int walk_arm64(struct walk *w, const uint8_t *code, size_t n)
{
	enum { RET = 0xd65f03c0 };

	for (size_t at = 0; at + 4 <= n; at += 4) {
		if (word_at(code + at) != (uint32_t)RET)
			continue;
		if (w->count < w->max)
			w->returns[w->count] = (uint32_t)at;
		w->count++;
	}
	return 0;
}

int lt_go_returns(unsigned machine, const uint8_t *code, size_t n, uint32_t *ret, size_t max)
{
	struct walk w = {.returns = ret, .max = max};
	int r = -EBADMSG;

	if (n == 0 || n > LT_GO_CODE_MAX)
		return -EBADMSG;
	if (machine == EM_X86_64)
		r = walk_x86(&w, code, n);
	else if (machine == EM_AARCH64)
		r = walk_arm64(&w, code, n);
	return r < 0 ? r : (int)w.count;
}

static bool starts(const uint8_t *code, size_t n, const char *bytes, size_t count)
{
	return n >= count && memcmp(code, bytes, count) == 0;
}

/*
 * A function first compares its stack pointer, or how low it will be, with the goroutine's bound,
 * at 16 in the goroutine.
 */
static enum lt_go_begin begin_x86(const uint8_t *code, size_t n)
{
	/* lea -frame(%rsp),%r12, with a small frame and a large one */
	if (starts(code, n, "\x4c\x8d\x64\x24", 4) && n > 5)
		return starts(code + 5, n - 5, "\x4d\x3b\x66\x10", 4) ? LT_GO_BEGIN_REGISTER
								      : LT_GO_BEGIN_OTHER;
	if (starts(code, n, "\x4c\x8d\xa4\x24", 4) && n > 8)
		return starts(code + 8, n - 8, "\x4d\x3b\x66\x10", 4) ? LT_GO_BEGIN_REGISTER
								      : LT_GO_BEGIN_OTHER;
	if (starts(code, n, "\x49\x3b\x66\x10", 4)) /* cmp 16(%r14),%rsp */
		return LT_GO_BEGIN_REGISTER;
	/* mov %fs:-8,%rcx, or the offset first: a constant, or what the loader found */
	if (starts(code, n, "\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff", 9))
		return LT_GO_BEGIN_STACK;
	if ((starts(code, n, "\x48\x8b\x0d", 3) || starts(code, n, "\x48\xc7\xc1", 3)) && n > 7 &&
	    starts(code + 7, n - 7, "\x64\x48\x8b\x09", 4))
		return LT_GO_BEGIN_STACK;
	return LT_GO_BEGIN_OTHER;
}

enum lt_go_begin lt_go_begin(unsigned machine, const uint8_t *code, size_t n)
{
	enum { LOAD_BOUND = 0xf9400b80, REGISTER = 0x1f }; /* ldr xN, [x28, #16] */

	if (machine == EM_X86_64)
		return begin_x86(code, n);
	if (machine == EM_AARCH64 && n >= 4 &&
	    (word_at(code) & ~(uint32_t)REGISTER) == (uint32_t)LOAD_BOUND)
		return LT_GO_BEGIN_REGISTER;
	return LT_GO_BEGIN_OTHER;
}
