// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/rules_print.h"

#include <inttypes.h>

#include "userspace/base/clock.h"
#include "userspace/view/table.h"

/* What the ledger would hold if these rules had been asked, beside what it holds. */
struct difference {
	const char *name;
	const char *ledger, *rules;
};

enum { DIFFERENCES = 7 };

static void identity_now(const struct lt_rules_case *c, struct lt_identity *ret)
{
	*ret = c->record->who;
	lt_rules_apply(c->rules, c->facts, ret);
	if (!ret->tenant[0])
		snprintf(ret->tenant, sizeof(ret->tenant), "unattributed");
}

/* Only those that differ. Returns how many. */
static size_t compare(const struct lt_rules_case *c, const struct lt_identity *now,
		      struct difference ret[DIFFERENCES])
{
	const struct lt_identity *was = &c->record->who;
	const struct difference all[DIFFERENCES] = {
		{"tenant", was->tenant, now->tenant},
		{"team", was->team, now->team},
		{"cost_center", was->cost_center, now->cost_center},
		{"use_case", was->use_case, now->use_case},
		{"agent_role", was->agent_role, now->agent_role},
		{"environment", was->environment, now->environment},
		{"tags", was->tags, now->tags},
	};
	size_t n = 0;

	for (size_t i = 0; i < DIFFERENCES; i++) {
		if (strcmp(all[i].ledger, all[i].rules) != 0)
			ret[n++] = all[i];
	}
	return n;
}

static const char *or_nothing(const char *text)
{
	return text && text[0] ? text : "-";
}

/* Calls @each for every fact that is known. */
static void each_fact(const struct lt_rules_case *c,
		      void (*each)(void *arg, const char *name, const char *value), void *arg)
{
	const struct lt_facts *f = c->facts;
	const struct lt_fact_name *name;
	const char *pattern;
	char uid[16];

	for (int i = 0; i < LT_FACT_NAMED; i++) {
		if (f->text[i] && f->text[i][0])
			each(arg, lt_fact_text((enum lt_fact)i), f->text[i]);
	}
	snprintf(uid, sizeof(uid), "%u", f->uid);
	if (f->uid_known)
		each(arg, "uid", uid);
	for (size_t i = 0; i < f->parent_count; i++)
		each(arg, "parent", f->parents[i]);
	for (size_t i = 0; (pattern = lt_rules_command(c->rules, i)) != NULL; i++) {
		if (f->commands >> i & 1)
			each(arg, "command (has)", pattern);
	}
	for (size_t i = 0; (name = lt_rules_name(c->rules, i)) != NULL; i++) {
		if (f->named[i] && f->named[i][0])
			each(arg, name->text, f->named[i]);
	}
}

/* ---- for people ---- */

static void print_text(FILE *out, const char *text)
{
	for (; *text; text++)
		putc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void print_fact(void *arg, const char *name, const char *value)
{
	FILE *out = arg;

	fprintf(out, "  %-22s ", name);
	print_text(out, value);
	putc('\n', out);
}

static void print_title(const struct lt_rules_case *c, FILE *out)
{
	const struct lt_record *r = c->record;
	char id[LT_RECORD_ID_TEXT], when[LT_HUMAN_TEXT];

	if (!r)
		return;
	fprintf(out, "record %s  %s  ", lt_record_id_format(r->id, id),
		lt_human_time(r->start_ns, lt_clock_wall_ns(), when));
	print_text(out, or_nothing(r->who.comm));
	fprintf(out, "(%u)  ", r->who.pid ? r->who.pid : r->call.conn.tgid);
	print_text(out, r->call.provider);
	putc('\n', out);
	if (c->incomplete)
		fprintf(out, "  (not all of its facts had room in the record)\n");
}

static void print_failed(const struct lt_rule_view *v, FILE *out)
{
	fprintf(out, "no     %s is ", v->failed);
	if (v->seen[0])
		putc('\'', out);
	print_text(out, v->seen[0]			    ? v->seen
			: strcmp(v->failed, "command") == 0 ? "none of the patterns"
							    : "not known");
	if (v->seen[0])
		putc('\'', out);
	fprintf(out, ", wanted '%s'", v->wanted);
	if (v->patterns > 1)
		fprintf(out, " or one of %zu more", v->patterns - 1);
	putc('\n', out);
}

static void print_rules(const struct lt_rules_case *c, FILE *out)
{
	struct lt_rule_view v;

	fprintf(out, "rules:%s\n", lt_rules_count(c->rules) ? "" : " none");
	for (size_t i = 0; i < lt_rules_count(c->rules); i++) {
		lt_rules_view(c->rules, i, c->facts, &v);
		fprintf(out, "  %3zu  %s:%u:%u  ", i + 1, c->file, v.line, v.column);
		if (v.matched)
			fprintf(out, "yes\n");
		else
			print_failed(&v, out);
	}
}

static const char *source_of(const struct lt_decision *d)
{
	return d->by_default ? "default" : lt_identity_source_name(d->source);
}

static void print_decisions(const struct lt_rules_case *c, const struct lt_rules_verdict *v,
			    FILE *out)
{
	const char *target;
	bool any = false;

	fprintf(out, "decided:\n");
	for (size_t i = 0; (target = lt_rules_target(c->rules, i)) != NULL; i++) {
		const struct lt_decision *d = &v->of[i];

		if (!d->made)
			continue;
		any = true;
		fprintf(out, "  %-12s ", target);
		print_text(out, d->value);
		fprintf(out, "  by rule %zu (%s)\n", d->rule + 1, source_of(d));
	}
	if (!any)
		fprintf(out, "  nothing: the tenant is unattributed\n");
	for (size_t i = 0; i < LT_DIMENSIONS; i++) {
		const struct lt_decision *d = &v->claim[i];

		if (!d->made)
			continue;
		fprintf(out, "  conflict: rule %zu (%s) would have %s ", d->rule + 1, source_of(d),
			lt_rules_target(c->rules, i));
		print_text(out, d->value);
		putc('\n', out);
	}
}

bool lt_rules_print(const struct lt_rules_case *c, FILE *out)
{
	struct difference differs[DIFFERENCES];
	struct lt_rules_verdict v;
	struct lt_identity now;
	size_t n;

	print_title(c, out);
	fprintf(out, "facts:\n");
	each_fact(c, print_fact, out);
	print_rules(c, out);
	lt_rules_decide(c->rules, c->facts, &v);
	print_decisions(c, &v, out);
	if (!c->record)
		return true;
	identity_now(c, &now);
	n = compare(c, &now, differs);
	fprintf(out, "the ledger's record says %s\n", n == 0 ? "the same" : "otherwise:");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "  %-12s ", differs[i].name);
		print_text(out, or_nothing(differs[i].ledger));
		fprintf(out, ", and these rules ");
		print_text(out, or_nothing(differs[i].rules));
		putc('\n', out);
	}
	return n == 0;
}

/* ---- for programs ---- */

static void put(struct lt_json_writer *w, const char *key, const char *text)
{
	lt_json_key(w, key);
	lt_json_string(w, text);
}

static void put_number(struct lt_json_writer *w, const char *key, uint64_t n)
{
	lt_json_key(w, key);
	lt_json_u64(w, n);
}

static void write_fact(void *arg, const char *name, const char *value)
{
	struct lt_json_writer *w = arg;

	lt_json_begin_object(w);
	put(w, "fact", name);
	put(w, "value", value);
	lt_json_end_object(w);
}

static void write_rules(const struct lt_rules_case *c, struct lt_json_writer *w)
{
	struct lt_rule_view v;

	lt_json_key(w, "rules");
	lt_json_begin_array(w);
	for (size_t i = 0; i < lt_rules_count(c->rules); i++) {
		lt_rules_view(c->rules, i, c->facts, &v);
		lt_json_begin_object(w);
		put_number(w, "rule", i + 1);
		put_number(w, "line", v.line);
		put_number(w, "column", v.column);
		lt_json_key(w, "matched");
		lt_json_bool(w, v.matched);
		if (!v.matched) {
			put(w, "failed", v.failed);
			put(w, "wanted", v.wanted);
			put_number(w, "patterns", v.patterns);
			put(w, "seen", v.seen[0] ? v.seen : NULL);
		}
		lt_json_end_object(w);
	}
	lt_json_end_array(w);
}

static void write_decision(struct lt_json_writer *w, const char *target,
			   const struct lt_decision *d)
{
	if (!d->made)
		return;
	lt_json_key(w, target);
	lt_json_begin_object(w);
	put(w, "value", d->value);
	put_number(w, "rule", d->rule + 1);
	put(w, "source", source_of(d));
	lt_json_end_object(w);
}

static void write_decisions(const struct lt_rules_case *c, struct lt_json_writer *w)
{
	struct lt_rules_verdict v;
	const char *target;

	lt_rules_decide(c->rules, c->facts, &v);
	lt_json_key(w, "decided");
	lt_json_begin_object(w);
	for (size_t i = 0; (target = lt_rules_target(c->rules, i)) != NULL; i++)
		write_decision(w, target, &v.of[i]);
	lt_json_end_object(w);
	lt_json_key(w, "conflicts");
	lt_json_begin_object(w);
	for (size_t i = 0; i < LT_DIMENSIONS; i++)
		write_decision(w, lt_rules_target(c->rules, i), &v.claim[i]);
	lt_json_end_object(w);
}

static bool write_ledger(const struct lt_rules_case *c, struct lt_json_writer *w)
{
	struct difference differs[DIFFERENCES];
	struct lt_identity now;
	size_t n;

	identity_now(c, &now);
	n = compare(c, &now, differs);
	lt_json_key(w, "same_as_ledger");
	lt_json_bool(w, n == 0);
	lt_json_key(w, "ledger");
	lt_json_begin_object(w);
	for (size_t i = 0; i < n; i++)
		put(w, differs[i].name, differs[i].ledger[0] ? differs[i].ledger : NULL);
	lt_json_end_object(w);
	return n == 0;
}

bool lt_rules_print_json(const struct lt_rules_case *c, struct lt_json_writer *w)
{
	char id[LT_RECORD_ID_TEXT];
	bool same = true;

	lt_json_begin_object(w);
	if (c->record) {
		put(w, "record_id", lt_record_id_format(c->record->id, id));
		lt_json_key(w, "facts_incomplete");
		lt_json_bool(w, c->incomplete);
	}
	lt_json_key(w, "facts");
	lt_json_begin_array(w);
	each_fact(c, write_fact, w);
	lt_json_end_array(w);
	write_rules(c, w);
	write_decisions(c, w);
	if (c->record)
		same = write_ledger(c, w);
	lt_json_end_object(w);
	return same;
}
