// SPDX-License-Identifier: Apache-2.0
/* What the container runtimes tell: by the code and the config of the agent, once. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/cmd/cmd.h"
#include "userspace/control/config.h"
#include "userspace/view/table.h"
#include "userspace/workload/runtimes.h"

#define WAIT_NS 5000000000ULL

enum { SHORT_ID = 12, SHORT_DIGEST = 19, CONTAINERS_MAX = 65536 };

/* What is printed, whose texts are its own. */
struct row {
	char *id, *name, *image, *digest, *pod, *namespace, *pod_uid, *source;
	struct lt_pair *labels; /* each key, and behind it its value, is one block */
	size_t label_count;
};

struct listing {
	bool json, follow;
	int error;
	pthread_mutex_t lock; /* of what follows: the runtimes tell on their own threads */
	struct row *rows;
	size_t count, room;
	bool failed; /* some source could not be asked */
	struct lt_table *table;
};

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: ledgertap containers [--config FILE] [--follow] [--json]\n\n"
		"Lists the containers of this host as their runtimes describe them: what the "
		"agent would\n"
		"know of a call from one of them. Changes nothing.\n\n"
		"  --config FILE     as for the agent (" LT_CONFIG_PATH "), section "
		"\"containers\"\n"
		"  --json            one JSON object for each container, with its labels\n"
		"  --help            this text\n\n"
		"Exit codes: 0 done, 1 a runtime could not be asked (stderr says why), 2 wrong "
		"usage.\n");
}

static void row_free(struct row *row)
{
	char *const texts[] = {row->id,	 row->name,	 row->image,   row->digest,
			       row->pod, row->namespace, row->pod_uid, row->source};

	for (size_t i = 0; i < LT_COUNT(texts); i++)
		lt_free(texts[i]);
	for (size_t i = 0; i < row->label_count; i++) {
		lt_free((char *)row->labels[i].key);
		lt_free((char *)row->labels[i].value);
	}
	lt_free(row->labels);
}

static bool copy(char **to, const char *text)
{
	*to = lt_strdup(text ? text : "");
	return *to;
}

static bool copy_labels(struct row *row, struct lt_pairs labels)
{
	row->labels = lt_calloc(labels.count + 1, sizeof(*row->labels));
	for (size_t i = 0; row->labels && i < labels.count; i++) {
		char *key = lt_strdup(labels.at[i].key), *value = lt_strdup(labels.at[i].value);

		row->labels[row->label_count++] = (struct lt_pair){.key = key, .value = value};
		if (!key || !value)
			return false;
	}
	return row->labels;
}

static bool copy_row(struct row *row, const struct lt_runtime_source *source,
		     const struct lt_container_facts *c)
{
	char from[512];

	snprintf(from, sizeof(from), "%s %s", lt_runtime_type_name(source->type), source->path);
	return copy(&row->id, c->id) && copy(&row->name, c->name) && copy(&row->image, c->image) &&
	       copy(&row->digest, c->digest) && copy(&row->pod, c->pod) &&
	       copy(&row->namespace, c->namespace) && copy(&row->pod_uid, c->pod_uid) &&
	       copy(&row->source, from) && copy_labels(row, c->labels);
}

/* The row of that container, or a new one; NULL: no memory. */
static struct row *place_for(struct listing *l, const char *id)
{
	size_t room = l->room ? l->room * 2 : 16;
	struct row *grown;

	for (size_t i = 0; i < l->count; i++) {
		if (strcmp(l->rows[i].id, id) == 0) {
			row_free(&l->rows[i]);
			return &l->rows[i];
		}
	}
	if (l->count == l->room) {
		grown = room > CONTAINERS_MAX ? NULL
					      : lt_reallocarray(l->rows, room, sizeof(*grown));
		if (!grown)
			return NULL;
		l->rows = grown;
		l->room = room;
	}
	return &l->rows[l->count++];
}

static void on_container(void *arg, const struct lt_runtime_source *source,
			 const struct lt_container_facts *facts)
{
	struct listing *l = arg;
	struct row *row, made = {0};

	pthread_mutex_lock(&l->lock);
	row = NULL;
	if (copy_row(&made, source, facts))
		row = place_for(l, facts->id);
	if (row) {
		*row = made;
	} else {
		row_free(&made);
		l->error = -ENOMEM;
	}
	pthread_mutex_unlock(&l->lock);
}

static void on_state(void *arg, const struct lt_runtime_source *source, const char *problem)
{
	struct listing *l = arg;

	if (!problem)
		return;
	fprintf(stderr, "ledgertap containers: %s %s cannot be asked: %s\n",
		lt_runtime_type_name(source->type), source->path, problem);
	pthread_mutex_lock(&l->lock);
	l->failed = true;
	pthread_mutex_unlock(&l->lock);
}

static void print_json(const struct row *row)
{
	struct lt_json_writer w;
	const struct {
		const char *key, *value;
	} texts[] = {{"id", row->id},		{"name", row->name},
		     {"image", row->image},	{"digest", row->digest},
		     {"pod", row->pod},		{"namespace", row->namespace},
		     {"pod_uid", row->pod_uid}, {"source", row->source}};

	lt_json_writer_init(&w, stdout);
	lt_json_begin_object(&w);
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		lt_json_key(&w, texts[i].key);
		lt_json_string(&w, texts[i].value[0] ? texts[i].value : NULL);
	}
	lt_json_key(&w, "labels");
	lt_json_begin_object(&w);
	for (size_t i = 0; i < row->label_count; i++) {
		lt_json_key(&w, row->labels[i].key);
		lt_json_string(&w, row->labels[i].value);
	}
	lt_json_end_object(&w);
	lt_json_end_object(&w);
	putchar('\n');
}

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

static int add_line(struct lt_table *table, const struct row *row)
{
	char id[SHORT_ID + 1], digest[SHORT_DIGEST + 1], pod[512];
	const char *const cells[] = {id,  or_dash(row->name), or_dash(row->image), digest,
				     pod, row->source};

	snprintf(id, sizeof(id), "%s", row->id);
	snprintf(digest, sizeof(digest), "%s", or_dash(row->digest));
	snprintf(pod, sizeof(pod), "%s%s%s", row->namespace, row->pod[0] ? "/" : "",
		 or_dash(row->pod));
	return lt_table_row(table, cells, NULL);
}

static int print_table(struct listing *l)
{
	static const struct lt_table_column columns[] = {
		{.title = "ID", .usual = SHORT_ID},
		{.title = "NAME", .least = 12, .usual = 20},
		{.title = "IMAGE", .least = 20, .usual = 40},
		{.title = "DIGEST", .drop = 1, .usual = SHORT_DIGEST},
		{.title = "POD", .least = 12, .usual = 20},
		{.title = "SOURCE", .least = 12, .drop = 2},
	};
	int r = 0;

	if (!l->table) {
		r = lt_table_new(columns, LT_COUNT(columns), lt_terminal_width(stdout),
				 lt_terminal_colour(stdout), &l->table);
		if (r == 0 && l->follow)
			lt_table_expect(l->table);
		if (r == 0 && l->count == 0)
			lt_table_print(l->table, stdout);
	}
	for (size_t i = 0; r == 0 && i < l->count; i++)
		r = add_line(l->table, &l->rows[i]);
	if (r == 0 && l->count > 0)
		lt_table_print(l->table, stdout);
	return r;
}

/* What has come since the last time. */
static int print(struct listing *l)
{
	int r = 0;

	pthread_mutex_lock(&l->lock);
	if (l->json) {
		for (size_t i = 0; i < l->count; i++)
			print_json(&l->rows[i]);
	} else {
		r = print_table(l);
	}
	for (size_t i = 0; i < l->count; i++)
		row_free(&l->rows[i]);
	l->count = 0;
	if (r == 0)
		r = l->error;
	pthread_mutex_unlock(&l->lock);
	return fflush(stdout) == 0 ? r : -errno;
}

static void wait_settled(struct listing *l, struct lt_runtimes *r)
{
	static const struct timespec pause = {.tv_nsec = 10000000};
	uint64_t until_ns = lt_clock_boot_ns() + WAIT_NS;

	while (!lt_runtimes_settled(r) && lt_clock_boot_ns() < until_ns)
		nanosleep(&pause, NULL);
	if (lt_runtimes_settled(r))
		return;
	fprintf(stderr, "ledgertap containers: not all has been answered within 5 s\n");
	pthread_mutex_lock(&l->lock);
	l->failed = true;
	pthread_mutex_unlock(&l->lock);
}

/* Until Ctrl-C, which was kept from the threads. */
static int follow(struct listing *l, const sigset_t *signals)
{
	static const struct timespec pause = {.tv_nsec = 100000000};
	int r = print(l);

	while (r == 0 && sigtimedwait(signals, NULL, &pause) < 0)
		r = print(l);
	return r;
}

static int run(struct listing *l, const struct lt_config *config)
{
	lt_defer(lt_runtimes_config_freep)
	struct lt_runtimes_config *runtimes = NULL;
	struct lt_runtimes_opts opts = {.container = on_container, .state = on_state, .arg = l};
	lt_defer(lt_runtimes_stopp)
	struct lt_runtimes *r = NULL;
	struct lt_problem problem = {0};
	sigset_t signals;
	int e = lt_runtimes_config_new(config->yaml, config->containers, &runtimes, &problem);

	if (e < 0)
		return e;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	opts.config = runtimes;
	e = lt_runtimes_start(&opts, &r);
	if (e < 0)
		return e;
	wait_settled(l, r);
	if (l->follow)
		return follow(l, &signals);
	r = lt_runtimes_stop(r);
	return print(l);
}

/* 1: help was asked for. */
static int read_options(int argc, char **argv, const char **ret_config, struct listing *l)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"follow", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return 1;
		if (c == 'c')
			*ret_config = optarg;
		else if (c == 'j')
			l->json = true;
		else if (c == 'f')
			l->follow = true;
		else
			return -EINVAL;
	}
	return optind < argc ? -EINVAL : 0;
}

int lt_cmd_containers(int argc, char **argv)
{
	lt_defer(lt_config_freep)
	struct lt_config *config = NULL;
	struct listing l = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct lt_problem problem = {0};
	const char *path = NULL;
	char text[1024];
	int r = read_options(argc, argv, &path, &l);

	if (r != 0) {
		usage(r > 0 ? stdout : stderr);
		return r > 0 ? LT_EXIT_OK : LT_EXIT_USAGE;
	}
	r = lt_config_load(path, &config, &problem);
	if (r < 0) {
		fprintf(stderr, "ledgertap containers: %s\n",
			lt_problem_format(&problem, text, sizeof(text)));
		return LT_EXIT_FAILED;
	}
	r = run(&l, config);
	if (r < 0)
		fprintf(stderr, "ledgertap containers: %s\n", strerror(-r));
	for (size_t i = 0; i < l.count; i++)
		row_free(&l.rows[i]);
	lt_free(l.rows);
	lt_table_free(l.table);
	return r < 0 || l.failed ? LT_EXIT_FAILED : LT_EXIT_OK;
}
