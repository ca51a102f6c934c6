// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/csv.h"

#include <stdbool.h>
#include <string.h>

#include "userspace/base/json_write.h"

/* [-]digits[.digits] cannot do anything in a spreadsheet, though it may begin as a formula does. */
static bool is_number(const char *text)
{
	size_t n;

	text += *text == '-';
	n = strspn(text, "0123456789");
	if (n == 0)
		return false;
	text += n;
	if (*text == '.') {
		n = strspn(text + 1, "0123456789");
		text += n > 0 ? n + 1 : 0;
	}
	return *text == '\0';
}

/* Quotes are doubled; what is not UTF-8 would make a loader refuse the whole file. */
static void write_text(FILE *out, const char *text)
{
	while (*text) {
		size_t plain = 0, length;

		while (text[plain] && !(text[plain] & 0x80) && text[plain] != '"')
			plain++;
		fwrite_unlocked(text, 1, plain, out);
		text += plain;
		if (*text == '\0')
			return;
		if (*text == '"') {
			fwrite_unlocked("\"\"", 1, 2, out);
			text++;
			continue;
		}
		length = lt_utf8_length((const uint8_t *)text, strnlen(text, 4));
		if (length > 0)
			fwrite_unlocked(text, 1, length, out);
		else
			fputs("\xef\xbf\xbd", out); /* U+FFFD */
		text += length > 0 ? length : 1;
	}
}

void lt_csv_field(FILE *out, const char *text)
{
	bool guard, quote;

	if (!text || !text[0])
		return;
	guard = strchr("=+-@\t\r", text[0]) && !is_number(text);
	quote = guard || strpbrk(text, ",\"\r\n") || text[0] == ' ' ||
		text[strlen(text) - 1] == ' ';
	if (quote)
		putc_unlocked('"', out);
	if (guard)
		putc_unlocked('\'', out);
	write_text(out, text);
	if (quote)
		putc_unlocked('"', out);
}

void lt_csv_line(FILE *out, const char *const *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			putc_unlocked(',', out);
		lt_csv_field(out, fields[i]);
	}
	fputs("\r\n", out);
}
