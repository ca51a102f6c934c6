// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "userspace/base/alloc.h"
#include "userspace/base/bytes.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/discover/process.h"
#include "userspace/discover/procfs.h"

#define SECOND 1000000000ull
#define TICK   10000000ull
#define ID_A   "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define ID_B   "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
#define POD    "2b801b7a-5266-4386-864e-45ed71136371"

/* ---- a /proc of our own ---- */

struct fixture {
	char proc[64];
	unsigned met; /* containers */
	struct lt_container last;
	struct lt_process_table *table;
};

struct fake {
	uint32_t tgid, parent;
	uint64_t start_ns;
	uint32_t uid;
	const char *comm, *exe, *cgroup;
	struct lt_bytes environ;
	bool kernel_thread;
	uint64_t stack_start;
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void write_file(const char *folder, const char *name, struct lt_bytes text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	if (text.n > 0)
		assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

static void fake_gone(const struct fixture *f, uint32_t tgid)
{
	char folder[128];

	snprintf(folder, sizeof(folder), "%s/%u", f->proc, tgid);
	nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void fake_process(const struct fixture *f, const struct fake *p)
{
	char folder[128], path[160], text[1024];

	fake_gone(f, p->tgid);
	snprintf(folder, sizeof(folder), "%s/%u", f->proc, p->tgid);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(text, sizeof(text),
		 "%u (%s) S %u 1 1 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 %llu 1000 10 0 0 0 %llu 0\n",
		 p->tgid, p->comm, p->parent, p->kernel_thread ? 0x00200000u : 0x400000u,
		 (unsigned long long)(p->start_ns / TICK), (unsigned long long)p->stack_start);
	write_file(folder, "stat", lt_bytes_str(text));
	snprintf(text, sizeof(text), "Name:\t%s\nUmask:\t0022\nUid:\t%u\t0\t0\t0\nGid:\t0\n",
		 p->comm, p->uid);
	write_file(folder, "status", lt_bytes_str(text));
	write_file(folder, "cgroup", lt_bytes_str(p->cgroup ? p->cgroup : "0::/\n"));
	write_file(folder, "environ", p->environ);
	snprintf(path, sizeof(path), "%s/exe", folder);
	if (p->exe)
		assert_int_equal(symlink(p->exe, path), 0);
}

static const char *const env_names[] = {"TEAM", "LT_TENANT"};

static void container_met(void *arg, const struct lt_container *container)
{
	struct fixture *f = arg;

	f->met++;
	f->last = *container;
}

static int set_up_with(void **state, size_t max)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct lt_process_opts opts = {.max_processes = max,
				       .keep_ended_ns = 10 * SECOND,
				       .env_names = env_names,
				       .env_count = LT_COUNT(env_names),
				       .container = container_met};

	assert_non_null(f);
	opts.arg = f;
	snprintf(f->proc, sizeof(f->proc), "/tmp/lt-proc-XXXXXX");
	assert_non_null(mkdtemp(f->proc));
	opts.proc = f->proc;
	assert_int_equal(lt_process_table_new(&opts, &f->table), 0);
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 0);
}

static int set_up_small(void **state)
{
	return set_up_with(state, 64);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	nftw(f->proc, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	f->table = lt_process_table_free(f->table);
	assert_null(f->table);
	assert_int_equal(lt_alloc_live(), 0);
	free(f);
	return 0;
}

/* ---- events ---- */

static struct lt_event_exec exec_event(uint32_t tgid, uint32_t parent, uint64_t start_ns,
				       const char *file)
{
	struct lt_event_exec e = {.head = {.type = LT_EVENT_EXEC, .tgid = tgid, .ts_ns = start_ns},
				  .process_start_ns = start_ns,
				  .cgroup_id = 77,
				  .parent_tgid = parent,
				  .uid = 1001};
	const char *slash = strrchr(file, '/');

	snprintf(e.comm, sizeof(e.comm), "%.15s", slash ? slash + 1 : file);
	snprintf(e.file, sizeof(e.file), "%s", file);
	return e;
}

/* @path is split into names, leaf first. */
static void set_names(struct lt_event_exec *e, const char *path)
{
	char copy[1024];
	int level = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	memset(e->cgroup, 0, sizeof(e->cgroup));
	for (char *slash = strrchr(copy, '/'); slash && level < LT_CGROUP_LEVELS;
	     slash = strrchr(copy, '/')) {
		snprintf(e->cgroup[level++], LT_CGROUP_NAME_SIZE, "%.95s", slash + 1);
		*slash = '\0';
	}
}

static void do_exec(const struct fixture *f, uint32_t tgid, uint32_t parent, uint64_t start_ns,
		    uint64_t cgroup_id, const char *file, const char *path)
{
	struct lt_event_exec e = exec_event(tgid, parent, start_ns, file);

	e.cgroup_id = cgroup_id;
	set_names(&e, path);
	lt_process_exec(f->table, &e);
}

static void do_fork(const struct fixture *f, uint32_t tgid, uint32_t parent, uint64_t start_ns,
		    uint64_t cgroup_id)
{
	struct lt_event_fork e = {.head = {.type = LT_EVENT_FORK, .tgid = tgid, .ts_ns = start_ns},
				  .process_start_ns = start_ns,
				  .cgroup_id = cgroup_id,
				  .parent_tgid = parent,
				  .uid = 1001};

	lt_process_fork(f->table, &e);
}

static void do_exit(const struct fixture *f, uint32_t tgid, uint64_t start_ns, uint64_t now)
{
	struct lt_event_exit e = {.head = {.type = LT_EVENT_EXIT, .tgid = tgid, .ts_ns = now},
				  .process_start_ns = start_ns};

	lt_process_exit(f->table, &e);
}

static void do_cgroup(const struct fixture *f, enum lt_cgroup_change change,
		      enum lt_cgroup_hierarchy hierarchy, uint64_t id, const char *path,
		      uint64_t now)
{
	struct lt_event_cgroup e = {.head = {.type = LT_EVENT_CGROUP, .ts_ns = now},
				    .id = id,
				    .change = change,
				    .hierarchy = hierarchy};

	snprintf(e.path, sizeof(e.path), "%s", path);
	lt_process_cgroup(f->table, &e);
}

static void do_enter(const struct fixture *f, uint32_t tgid, uint64_t start_ns,
		     enum lt_cgroup_hierarchy hierarchy, uint64_t id, const char *path,
		     uint64_t now)
{
	struct lt_event_cgroup e = {.head = {.type = LT_EVENT_CGROUP, .tgid = tgid, .ts_ns = now},
				    .process_start_ns = start_ns,
				    .id = id,
				    .change = LT_CGROUP_ENTERED,
				    .hierarchy = hierarchy};

	snprintf(e.path, sizeof(e.path), "%s", path);
	lt_process_cgroup(f->table, &e);
}

static const struct lt_process *must_find(const struct fixture *f, uint32_t tgid, uint64_t start_ns,
					  uint64_t cgroup_id)
{
	const struct lt_process *p = lt_process_find(f->table, tgid, start_ns, cgroup_id);

	assert_non_null(p);
	return p;
}

/* ---- from events alone ---- */

static void a_process_gone_before_we_look_is_known_from_its_exec(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *p;

	do_exec(f, 500, 400, 5 * SECOND + 3, 77, "/usr/bin/curl",
		"/system.slice/docker-" ID_A ".scope");
	do_exit(f, 500, 5 * SECOND + 3, 6 * SECOND);
	p = must_find(f, 500, 5 * SECOND + 3, 77);
	assert_string_equal(p->comm, "curl");
	assert_string_equal(p->exe, "/usr/bin/curl");
	assert_string_equal(p->cgroup, "/system.slice/docker-" ID_A ".scope");
	assert_string_equal(p->container->id, ID_A);
	assert_string_equal(p->container->runtime, "docker");
	assert_int_equal(p->uid, 1001);
	assert_int_equal(p->parent_tgid, 400);
	assert_int_equal(p->end_ns, 6 * SECOND);
	assert_string_equal(lt_process_env(p, 0), "");
}

static void the_start_time_tells_users_of_one_pid_apart(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/old", "/a.service");
	do_exec(f, 500, 1, 5 * SECOND + TICK, 78, "/bin/new", "/b.service");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->comm, "old");
	assert_string_equal(must_find(f, 500, 5 * SECOND + TICK, 78)->comm, "new");
	assert_null(lt_process_find(f->table, 500, 6 * SECOND, 0));
	assert_string_equal(must_find(f, 500, 0, 0)->comm, "new");
}

static void a_forked_child_is_what_its_parent_is(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *p;

	do_exec(f, 500, 1, 5 * SECOND, 77, "/usr/bin/gunicorn", "/system.slice/web.service");
	do_fork(f, 501, 500, 6 * SECOND, 77);
	p = must_find(f, 501, 6 * SECOND, 77);
	assert_string_equal(p->comm, "gunicorn");
	assert_string_equal(p->exe, "/usr/bin/gunicorn");
	assert_string_equal(p->container->unit, "web.service");
	assert_int_equal(p->parent_tgid, 500);
}

static void a_child_born_into_another_cgroup_is_found_by_its_id(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	do_exec(f, 600, 1, 5 * SECOND, 78, "/bin/b", "/b.service");
	do_fork(f, 501, 500, 6 * SECOND, 78);
	assert_string_equal(must_find(f, 501, 6 * SECOND, 78)->container->unit, "b.service");
	do_fork(f, 502, 500, 6 * SECOND, 79);
	assert_string_equal(must_find(f, 502, 6 * SECOND, 79)->container->unit, "");
}

static void the_root_cgroups_id_teaches_nothing(void **state)
{
	const struct fixture *f = *state;

	/* A hybrid host: all are in v2's root, and the names come from a v1 hierarchy. */
	do_exec(f, 500, 1, 5 * SECOND, 1, "/bin/a", "/docker/" ID_A);
	do_exec(f, 600, 1, 5 * SECOND, 1, "/bin/b", "/docker/" ID_B);
	do_fork(f, 501, 500, 6 * SECOND, 1);
	assert_string_equal(must_find(f, 501, 6 * SECOND, 1)->container->id, ID_A);
	assert_null(lt_process_find(f->table, 999, 7 * SECOND, 1));
}

static void an_unknown_process_in_a_known_cgroup_has_at_least_that(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *p;

	assert_null(lt_process_find(f->table, 900, 9 * SECOND, 77));
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/docker/" ID_A);
	p = must_find(f, 900, 9 * SECOND, 77);
	assert_string_equal(p->container->id, ID_A);
	assert_string_equal(p->comm, "");
	assert_int_not_equal(p->end_ns, 0);
}

static void an_exec_replaces_what_the_program_was(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/sh", "/a.service");
	do_exec(f, 500, 1, 5 * SECOND, 78, "/usr/bin/python3", "/docker/" ID_A);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 78)->comm, "python3");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 78)->container->id, ID_A);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 78)->container->unit, "");
}

static void events_without_an_end_of_text_are_safe(void **state)
{
	const struct fixture *f = *state;
	struct lt_event_exec e = exec_event(500, 1, 5 * SECOND, "/bin/x");
	const struct lt_process *p;

	memset(e.comm, 'c', sizeof(e.comm));
	memset(e.file, 'f', sizeof(e.file));
	memset(e.cgroup, 'g', sizeof(e.cgroup));
	lt_process_exec(f->table, &e);
	p = must_find(f, 500, 5 * SECOND, 0);
	assert_int_equal(strlen(p->comm), LT_COMM_SIZE - 1);
	assert_int_equal(strlen(p->exe), LT_EXE_SIZE - 1);
	assert_true(strlen(p->cgroup) < LT_CGROUP_PATH);
}

/* ---- ancestors ---- */

static void ancestors_come_nearest_first(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *parents[LT_PARENTS_MAX];
	const struct lt_process *p;

	do_exec(f, 10, 1, 1 * SECOND, 7, "/bin/airflow", "/x.service");
	do_exec(f, 20, 10, 2 * SECOND, 7, "/bin/bash", "/x.service");
	do_exec(f, 30, 20, 3 * SECOND, 7, "/bin/curl", "/x.service");
	p = must_find(f, 30, 3 * SECOND, 7);
	assert_int_equal(lt_process_parents(f->table, p, parents), 2);
	assert_string_equal(parents[0]->comm, "bash");
	assert_string_equal(parents[1]->comm, "airflow");
}

static void a_younger_user_of_the_parents_pid_is_no_ancestor(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *parents[LT_PARENTS_MAX];

	do_exec(f, 20, 1, 9 * SECOND, 7, "/bin/bash", "/x.service");
	do_exec(f, 30, 20, 3 * SECOND, 7, "/bin/curl", "/x.service");
	assert_int_equal(lt_process_parents(f->table, must_find(f, 30, 3 * SECOND, 7), parents), 0);
}

static void ancestors_that_point_at_each_other_end(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *parents[LT_PARENTS_MAX];

	do_exec(f, 20, 30, 3 * SECOND, 7, "/bin/a", "/");
	do_exec(f, 30, 20, 3 * SECOND, 7, "/bin/b", "/");
	assert_int_equal(lt_process_parents(f->table, must_find(f, 30, 3 * SECOND, 7), parents),
			 LT_PARENTS_MAX);
}

static void a_private_view_is_answered_by_the_nearest_container(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 10, 1, 1 * SECOND, 70, "/bin/dockerd", "/kubepods/burstable/pod" POD "/" ID_A);
	do_exec(f, 20, 10, 2 * SECOND, 71, "/bin/sh", "/");
	assert_string_equal(must_find(f, 20, 2 * SECOND, 71)->container->id, ID_A);
	assert_string_equal(must_find(f, 20, 2 * SECOND, 71)->container->pod_uid, POD);
}

static void an_inner_container_keeps_its_id_and_gets_the_outer_pod(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *p;

	do_exec(f, 10, 1, 1 * SECOND, 70, "/bin/dockerd", "/kubepods/burstable/pod" POD "/" ID_A);
	do_exec(f, 20, 10, 2 * SECOND, 71, "/bin/sh", "/docker/" ID_B);
	p = must_find(f, 20, 2 * SECOND, 71);
	assert_string_equal(p->container->id, ID_B);
	assert_string_equal(p->container->pod_uid, POD);
	assert_string_equal(p->container->qos, "burstable");
}

static void what_the_ancestors_told_survives_them(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 10, 1, 1 * SECOND, 70, "/bin/dockerd", "/docker/" ID_A);
	do_fork(f, 20, 10, 2 * SECOND, 70);
	do_exec(f, 20, 10, 2 * SECOND, 71, "/bin/sh", "/");
	do_exit(f, 10, 1 * SECOND, 3 * SECOND);
	lt_process_tick(f->table, 60 * SECOND);
	do_fork(f, 30, 20, 61 * SECOND, 71);
	do_exec(f, 30, 20, 61 * SECOND, 71, "/bin/curl", "/");
	do_exec(f, 20, 10, 2 * SECOND, 71, "/bin/bash", "/");
	assert_string_equal(must_find(f, 30, 61 * SECOND, 71)->container->id, ID_A);
	assert_string_equal(must_find(f, 20, 2 * SECOND, 71)->container->id, ID_A);
}

static void an_ancestors_container_gets_the_pod_of_its_own(void **state)
{
	const struct fixture *f = *state;
	const struct lt_process *p;

	/* The outermost was learnt of last. */
	do_exec(f, 20, 10, 2 * SECOND, 71, "/bin/dockerd", "/docker/" ID_B);
	do_exec(f, 10, 1, 1 * SECOND, 70, "/bin/dockerd", "/kubepods/burstable/pod" POD "/" ID_A);
	do_exec(f, 30, 20, 3 * SECOND, 72, "/bin/sh", "/");
	p = must_find(f, 30, 3 * SECOND, 72);
	assert_string_equal(p->container->id, ID_B);
	assert_string_equal(p->container->pod_uid, POD);
}

static void a_unit_below_a_container_is_not_put_into_it(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 10, 1, 1 * SECOND, 70, "/bin/agent", "/docker/" ID_A);
	do_exec(f, 20, 10, 2 * SECOND, 71, "/bin/x", "/system.slice/x.service");
	assert_string_equal(must_find(f, 20, 2 * SECOND, 71)->container->id, "");
}

/* ---- cgroups that come, go, and are entered ---- */

static const struct lt_process *find_at(const struct fixture *f, uint32_t tgid, uint64_t start_ns,
					uint64_t cgroup_id, uint64_t at_ns)
{
	const struct lt_process *p = lt_process_find_at(f->table, tgid, start_ns, cgroup_id, at_ns);

	assert_non_null(p);
	return p;
}

static void a_cgroup_is_known_before_anybody_is_in_it(void **state)
{
	const struct fixture *f = *state;

	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, 80, "/docker/" ID_A, SECOND);
	assert_int_equal(f->met, 1);
	assert_string_equal(f->last.id, ID_A);
	/* Born into it, without an exec; and one of which no event came at all. */
	do_exec(f, 500, 1, 5 * SECOND, 77, "/usr/bin/crun", "/a.service");
	do_fork(f, 501, 500, 6 * SECOND, 80);
	assert_string_equal(must_find(f, 501, 6 * SECOND, 80)->container->id, ID_A);
	assert_string_equal(must_find(f, 900, 9 * SECOND, 80)->container->id, ID_A);
	assert_int_equal(f->met, 1);
}

static void a_container_is_told_of_once(void **state)
{
	const struct fixture *f = *state;

	/* The same folders in both hierarchies, and one below. */
	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V1, 80, "/docker/" ID_A, SECOND);
	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, 80, "/docker/" ID_A, SECOND);
	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, 81, "/docker/" ID_A "/init.scope", SECOND);
	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, 82, "/system.slice/a.service", SECOND);
	assert_int_equal(f->met, 1);
	do_exec(f, 500, 1, 5 * SECOND, 80, "/bin/a", "/docker/" ID_A);
	do_exec(f, 501, 1, 5 * SECOND, 83, "/bin/a", "/docker/" ID_B);
	assert_int_equal(f->met, 2);
	assert_string_equal(f->last.id, ID_B);
}

static void the_cgroup_of_a_removed_container_answers_for_a_while(void **state)
{
	const struct fixture *f = *state;

	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, 80, "/docker/" ID_A, 1 * SECOND);
	do_cgroup(f, LT_CGROUP_GONE, LT_CGROUP_V2, 80, "/docker/" ID_A, 2 * SECOND);
	do_cgroup(f, LT_CGROUP_GONE, LT_CGROUP_V2, 80, "/docker/" ID_A, 9 * SECOND);
	do_cgroup(f, LT_CGROUP_GONE, LT_CGROUP_V2, 99, "/never/seen", 2 * SECOND);
	lt_process_tick(f->table, 11 * SECOND);
	assert_string_equal(must_find(f, 900, 1 * SECOND, 80)->container->id, ID_A);
	lt_process_tick(f->table, 12 * SECOND);
	assert_null(lt_process_find(f->table, 901, 1 * SECOND, 80));
	/* Whoever is asked again still knows. */
	assert_string_equal(must_find(f, 900, 1 * SECOND, 80)->container->id, ID_A);
}

static void a_call_belongs_to_where_it_began(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V2, 78, "/b.service", 10 * SECOND);
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V2, 77, "/a.service", 20 * SECOND);
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V2, 79, "/c.service", 30 * SECOND);
	assert_string_equal(find_at(f, 500, 5 * SECOND, 77, 9 * SECOND)->container->unit,
			    "a.service");
	assert_string_equal(find_at(f, 500, 5 * SECOND, 78, 10 * SECOND)->container->unit,
			    "b.service");
	assert_int_equal(find_at(f, 500, 5 * SECOND, 78, 10 * SECOND)->cgroup_id, 78);
	assert_string_equal(find_at(f, 500, 5 * SECOND, 78, 19 * SECOND)->cgroup, "/b.service");
	assert_string_equal(find_at(f, 500, 5 * SECOND, 77, 29 * SECOND)->container->unit,
			    "a.service");
	assert_string_equal(find_at(f, 500, 5 * SECOND, 79, 31 * SECOND)->container->unit,
			    "c.service");
	/* A moment before its event came the move had happened. */
	assert_string_equal(find_at(f, 500, 5 * SECOND, 79, 30 * SECOND - 1)->container->unit,
			    "c.service");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 79)->container->unit, "c.service");
}

static void a_move_in_v1_alone_is_seen(void **state)
{
	const struct fixture *f = *state;

	/* A hybrid host: all are in v2's root, whose id never changes. */
	do_exec(f, 500, 1, 5 * SECOND, 1, "/bin/a", "/docker/" ID_A);
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V1, 40, "/docker/" ID_B, 10 * SECOND);
	assert_string_equal(find_at(f, 500, 5 * SECOND, 1, 9 * SECOND)->container->id, ID_A);
	assert_string_equal(find_at(f, 500, 5 * SECOND, 1, 11 * SECOND)->container->id, ID_B);
	do_fork(f, 501, 500, 12 * SECOND, 1);
	assert_string_equal(must_find(f, 501, 12 * SECOND, 1)->container->id, ID_B);
}

static void v1_counts_where_it_says_more(void **state)
{
	const struct fixture *f = *state;

	/* An old runtime makes folders in v1 alone: in v2 the process stays with its parent. */
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/runc", "/system.slice/containerd.service");
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V1, 40, "/docker/" ID_A, 6 * SECOND);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/system.slice/containerd.service");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->id, ID_A);
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V1, 41, "/", 7 * SECOND);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->id, "");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->unit,
			    "containerd.service");
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V2, 78, "/docker/" ID_B, 8 * SECOND);
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V1, 42, "/docker/" ID_A, 9 * SECOND);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 78)->container->id, ID_B);
}

static void the_inner_container_may_be_in_v1_alone(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/runc", "/docker/" ID_A);
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V1, 40, "/docker/" ID_A, 6 * SECOND);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->cgroup, "/docker/" ID_A);
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V1, 41, "/docker/" ID_A "/docker/" ID_B, 7 * SECOND);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->id, ID_B);
	/* Below something else it is no inner one. */
	do_enter(f, 500, 5 * SECOND, LT_CGROUP_V1, 42, "/x/docker/" ID_B, 8 * SECOND);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->id, ID_A);
}

static void a_move_that_no_event_told_of_is_remembered_too(void **state)
{
	const struct fixture *f = *state;

	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, 78, "/b.service", SECOND);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	assert_string_equal(find_at(f, 500, 5 * SECOND, 78, 10 * SECOND)->container->unit,
			    "b.service");
	assert_string_equal(find_at(f, 500, 5 * SECOND, 77, 9 * SECOND)->container->unit,
			    "a.service");
	assert_string_equal(find_at(f, 500, 5 * SECOND, 77, 20 * SECOND)->container->unit,
			    "a.service");
	assert_string_equal(find_at(f, 500, 5 * SECOND, 78, 15 * SECOND)->container->unit,
			    "b.service");
	/* A path that the event had to cut is not learnt by its id. */
	do_exec(f, 501, 1, 5 * SECOND, 80, "/bin/a", "/1/2/3/4/5/6/7/8/9/c.service");
	assert_string_equal(find_at(f, 501, 5 * SECOND, 78, 10 * SECOND)->container->unit,
			    "b.service");
	assert_string_equal(find_at(f, 501, 5 * SECOND, 80, 9 * SECOND)->container->unit,
			    "c.service");
}

static void who_left_its_container_is_known_by_its_ancestors(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 10, 1, 1 * SECOND, 70, "/bin/dockerd", "/kubepods/burstable/pod" POD "/" ID_A);
	do_fork(f, 20, 10, 2 * SECOND, 70);
	/* Docker in docker: the inner cgroup is not below the pod's. */
	do_enter(f, 20, 2 * SECOND, LT_CGROUP_V2, 71, "/docker/" ID_B, 3 * SECOND);
	do_exec(f, 20, 10, 2 * SECOND, 71, "/bin/sh", "/docker/" ID_B);
	assert_string_equal(must_find(f, 20, 2 * SECOND, 71)->container->id, ID_B);
	assert_string_equal(must_find(f, 20, 2 * SECOND, 71)->container->pod_uid, POD);
	do_fork(f, 30, 20, 4 * SECOND, 71);
	do_enter(f, 30, 4 * SECOND, LT_CGROUP_V2, 1, "/", 5 * SECOND);
	assert_string_equal(find_at(f, 30, 4 * SECOND, 1, 6 * SECOND)->container->id, ID_B);
	assert_string_equal(find_at(f, 30, 4 * SECOND, 1, 6 * SECOND)->container->pod_uid, POD);
	assert_string_equal(find_at(f, 30, 4 * SECOND, 1, 6 * SECOND)->cgroup, "/");
	assert_string_equal(find_at(f, 30, 4 * SECOND, 71, 4 * SECOND)->cgroup, "/docker/" ID_B);
}

static void many_moves_keep_the_last_ones(void **state)
{
	const struct fixture *f = *state;
	char path[32];

	do_exec(f, 500, 1, SECOND, 77, "/bin/a", "/a.service");
	for (uint64_t i = 2; i < 1000; i++) {
		snprintf(path, sizeof(path), "/%d.service", (int)i);
		do_enter(f, 500, SECOND, LT_CGROUP_V2, 1000 + i, path, i * SECOND);
	}
	assert_string_equal(find_at(f, 500, SECOND, 0, 995 * SECOND)->cgroup, "/995.service");
	assert_string_equal(must_find(f, 500, SECOND, 1999)->cgroup, "/999.service");
	do_exec(f, 500, 1, SECOND, 1999, "/bin/b", "/999.service");
	assert_string_equal(find_at(f, 500, SECOND, 1999, 995 * SECOND)->cgroup, "/999.service");
}

static void events_of_cgroups_without_sense_are_harmless(void **state)
{
	const struct fixture *f = *state;
	struct lt_event_cgroup e = {.head = {.type = LT_EVENT_CGROUP, .tgid = 500},
				    .process_start_ns = 5 * SECOND,
				    .id = 90,
				    .change = LT_CGROUP_ENTERED,
				    .hierarchy = 7};
	struct fake fake = {
		.tgid = 500, .start_ns = 5 * SECOND, .comm = "a", .cgroup = "0::/b.service\n"};

	lt_process_cgroup(f->table, &e);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	must_find(f, 500, 5 * SECOND, 77);
	/* The kernel could not say the path: /proc is asked. */
	fake_process(f, &fake);
	lt_process_cgroup(f->table, &e);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 90)->container->unit, "b.service");
	memset(e.path, '/', sizeof(e.path));
	e.change = 99;
	lt_process_cgroup(f->table, &e);
	e.change = LT_CGROUP_ENTERED;
	lt_process_cgroup(f->table, &e);
	assert_true(strlen(must_find(f, 500, 5 * SECOND, 90)->cgroup) < LT_CGROUP_PATH);
}

static void ids_have_a_ceiling(void **state)
{
	const struct fixture *f = *state;
	char path[64];

	for (uint64_t i = 2; i < 70002; i++) {
		snprintf(path, sizeof(path), "/%d.service", (int)i);
		do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, i, path, SECOND);
	}
	assert_null(lt_process_find(f->table, 900, SECOND, 2));
	assert_string_equal(must_find(f, 901, SECOND, 70001)->cgroup, "/70001.service");
}

/* ---- from /proc ---- */

static void a_program_that_runs_already_does_not_answer_for_the_one_before(void **state)
{
	const struct fixture *f = *state;
	struct lt_event_exec e = exec_event(500, 1, 5 * SECOND, "/bin/first");
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 5 * SECOND,
			    .comm = "second",
			    .exe = "/bin/second",
			    .environ = lt_bytes("TEAM=second", 12),
			    .stack_start = 2000};
	const struct lt_process *p;

	set_names(&e, "/a.service");
	e.stack_start = 1000;
	lt_process_exec(f->table, &e);
	fake_process(f, &fake);
	p = must_find(f, 500, 5 * SECOND, 77);
	assert_string_equal(p->exe, "/bin/first");
	assert_string_equal(p->comm, "first");
	assert_string_equal(lt_process_env(p, 0), "");
	e = exec_event(500, 1, 5 * SECOND, "/bin/second");
	set_names(&e, "/a.service");
	e.stack_start = 2000;
	lt_process_exec(f->table, &e);
	p = must_find(f, 500, 5 * SECOND, 77);
	assert_string_equal(lt_process_env(p, 0), "second");
	assert_string_equal(lt_process_env(p, 1), "");
	assert_string_equal(lt_process_env(p, LT_ENV_NAMES_MAX), "");
}

static void the_environment_of_an_event_fills_what_proc_could_not_say(void **state)
{
	static const char text[] = "TEAM=search\0LT_TENANT=acme";
	const struct fixture *f = *state;
	struct lt_event_environ e = {
		.conn = {.head = {.tgid = 500}, .process_start_ns = 5 * SECOND, .cgroup_id = 77},
		.len = sizeof(text)};

	memcpy(e.text, text, sizeof(text));
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	lt_process_environ(f->table, &e);
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "search");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 1), "acme");
	/* A child has it too, and keeps it when the parent runs another program. */
	do_fork(f, 501, 500, 6 * SECOND, 77);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/b", "/a.service");
	assert_string_equal(lt_process_env(must_find(f, 501, 6 * SECOND, 77), 1), "acme");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 1), "");
}

static void proc_tells_what_the_event_could_not(void **state)
{
	static const char environment[] = "PATH=/bin\0LT_TENANT=acme\0TEAM=search\0SECRET=x";
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 400,
			    .start_ns = 5 * SECOND,
			    .uid = 1001,
			    .comm = "py (worker) x",
			    .exe = "/usr/bin/python3.11 (deleted)",
			    .cgroup = "0::/a.service\n",
			    .environ = lt_bytes(environment, sizeof(environment))};
	const struct lt_process *p;

	fake_process(f, &fake);
	do_exec(f, 500, 400, 5 * SECOND + 1234567, 77, "./run.sh", "/a.service");
	p = must_find(f, 500, 5 * SECOND + 1234567, 77);
	assert_string_equal(p->exe, "/usr/bin/python3.11");
	assert_string_equal(p->comm, "py (worker) x");
	assert_string_equal(lt_process_env(p, 0), "search");
	assert_string_equal(lt_process_env(p, 1), "acme");
	assert_int_equal(p->start_ns, 5 * SECOND + 1234567);
}

static void proc_is_read_once_per_exec_and_kept_after_the_end(void **state)
{
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 5 * SECOND,
			    .comm = "a",
			    .exe = "/bin/first",
			    .environ = lt_bytes("TEAM=one", 9)};

	fake_process(f, &fake);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "one");
	fake.exe = "/bin/second";
	fake.environ = lt_bytes("TEAM=two", 9);
	fake_process(f, &fake);
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "one");
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "two");
	do_exit(f, 500, 5 * SECOND, 6 * SECOND);
	fake_gone(f, 500);
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "two");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->exe, "/bin/second");
}

static void other_variables_can_be_asked_for(void **state)
{
	static const char environment[] = "TEAM=search\0LT_TENANT=acme\0NEW=now";
	static const char *const others[] = {"NEW", "TEAM"};
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 5 * SECOND,
			    .comm = "a",
			    .exe = "/bin/a",
			    .environ = lt_bytes(environment, sizeof(environment))};

	fake_process(f, &fake);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	do_exec(f, 501, 1, 5 * SECOND, 77, "/bin/b", "/a.service");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "search");
	for (unsigned long n = 1; n <= 2; n++) {
		lt_alloc_fail_at(n);
		assert_int_equal(lt_process_table_env(f->table, others, 2), -ENOMEM);
		lt_alloc_fail_at(0);
	}
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 1), "acme");
	assert_int_equal(lt_process_table_env(f->table, others, 2), 0);
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "now");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 1), "search");
	/* Of one that is gone what was known stays, under its name. */
	fake_gone(f, 500);
	assert_int_equal(lt_process_table_env(f->table, env_names, 2), 0);
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "search");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 1), "");
	assert_int_equal(lt_process_table_env(f->table, NULL, 0), 0);
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "");
	assert_int_equal(lt_process_table_env(f->table, others, LT_ENV_NAMES_MAX + 1), -EINVAL);
}

static void another_process_under_the_pid_tells_nothing(void **state)
{
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 9 * SECOND,
			    .comm = "later",
			    .exe = "/bin/later",
			    .environ = lt_bytes("TEAM=later", 11)};

	fake_process(f, &fake);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->exe, "/bin/a");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "");
	assert_null(lt_process_find(f->table, 500, 7 * SECOND, 0));
}

static void a_process_never_seen_is_read_from_proc(void **state)
{
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 400,
			    .start_ns = 5 * SECOND + 9 * TICK,
			    .uid = 4294967294u,
			    .comm = "node",
			    .exe = "/usr/bin/node",
			    .cgroup = "4:memory:/docker/" ID_A "\n1:cpu:/\n0::/\n"};
	const struct lt_process *p;

	fake_process(f, &fake);
	p = must_find(f, 500, 5 * SECOND + 10 * TICK - 1, 1);
	assert_string_equal(p->comm, "node");
	assert_string_equal(p->container->id, ID_A);
	assert_int_equal(p->uid, 4294967294u);
	assert_int_equal(p->parent_tgid, 400);
	assert_int_equal(p->start_ns, 5 * SECOND + 10 * TICK - 1);
	assert_ptr_equal(p, must_find(f, 500, 5 * SECOND + 10 * TICK - 1, 1));
}

static void a_moved_process_is_followed(void **state)
{
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 5 * SECOND,
			    .comm = "a",
			    .cgroup = "0::/b.service\n"};

	fake_process(f, &fake);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->unit, "a.service");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 78)->container->unit, "b.service");
	do_exec(f, 600, 1, 5 * SECOND, 79, "/bin/a", "/c.service");
	assert_string_equal(must_find(f, 500, 5 * SECOND, 79)->container->unit, "c.service");
}

static void names_cut_by_the_event_are_made_whole(void **state)
{
	static const char path[] =
		"/system.slice/containerd.service/kubepods-burstable-pod2b801b7a_5266_4386_864e_"
		"45ed71136371.slice:cri-containerd:" ID_A;
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500, .parent = 1, .start_ns = 5 * SECOND, .comm = "a"};
	char text[512];

	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", path);
	do_exec(f, 501, 1, 5 * SECOND, 77, "/bin/b", path);
	assert_string_equal(must_find(f, 501, 5 * SECOND, 77)->container->id, "");
	snprintf(text, sizeof(text), "0::%s\n", path);
	fake.cgroup = text;
	fake_process(f, &fake);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->id, ID_A);
	/* What one process taught serves the next that is gone. */
	do_exec(f, 502, 1, 6 * SECOND, 77, "/bin/c", path);
	assert_string_equal(must_find(f, 502, 6 * SECOND, 77)->container->id, ID_A);
	assert_string_equal(must_find(f, 502, 6 * SECOND, 77)->container->pod_uid, POD);
}

static void a_scan_reads_processes_and_skips_the_rest(void **state)
{
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 5 * SECOND,
			    .comm = "a",
			    .exe = "/bin/a",
			    .cgroup = "0::/a.service\n"};
	struct fake kthread = {
		.tgid = 2, .start_ns = TICK, .comm = "kthreadd", .kernel_thread = true};
	char path[128];

	fake_process(f, &fake);
	fake_process(f, &kthread);
	fake.tgid = 501;
	fake_process(f, &fake);
	write_file(f->proc, "uptime", lt_bytes_str("1 2\n"));
	snprintf(path, sizeof(path), "%s/777", f->proc);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file(path, "stat", lt_bytes_str("777 (a S 1"));
	assert_int_equal(lt_process_table_scan(f->table), 4);
	assert_null(lt_process_find(f->table, 2, 0, 0));
	assert_null(lt_process_find(f->table, 777, 0, 0));
	fake_gone(f, 501);
	assert_string_equal(must_find(f, 501, 5 * SECOND + TICK - 1, 0)->container->unit,
			    "a.service");
	assert_int_equal(must_find(f, 501, 0, 0)->end_ns, 0);
	assert_int_equal(lt_process_table_scan(f->table), 3);
	assert_int_not_equal(must_find(f, 501, 0, 0)->end_ns, 0);
	assert_int_equal(must_find(f, 500, 0, 0)->end_ns, 0);
}

static void hostile_proc_files_are_refused_or_cut(void **state)
{
	static const char *const stats[] = {
		"",
		"(",
		")(",
		"1 (a)",
		"1 (a) S",
		"1 (a) S 1 1 0 -1 x 0",
		"1 (a) S 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 18446744073709551616",
		"1 (a) S 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 18446744073709551615",
		"1 (a) S 4294967296 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5"};
	const struct fixture *f = *state;
	char folder[128];

	snprintf(folder, sizeof(folder), "%s/500", f->proc);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_null(lt_process_find(f->table, 500, 0, 0));
	for (size_t i = 0; i < LT_COUNT(stats); i++) {
		write_file(folder, "stat", lt_bytes_str(stats[i]));
		assert_null(lt_process_find(f->table, 500, 0, 0));
	}
}

static void read_environment(const struct fixture *f, struct lt_bytes text,
			     char values[2][LT_ENV_VALUE])
{
	struct fake fake = {.tgid = 500, .comm = "a", .environ = text};
	lt_defer(lt_closep)
	int fd = -1;

	fake_process(f, &fake);
	fd = lt_procfs_open(f->proc, 500);
	assert_true(fd >= 0);
	assert_int_equal(lt_procfs_environ(fd, env_names, 2, values), 0);
}

static void an_environment_is_read_in_any_shape(void **state)
{
	static const char odd[] = "\0\0=\0TEAM\0TEAMS=no\0XTEAM=no\0TEAM=\0TEAM=a=b\0TEAM=second";
	const struct fixture *f = *state;
	char values[2][LT_ENV_VALUE], text[9000];

	read_environment(f, lt_bytes(odd, sizeof(odd)), values);
	assert_string_equal(values[0], "a=b");
	assert_string_equal(values[1], "");
	read_environment(f, lt_bytes("TEAM=last", 9), values);
	assert_string_equal(values[0], "last");
	/* A long variable before, one that straddles the reads, and one with a long value. */
	for (size_t at = 4080; at < 4100; at++) {
		memset(text, 'x', sizeof(text));
		text[at - 1] = '\0';
		memcpy(text + at, "TEAM=straddles", 15);
		memcpy(text + at + 100, "\0LT_TENANT=", 11);
		read_environment(f, lt_bytes(text, sizeof(text)), values);
		assert_string_equal(values[0], "straddles");
		assert_int_equal(strlen(values[1]), LT_ENV_VALUE - 1);
	}
}

static void an_endless_environment_is_read_so_far(void **state)
{
	const struct fixture *f = *state;
	size_t n = 400 << 10;
	char *text = malloc(n);
	char values[2][LT_ENV_VALUE];

	assert_non_null(text);
	memset(text, 0, n);
	memcpy(text, "TEAM=first", 10);
	memcpy(text + n - 20, "LT_TENANT=late", 14);
	read_environment(f, lt_bytes(text, n), values);
	free(text);
	assert_string_equal(values[0], "first");
	assert_string_equal(values[1], "");
}

static void the_real_proc_knows_this_process(void **state)
{
	struct lt_process_opts opts = {0};
	lt_defer(lt_process_table_freep)
	struct lt_process_table *t = NULL;
	const struct lt_process *p;
	char exe[LT_EXE_SIZE] = "";

	(void)state;
	assert_int_equal(lt_process_table_new(&opts, &t), 0);
	assert_true(lt_process_table_scan(t) > 0);
	p = lt_process_find(t, (uint32_t)getpid(), 0, 0);
	assert_non_null(p);
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_string_equal(p->exe, exe);
	assert_int_equal(p->parent_tgid, getppid());
	assert_int_equal(p->uid, getuid());
	/* Only because tests don't run for a day: boot time is what start times are in. */
	assert_true(p->start_ns < lt_clock_boot_ns() &&
		    lt_clock_boot_ns() - p->start_ns < 86400 * SECOND);
}

static void a_new_program_does_not_keep_the_olds_environment(void **state)
{
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 5 * SECOND,
			    .comm = "a",
			    .environ = lt_bytes("TEAM=one", 9)};

	fake_process(f, &fake);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", "/a.service");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "one");
	fake_gone(f, 500);
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/b", "/a.service");
	assert_string_equal(lt_process_env(must_find(f, 500, 5 * SECOND, 77), 0), "");
}

static void levels_cut_by_the_event_are_made_whole(void **state)
{
	static const char path[] = "/kubepods/burstable/pod" POD "/1/2/3/4/5/6/docker/" ID_A;
	const struct fixture *f = *state;
	struct fake fake = {.tgid = 500,
			    .parent = 1,
			    .start_ns = 5 * SECOND,
			    .comm = "a",
			    .cgroup = "0::/kubepods/burstable/pod" POD "/1/2/3/4/5/6/docker/" ID_A
				      "\n"};

	fake_process(f, &fake);
	do_exec(f, 501, 1, 5 * SECOND, 77, "/bin/a", path);
	assert_string_equal(must_find(f, 501, 5 * SECOND, 77)->container->id, ID_A);
	assert_string_equal(must_find(f, 501, 5 * SECOND, 77)->container->pod_uid, "");
	do_exec(f, 500, 1, 5 * SECOND, 77, "/bin/a", path);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->cgroup, path);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 77)->container->pod_uid, POD);
}

/* ---- ceilings ---- */

static void the_table_has_a_ceiling_and_forgets_the_longest_unused(void **state)
{
	const struct fixture *f = *state;
	uint64_t evicted = lt_counter_get(LT_C_PROCESSES_EVICTED);

	for (uint32_t i = 1; i <= 64; i++)
		do_exec(f, i, 0, i * SECOND, 7, "/bin/a", "/a.service");
	must_find(f, 1, 1 * SECOND, 7);
	for (uint32_t i = 100; i < 110; i++)
		do_exec(f, i, 0, i * SECOND, 0, "/bin/a", "/");
	assert_int_equal(lt_counter_get(LT_C_PROCESSES_EVICTED) - evicted, 10);
	assert_non_null(lt_process_find(f->table, 1, 1 * SECOND, 0));
	assert_null(lt_process_find(f->table, 2, 2 * SECOND, 0));
	assert_null(lt_process_find(f->table, 11, 11 * SECOND, 0));
	assert_non_null(lt_process_find(f->table, 12, 12 * SECOND, 0));
}

static void at_the_ceiling_the_dead_go_first(void **state)
{
	const struct fixture *f = *state;

	for (uint32_t i = 1; i <= 64; i++)
		do_exec(f, i, 0, i * SECOND, 0, "/bin/a", "/a.service");
	do_exit(f, 60, 60 * SECOND, 100 * SECOND);
	do_exit(f, 50, 50 * SECOND, 101 * SECOND);
	do_exec(f, 100, 0, 100 * SECOND, 0, "/bin/a", "/");
	assert_null(lt_process_find(f->table, 60, 60 * SECOND, 0));
	assert_non_null(lt_process_find(f->table, 50, 50 * SECOND, 0));
	do_exec(f, 101, 0, 101 * SECOND, 0, "/bin/a", "/");
	assert_null(lt_process_find(f->table, 50, 50 * SECOND, 0));
	assert_non_null(lt_process_find(f->table, 1, 1 * SECOND, 0));
}

static void an_exec_brings_back_whose_first_thread_ended(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 500, 1, 5 * SECOND, 0, "/bin/a", "/a.service");
	do_exit(f, 500, 5 * SECOND, 6 * SECOND);
	do_exec(f, 500, 1, 5 * SECOND, 0, "/bin/b", "/a.service");
	lt_process_tick(f->table, 600 * SECOND);
	assert_int_equal(must_find(f, 500, 5 * SECOND, 0)->end_ns, 0);
	assert_string_equal(must_find(f, 500, 5 * SECOND, 0)->comm, "b");
}

static void what_ended_is_forgotten_after_its_time(void **state)
{
	const struct fixture *f = *state;

	do_exec(f, 500, 1, 5 * SECOND, 0, "/bin/a", "/a.service");
	do_exec(f, 501, 1, 5 * SECOND, 0, "/bin/b", "/a.service");
	do_exit(f, 500, 5 * SECOND, 20 * SECOND);
	do_exit(f, 500, 5 * SECOND, 21 * SECOND);
	do_exit(f, 999, 5 * SECOND, 20 * SECOND);
	lt_process_tick(f->table, 29 * SECOND);
	assert_non_null(lt_process_find(f->table, 500, 5 * SECOND, 0));
	lt_process_tick(f->table, 30 * SECOND);
	assert_null(lt_process_find(f->table, 500, 5 * SECOND, 0));
	assert_non_null(lt_process_find(f->table, 501, 5 * SECOND, 0));
	lt_process_tick(f->table, 5000 * SECOND);
	assert_non_null(lt_process_find(f->table, 501, 5 * SECOND, 0));
}

static void a_storm_of_processes_stays_within_the_ceiling(void **state)
{
	const struct fixture *f = *state;
	unsigned seed = 1;

	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t r = (uint32_t)rand_r(&seed), tgid = 1 + r % 300;
		uint64_t start = 1 + (r >> 9) % 8 * SECOND;

		if (i % 5 == 0)
			do_exec(f, tgid, 1 + r % 7, start, 1 + r % 50, "/bin/a", "/docker/" ID_A);
		else if (i % 5 == 1)
			do_fork(f, tgid, 1 + r % 11, start, 1 + r % 50);
		else if (i % 5 == 2)
			do_exit(f, tgid, start, i * 1000000ull);
		else if (i % 5 == 3)
			lt_process_tick(f->table, i * 1000000ull);
		else if (i % 55 == 4)
			lt_process_find_at(f->table, tgid, start, 1 + r % 60, 1 + r % (9 * SECOND));
		else if (i % 55 == 9)
			do_enter(f, tgid, start, r % 2, 1 + r % 50, r % 3 ? "/docker/" ID_B : "",
				 r % (9 * SECOND));
		else if (i % 55 == 14)
			do_cgroup(f, r % 2, r / 2 % 2, 1 + r % 50, "/b.service", i * 1000000ull);
	}
	assert_true(lt_counter_get(LT_C_PROCESSES) > 0);
}

static void wrong_options_are_refused(void **state)
{
	static const char *const nine[LT_ENV_NAMES_MAX + 1] = {"A", "B", "C", "D", "E",
							       "F", "G", "H", "I"};
	struct lt_process_opts opts = {.env_names = nine, .env_count = LT_COUNT(nine)};
	struct lt_process_table *t = NULL;

	(void)state;
	assert_int_equal(lt_process_table_new(&opts, &t), -EINVAL);
	assert_null(t);
	opts = (struct lt_process_opts){.proc = "/nowhere/at/all"};
	assert_int_equal(lt_process_table_new(&opts, &t), 0);
	assert_int_equal(lt_process_table_scan(t), -ENOENT);
	lt_process_table_free(t);
	assert_null(lt_process_table_free(NULL));
}

static void every_failed_allocation_is_survived(void **state)
{
	struct fixture *f = *state;

	for (unsigned long n = 1; n < 14; n++) {
		struct lt_process_opts opts = {.env_names = env_names, .env_count = 2};
		struct lt_process_table *t = NULL;
		int r;

		lt_alloc_fail_at(n);
		r = lt_process_table_new(&opts, &t);
		lt_alloc_fail_at(0);
		assert_true(r == 0 ? t != NULL : r == -ENOMEM && !t);
		assert_true(r == 0 || n <= 9);
		lt_process_table_free(t);
	}
	lt_alloc_fail_at(1);
	do_exec(f, 500, 1, SECOND, 7, "/bin/a", "/");
	lt_alloc_fail_at(1);
	do_fork(f, 501, 1, SECOND, 7);
	lt_alloc_fail_at(0);
	assert_null(lt_process_find(f->table, 500, SECOND, 0));
	assert_null(lt_process_find(f->table, 501, SECOND, 0));
}

/* A life with everything in it: whatever cannot be had is left out, and nothing is kept twice. */
static void live(const struct fixture *f, uint32_t tgid)
{
	static const char text[] = "TEAM=search";
	struct lt_event_environ e = {
		.conn = {.head = {.tgid = tgid}, .process_start_ns = SECOND, .cgroup_id = 80},
		.len = sizeof(text)};
	struct fake fake = {.tgid = tgid,
			    .start_ns = SECOND,
			    .comm = "a",
			    .exe = "/bin/real",
			    .cgroup = "0::/docker/" ID_A "\n",
			    .environ = lt_bytes("LT_TENANT=acme", 14)};

	memcpy(e.text, text, sizeof(text));
	fake_process(f, &fake);
	do_cgroup(f, LT_CGROUP_MADE, LT_CGROUP_V2, 80, "/docker/" ID_A, SECOND);
	do_exec(f, 10, 1, SECOND, 70, "/bin/dockerd", "/kubepods/pod" POD "/" ID_B);
	do_exec(f, tgid, 10, SECOND, 80, "/bin/a", "/docker/" ID_A);
	lt_process_environ(f->table, &e);
	do_fork(f, tgid + 1, tgid, 2 * SECOND, 80);
	do_enter(f, tgid, SECOND, LT_CGROUP_V2, 81, "/docker/" ID_B, 3 * SECOND);
	do_enter(f, tgid, SECOND, LT_CGROUP_V1, 81, "/b.service", 4 * SECOND);
	lt_process_find_at(f->table, tgid, SECOND, 80, 2 * SECOND);
	lt_process_find_at(f->table, tgid + 1, 2 * SECOND, 80, 2 * SECOND);
	do_exec(f, tgid, 10, SECOND, 81, "/bin/b", "/docker/" ID_B);
	do_exit(f, tgid, SECOND, 5 * SECOND);
}

static void a_life_without_memory_is_survived(void **state)
{
	const struct fixture *f = *state;
	unsigned long allocations;

	allocations = lt_alloc_count();
	live(f, 1000);
	allocations = lt_alloc_count() - allocations;
	assert_true(allocations > 10);
	for (unsigned long n = 1; n <= allocations; n++) {
		lt_alloc_fail_at(n);
		live(f, 1000 + 10 * (uint32_t)n);
		lt_alloc_fail_at(0);
		lt_process_tick(f->table, 600 * SECOND * n);
	}
	live(f, 900);
	assert_string_equal(find_at(f, 900, SECOND, 81, 0)->container->id, ID_B);
	assert_string_equal(find_at(f, 900, SECOND, 81, 0)->container->pod_uid, POD);
}

#define CASE(name)  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, set_up_small, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_process_gone_before_we_look_is_known_from_its_exec),
		CASE(the_start_time_tells_users_of_one_pid_apart),
		CASE(a_forked_child_is_what_its_parent_is),
		CASE(a_child_born_into_another_cgroup_is_found_by_its_id),
		CASE(the_root_cgroups_id_teaches_nothing),
		CASE(an_unknown_process_in_a_known_cgroup_has_at_least_that),
		CASE(an_exec_replaces_what_the_program_was),
		CASE(events_without_an_end_of_text_are_safe),
		CASE(ancestors_come_nearest_first),
		CASE(a_younger_user_of_the_parents_pid_is_no_ancestor),
		CASE(ancestors_that_point_at_each_other_end),
		CASE(a_private_view_is_answered_by_the_nearest_container),
		CASE(an_inner_container_keeps_its_id_and_gets_the_outer_pod),
		CASE(what_the_ancestors_told_survives_them),
		CASE(an_ancestors_container_gets_the_pod_of_its_own),
		CASE(a_unit_below_a_container_is_not_put_into_it),
		CASE(a_cgroup_is_known_before_anybody_is_in_it),
		CASE(a_container_is_told_of_once),
		CASE(the_cgroup_of_a_removed_container_answers_for_a_while),
		CASE(a_call_belongs_to_where_it_began),
		CASE(a_move_in_v1_alone_is_seen),
		CASE(v1_counts_where_it_says_more),
		CASE(the_inner_container_may_be_in_v1_alone),
		CASE(a_move_that_no_event_told_of_is_remembered_too),
		CASE(who_left_its_container_is_known_by_its_ancestors),
		CASE(many_moves_keep_the_last_ones),
		CASE(events_of_cgroups_without_sense_are_harmless),
		CASE(ids_have_a_ceiling),
		CASE(a_program_that_runs_already_does_not_answer_for_the_one_before),
		CASE(the_environment_of_an_event_fills_what_proc_could_not_say),
		CASE(proc_tells_what_the_event_could_not),
		CASE(proc_is_read_once_per_exec_and_kept_after_the_end),
		CASE(other_variables_can_be_asked_for),
		CASE(another_process_under_the_pid_tells_nothing),
		CASE(a_process_never_seen_is_read_from_proc),
		CASE(a_moved_process_is_followed),
		CASE(names_cut_by_the_event_are_made_whole),
		CASE(a_scan_reads_processes_and_skips_the_rest),
		CASE(hostile_proc_files_are_refused_or_cut),
		CASE(an_environment_is_read_in_any_shape),
		CASE(an_endless_environment_is_read_so_far),
		CASE(a_new_program_does_not_keep_the_olds_environment),
		CASE(levels_cut_by_the_event_are_made_whole),
		cmocka_unit_test(the_real_proc_knows_this_process),
		SMALL(the_table_has_a_ceiling_and_forgets_the_longest_unused),
		SMALL(at_the_ceiling_the_dead_go_first),
		CASE(an_exec_brings_back_whose_first_thread_ended),
		CASE(what_ended_is_forgotten_after_its_time),
		SMALL(a_storm_of_processes_stays_within_the_ceiling),
		cmocka_unit_test(wrong_options_are_refused),
		CASE(every_failed_allocation_is_survived),
		CASE(a_life_without_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
