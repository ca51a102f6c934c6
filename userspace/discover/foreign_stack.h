/* SPDX-License-Identifier: Apache-2.0 */
/* Which TLS stack a process has that no collector reads. */
#pragma once

#include <stdint.h>

/*
 * Looks through the files that the process has mapped, which takes a while with large programs.
 * @proc is "/proc". NULL: none is known by sight, or the process is gone or closed to us.
 */
const char *lt_foreign_stack(const char *proc, uint32_t pid);
