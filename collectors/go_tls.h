/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of Go whose TLS is seen but not read, for lt_collector_foreign. */
#pragma once

struct lt_elf_image;

/* What it is and why it is not read, in words; NULL: no program of Go, or one without crypto/tls,
 * or one that is read. */
const char *lt_go_tls_refused(const struct lt_elf_image *image);
