// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/discover/images.h"
#include "userspace/discover/maps.h"

static int begin(void **state)
{
	struct lt_images *t = NULL;
	int r = lt_images_new(&t);

	*state = t;
	return r;
}

static int end(void **state)
{
	*state = lt_images_free(*state);
	return 0;
}

static struct lt_image_id file(uint64_t device, uint64_t inode)
{
	return (struct lt_image_id){
		.device = device,
		.inode = inode,
		.size = 700000,
		.build_id = {1, 2, 3},
		.build_id_n = 3,
	};
}

static void each_mapping_is_new_once(void **state)
{
	struct lt_images *t = *state;

	assert_true(lt_images_first_sight(t, 1, 10));
	assert_false(lt_images_first_sight(t, 1, 10));
	assert_true(lt_images_first_sight(t, 2, 10));
	assert_true(lt_images_first_sight(t, 1, 11));
	lt_images_unsee(t, 1, 10);
	assert_false(lt_images_first_sight(t, 2, 10));
	assert_true(lt_images_first_sight(t, 1, 10));
	lt_images_forget_sights(t);
	assert_true(lt_images_first_sight(t, 1, 11));
}

/* More than there is room for: the newest are remembered, and nothing grows. */
static void sights_are_bounded(void **state)
{
	struct lt_images *t = *state;
	unsigned remembered = 0;

	for (uint64_t i = 1; i <= 4 * LT_IMAGES_SEEN_MAX; i++)
		assert_true(lt_images_first_sight(t, 7, i));
	for (uint64_t i = 4 * LT_IMAGES_SEEN_MAX; i > 4 * LT_IMAGES_SEEN_MAX - 1000; i--)
		remembered += !lt_images_first_sight(t, 7, i);
	assert_in_range(remembered, 990, 1000);
}

static void a_file_is_told_by_all_that_is_known_of_it(void **state)
{
	struct lt_image_id a = file(5, 10), b = file(5, 10);

	(void)state;
	assert_true(lt_images_same(&a, &b));
	b.device = 6;
	assert_false(lt_images_same(&a, &b));
	b.device = 0; /* through an overlay */
	assert_true(lt_images_same(&a, &b));
	b.size++;
	assert_false(lt_images_same(&a, &b));
	b = file(0, 11);
	assert_false(lt_images_same(&a, &b));
	b = file(0, 10);
	b.build_id[2] = 9;
	assert_false(lt_images_same(&a, &b));
	b.build_id_n = 2;
	assert_false(lt_images_same(&a, &b));
	a.build_id_n = b.build_id_n = 0;
	assert_true(lt_images_same(&a, &b));
}

/* In place of the capture room's: the table never looks into one, it only ends it. */
struct lt_attachment {
	atomic_uint freed;
	enum lt_site_state state;
};

struct lt_attachment *lt_attachment_free(struct lt_attachment *a)
{
	if (a)
		atomic_fetch_add(&a->freed, 1);
	return NULL;
}

/* It is freed by another thread. */
static unsigned freed(struct lt_attachment *a, unsigned awaited)
{
	for (int i = 0; i < 2000 && atomic_load(&a->freed) < awaited; i++)
		usleep(1000);
	return atomic_load(&a->freed);
}

enum lt_site_state lt_attachment_state(const struct lt_attachment *a)
{
	return a->state;
}

static void add(struct lt_images *t, struct lt_image_id id, uint64_t seen_device,
		struct lt_attachment *a, uint64_t now_ns)
{
	assert_false(lt_images_attached(t, &id));
	assert_int_equal(lt_images_add(t, &id, seen_device, id.inode, a, now_ns), 0);
	assert_true(lt_images_attached(t, &id));
}

static void unused_files_are_detached(void **state)
{
	static struct lt_attachment used = {0}, unused = {0}, overlay = {0};
	struct lt_image_id id = file(5, 11);
	struct lt_images *t = *state;

	assert_true(lt_images_first_sight(t, 5, 11));
	add(t, file(5, 10), 5, &used, 100);
	add(t, file(5, 11), 5, &unused, 100);
	add(t, file(0, 12), 60, &overlay, 100);
	lt_images_touch(t, 5, 10, 200);
	lt_images_touch(t, 9, 11, 200);	 /* another file system's 11 */
	lt_images_touch(t, 77, 12, 200); /* another container's mount of the same file */
	lt_images_retire(t, 200);
	assert_int_equal(freed(&used, 0), 0);
	assert_int_equal(freed(&unused, 1), 1);
	assert_int_equal(freed(&overlay, 0), 0);
	assert_false(lt_images_attached(t, &id));
	/* It is looked at again when somebody maps it again, and finds a place. */
	assert_true(lt_images_first_sight(t, 5, 11));
	add(t, id, 5, &unused, 300);
	lt_images_retire(t, 301);
	assert_int_equal(freed(&used, 1), 1);
	assert_int_equal(freed(&unused, 2), 2);
	assert_int_equal(freed(&overlay, 1), 1);
}

static void pinned_files_stay(void **state)
{
	static struct lt_attachment pinned = {0}, later = {0};
	struct lt_images *t = *state;

	add(t, file(5, 10), 5, &pinned, 100);
	lt_images_pin(t);
	add(t, file(5, 11), 5, &later, 100);
	lt_images_touch(t, 5, 10, 150);
	lt_images_retire(t, 1000000);
	assert_int_equal(freed(&pinned, 0), 0);
	assert_int_equal(freed(&later, 1), 1);
}

static void a_file_is_seen_again_under_its_own_sight(void **state)
{
	static struct lt_attachment a = {0};
	struct lt_image_id id = file(5, 10);
	struct lt_images *t = *state;

	/* As a notice shows it, mixed with the generation. */
	assert_true(lt_images_first_sight(t, 5, 0xabcdef));
	assert_int_equal(lt_images_add(t, &id, 5, 0xabcdef, &a, 100), 0);
	lt_images_retire(t, 200);
	assert_int_equal(freed(&a, 1), 1);
	assert_true(lt_images_first_sight(t, 5, 0xabcdef));
}

struct decisions {
	unsigned trusted, wrong;
	char path[32];
};

static void decided(void *arg, const char *path, const char *collector, enum lt_site_state state)
{
	struct decisions *d = arg;

	assert_string_equal(collector, "code");
	snprintf(d->path, sizeof(d->path), "%s", path);
	d->trusted += state == LT_SITE_TRUSTED;
	d->wrong += state == LT_SITE_WRONG;
}

static void what_has_to_prove_itself_is_judged_once(void **state)
{
	static struct lt_attachment good = {.state = LT_SITE_UNPROVEN},
				    bad = {.state = LT_SITE_UNPROVEN};
	struct lt_images *t = *state;
	struct decisions d = {0};

	add(t, file(5, 1), 5, &good, 100);
	add(t, file(5, 2), 5, &bad, 100);
	assert_false(lt_images_on_trial(t));
	lt_images_try(t, &good, "/bin/good", "code");
	lt_images_try(t, &bad, "/bin/bad", "code");
	lt_images_judge(t, decided, &d);
	assert_true(lt_images_on_trial(t));
	assert_int_equal(d.trusted + d.wrong, 0);

	good.state = LT_SITE_TRUSTED;
	lt_images_judge(t, decided, &d);
	assert_int_equal(d.trusted, 1);
	assert_string_equal(d.path, "/bin/good");

	bad.state = LT_SITE_WRONG;
	lt_images_judge(t, decided, &d);
	lt_images_judge(t, decided, &d);
	assert_int_equal(d.trusted, 1);
	assert_int_equal(d.wrong, 1);
	assert_string_equal(d.path, "/bin/bad");
	assert_false(lt_images_on_trial(t));
	/* Detached, and never attached again. */
	assert_int_equal(freed(&bad, 1), 1);
	{
		struct lt_image_id id = file(5, 2);

		assert_true(lt_images_attached(t, &id));
	}
	lt_images_retire(t, UINT64_MAX);
	assert_int_equal(freed(&good, 1), 1);
	assert_int_equal(freed(&bad, 1), 1);
}

static void attached_files_are_bounded_and_all_are_ended(void **state)
{
	static struct lt_attachment all[LT_IMAGES_ATTACHED_MAX];
	static struct lt_attachment more = {0};
	struct lt_image_id id = file(5, 1);
	struct lt_images *t = *state;

	for (uint64_t i = 0; i < LT_IMAGES_ATTACHED_MAX; i++)
		add(t, file(5, i + 100), 5, &all[i], 100 + i);
	assert_int_equal(lt_images_add(t, &id, 5, id.inode, &more, 100), -ENOBUFS);
	lt_images_retire(t, 101);
	assert_int_equal(freed(&all[0], 1), 1);
	add(t, id, 5, &more, 5000);
	*state = lt_images_free(t);
	for (size_t i = 0; i < LT_IMAGES_ATTACHED_MAX; i++)
		assert_int_equal(freed(&all[i], 1), 1);
	assert_int_equal(freed(&more, 1), 1);
}

static void lines_of_maps(void **state)
{
	static const struct {
		const char *line;
		bool good;
		uint64_t start, end, inode;
		uint32_t major, minor;
	} cases[] = {
		{"7f1000000000-7f1000100000 r-xp 00001000 fe:01 1234   /usr/lib/libssl.so.3\n",
		 true, 0x7f1000000000, 0x7f1000100000, 1234, 0xfe, 1},
		{"00400000-00600000 r-xp 00000000 103:0f 18446744073709551615 /a b (deleted)\n",
		 true, 0x400000, 0x600000, UINT64_MAX, 0x103, 0xf},
		{"7f10-7f20 --xs 0 00:2a 9\n", true, 0x7f10, 0x7f20, 9, 0, 0x2a},
		{"7f10-7f20 r--p 0 fe:01 1234 /usr/lib/libssl.so.3\n", false, 0, 0, 0, 0, 0},
		{"7f10-7f20 rw-p 0 fe:01 1234 /tmp/x\n", false, 0, 0, 0, 0, 0},
		{"7f10-7f20 r-xp 0 00:00 0 [vdso]\n", false, 0, 0, 0, 0, 0},
		{"7f10-7f20 r-xp 0 00:00 0\n", false, 0, 0, 0, 0, 0},
		{"7f10-7f20 r-xp 0 fe:01", false, 0, 0, 0, 0, 0},
		{"", false, 0, 0, 0, 0, 0},
		{"xyz r-xp 0 fe:01 1\n", false, 0, 0, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_mapping m = {0};

		assert_int_equal(lt_maps_parse_line(cases[i].line, 42, &m), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(m.pid, 42);
		assert_int_equal(m.start, cases[i].start);
		assert_int_equal(m.end, cases[i].end);
		assert_int_equal(m.inode, cases[i].inode);
		assert_int_equal(m.major, cases[i].major);
		assert_int_equal(m.minor, cases[i].minor);
		assert_int_equal(m.inode_generation, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_mapping_is_new_once, begin, end),
		cmocka_unit_test_setup_teardown(sights_are_bounded, begin, end),
		cmocka_unit_test(a_file_is_told_by_all_that_is_known_of_it),
		cmocka_unit_test_setup_teardown(unused_files_are_detached, begin, end),
		cmocka_unit_test_setup_teardown(pinned_files_stay, begin, end),
		cmocka_unit_test_setup_teardown(a_file_is_seen_again_under_its_own_sight, begin,
						end),
		cmocka_unit_test_setup_teardown(what_has_to_prove_itself_is_judged_once, begin,
						end),
		cmocka_unit_test_setup_teardown(attached_files_are_bounded_and_all_are_ended, begin,
						end),
		cmocka_unit_test(lines_of_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
