/* SPDX-License-Identifier: Apache-2.0 */
/* CSV as RFC 4180 says, safe to open in a spreadsheet. */
#pragma once

#include <stddef.h>
#include <stdio.h>

/*
 * One field: quoted when it must be. A text that a spreadsheet would take for a formula gets an
 * apostrophe in front (process names and hosts come from outside); plain numbers stay as they are.
 * Bytes that are not UTF-8 become U+FFFD. NULL is an empty field.
 */
void lt_csv_field(FILE *out, const char *text);
/* A line of @count fields, ended by CR LF. */
void lt_csv_line(FILE *out, const char *const *fields, size_t count);
