// SPDX-License-Identifier: Apache-2.0
/*
 * Stacks with functions of their own are told by these; what was linked in and stripped is told by
 * what a compiler leaves in its constants, the names of the stack's own source files.
 */
#include "collectors/foreign.h"

#include <stdint.h>

#include "collectors/code_refs.h"
#include "collectors/elf_image.h"
#include "collectors/go_tls.h"
#include "collectors/rustls.h"

static const struct {
	const char *symbol, *name;
} by_symbol[] = {
	{"JNI_CreateJavaVM", "Java's own TLS (JSSE)"},
	{"crypto/tls.(*Conn).Write", "Go crypto/tls"},
};

static const struct {
	const char *text, *name;
} by_text[] = {
	{"ssl/ssl_lib.cc", "BoringSSL, without symbols"},
	{"ssl/ssl_lib.c", "OpenSSL, without symbols"},
};

const char *lt_collector_foreign(const struct lt_elf_image *image)
{
	const char *refused = lt_go_tls_refused(image);

	if (!refused)
		refused = lt_rustls_refused(image);
	if (refused)
		return refused;
	for (size_t i = 0; i < LT_COUNT(by_symbol); i++) {
		const char *name = by_symbol[i].symbol;
		uint64_t offset;

		if (lt_elf_functions(image, name, &name, 1, &offset) > 0)
			return by_symbol[i].name;
	}
	for (size_t i = 0; i < LT_COUNT(by_text); i++) {
		if (lt_code_mentions(image, by_text[i].text))
			return by_text[i].name;
	}
	return NULL;
}
