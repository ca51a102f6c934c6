// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/claims.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/discover/otel_context.h"
#include "userspace/discover/procfs.h"

enum {
	MAX_PROCESSES = 1024,
	WAYS = 4,
	COMMAND_BYTES = 32 << 10, /* a longer command line is compared so far */
	ENVIRON_BYTES = 256 << 10,
	STEP = 4096,
	VARIABLE_BYTES = 4096, /* OTEL_RESOURCE_ATTRIBUTES with its name; a longer one is cut */
};

/* An SDK may publish its attributes some time after the first call: it is looked for again when so
 * long has gone by since the first look. */
static const uint64_t looks_ns[] = {0, 50000000, 1000000000, 30000000000};

static const char attributes_is[] = "OTEL_RESOURCE_ATTRIBUTES=";
static const char service_is[] = "OTEL_SERVICE_NAME=";

struct entry {
	uint32_t tgid;
	uint64_t start_ns;
	uint64_t used; /* of the clock below */
	uint64_t first_look_ns;
	unsigned looks;		/* so far */
	bool published;		/* a process context was read */
	bool named;		/* OTEL_SERVICE_NAME was set */
	struct lt_rules *rules; /* that the slots and bits below are of */
	struct lt_process_claims claims;
};

struct lt_claims {
	char proc[256];
	size_t sets;
	uint64_t clock;
	struct lt_otel_reader *reader;
	struct entry **slots; /* sets x WAYS, NULL: free */
};

int lt_claims_new(const struct lt_claims_opts *opts, struct lt_claims **ret)
{
	lt_defer(lt_claims_freep)
	struct lt_claims *c = lt_calloc(1, sizeof(*c));
	size_t max = opts->max_processes ? opts->max_processes : MAX_PROCESSES;
	int r;

	if (!c)
		return -ENOMEM;
	if (!lt_bytes_copy(c->proc, sizeof(c->proc),
			   lt_bytes_str(opts->proc ? opts->proc : "/proc")))
		return -EINVAL;
	c->sets = (max + WAYS - 1) / WAYS;
	c->slots = lt_calloc(c->sets * WAYS, sizeof(c->slots[0]));
	if (!c->slots)
		return -ENOMEM;
	r = lt_otel_reader_new(&c->reader);
	if (r < 0)
		return r;
	*ret = lt_take(c);
	return 0;
}

static struct entry *free_entry(struct entry *e)
{
	if (e)
		lt_rules_free(e->rules);
	lt_free(e);
	return NULL;
}

struct lt_claims *lt_claims_free(struct lt_claims *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; c->slots && i < c->sets * WAYS; i++)
		free_entry(c->slots[i]);
	lt_free(c->slots);
	lt_otel_reader_free(c->reader);
	lt_free(c);
	return NULL;
}

static struct entry **set_of(struct lt_claims *c, uint32_t tgid)
{
	return &c->slots[tgid * 2654435761u % c->sets * WAYS];
}

/* The process's entry, or a new one in place of the longest unused of its set. */
static struct entry *entry_of(struct lt_claims *c, struct lt_rules *rules,
			      const struct lt_process *p)
{
	struct entry **set = set_of(c, p->tgid), **oldest = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i] && set[i]->tgid == p->tgid && set[i]->start_ns == p->start_ns) {
			set[i]->used = ++c->clock;
			return set[i];
		}
		if (*oldest && (!set[i] || set[i]->used < (*oldest)->used))
			oldest = &set[i];
	}
	*oldest = free_entry(*oldest);
	*oldest = lt_calloc(1, sizeof(**oldest));
	if (!*oldest)
		return NULL;
	(*oldest)->tgid = p->tgid;
	(*oldest)->start_ns = p->start_ns;
	(*oldest)->used = ++c->clock;
	(*oldest)->rules = lt_rules_ref(rules);
	return *oldest;
}

void lt_claims_forget(struct lt_claims *c, uint32_t tgid)
{
	struct entry **set = set_of(c, tgid);

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i] && set[i]->tgid == tgid)
			set[i] = free_entry(set[i]);
	}
}

/* ---- attributes ---- */

static const struct lt_fact_name *find_resource(const struct lt_rules *rules, const char *key)
{
	const struct lt_fact_name *name;

	for (size_t i = 0; (name = lt_rules_name(rules, i)) != NULL; i++) {
		if (name->family == LT_FAMILY_RESOURCE && strcmp(name->key, key) == 0)
			return name;
	}
	return NULL;
}

/* lt_otel_sink: only what somebody asks for is kept. */
static void on_attribute(void *arg, const char *key, const char *value)
{
	struct entry *e = arg;
	const struct lt_fact_name *name = find_resource(e->rules, key);

	if (strcmp(key, "service.name") == 0 && !e->named)
		lt_bytes_copy(e->claims.service_name, sizeof(e->claims.service_name),
			      lt_bytes_str(value));
	if (name)
		lt_bytes_copy(e->claims.resource[name->slot], sizeof(e->claims.resource[0]),
			      lt_bytes_str(value));
}

static void take_variable(struct entry *e, struct lt_bytes variable)
{
	const struct lt_otel_sink sink = {.arg = e, .attribute = on_attribute};

	if (lt_bytes_starts(variable, service_is) && variable.n > strlen(service_is)) {
		/* It goes before the attribute of that name, whichever comes first. */
		e->named = false;
		lt_bytes_copy(e->claims.service_name, sizeof(e->claims.service_name),
			      lt_bytes_skip(variable, strlen(service_is)));
		e->named = true;
	} else if (lt_bytes_starts(variable, attributes_is)) {
		lt_otel_resource_list(lt_bytes_skip(variable, strlen(attributes_is)), &sink);
	}
}

struct variable {
	char text[VARIABLE_BYTES];
	size_t n;
};

static void take_environ(struct entry *e, struct variable *v, struct lt_bytes step)
{
	for (size_t i = 0; i < step.n; i++) {
		if (step.p[i] != '\0') {
			if (v->n < sizeof(v->text))
				v->text[v->n++] = (char)step.p[i];
			continue;
		}
		take_variable(e, lt_bytes(v->text, v->n));
		v->n = 0;
	}
}

static void read_environ(struct entry *e, int pid_fd)
{
	lt_defer(lt_closep)
	int fd = openat(pid_fd, "environ", O_RDONLY | O_CLOEXEC);
	struct variable v = {.n = 0};
	char step[STEP];

	for (size_t total = 0; fd >= 0 && total < ENVIRON_BYTES;) {
		ssize_t got = read(fd, step, sizeof(step));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		take_environ(e, &v, lt_bytes(step, (size_t)got));
		total += (size_t)got;
	}
	/* Other variables hold keys. */
	lt_wipe(step, sizeof(step));
	lt_wipe(&v, sizeof(v));
}

/* ---- the command line ---- */

/* Words may hold keys and prompts: what is kept is which patterns they have. */
static void read_command(struct entry *e, int pid_fd)
{
	lt_defer(lt_closep)
	int fd = -1;
	size_t n = 0;
	char *text;

	if (!lt_rules_command(e->rules, 0))
		return;
	fd = openat(pid_fd, "cmdline", O_RDONLY | O_CLOEXEC);
	text = fd >= 0 ? lt_calloc(1, COMMAND_BYTES) : NULL;
	while (text && n < COMMAND_BYTES) {
		ssize_t got = read(fd, text + n, COMMAND_BYTES - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	if (n > 0)
		e->claims.commands = lt_rules_match_command(e->rules, lt_bytes(text, n));
	if (text)
		lt_wipe(text, COMMAND_BYTES);
	lt_free(text);
}

/* ---- looking ---- */

/* The rules are others now: what is known stays where its name does. */
static void translate(struct entry *e, struct lt_rules *rules)
{
	const struct lt_process_claims before = e->claims;
	const struct lt_fact_name *name;
	const char *pattern, *old;

	memset(e->claims.resource, 0, sizeof(e->claims.resource));
	e->claims.commands = 0;
	for (size_t i = 0; (name = lt_rules_name(rules, i)) != NULL; i++) {
		const struct lt_fact_name *was = name->family == LT_FAMILY_RESOURCE
							 ? find_resource(e->rules, name->key)
							 : NULL;

		if (was)
			memcpy(e->claims.resource[name->slot], before.resource[was->slot],
			       sizeof(before.resource[0]));
	}
	for (size_t i = 0; (pattern = lt_rules_command(rules, i)) != NULL; i++) {
		for (size_t k = 0; (old = lt_rules_command(e->rules, k)) != NULL; k++) {
			if (strcmp(pattern, old) == 0 && before.commands >> k & 1)
				e->claims.commands |= 1ull << i;
		}
	}
	lt_rules_free(e->rules);
	e->rules = lt_rules_ref(rules);
	e->looks = 0;
}

/* -ESRCH: the number is another process's now. */
static int open_process(const struct lt_claims *c, const struct entry *e)
{
	lt_defer(lt_closep)
	int fd = c->proc[0] ? lt_procfs_open(c->proc, e->tgid) : -ENOENT;
	struct lt_procfs_stat stat;
	uint64_t apart;
	int r;

	if (fd < 0)
		return fd;
	r = lt_procfs_stat(fd, &stat);
	if (r < 0)
		return r;
	apart = stat.start_ns > e->start_ns ? stat.start_ns - e->start_ns
					    : e->start_ns - stat.start_ns;
	if (apart > LT_PROCFS_SLACK_NS)
		return -ESRCH;
	r = fd;
	fd = -1;
	return r;
}

static void look(struct lt_claims *c, struct entry *e, uint64_t now_ns)
{
	const struct lt_otel_sink sink = {.arg = e, .attribute = on_attribute};
	lt_defer(lt_closep)
	int fd = -1;

	if (e->looks == 0)
		e->first_look_ns = now_ns;
	if (e->looks >= LT_COUNT(looks_ns) || (e->published && e->looks > 0) ||
	    now_ns - e->first_look_ns < looks_ns[e->looks])
		return;
	fd = open_process(c, e);
	if (fd < 0) {
		e->looks = LT_COUNT(looks_ns);
		return;
	}
	if (e->looks++ == 0) {
		read_command(e, fd);
		read_environ(e, fd);
	}
	/* What an SDK publishes it has made of the environment and more: it replaces that. */
	if (!e->published) {
		bool named = e->named;

		e->named = false;
		e->published = lt_otel_context_read(c->reader, fd, &sink) == 0;
		e->named = named;
	}
}

const struct lt_process_claims *lt_claims_look(struct lt_claims *c, struct lt_rules *rules,
					       const struct lt_process *p, uint64_t now_ns)
{
	struct entry *e = entry_of(c, rules, p);

	if (!e)
		return NULL;
	if (e->rules != rules)
		translate(e, rules);
	look(c, e, now_ns);
	return &e->claims;
}

void lt_claims_environ(struct lt_claims *c, struct lt_rules *rules, const struct lt_process *p,
		       struct lt_bytes text)
{
	struct variable v = {.n = 0};
	struct entry *e;

	/* It comes for every connection, also of those that make no call. */
	if (text.n == 0 || !memmem(text.p, text.n, "OTEL_", 5))
		return;
	e = entry_of(c, rules, p);
	if (!e)
		return;
	if (e->rules != rules)
		translate(e, rules);
	/* /proc says more (the whole environment), when it could still be read. */
	if (e->looks == 0 || !e->claims.service_name[0])
		take_environ(e, &v, text);
	lt_wipe(&v, sizeof(v));
}
