// SPDX-License-Identifier: Apache-2.0
/*
 * AWS-LC below rustls (aws-lc-rs): its AEADs. With symbols they are told by the ends of their
 * names, which begin with the library's release; without, by the reasons in their error reports
 * (ERR_put_error, openssl/err.h, openssl/cipher.h), which are part of the API:
 *
 *   EVP_AEAD_CTX_init                 124 no direction set
 *   EVP_AEAD_CTX_init_with_direction  120 unsupported key size
 *   EVP_AEAD_CTX_seal                 117 too large, 103 buffer too small, 115 output aliases input
 *   EVP_AEAD_CTX_seal_scatter         115, 112 invalid operation
 *   EVP_AEAD_CTX_open                 115, 101 bad decrypt, 103
 *   EVP_AEAD_CTX_open_gather          115, 104 control not implemented
 *
 * One of each is what no other function of that source file reports. A compiler may put a copy of
 * open_gather into open, and of init_with_direction into init.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectors/aead.h"
#include "collectors/code_functions.h"
#include "collectors/code_refs.h"
#include "collectors/code_targets.h"
#include "userspace/base/alloc.h"

enum { INIT, INIT_WITH_DIRECTION, SEAL, SEAL_SCATTER, OPEN, OPEN_GATHER, FREE, ROLES };

enum {
	SITES_MAX = 64,
	STARTS_MAX = 128,
	AROUND = 1024, /* bytes of functions without reports on either side of those with */
	LIBRARY_CIPHER = 30,
};

static const struct {
	const char *name;
	enum lt_hook hook;
	int mark;      /* the reason that tells it */
	int others[3]; /* that it reports too */
} roles[ROLES] = {
	[INIT] = {"EVP_AEAD_CTX_init", LT_HOOK_AEAD_INIT, 124, {120}},
	[INIT_WITH_DIRECTION] = {"EVP_AEAD_CTX_init_with_direction", LT_HOOK_AEAD_INIT, 120, {0}},
	[SEAL] = {"EVP_AEAD_CTX_seal", LT_HOOK_AEAD_SEAL, 117, {103, 115}},
	[SEAL_SCATTER] = {"EVP_AEAD_CTX_seal_scatter", LT_HOOK_AEAD_SEAL_SCATTER, 112, {115}},
	[OPEN] = {"EVP_AEAD_CTX_open", LT_HOOK_AEAD_OPEN, 101, {103, 115, 104}},
	[OPEN_GATHER] = {"EVP_AEAD_CTX_open_gather", LT_HOOK_AEAD_OPEN_GATHER, 104, {115}},
	[FREE] = {"EVP_AEAD_CTX_free", LT_HOOK_AEAD_FREE, 0, {0}},
};

/* BoringSSL, which AWS-LC comes from, has a file of that name elsewhere. */
static const struct lt_code_text file_name[] = {
	{"aws-lc/crypto/fipsmodule/cipher/aead.c", true},
};

struct site {
	uint64_t at;
	uint64_t function; /* where it begins */
	int reason;
};

struct search {
	const struct lt_elf_image *image;
	struct site sites[SITES_MAX]; /* by address */
	size_t count;
	uint64_t starts[STARTS_MAX]; /* where functions begin around them */
	size_t starts_n;
};

/* ---- with symbols --------------------------------------------------------------------------- */

/* Each direction has a function, and some function makes keys. */
static bool suffices(const bool found[ROLES])
{
	return (found[SEAL] || found[SEAL_SCATTER]) && (found[OPEN] || found[OPEN_GATHER]) &&
	       (found[INIT] || found[INIT_WITH_DIRECTION]);
}

static int plan_symbols(const struct lt_elf_image *image, struct lt_probe_plan *plan)
{
	struct lt_elf_copies copies[ROLES];
	const char *ends[ROLES];
	bool found[ROLES];
	int r;

	for (size_t i = 0; i < ROLES; i++)
		ends[i] = roles[i].name;
	r = lt_elf_functions_ending(image, ends, ROLES, copies);
	for (size_t i = 0; i < ROLES && r == 0; i++) {
		found[i] = copies[i].count > 0;
		for (unsigned n = 0; n < copies[i].count && r == 0; n++)
			r = lt_plan_add(plan, roles[i].hook, copies[i].offsets[n], roles[i].name);
	}
	return r < 0 ? r : suffices(found) ? 0 : -ENOENT;
}

/* ---- by their reports ----------------------------------------------------------------------- */

static int find_sites(struct search *s)
{
	lt_defer(lt_freep)
	struct lt_code_refs *refs = lt_calloc(1, sizeof(*refs));
	int r;

	if (!refs)
		return -ENOMEM;
	r = lt_code_find(s->image, file_name, LT_COUNT(file_name), refs);
	for (size_t i = 0; i < refs->count && r == 0; i++) {
		const struct lt_code_ref *ref = &refs->refs[i];
		int64_t constants[LT_CODE_ARGUMENTS];

		/* Library, a number that is not used, reason, file, line; an assertion's file has
		 * other neighbours. */
		if (ref->argument < 2 || ref->argument >= LT_CODE_ARGUMENTS)
			continue;
		r = lt_code_constants(s->image, ref, constants);
		if (r < 0 || constants[ref->argument - 1] <= 0 ||
		    (constants[0] >= 0 && constants[0] != LIBRARY_CIPHER))
			continue;
		if (s->count == SITES_MAX)
			return -E2BIG;
		s->sites[s->count++] = (struct site){
			.at = ref->at,
			.reason = (int)constants[ref->argument - 1],
		};
	}
	return r < 0 ? r : s->count == 0 ? -ENOENT : 0;
}

/* By the unwind table, wherever a linker put each function by how often it is used. */
static int place_by_table(struct search *s)
{
	struct lt_code_function function = {0};
	int r = 0;

	for (size_t i = 0; i < s->count && r == 0; i++) {
		r = lt_code_function(s->image, s->sites[i].at, &function);
		s->sites[i].function = function.start;
		if (s->sites[i].reason == roles[INIT].mark)
			s->starts[0] = function.start;
	}
	/* Those that follow on what makes keys. */
	function.start = s->starts[0];
	while (r == 0 && s->starts_n < STARTS_MAX && function.start < s->starts[0] + AROUND) {
		s->starts[s->starts_n++] = function.start;
		if (lt_code_function(s->image, function.start, &function) < 0 ||
		    lt_code_function(s->image, (function.end + 15) & ~15ULL, &function) < 0)
			break;
	}
	return r;
}

/* Without it: each function begins where the nearest call before a site goes to. */
static int place_by_calls(struct search *s)
{
	uint64_t first = s->sites[0].at, last = s->sites[s->count - 1].at;
	int count;

	if (last - first > LT_CODE_FUNCTION_MAX)
		return -ENOTUNIQ;
	count = lt_code_targets(s->image, first > AROUND ? first - AROUND : 0, last + 1, s->starts,
				STARTS_MAX);
	s->starts_n = count < 0 ? 0 : (size_t)count;
	for (size_t i = 0; i < s->count; i++) {
		s->sites[i].function = 0;
		for (size_t n = 0; n < s->starts_n && s->starts[n] <= s->sites[i].at; n++)
			s->sites[i].function = s->starts[n];
	}
	return count < 0 ? count : 0;
}

static bool reports(size_t role, int reason)
{
	if (reason == roles[role].mark)
		return true;
	for (size_t i = 0; i < LT_COUNT(roles[role].others); i++) {
		if (reason == roles[role].others[i])
			return true;
	}
	return false;
}

/* The function with the mark of @role, and nothing that it would not report, is one. -ENOENT,
 * -ENOTUNIQ. */
static int find_role(const struct search *s, size_t role, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < s->count; i++) {
		bool fits = s->sites[i].reason == roles[role].mark && s->sites[i].function;

		for (size_t n = 0; n < s->count && fits; n++)
			fits = s->sites[n].function != s->sites[i].function ||
			       reports(role, s->sites[n].reason);
		if (!fits || *ret == s->sites[i].function)
			continue;
		if (*ret)
			return -ENOTUNIQ;
		*ret = s->sites[i].function;
	}
	return *ret ? 0 : -ENOENT;
}

static int find_roles(const struct search *s, uint64_t functions[ROLES])
{
	bool found[ROLES] = {false};

	for (size_t i = 0; i < FREE; i++) {
		int r = find_role(s, i, &functions[i]);

		if (r == -ENOTUNIQ)
			return r;
		found[i] = r == 0;
	}
	return suffices(found) ? 0 : -ENOENT;
}

/* if (!p) ... at the very begin: only what frees does that here. */
static bool tests_first_argument(const struct lt_elf_image *image, uint64_t address)
{
	static const uint8_t test[] = {0x48, 0x85, 0xff}; /* test rdi, rdi */
	uint8_t code[8] = {0};
	uint64_t offset = lt_elf_offset(image, address);
	const uint8_t *at = code;

	if (offset == 0 || lt_elf_read(image, offset, code, sizeof(code)) != sizeof(code))
		return false;
	if (lt_elf_machine(image) == EM_AARCH64) {
		if (memcmp(at, "\x5f\x24\x03\xd5", 4) == 0 ||
		    memcmp(at, "\x3f\x23\x03\xd5", 4) == 0)
			at += 4; /* a landing pad, or a signed return address */
		return at[3] == 0xb4 && (at[0] & 31) == 0; /* cbz x0 */
	}
	if (memcmp(at, "\xf3\x0f\x1e\xfa", 4) == 0) /* endbr64 */
		at += 4;
	return memcmp(at, test, sizeof(test)) == 0;
}

/* Good to have: where a context is freed its connection has ended. 0: it is not clear. */
static uint64_t find_free(const struct search *s)
{
	uint64_t found = 0;

	for (size_t i = 0; i < s->starts_n; i++) {
		bool has_site = false;

		for (size_t n = 0; n < s->count; n++)
			has_site |= s->sites[n].function == s->starts[i];
		if (has_site || !tests_first_argument(s->image, s->starts[i]))
			continue;
		if (found)
			return 0;
		found = s->starts[i];
	}
	return found;
}

static int plan_code(const struct lt_elf_image *image, struct lt_probe_plan *plan)
{
	lt_defer(lt_freep)
	struct search *s = lt_calloc(1, sizeof(*s));
	uint64_t functions[ROLES] = {0};
	int r;

	if (!s)
		return -ENOMEM;
	s->image = image;
	r = find_sites(s);
	if (r < 0)
		return r;
	r = lt_elf_unwind_table(image) ? place_by_table(s) : -ENOENT;
	if (r == 0)
		r = find_roles(s, functions);
	if (r == -ENOENT) {
		r = place_by_calls(s);
		if (r == 0)
			r = find_roles(s, functions);
	}
	if (r < 0)
		return r == -ENOENT ? -ENOTUNIQ : r;
	functions[FREE] = find_free(s);
	for (size_t i = 0; i < ROLES && r == 0; i++) {
		if (functions[i])
			r = lt_plan_add(plan, roles[i].hook, lt_elf_offset(image, functions[i]),
					roles[i].name);
	}
	return r;
}

int lt_aws_lc_plan(const struct lt_elf_image *image, struct lt_probe_plan *plan,
		   const char **ret_why)
{
	unsigned before = plan->count;
	int r = plan_symbols(image, plan);

	if (r != -ENOENT)
		return r;
	plan->count = before;
	r = plan_code(image, plan);
	if (r == 0) {
		plan->found = LT_FOUND_CODE;
		return 0;
	}
	plan->count = before;
	if (r == -ENOTUNIQ || r == -E2BIG)
		*ret_why =
			"rustls on AWS-LC, without symbols (which of its functions seal and open "
			"is not clear)";
	return r;
}
