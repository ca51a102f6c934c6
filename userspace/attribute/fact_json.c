// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/fact_json.h"

#include <errno.h>
#include <stdio.h>

#include "userspace/attribute/bounded_json.h"
#include "userspace/base/alloc.h"
#include "userspace/base/json_scan.h"

/* Members beside the named facts, which keep their names. */
#define COMMAND	   "command"
#define ORG_SAID   "organization_said_by"
#define PROJ_SAID  "project_said_by"
#define INCOMPLETE "incomplete"

enum {
	VALUE_BYTES = 256,
	FIXED_PATHS = 6,
	INCOMPLETE_BYTES = 24, /* ,"incomplete":"yes" */
};

static void write_named(struct lt_bounded_json *json, const struct lt_rules *rules,
			const struct lt_facts *facts)
{
	const struct lt_fact_name *name;
	char value[VALUE_BYTES];

	for (size_t i = 0; (name = lt_rules_name(rules, i)) != NULL; i++) {
		if (!facts->named[i])
			continue;
		lt_bytes_copy(value, sizeof(value), lt_bytes_str(facts->named[i]));
		lt_bounded_json_text(json, name->text, value);
	}
}

/* The config's own patterns, as one text with a line for each: the command line is not kept. */
static void write_commands(struct lt_bounded_json *json, const struct lt_rules *rules,
			   uint64_t commands)
{
	const char *pattern;
	char text[VALUE_BYTES] = "";
	size_t n = 0;

	for (size_t i = 0; (pattern = lt_rules_command(rules, i)) != NULL; i++) {
		size_t length = strlen(pattern);

		if (!(commands >> i & 1))
			continue;
		if (n + length + 2 > sizeof(text)) {
			lt_bounded_json_cut(json);
			continue;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? "\n" : "",
				      pattern);
	}
	lt_bounded_json_text(json, COMMAND, text);
}

void lt_facts_write(const struct lt_rules *rules, const struct lt_facts *facts,
		    char to[LT_FACTS_SIZE])
{
	lt_defer(lt_bounded_json_freep)
	struct lt_bounded_json *json = NULL;
	size_t n;

	to[0] = '\0';
	if (lt_bounded_json_new(LT_FACTS_SIZE - INCOMPLETE_BYTES, &json) < 0)
		return;
	if (lt_rules_read(rules, LT_FACT_USER))
		lt_bounded_json_text(json, "user", facts->text[LT_FACT_USER]);
	if (lt_rules_read(rules, LT_FACT_SERVICE_ACCOUNT))
		lt_bounded_json_text(json, "service_account", facts->text[LT_FACT_SERVICE_ACCOUNT]);
	/* Always: rules that come later must not take it for the provider's word. */
	if (facts->organization_claimed)
		lt_bounded_json_text(json, ORG_SAID, "request");
	if (facts->project_claimed)
		lt_bounded_json_text(json, PROJ_SAID, "request");
	if (facts->commands)
		write_commands(json, rules, facts->commands);
	write_named(json, rules, facts);
	if (lt_bounded_json_end(json, to))
		return;
	n = strlen(to);
	snprintf(to + (n ? n - 1 : 0), INCOMPLETE_BYTES, "%s\"" INCOMPLETE "\":\"yes\"}",
		 n ? "," : "{");
}

/* ---- back ---- */

struct reading {
	const struct lt_rules *rules;
	struct lt_fact_store *store;
	struct lt_facts *facts;
	bool full;
};

enum { PATH_USER, PATH_ACCOUNT, PATH_ORG, PATH_PROJ, PATH_COMMAND, PATH_INCOMPLETE };

static const char *keep(struct reading *r, struct lt_bytes text)
{
	struct lt_fact_store *s = r->store;
	char *to = s->text + s->used;

	if (s->used + text.n + 1 > sizeof(s->text)) {
		r->full = true;
		return NULL;
	}
	lt_bytes_copy(to, text.n + 1, text);
	s->used += text.n + 1;
	return to;
}

static void take_commands(struct reading *r, struct lt_bytes text)
{
	const char *pattern;

	for (size_t i = 0; (pattern = lt_rules_command(r->rules, i)) != NULL; i++) {
		for (struct lt_bytes rest = text; rest.n > 0;) {
			const uint8_t *end = memchr(rest.p, '\n', rest.n);
			size_t n = end ? (size_t)(end - rest.p) : rest.n;

			if (lt_bytes_is(lt_bytes(rest.p, n), pattern))
				r->facts->commands |= 1ull << i;
			rest = lt_bytes_skip(rest, n + 1);
		}
	}
}

static void on_hit(void *arg, const struct lt_json_hit *hit)
{
	struct reading *r = arg;

	if (hit->type != LT_JSON_STRING)
		return;
	switch (hit->path) {
	case PATH_USER:
		r->facts->text[LT_FACT_USER] = keep(r, hit->text);
		break;
	case PATH_ACCOUNT:
		r->facts->text[LT_FACT_SERVICE_ACCOUNT] = keep(r, hit->text);
		break;
	case PATH_ORG:
		r->facts->organization_claimed = true;
		break;
	case PATH_PROJ:
		r->facts->project_claimed = true;
		break;
	case PATH_COMMAND:
		r->store->incomplete |= hit->cut;
		take_commands(r, hit->text);
		break;
	case PATH_INCOMPLETE:
		r->store->incomplete = true;
		break;
	default:
		r->facts->named[hit->path - FIXED_PATHS] = keep(r, hit->text);
	}
}

/* One path for each member that may be there: the named ones in quotes, for they hold dots. */
static int make_paths(const struct lt_rules *rules, struct lt_json_paths **ret)
{
	static const char *const fixed[FIXED_PATHS] = {"user",	  "service_account", ORG_SAID,
						       PROJ_SAID, COMMAND,	     INCOMPLETE};
	const char *paths[FIXED_PATHS + LT_FACT_NAMES_MAX];
	lt_defer(lt_freep)
	char(*quoted)[LT_FACT_NAME_BYTES + 4] = lt_calloc(LT_FACT_NAMES_MAX, sizeof(*quoted));
	const struct lt_fact_name *name;
	size_t count = 0, bad;

	if (!quoted)
		return -ENOMEM;
	memcpy(paths, fixed, sizeof(fixed));
	for (; (name = lt_rules_name(rules, count)) != NULL; count++) {
		snprintf(quoted[count], sizeof(*quoted), "\"%s\"", name->text);
		paths[FIXED_PATHS + count] = quoted[count];
	}
	return lt_json_paths_new(paths, FIXED_PATHS + count, ret, &bad);
}

int lt_facts_read(const struct lt_rules *rules, const char *text, struct lt_fact_store *store,
		  struct lt_facts *facts)
{
	lt_defer(lt_json_paths_freep)
	struct lt_json_paths *paths = NULL;
	lt_defer(lt_json_scan_freep)
	struct lt_json_scan *scan = NULL;
	struct reading reading = {.rules = rules, .store = store, .facts = facts};
	const struct lt_json_sink sink = {.arg = &reading, .hit = on_hit};
	int r;

	if (!text[0])
		return 0;
	r = make_paths(rules, &paths);
	if (r == 0)
		r = lt_json_scan_new(paths, &sink, &scan);
	if (r == 0)
		r = lt_json_scan_feed(scan, lt_bytes_str(text));
	if (r == 0)
		r = lt_json_scan_finish(scan);
	store->incomplete |= reading.full;
	return r;
}
