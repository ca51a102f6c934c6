// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/record_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/digest.h"
#include "userspace/base/parse.h"

static uint8_t *put(uint8_t *to, uint64_t n, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(n >> 8 * i); /* little endian on every machine */
	return to + size;
}

static int from_text(const struct lt_bytes *parts, size_t count, struct lt_record_id *ret)
{
	uint8_t digest[LT_SHA256_SIZE];
	int r = lt_sha256(parts, count, digest);

	if (r < 0)
		return r;
	memcpy(ret->b, digest, 16);
	ret->b[6] = (uint8_t)((ret->b[6] & 0x0f) | 0x80); /* version 8, RFC 9562 */
	ret->b[8] = (uint8_t)((ret->b[8] & 0x3f) | 0x80); /* variant */
	return 0;
}

int lt_record_id_derive(struct lt_record_id from, const char *why, uint64_t n,
			struct lt_record_id *ret)
{
	uint8_t number[8];
	const struct lt_bytes parts[] = {
		lt_bytes(from.b, sizeof(from.b)),
		lt_bytes_str("|"),
		lt_bytes_str(why),
		lt_bytes_str("|"),
		lt_bytes(number, sizeof(number)),
	};

	put(number, n, sizeof(number));
	return from_text(parts, LT_COUNT(parts), ret);
}

int lt_record_id_make(const struct lt_record_id_facts *facts, struct lt_record_id *ret)
{
	uint8_t text[4 + 16 + 16 + 4 + 5 * 8], *p = text;
	struct lt_bytes part = lt_bytes(text, sizeof(text));

	memcpy(p, "fcr1", 4);
	memcpy(p + 4, facts->node_uid, 16);
	memcpy(p + 20, facts->boot_id, 16);
	p = put(p + 36, facts->tgid, 4);
	p = put(p, facts->process_start_ns, 8);
	p = put(p, facts->connection, 8);
	p = put(p, facts->stream_id, 8);
	p = put(p, facts->first_byte_ns, 8);
	put(p, facts->ordinal, 8);
	return from_text(&part, 1, ret);
}

const char *lt_record_id_format(struct lt_record_id id, char to[LT_RECORD_ID_TEXT])
{
	const uint8_t *b = id.b;

	snprintf(to, LT_RECORD_ID_TEXT,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return to;
}

/* The first line of a small file, without its line end. */
static size_t read_line(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(to, 1, size - 1, file) : 0;

	if (file)
		fclose(file);
	to[n] = '\0';
	to[strcspn(to, "\r\n")] = '\0';
	return strlen(to);
}

int lt_node_uid(uint8_t ret[16])
{
	static const char application[] =
		"ledgertap node uid 1"; /* never the machine id itself: machine-id(5) */
	uint8_t digest[LT_SHA256_SIZE];
	char id[256];
	size_t n = read_line("/etc/machine-id", id, sizeof(id));
	int r;

	/* machine-id(5): the text of an image that has not booted yet, the same everywhere. */
	if (n == 0 || strcmp(id, "uninitialized") == 0) {
		if (gethostname(id, sizeof(id) - 1) < 0)
			return -errno;
		id[sizeof(id) - 1] = '\0';
	}
	r = lt_hmac_sha256(lt_bytes_str(application), lt_bytes_str(id), digest);
	if (r == 0)
		memcpy(ret, digest, 16);
	return r;
}

int lt_boot_id(uint8_t ret[16])
{
	char text[64], hex[33];
	uint64_t high, low;
	size_t n = 0;

	if (read_line("/proc/sys/kernel/random/boot_id", text, sizeof(text)) == 0)
		return -EIO;
	for (const char *p = text; *p && n < 32; p++) {
		if (*p != '-')
			hex[n++] = *p;
	}
	if (n != 32 || lt_parse_hex_u64(lt_bytes(hex, 16), &high) < 0 ||
	    lt_parse_hex_u64(lt_bytes(hex + 16, 16), &low) < 0)
		return -EIO;
	for (int i = 0; i < 8; i++) {
		ret[i] = (uint8_t)(high >> (56 - 8 * i));
		ret[8 + i] = (uint8_t)(low >> (56 - 8 * i));
	}
	return 0;
}
