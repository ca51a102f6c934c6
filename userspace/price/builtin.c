// SPDX-License-Identifier: Apache-2.0
#include "userspace/price/book_private.h"

/* The texts lie in the program's read-only data; make knows that this file depends on them. */
#define EMBED(symbol, path)                                                                        \
	__asm__(".section .rodata\n"                                                               \
		".balign 16\n" #symbol ":\n"                                                       \
		".incbin \"" path "\"\n" #symbol "_end:\n"                                         \
		".byte 0\n"                                                                        \
		".previous\n");                                                                    \
	extern const char symbol[] __attribute__((visibility("hidden")));                          \
	extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(lt_builtin_prices, "userspace/price/books/book.tsv");
EMBED(lt_builtin_tiers, "userspace/price/books/tiers.tsv");

struct lt_bytes lt_book_builtin_prices(void)
{
	return lt_bytes(lt_builtin_prices, (size_t)(lt_builtin_prices_end - lt_builtin_prices));
}

struct lt_bytes lt_book_builtin_tiers(void)
{
	return lt_bytes(lt_builtin_tiers, (size_t)(lt_builtin_tiers_end - lt_builtin_tiers));
}
