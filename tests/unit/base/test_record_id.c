// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/record_id.h"

static struct lt_record_id_facts some_facts(void)
{
	struct lt_record_id_facts facts = {
		.tgid = 77,
		.process_start_ns = 0x1122334455667788,
		.connection = 42,
		.first_byte_ns = 9999999999,
	};

	for (int i = 0; i < 16; i++) {
		facts.node_uid[i] = (uint8_t)i;
		facts.boot_id[i] = (uint8_t)(16 + i);
	}
	return facts;
}

static const char *text_of(const struct lt_record_id_facts *facts, char to[LT_RECORD_ID_TEXT])
{
	struct lt_record_id id;

	assert_int_equal(lt_record_id_make(facts, &id), 0);
	return lt_record_id_format(id, to);
}

/* Ids in ledgers must stay what they are; this one was computed by hand with another program. */
static void the_same_facts_give_the_same_id_for_ever(void **state)
{
	struct lt_record_id_facts facts = some_facts();
	char to[LT_RECORD_ID_TEXT];

	(void)state;
	assert_string_equal(text_of(&facts, to), "9bda69e4-44e9-8943-a560-8df3b2aa6bdc");
}

static void every_fact_counts(void **state)
{
	struct lt_record_id_facts facts[9];
	char text[9][LT_RECORD_ID_TEXT];

	(void)state;
	for (int i = 0; i < 9; i++)
		facts[i] = some_facts();
	facts[1].node_uid[15]++;
	facts[2].boot_id[0]++;
	facts[3].tgid++;
	facts[4].process_start_ns += 1ULL << 63;
	facts[5].connection++;
	facts[6].stream_id++;
	facts[7].first_byte_ns++;
	facts[8].ordinal++;
	for (int i = 0; i < 9; i++) {
		text_of(&facts[i], text[i]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(text[i], text[j]);
	}
}

static void ids_are_uuids_of_version_8(void **state)
{
	struct lt_record_id_facts facts = some_facts();
	char to[LT_RECORD_ID_TEXT];

	(void)state;
	for (facts.ordinal = 0; facts.ordinal < 200; facts.ordinal++) {
		text_of(&facts, to);
		assert_int_equal(strlen(to), 36);
		assert_int_equal(to[14], '8');
		assert_non_null(strchr("89ab", to[19]));
	}
}

static void the_node_uid_is_stable_and_not_the_machine_id(void **state)
{
	uint8_t a[16], b[16];
	char hex[33], machine[33] = "";
	FILE *file = fopen("/etc/machine-id", "re");

	(void)state;
	assert_int_equal(lt_node_uid(a), 0);
	assert_int_equal(lt_node_uid(b), 0);
	assert_memory_equal(a, b, 16);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", a[i]);
	if (file) {
		lt_ignore(fgets(machine, sizeof(machine), file));
		fclose(file);
	}
	assert_string_not_equal(hex, machine);
}

static void the_boot_id_is_the_kernels(void **state)
{
	uint8_t id[16];
	char hex[37] = "", text[64] = "", *to = hex;
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	(void)state;
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	assert_int_equal(lt_boot_id(id), 0);
	for (int i = 0; i < 16; i++)
		to += sprintf(to, i == 3 || i == 5 || i == 7 || i == 9 ? "%02x-" : "%02x", id[i]);
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(hex, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_facts_give_the_same_id_for_ever),
		cmocka_unit_test(every_fact_counts),
		cmocka_unit_test(ids_are_uuids_of_version_8),
		cmocka_unit_test(the_node_uid_is_stable_and_not_the_machine_id),
		cmocka_unit_test(the_boot_id_is_the_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
