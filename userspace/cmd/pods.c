// SPDX-License-Identifier: Apache-2.0
/* What Kubernetes says of the pods of this node, by the agent's own code: for whoever sets it up.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/base/parse.h"
#include "userspace/cmd/cmd.h"
#include "userspace/control/config.h"
#include "userspace/view/table.h"
#include "userspace/workload/kubernetes.h"

enum { STEP_MS = 50, OWNERS_MS = 5000, TIMEOUT_S = 10 };
enum { OPT_CONFIG = 256, OPT_JSON, OPT_FOLLOW, OPT_TIMEOUT };

static const char help[] =
	"Usage: ledgertap pods [OPTIONS]\n\n"
	"What Kubernetes says of the pods of this node: asks as the agent does, with the config's "
	"section kubernetes.\n\n"
	"  --json         as a JSON array\n"
	"  --follow       a line of JSON for each change, until Ctrl-C\n"
	"  --timeout S    how long to wait for an answer (10)\n"
	"  --config FILE  settings (" LT_CONFIG_PATH ")\n"
	"  --help         this text\n\n"
	"Exit codes: 0 fine, 1 there is no answer, or no Kubernetes (stderr says why), 2 wrong "
	"usage.\n";

enum { NAMESPACE, POD, OWNER, CONTAINERS, LABELS, COLUMNS };

static const struct lt_table_column columns[COLUMNS] = {
	[NAMESPACE] = {.title = "NAMESPACE"},
	[POD] = {.title = "POD"},
	[OWNER] = {.title = "OWNER"},
	[CONTAINERS] = {.title = "CONTAINERS", .least = 12, .drop = 2},
	[LABELS] = {.title = "LABELS", .least = 12, .drop = 1},
};

/* A pod, ready to be printed. */
struct entry {
	struct entry *next;
	char *uid, *json, *cells[COLUMNS];
	bool pending;
};

struct pods {
	const char *config;
	bool json, follow;
	uint64_t timeout_s;
	pthread_mutex_t lock; /* of what follows: the source has its own threads */
	struct entry *first;
	bool works;
	char why[512];
};

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
	(void)signal;
	stopped = 1;
}

/* ---- one pod --------------------------------------------------------------------------------- */

static void write_pairs(struct lt_json_writer *w, const char *key, struct lt_pairs pairs)
{
	lt_json_key(w, key);
	lt_json_begin_object(w);
	for (size_t i = 0; i < pairs.count; i++) {
		lt_json_key(w, pairs.at[i].key);
		lt_json_string(w, pairs.at[i].value);
	}
	lt_json_end_object(w);
}

static void write_text(struct lt_json_writer *w, const char *key, const char *text)
{
	lt_json_key(w, key);
	lt_json_string(w, text && text[0] ? text : NULL);
}

static void write_pod(FILE *out, const struct lt_pod_facts *pod)
{
	struct lt_json_writer w;

	lt_json_writer_init(&w, out);
	lt_json_begin_object(&w);
	write_text(&w, "namespace", pod->namespace);
	write_text(&w, "pod", pod->name);
	write_text(&w, "uid", pod->uid);
	write_text(&w, "cgroup_uid", pod->cgroup_uid);
	write_text(&w, "node", pod->node);
	write_text(&w, "service_account", pod->service_account);
	write_text(&w, "owner_kind", pod->owner_kind);
	write_text(&w, "owner_name", pod->owner_name);
	lt_json_key(&w, "owner_pending");
	lt_json_bool(&w, pod->owner_pending);
	write_pairs(&w, "labels", pod->labels);
	write_pairs(&w, "annotations", pod->annotations);
	lt_json_key(&w, "containers");
	lt_json_begin_array(&w);
	for (size_t i = 0; i < pod->container_count; i++) {
		lt_json_begin_object(&w);
		write_text(&w, "name", pod->containers[i].name);
		write_text(&w, "id", pod->containers[i].id);
		write_text(&w, "image", pod->containers[i].image);
		write_text(&w, "digest", pod->containers[i].digest);
		lt_json_end_object(&w);
	}
	lt_json_end_array(&w);
	lt_json_end_object(&w);
}

/* Appends "NAME" or "NAME=VALUE" to a list. */
static void append(char *to, size_t size, const char *name, const char *value)
{
	size_t n = strlen(to);

	snprintf(to + n, size - n, "%s%s%s%s", n ? "," : "", name, value ? "=" : "",
		 value ? value : "");
}

static int copy_cell(struct entry *e, int column, const char *text)
{
	e->cells[column] = lt_strdup(text[0] ? text : "-");
	return e->cells[column] ? 0 : -ENOMEM;
}

static int fill_cells(struct entry *e, const struct lt_pod_facts *pod)
{
	char owner[2 * LT_TABLE_CELL] = "", containers[LT_TABLE_CELL] = "";
	char labels[2 * LT_TABLE_CELL] = "";

	if (pod->owner_kind && pod->owner_kind[0])
		snprintf(owner, sizeof(owner), "%s/%s%s", pod->owner_kind, pod->owner_name,
			 pod->owner_pending ? " ?" : "");
	for (size_t i = 0; i < pod->container_count; i++)
		append(containers, sizeof(containers), pod->containers[i].name, NULL);
	for (size_t i = 0; i < pod->labels.count; i++)
		append(labels, sizeof(labels), pod->labels.at[i].key, pod->labels.at[i].value);
	if (copy_cell(e, NAMESPACE, pod->namespace) < 0 || copy_cell(e, POD, pod->name) < 0 ||
	    copy_cell(e, OWNER, owner) < 0 || copy_cell(e, CONTAINERS, containers) < 0)
		return -ENOMEM;
	return copy_cell(e, LABELS, labels);
}

static void free_entry(struct entry *e)
{
	lt_free(e->uid);
	free(e->json); /* of open_memstream */
	for (size_t i = 0; i < COLUMNS; i++)
		lt_free(e->cells[i]);
	lt_free(e);
}

static struct entry *new_entry(const struct lt_pod_facts *pod)
{
	struct entry *e = lt_calloc(1, sizeof(*e));
	size_t size;
	FILE *out;

	if (!e)
		return NULL;
	e->uid = lt_strdup(pod->uid);
	e->pending = pod->owner_pending;
	out = open_memstream(&e->json, &size);
	if (out) {
		write_pod(out, pod);
		fclose(out);
	}
	if (e->uid && e->json && fill_cells(e, pod) == 0)
		return e;
	free_entry(e);
	return NULL;
}

/* ---- what the source calls ------------------------------------------------------------------- */

/* Where the pod is, or the end of the list, which is sorted by namespace and name. */
static struct entry **find(struct pods *p, const char *uid)
{
	struct entry **at = &p->first;

	while (*at && strcmp((*at)->uid, uid) != 0)
		at = &(*at)->next;
	return at;
}

static void remove_entry(struct pods *p, const char *uid)
{
	struct entry **at = find(p, uid), *e = *at;

	if (e) {
		*at = e->next;
		free_entry(e);
	}
}

static bool comes_before(const struct entry *a, const struct entry *b)
{
	int order = strcmp(a->cells[NAMESPACE], b->cells[NAMESPACE]);

	return order ? order < 0 : strcmp(a->cells[POD], b->cells[POD]) < 0;
}

static void say_event(const char *event, const char *key, const char *text)
{
	struct lt_json_writer w;

	lt_json_writer_init(&w, stdout);
	lt_json_begin_object(&w);
	write_text(&w, "event", event);
	write_text(&w, key, text);
	lt_json_end_object(&w);
	putchar('\n');
	fflush(stdout);
}

static void on_pod(void *arg, const struct lt_pod_facts *pod)
{
	struct pods *p = arg;
	struct entry *e, **at;

	if (p->follow) {
		printf("{\"event\":\"pod\",\"pod\":");
		write_pod(stdout, pod);
		printf("}\n");
		fflush(stdout);
		return;
	}
	e = new_entry(pod);
	pthread_mutex_lock(&p->lock);
	remove_entry(p, pod->uid);
	for (at = &p->first; e && *at && comes_before(*at, e);)
		at = &(*at)->next;
	if (e) {
		e->next = *at;
		*at = e;
	}
	pthread_mutex_unlock(&p->lock);
}

static void on_gone(void *arg, const char *uid)
{
	struct pods *p = arg;

	if (p->follow) {
		say_event("gone", "uid", uid);
		return;
	}
	pthread_mutex_lock(&p->lock);
	remove_entry(p, uid);
	pthread_mutex_unlock(&p->lock);
}

static void on_status(void *arg, enum lt_kubernetes_status status, const char *text)
{
	static const char *const names[] = {[LT_KUBERNETES_WORKS] = "works",
					    [LT_KUBERNETES_FAILS] = "fails",
					    [LT_KUBERNETES_LACKS] = "lacks"};
	struct pods *p = arg;

	if (p->follow)
		say_event(names[status], "text", text);
	if (status == LT_KUBERNETES_LACKS && !p->follow)
		fprintf(stderr, "ledgertap pods: %s\n", text);
	pthread_mutex_lock(&p->lock);
	if (status == LT_KUBERNETES_WORKS)
		p->works = true;
	if (status == LT_KUBERNETES_FAILS)
		snprintf(p->why, sizeof(p->why), "%s", text);
	pthread_mutex_unlock(&p->lock);
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool is_complete(struct pods *p, uint64_t waited_ms)
{
	bool pending = false, works;

	pthread_mutex_lock(&p->lock);
	for (const struct entry *e = p->first; e; e = e->next)
		pending |= e->pending;
	works = p->works;
	pthread_mutex_unlock(&p->lock);
	return works && (!pending || waited_ms >= OWNERS_MS);
}

/* Whether nobody reads what we print any more. */
static bool is_closed(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP | POLLNVAL));
}

static void wait_for_it(struct pods *p)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};

	for (uint64_t ms = 0; !stopped && (p->follow || ms < p->timeout_s * 1000); ms += STEP_MS) {
		if (p->follow ? is_closed() : is_complete(p, ms))
			return;
		nanosleep(&step, NULL);
	}
}

static void print_json(const struct pods *p)
{
	putchar('[');
	for (const struct entry *e = p->first; e; e = e->next)
		printf("%s\n%s", e == p->first ? "" : ",", e->json);
	printf("\n]\n");
}

static int print_table(const struct pods *p)
{
	lt_defer(lt_table_freep)
	struct lt_table *table = NULL;
	int r = lt_table_new(columns, COLUMNS, lt_terminal_width(stdout),
			     lt_terminal_colour(stdout), &table);

	for (const struct entry *e = p->first; e && r == 0; e = e->next)
		r = lt_table_row(table, (const char *const *)e->cells, NULL);
	if (r == 0)
		lt_table_print(table, stdout);
	return r;
}

static int show(const struct pods *p)
{
	int r = 0;

	if (p->follow)
		return LT_EXIT_OK;
	if (!p->works) {
		fprintf(stderr, "ledgertap pods: %s\n",
			p->why[0] ? p->why : "there is no answer in time");
		return LT_EXIT_FAILED;
	}
	if (p->json)
		print_json(p);
	else
		r = print_table(p);
	return r < 0 || fflush(stdout) != 0 ? LT_EXIT_FAILED : LT_EXIT_OK;
}

static int say_problem(const struct lt_problem *problem, int r)
{
	char text[1024];

	if (r == -ENOMEM)
		snprintf(text, sizeof(text), "out of memory");
	else
		lt_problem_format(problem, text, sizeof(text));
	fprintf(stderr, "ledgertap pods: %s\n", text);
	return LT_EXIT_FAILED;
}

static int run(struct pods *p)
{
	lt_defer(lt_config_freep)
	struct lt_config *config = NULL;
	struct lt_kubernetes_opts opts = {
		.sink = {.arg = p, .pod = on_pod, .pod_gone = on_gone, .status = on_status}};
	struct lt_kubernetes *k = NULL;
	struct sigaction action = {.sa_handler = on_signal};
	struct lt_problem problem = {0};
	int r = lt_config_load(p->config, &config, &problem);

	if (r < 0)
		return say_problem(&problem, r);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	opts.config = config->yaml;
	opts.section = config->kubernetes;
	r = lt_kubernetes_start(&opts, &k, &problem);
	if (r < 0)
		return say_problem(&problem, r);
	if (!k) {
		fprintf(stderr,
			"ledgertap pods: there is no Kubernetes: 'kubernetes: {from: off}', "
			"or 'auto' outside of a pod\n");
		return LT_EXIT_FAILED;
	}
	wait_for_it(p);
	lt_kubernetes_stop(k);
	return show(p);
}

static int parse(int argc, char **argv, struct pods *p)
{
	static const struct option options[] = {{"config", required_argument, NULL, OPT_CONFIG},
						{"json", no_argument, NULL, OPT_JSON},
						{"follow", no_argument, NULL, OPT_FOLLOW},
						{"timeout", required_argument, NULL, OPT_TIMEOUT},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case OPT_CONFIG:
			p->config = optarg;
			break;
		case OPT_JSON:
			p->json = true;
			break;
		case OPT_FOLLOW:
			p->follow = true;
			break;
		case OPT_TIMEOUT:
			if (lt_parse_u64(lt_bytes_str(optarg), &p->timeout_s) == 0 &&
			    p->timeout_s > 0 && p->timeout_s <= 3600)
				break;
			fprintf(stderr, "ledgertap pods: --timeout takes seconds, 1 to 3600\n");
			return -EINVAL;
		case 'h':
			fputs(help, stdout);
			return 1;
		default:
			return -EINVAL;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "ledgertap pods: it takes options only\n");
	return -EINVAL;
}

int lt_cmd_pods(int argc, char **argv)
{
	struct pods p = {.timeout_s = TIMEOUT_S, .lock = PTHREAD_MUTEX_INITIALIZER};
	int r = parse(argc, argv, &p);

	if (r != 0)
		return r < 0 ? LT_EXIT_USAGE : LT_EXIT_OK;
	r = run(&p);
	while (p.first)
		remove_entry(&p, p.first->uid);
	return r;
}
