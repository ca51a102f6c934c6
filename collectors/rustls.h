/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct lt_elf_image;

/* Why a program with rustls is not read, or NULL: it has none, or it is read. */
const char *lt_rustls_refused(const struct lt_elf_image *image);
