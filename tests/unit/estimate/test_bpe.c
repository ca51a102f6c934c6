// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/bpe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/crc32.h"

enum { CRC_AT = 12, CRC_FROM = 16, SIZE_AT = 16, STARTS_AT = 136, BUCKETS = 1 << 15 };

static const char good[] = "packaging/tokens/cl100k_base.ranks";
static uint8_t *file;
static size_t file_n;
static char path[64];

static int load(void **state)
{
	FILE *f = fopen(good, "rb");

	(void)state;
	unsetenv("LEDGERTAP_DATA");
	file = malloc(4 << 20);
	if (!f || !file)
		return -1;
	file_n = fread(file, 1, 4 << 20, f);
	fclose(f);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	free(file);
	return 0;
}

static int open_bytes(const uint8_t *p, size_t n, struct lt_problem *problem)
{
	lt_defer(lt_bpe_freep)
	struct lt_bpe *bpe = NULL;
	int fd, error;

	strcpy(path, "/tmp/ledgertap-bpe-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
	error = lt_bpe_open_file(path, "cl100k_base", &bpe, problem);
	assert_true((error == 0) == (bpe != NULL));
	unlink(path);
	return error;
}

/* Opens the file with 32 bits at @at replaced, and the checksum put right. */
static int open_changed(size_t at, uint32_t value)
{
	uint8_t old[4], crc[4];
	uint32_t sum;
	int error;

	memcpy(old, file + at, 4);
	memcpy(crc, file + CRC_AT, 4);
	for (unsigned i = 0; i < 4; i++)
		file[at + i] = (uint8_t)(value >> 8 * i);
	if (at != CRC_AT) {
		sum = lt_crc32(0, lt_bytes(file + CRC_FROM, file_n - CRC_FROM));
		for (unsigned i = 0; i < 4; i++)
			file[CRC_AT + i] = (uint8_t)(sum >> 8 * i);
	}
	error = open_bytes(file, file_n, NULL);
	memcpy(file + at, old, 4);
	memcpy(file + CRC_AT, crc, 4);
	return error;
}

static void a_whole_file_opens(void **state)
{
	(void)state;
	assert_int_equal(open_bytes(file, file_n, NULL), 0);
	assert_int_equal(open_changed(SIZE_AT, (uint32_t)file_n), 0);
}

static void a_cut_or_changed_file_is_refused(void **state)
{
	struct lt_problem problem = {0};

	(void)state;
	for (size_t n = 0; n < file_n; n += n < 200 ? 1 : 99991)
		assert_int_equal(open_bytes(file, n, NULL), -EBADMSG);
	assert_int_equal(open_bytes(file, file_n - 1, &problem), -EBADMSG);
	assert_string_equal(problem.file, path);
	for (size_t at = 0; at < file_n; at += at < 136 ? 1 : 77777) {
		if (at >= 72 && at < 72 + 64)
			continue; /* provenance; the checksum holds it, see below */
		file[at] ^= 0x20;
		assert_int_equal(open_bytes(file, file_n, NULL), -EBADMSG);
		file[at] ^= 0x20;
	}
	file[100] ^= 1;
	assert_int_equal(open_bytes(file, file_n, NULL), -EBADMSG);
	file[100] ^= 1;
}

/* As if somebody had written the file to hurt: lookups trust what was checked here. */
static void a_right_checksum_is_not_enough(void **state)
{
	size_t records = STARTS_AT + 4 * (BUCKETS + 1);

	(void)state;
	assert_int_equal(open_changed(CRC_AT, 0), -EBADMSG);
	for (size_t at = 16; at < 40; at += 4) {
		if (at == 28)
			continue; /* the largest rank: for readers of the file, not used */
		assert_int_equal(open_changed(at, 0xffffffff), -EBADMSG);
		assert_int_equal(open_changed(at, 0), -EBADMSG);
	}
	assert_int_equal(open_changed(40, 0x41414141), -EBADMSG);
	assert_int_equal(open_changed(STARTS_AT, 4), -EBADMSG);
	assert_int_equal(open_changed(STARTS_AT + 4, 1), -EBADMSG);
	assert_int_equal(open_changed(STARTS_AT + 400, 0xfffffff0), -EBADMSG);
	assert_int_equal(open_changed(STARTS_AT + 400, 0), -EBADMSG);
	assert_int_equal(open_changed(STARTS_AT + 4 * BUCKETS, 8), -EBADMSG);
	assert_int_equal(open_changed(records, 0x00000001), -EBADMSG);
	assert_int_equal(open_changed(records, 0x7f000001), -EBADMSG);
	assert_int_equal(open_changed(records, 0x01ffffff), -EBADMSG);
}

static void a_file_of_another_encoding_is_refused(void **state)
{
	struct lt_bpe *bpe = NULL;

	(void)state;
	assert_int_equal(lt_bpe_open_file(good, "o200k_base", &bpe, NULL), -EBADMSG);
	assert_int_equal(lt_bpe_open_file("/tmp", "o200k_base", &bpe, NULL), -EBADMSG);
	assert_int_equal(lt_bpe_open_file("/dev/zero", "o200k_base", &bpe, NULL), -EBADMSG);
	assert_int_equal(lt_bpe_open_file("/tmp/no-such", "o200k_base", &bpe, NULL), -ENOENT);
	assert_null(bpe);
}

static void it_is_found_in_the_folder_that_the_environment_names(void **state)
{
	lt_defer(lt_bpe_freep)
	struct lt_bpe *bpe = NULL;
	struct lt_problem problem = {0};

	(void)state;
	setenv("LEDGERTAP_DATA", "packaging", 1);
	assert_int_equal(lt_bpe_open("o200k_base", &bpe, &problem), 0);
	assert_string_equal(lt_bpe_name(bpe), "o200k_base");
	assert_int_equal(lt_bpe_splitter(bpe), LT_BPE_O200K);
	assert_int_equal(lt_bpe_open("../tokens/o200k_base", &bpe, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "o200k_base"));
	unsetenv("LEDGERTAP_DATA");
}

static void tokens_and_bytes_count_as_they_are(void **state)
{
	lt_defer(lt_bpe_freep)
	struct lt_bpe *bpe = NULL;
	uint8_t piece[LT_BPE_PIECE_MAX + LT_BPE_SLACK];

	(void)state;
	assert_int_equal(lt_bpe_open_file(good, "cl100k_base", &bpe, NULL), 0);
	assert_int_equal(lt_bpe_splitter(bpe), LT_BPE_CL100K);
	for (unsigned byte = 0; byte < 256; byte++) {
		/* What lies behind the piece must not matter. */
		memset(piece, 0xa5, sizeof(piece));
		piece[0] = (uint8_t)byte;
		assert_int_equal(lt_bpe_count(bpe, piece, 1), 1);
	}
	memcpy(piece, " the!", 5);
	assert_int_equal(lt_bpe_count(bpe, piece, 4), 1);
	assert_int_equal(lt_bpe_count(bpe, piece, 5), 2);
	memset(piece, 0xff, sizeof(piece));
	assert_in_range(lt_bpe_count(bpe, piece, LT_BPE_PIECE_MAX), 1, LT_BPE_PIECE_MAX);
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (uint8_t)(i * 167 + 13);
	assert_in_range(lt_bpe_count(bpe, piece, LT_BPE_PIECE_MAX), 1, LT_BPE_PIECE_MAX);
}

static void a_shelf_opens_once(void **state)
{
	struct lt_bpe_shelf shelf = {0};
	const struct lt_bpe *a = NULL, *b = NULL;

	(void)state;
	setenv("LEDGERTAP_DATA", "packaging", 1);
	assert_int_equal(lt_bpe_shelf_get(&shelf, "nonsense", &a, NULL), -EINVAL);
	assert_int_equal(lt_bpe_shelf_get(&shelf, "cl100k_base", &a, NULL), 0);
	assert_int_equal(lt_bpe_shelf_get(&shelf, "cl100k_base", &b, NULL), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(lt_bpe_shelf_get(&shelf, "o200k_base", &b, NULL), 0);
	assert_string_equal(lt_bpe_name(b), "o200k_base");
	assert_int_equal(lt_bpe_shelf_get(&shelf, "nonsense", &a, NULL), -EINVAL);
	lt_bpe_shelf_clear(&shelf);
	assert_null(shelf.slots[0].bpe);
	unsetenv("LEDGERTAP_DATA");
}

static void without_memory_it_says_so_and_goes_on_saying_so(void **state)
{
	struct lt_bpe_shelf shelf = {0};
	const struct lt_bpe *bpe = NULL;

	(void)state;
	setenv("LEDGERTAP_DATA", "packaging", 1);
	lt_alloc_fail_at(1);
	assert_int_equal(lt_bpe_shelf_get(&shelf, "cl100k_base", &bpe, NULL), -ENOMEM);
	lt_alloc_fail_at(0);
	assert_int_equal(lt_bpe_shelf_get(&shelf, "cl100k_base", &bpe, NULL), -ENOMEM);
	assert_null(bpe);
	lt_bpe_shelf_clear(&shelf);
	unsetenv("LEDGERTAP_DATA");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file_opens),
		cmocka_unit_test(a_cut_or_changed_file_is_refused),
		cmocka_unit_test(a_right_checksum_is_not_enough),
		cmocka_unit_test(a_file_of_another_encoding_is_refused),
		cmocka_unit_test(it_is_found_in_the_folder_that_the_environment_names),
		cmocka_unit_test(tokens_and_bytes_count_as_they_are),
		cmocka_unit_test(a_shelf_opens_once),
		cmocka_unit_test(without_memory_it_says_so_and_goes_on_saying_so),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
