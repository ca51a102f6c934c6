// SPDX-License-Identifier: Apache-2.0
/* Findings on keys: each is made, and none where there is nothing. */
#include "tests/unit/ledger/ledger_test.h"
#include "userspace/base/alloc.h"
#include "userspace/view/key_list.h"

#define NOW (1764000000000000000 + 400 * DAY)
#define DAY 86400000000000ll

enum { OUTPUT = 1 << 16 };

static const struct lt_known_key known[] = {
	{.fp = 0x10, .name = "prod", .tenant = "acme", .kind = "openai_project"},
	{.fp = 0x20, .name = "never used"},
	{.fp = 0x30, .name = "of before the rotation"},
};
static const struct lt_credentials listed = {.idle_ns = 30 * DAY,
					     .max_workloads = 2,
					     .has_known = true,
					     .known = (struct lt_known_key *)known,
					     .known_count = LT_COUNT(known)};
static const struct lt_credentials plain = {.idle_ns = 30 * DAY, .max_workloads = 2};

static struct lt_ledger *ledger;
static uint32_t number;

static void use(uint64_t fp, const char *kind, const char *tenant, const char *exe, int days_ago)
{
	struct lt_record r = plain_record(++number);

	r.start_ns = NOW - days_ago * DAY - 1000000000;
	r.end_ns = r.start_ns + 1;
	r.call.credential_fp = fp;
	snprintf(r.call.key_kind, sizeof(r.call.key_kind), "%s", kind);
	snprintf(r.who.tenant, sizeof(r.who.tenant), "%s", tenant);
	snprintf(r.who.exe, sizeof(r.who.exe), "%s", exe);
	assert_int_equal(put(ledger, &r), 0);
}

static int begin(void **state)
{
	int r = make_directory(state);

	if (r == 0)
		ledger = open_ledger(LT_LEDGER_WRITE);
	return r;
}

static int end(void **state)
{
	ledger = lt_ledger_close(ledger);
	return remove_directory(state);
}

/* The list in CSV: a line of it has @fp and ends in @findings. */
static void assert_findings(const struct lt_credentials *config, uint64_t fp, const char *findings)
{
	lt_defer(lt_key_list_freep)
	struct lt_key_list *list = NULL;
	char text[OUTPUT] = "", want[17], *line, *finding;
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	assert_int_equal(lt_key_list_new(ledger, config, NOW, &list), 0);
	lt_key_list_csv(list, out);
	fclose(out);
	snprintf(want, sizeof(want), "%016llx", (unsigned long long)fp);
	line = strstr(text, want);
	if (!line)
		fail_msg("no %s in %s", want, text);
	line[strcspn(line, "\r")] = '\0';
	finding = strrchr(line, ',') + 1;
	if (strcmp(finding, findings) != 0)
		fail_msg("%s: want '%s'", line, findings);
}

static void findings_say_what_is_to_be_looked_at(void **state)
{
	(void)state;
	use(0x10, "openai_project", "acme", "/a", 5);
	assert_findings(&listed, 0x10, "");
	assert_findings(&plain, 0x10, "");
	use(0x10, "openai_project", "unattributed", "/a", 4); /* nobody is no other tenant */
	assert_findings(&listed, 0x10, "");
	use(0x10, "openai_project", "globex", "/a", 3);
	assert_findings(&listed, 0x10, "shared;foreign");
	assert_findings(&listed, 0x20, "idle");
	use(0x40, "openai_project", "acme", "/a", 0);
	assert_findings(&listed, 0x40, "unknown;new");
	assert_findings(&plain, 0x40, "new");
	use(0x50, "openai_project", "acme", "/a", 31);
	assert_findings(&plain, 0x50, "idle");
	use(0x60, "openai_admin", "acme", "/a", 5);
	assert_findings(&plain, 0x60, "admin");
	/* Tokens of hours come anew all the time. */
	use(0x70, "anthropic_oauth", "acme", "/a", 0);
	assert_findings(&listed, 0x70, "personal");
	use(0x80, "aws_temporary", "acme", "/a", 40);
	assert_findings(&listed, 0x80, "");
	use(0x90, "sk_key", "acme", "/a", 5);
	use(0x90, "sk_key", "acme", "/b", 5);
	assert_findings(&plain, 0x90, "");
	use(0x90, "sk_key", "acme", "/c", 5);
	assert_findings(&plain, 0x90, "shared");
}

static void a_known_key_is_known_after_a_rotation(void **state)
{
	struct lt_record r = plain_record(500);

	(void)state;
	r.start_ns = NOW - 5 * DAY;
	r.end_ns = r.start_ns + 1;
	r.call.credential_fp = 0x31;
	r.call.previous_fp = 0x30;
	assert_int_equal(put(ledger, &r), 0);
	assert_findings(&listed, 0x31, "");
}

static void only_some_findings(void **state)
{
	lt_defer(lt_key_list_freep)
	struct lt_key_list *list = NULL;
	unsigned bits = 0;

	(void)state;
	use(0x10, "openai_project", "acme", "/a", 0);
	use(0x10, "openai_project", "globex", "/a", 0);
	use(0x50, "openai_project", "acme", "/a", 31);
	assert_int_equal(lt_key_findings_parse("new,idle", &bits), 0);
	assert_int_equal(bits, LT_FOUND_NEW | LT_FOUND_IDLE);
	assert_int_equal(lt_key_findings_parse("shared,foreign,", &bits), 0);
	assert_int_equal(lt_key_findings_parse("share", &bits), -EINVAL);
	assert_int_equal(lt_key_findings_parse("", &bits), -EINVAL);
	assert_int_equal(lt_key_list_new(ledger, &plain, NOW, &list), 0);
	assert_int_equal(lt_key_list_found(list), 2);
	assert_int_equal(lt_key_list_only(list, LT_FOUND_SHARED), 1);
	assert_int_equal(lt_key_list_found(list), 1);
	assert_int_equal(lt_key_list_only(list, LT_FOUND_FOREIGN), 0);
}

/* Whatever allocation fails, it is said, and nothing is left. */
static void memory_may_run_out(void **state)
{
	char text[OUTPUT];
	bool whole = false;

	(void)state;
	use(0x10, "openai_project", "acme", "/a", 0);
	use(0x10, "openai_project", "globex", "/b", 0);
	use(0x11, "openai_project", "globex", "/b", 0);
	for (unsigned long n = 1; n < 200 && !whole; n++) {
		struct lt_key_list *list = NULL;
		FILE *out = fmemopen(text, sizeof(text), "w");
		unsigned long live = lt_alloc_live();
		int r;

		lt_alloc_fail_at(n);
		r = lt_key_list_new(ledger, &listed, NOW, &list);
		if (r == 0)
			r = lt_key_list_table(list, out);
		whole = r == 0;
		assert_true(r == 0 || r == -ENOMEM);
		lt_key_list_free(list);
		lt_alloc_fail_at(0);
		assert_int_equal(lt_alloc_live(), live);
		fclose(out);
	}
	assert_true(whole);
}

static void the_outputs_say_the_same(void **state)
{
	static const char want[] =
		"[{\"fingerprint\":\"0000000000000010\",\"earlier_fingerprints\":[],"
		"\"name\":\"prod\",\"owner\":\"acme\",\"kind\":\"openai_project\","
		"\"providers\":[\"openai\"],\"hosts\":[\"api.openai.com\"],\"tenants\":[\"acme\"],"
		"\"workloads\":[\"/usr/bin/\\\"a\\\" (uid 0)\"],\"calls\":1,\"errors\":0,"
		"\"costs\":[{\"amount\":\"0.1";
	lt_defer(lt_key_list_freep)
	struct lt_key_list *list = NULL;
	char text[OUTPUT] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	number = 100000;
	use(0x10, "openai_project", "acme", "/usr/bin/\"a\"", 5);
	assert_int_equal(lt_key_list_new(ledger, &listed, NOW, &list), 0);
	lt_key_list_json(list, out);
	fclose(out);
	text[sizeof(want) - 1] = '\0';
	assert_string_equal(text, want);
	out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(lt_key_list_table(list, out), 0);
	fclose(out);
	assert_non_null(strstr(text, "0000000000000010  prod"));
}

#define KEPT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT(findings_say_what_is_to_be_looked_at),
		KEPT(a_known_key_is_known_after_a_rotation),
		KEPT(only_some_findings),
		KEPT(memory_may_run_out),
		KEPT(the_outputs_say_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
