// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/credentials.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/decode/credential.h"

#define DAY_NS	       86400000000000ull
#define OVERLAP_NS_MAX (366 * DAY_NS)
#define IDLE_NS_MAX    (3660 * DAY_NS)

enum {
	KNOWN_MAX = 65536,
	WORKLOADS_DEFAULT = 5,
	WORKLOADS_MAX = 250, /* what the list of a key holds */
	TEXT_MAX = 127,
	FP_DIGITS = 16,
};

struct reader {
	const struct lt_yaml *yaml;
	struct lt_credentials *out;
	struct lt_problem *problem;
};

static int wrong(const struct reader *r, const struct lt_yaml_node *node, const char *expected)
{
	return lt_yaml_problem(r->yaml, node, r->problem, "%s takes %s",
			       node->key ? node->key : "known", expected);
}

static int read_text(const struct reader *r, const struct lt_yaml_node *node, size_t max,
		     const char *expected, const char **ret)
{
	return lt_yaml_text(r->yaml, node, max, expected, ret, r->problem);
}

static int read_path(const struct reader *r, const struct lt_yaml_node *node, const char **ret)
{
	return lt_yaml_path(r->yaml, node, ret, r->problem);
}

static int read_days(const struct reader *r, const struct lt_yaml_node *node, uint64_t max,
		     const char *expected, uint64_t *ret)
{
	uint64_t ns;

	if (!node)
		return 0;
	if (node->kind != LT_YAML_SCALAR || lt_parse_duration(lt_bytes_str(node->text), &ns) < 0 ||
	    ns > max)
		return wrong(r, node, expected);
	*ret = ns;
	return 0;
}

static int read_max_workloads(const struct reader *r, const struct lt_yaml_node *node)
{
	uint64_t n;

	if (!node)
		return 0;
	if (node->kind != LT_YAML_SCALAR || lt_parse_u64(lt_bytes_str(node->text), &n) < 0 ||
	    n < 1 || n > WORKLOADS_MAX)
		return wrong(r, node, "a number from 1 to 250");
	r->out->max_workloads = n;
	return 0;
}

static int read_fingerprint(const struct reader *r, const struct lt_yaml_node *map, uint64_t *ret)
{
	static const char expected[] = "the 16 hexadecimal digits that 'ledgertap keys "
				       "fingerprint' prints, never the key itself";
	const struct lt_yaml_node *node = lt_yaml_member(map, "fingerprint");

	if (!node)
		return lt_yaml_problem(r->yaml, map, r->problem,
				       "an entry of known needs fingerprint");
	if (node->kind != LT_YAML_SCALAR || strlen(node->text) != FP_DIGITS ||
	    lt_parse_hex_u64(lt_bytes_str(node->text), ret) < 0 || *ret == 0)
		return wrong(r, node, expected);
	return 0;
}

static int read_kind(const struct reader *r, const struct lt_yaml_node *node, const char **ret)
{
	static const char expected[] = "a kind of key such as openai_project, as 'ledgertap keys "
				       "fingerprint' prints it";
	int e = read_text(r, node, TEXT_MAX, expected, ret);

	return e < 0 || !node || lt_key_kind_named(*ret) ? e : wrong(r, node, expected);
}

static int read_known_key(const struct reader *r, const struct lt_yaml_node *map,
			  struct lt_known_key *ret)
{
	static const char *const keys[] = {"fingerprint", "name", "tenant", "kind", NULL};
	static const char expected[] = "a text of at most 127 bytes";
	int e;

	if (map->kind != LT_YAML_MAP)
		return lt_yaml_problem(r->yaml, map, r->problem,
				       "known takes maps such as {fingerprint: "
				       "\"0123456789abcdef\", name: prod, tenant: acme}");
	ret->line = map->line;
	e = lt_yaml_check_keys(r->yaml, map, keys, r->problem);
	if (e == 0)
		e = read_fingerprint(r, map, &ret->fp);
	if (e == 0)
		e = read_text(r, lt_yaml_member(map, "name"), TEXT_MAX, expected, &ret->name);
	if (e == 0)
		e = read_text(r, lt_yaml_member(map, "tenant"), TEXT_MAX, expected, &ret->tenant);
	if (e == 0)
		e = read_kind(r, lt_yaml_member(map, "kind"), &ret->kind);
	return e;
}

static int compare(const void *a, const void *b)
{
	const struct lt_known_key *x = a, *y = b;

	return (x->fp > y->fp) - (x->fp < y->fp);
}

/* [] is a list too: then every key is unknown. */
static int read_known(const struct reader *r, const struct lt_yaml_node *list)
{
	struct lt_credentials *c = r->out;
	size_t n = 0;
	int e = 0;

	if (!list)
		return 0;
	if (list->kind != LT_YAML_LIST)
		return wrong(r, list, "a list of maps with fingerprint, name, tenant and kind");
	lt_yaml_for_each (item, list)
		n++;
	if (n > KNOWN_MAX)
		return wrong(r, list, "at most 65536 entries");
	c->has_known = true;
	c->known = lt_calloc(n + 1, sizeof(c->known[0]));
	if (!c->known)
		return -ENOMEM;
	lt_yaml_for_each (item, list) {
		e = read_known_key(r, item, &c->known[c->known_count]);
		if (e < 0)
			return e;
		c->known_count++;
	}
	qsort(c->known, c->known_count, sizeof(c->known[0]), compare);
	for (size_t i = 1; i < c->known_count; i++) {
		if (c->known[i].fp == c->known[i - 1].fp)
			return lt_problem_set(r->problem, -EINVAL, lt_yaml_name(r->yaml),
					      c->known[i].line > c->known[i - 1].line
						      ? c->known[i].line
						      : c->known[i - 1].line,
					      "this fingerprint stands in known twice");
	}
	return 0;
}

static int read_secrets(const struct reader *r, const struct lt_yaml_node *node)
{
	const struct lt_yaml_node *previous = lt_yaml_member(node, "previous_secret_file");
	int e = read_path(r, lt_yaml_member(node, "secret_file"), &r->out->secret_file);

	if (e == 0)
		e = read_path(r, previous, &r->out->previous_secret_file);
	if (e == 0 && previous && !r->out->secret_file)
		return lt_yaml_problem(
			r->yaml, previous, r->problem,
			"previous_secret_file goes with secret_file; this host's own "
			"secret is changed by 'ledgertap keys rotate'");
	return e;
}

int lt_credentials_read(const struct lt_yaml *yaml, const struct lt_yaml_node *node,
			struct lt_credentials *ret, struct lt_problem *problem)
{
	static const char *const keys[] = {"secret_file", "previous_secret_file", "overlap",
					   "idle_after",  "max_workloads",	  "known",
					   NULL};
	const struct reader r = {.yaml = yaml, .out = ret, .problem = problem};
	int e;

	*ret = (struct lt_credentials){.overlap_ns = 30 * DAY_NS,
				       .idle_ns = 30 * DAY_NS,
				       .max_workloads = WORKLOADS_DEFAULT};
	if (!node)
		return 0;
	if (node->kind != LT_YAML_MAP)
		return wrong(&r, node, "a map with secret_file, known ...");
	e = lt_yaml_check_keys(yaml, node, keys, problem);
	if (e == 0)
		e = read_secrets(&r, node);
	if (e == 0)
		e = read_days(&r, lt_yaml_member(node, "overlap"), OVERLAP_NS_MAX,
			      "a time of at most 366d, such as 30d", &ret->overlap_ns);
	if (e == 0)
		e = read_days(&r, lt_yaml_member(node, "idle_after"), IDLE_NS_MAX,
			      "a time of at most 3660d, such as 30d", &ret->idle_ns);
	if (e == 0)
		e = read_max_workloads(&r, lt_yaml_member(node, "max_workloads"));
	return e < 0 ? e : read_known(&r, lt_yaml_member(node, "known"));
}

void lt_credentials_clear(struct lt_credentials *c)
{
	lt_free(c->known);
	*c = (struct lt_credentials){0};
}
