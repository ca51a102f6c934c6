/* SPDX-License-Identifier: Apache-2.0 */
/* TLS stacks that are known by sight but not read: so that nobody takes silence for absence. */
#pragma once

struct lt_elf_image;

/* What it is, in words, for an image that no collector knows; NULL: no TLS stack is seen in it. */
const char *lt_collector_foreign(const struct lt_elf_image *image);
