// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/builtin.h"

#include "userspace/base/cleanup.h"

/* Each file's bytes between two symbols, put there by the assembler. */
#define LT_FILE(symbol, path)                                                                      \
	extern const uint8_t symbol##_begin[], symbol##_end[];                                     \
	__asm__(".pushsection .rodata\n" #symbol "_begin:\n.incbin \"" path "\"\n" #symbol         \
		"_end:\n.byte 0\n.popsection\n");
#include "catalog_files.h"
#undef LT_FILE

static const struct {
	const char *name;
	const uint8_t *begin, *end;
} files[] = {
#define LT_FILE(symbol, path) {path, symbol##_begin, symbol##_end},
#include "catalog_files.h"
#undef LT_FILE
};

size_t lt_builtin_count(void)
{
	return LT_COUNT(files);
}

struct lt_builtin_file lt_builtin_file(size_t index)
{
	return (struct lt_builtin_file){
		.name = files[index].name,
		.text = lt_bytes(files[index].begin,
				 (size_t)(files[index].end - files[index].begin)),
	};
}
