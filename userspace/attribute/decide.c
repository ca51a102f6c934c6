// SPDX-License-Identifier: Apache-2.0
/* Facts against rules: which hold, which of them decides, and what speaks against it. */
#include <stdio.h>

#include "userspace/attribute/bounded_json.h"
#include "userspace/attribute/rules_internal.h"
#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"
#include "userspace/base/parse.h"

/*
 * How far a figure can be trusted: a rule over what the kernel saw cannot be talked into a wrong
 * answer by the process; its environment can be chosen by whoever starts it; a default knows
 * nothing of the call at all.
 */
enum {
	CONFIDENCE_ADMIN_MAP = 90,
	CONFIDENCE_ORCHESTRATOR = 80,
	CONFIDENCE_PROCESS_CONTEXT = 70,
	CONFIDENCE_DEFAULT = 50,
	CONFIDENCE_CLIENT_CLAIM = 30,
};

/* What a rule says where no other does. */
enum { RANK_DEFAULT = LT_IDENTITY_CLIENT_CLAIM + 1 };

/* ---- conditions ---- */

static bool text_matches(const struct lt_rule_condition *c, const char *text)
{
	if (!text || !text[0])
		return false;
	for (size_t i = 0; i < c->count; i++) {
		const char *glob = c->patterns[i].glob;

		if (c->fact == LT_FACT_HOST ? lt_glob_match_nocase(glob, lt_bytes_str(text))
					    : lt_glob_match(glob, lt_bytes_str(text)))
			return true;
	}
	return false;
}

static bool uid_matches(const struct lt_rule_condition *c, const struct lt_facts *f)
{
	for (size_t i = 0; f->uid_known && i < c->count; i++) {
		if (f->uid >= c->patterns[i].from && f->uid <= c->patterns[i].to)
			return true;
	}
	return false;
}

static bool parent_matches(const struct lt_rule_condition *c, const struct lt_facts *f)
{
	for (size_t i = 0; i < f->parent_count; i++) {
		if (text_matches(c, f->parents[i]))
			return true;
	}
	return false;
}

static bool condition_holds(const struct lt_rule_condition *c, const struct lt_facts *f)
{
	if (c->fact >= LT_FACT_NAMED)
		return text_matches(c, f->named[c->fact - LT_FACT_NAMED]);
	if (c->fact == LT_FACT_UID)
		return uid_matches(c, f);
	if (c->fact == LT_FACT_PARENT)
		return parent_matches(c, f);
	if (c->fact == LT_FACT_COMMAND)
		return (c->commands & f->commands) != 0;
	return text_matches(c, f->text[c->fact]);
}

static const struct lt_rule_condition *first_failed(const struct lt_rule *rule,
						    const struct lt_facts *f)
{
	for (size_t i = 0; i < rule->condition_count; i++) {
		if (!condition_holds(&rule->conditions[i], f))
			return &rule->conditions[i];
	}
	return NULL;
}

/* ---- classes ---- */

/* Never stronger than what lt_fact_class says. */
static unsigned class_now(const struct lt_rules *rules, unsigned fact, const struct lt_facts *f)
{
	if (fact >= LT_FACT_NAMED)
		return lt_family_class(rules->names[fact - LT_FACT_NAMED].family);
	if ((fact == LT_FACT_ORGANIZATION && f->organization_claimed) ||
	    (fact == LT_FACT_PROJECT && f->project_claimed))
		return LT_IDENTITY_CLIENT_CLAIM;
	if (((fact == LT_FACT_CONTAINER_ID || fact == LT_FACT_RUNTIME) && f->container_claimed) ||
	    ((fact == LT_FACT_POD_UID || fact == LT_FACT_QOS) && f->pod_claimed))
		return LT_IDENTITY_PROCESS_CONTEXT;
	return lt_fact_class((enum lt_fact)fact);
}

static unsigned weaker(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static unsigned work_out_rank(const struct lt_rules *rules, const struct lt_rule *rule,
			      const struct lt_rule_set *set, const struct lt_facts *f)
{
	unsigned rank = LT_IDENTITY_ADMIN_MAP, fact = 0;
	bool reads = rule->condition_count > 0;

	for (size_t i = 0; i < rule->condition_count; i++)
		rank = weaker(rank, class_now(rules, rule->conditions[i].fact, f));
	for (unsigned i = 0; lt_rule_value_reads(set->value, i, &fact); i++) {
		rank = weaker(rank, class_now(rules, fact, f));
		reads = true;
	}
	return reads ? rank : RANK_DEFAULT;
}

void lt_rules_rank(struct lt_rules *rules)
{
	static const struct lt_facts nothing_claimed, all_claimed = {.organization_claimed = true,
								     .project_claimed = true,
								     .container_claimed = true,
								     .pod_claimed = true};

	for (size_t i = 0; i < rules->count; i++) {
		struct lt_rule *rule = &rules->rules[i];

		for (size_t k = 0; k < rule->set_count; k++) {
			struct lt_rule_set *set = &rule->sets[k];

			set->rank = work_out_rank(rules, rule, set, &nothing_claimed);
			set->varies = set->rank != work_out_rank(rules, rule, set, &all_claimed);
		}
	}
}

static unsigned rank_of(const struct lt_rules *rules, const struct lt_rule *rule,
			const struct lt_rule_set *set, const struct lt_facts *f)
{
	return set->varies ? work_out_rank(rules, rule, set, f) : set->rank;
}

/* ---- deciding ---- */

struct deciding {
	const struct lt_rules *rules;
	const struct lt_facts *facts;
	unsigned rank[LT_TARGETS_MAX]; /* of the decision so far, beyond all when there is none */
	struct lt_rules_verdict *verdict;
	/* The first claims of either class, to be compared when all is decided. */
	struct lt_decision claims[LT_DIMENSIONS][2];
};

static void take(struct lt_decision *d, unsigned rank, size_t rule, const char *value)
{
	d->made = true;
	d->by_default = rank == RANK_DEFAULT;
	d->source = d->by_default ? LT_IDENTITY_ADMIN_MAP : (enum lt_identity_source)rank;
	d->rule = rule;
	memcpy(d->value, value, LT_DIMENSION_SIZE);
}

static struct lt_decision *claim_of(struct deciding *d, unsigned target, unsigned rank)
{
	if (target >= LT_DIMENSIONS || !lt_rule_dimensions[target].conflict)
		return NULL;
	if (rank == LT_IDENTITY_PROCESS_CONTEXT)
		return &d->claims[target][0];
	return rank == LT_IDENTITY_CLIENT_CLAIM ? &d->claims[target][1] : NULL;
}

/* Whether what the rule says of the target could change anything. */
static bool matters(struct deciding *d, const struct lt_rule_set *set, unsigned rank)
{
	struct lt_decision *claim = claim_of(d, set->target, rank);

	return rank < d->rank[set->target] || (claim && !claim->made);
}

static void decide_set(struct deciding *d, size_t rule, const struct lt_rule_set *set)
{
	unsigned rank = rank_of(d->rules, &d->rules->rules[rule], set, d->facts);
	struct lt_decision *claim = claim_of(d, set->target, rank);
	char value[LT_DIMENSION_SIZE];

	if (!matters(d, set, rank) || !lt_rule_value_expand(set->value, d->facts, value))
		return;
	if (claim && !claim->made)
		take(claim, rank, rule, value);
	if (rank >= d->rank[set->target])
		return;
	d->rank[set->target] = rank;
	take(&d->verdict->of[set->target], rank, rule, value);
}

static bool rule_matters(struct deciding *d, const struct lt_rule *rule)
{
	for (size_t i = 0; i < rule->set_count; i++) {
		if (matters(d, &rule->sets[i], rank_of(d->rules, rule, &rule->sets[i], d->facts)))
			return true;
	}
	return false;
}

static void find_conflicts(struct deciding *d)
{
	for (size_t t = 0; t < LT_DIMENSIONS; t++) {
		const struct lt_decision *by = &d->verdict->of[t];

		for (int i = 0; i < 2 && !d->verdict->claim[t].made; i++) {
			const struct lt_decision *claim = &d->claims[t][i];

			/* One that decided says the same; where one was heard, no default did. */
			if (!claim->made || strcmp(claim->value, by->value) == 0)
				continue;
			d->verdict->claim[t] = *claim;
			d->verdict->claim_conflict |= lt_rule_dimensions[t].conflict;
		}
	}
}

void lt_rules_decide(const struct lt_rules *rules, const struct lt_facts *facts,
		     struct lt_rules_verdict *ret)
{
	struct deciding d = {.rules = rules, .facts = facts, .verdict = ret};

	memset(ret, 0, sizeof(*ret));
	for (size_t t = 0; t < LT_TARGETS_MAX; t++)
		d.rank[t] = RANK_DEFAULT + 1;
	for (size_t i = 0; i < rules->count; i++) {
		const struct lt_rule *rule = &rules->rules[i];

		if (!rule_matters(&d, rule) || first_failed(rule, facts))
			continue;
		for (size_t k = 0; k < rule->set_count; k++)
			decide_set(&d, i, &rule->sets[k]);
	}
	find_conflicts(&d);
}

static unsigned confidence_of(const struct lt_decision *d)
{
	if (d->by_default)
		return CONFIDENCE_DEFAULT;
	switch (d->source) {
	case LT_IDENTITY_ORCHESTRATOR:
		return CONFIDENCE_ORCHESTRATOR;
	case LT_IDENTITY_PROCESS_CONTEXT:
		return CONFIDENCE_PROCESS_CONTEXT;
	case LT_IDENTITY_CLIENT_CLAIM:
		return CONFIDENCE_CLIENT_CLAIM;
	default:
		return CONFIDENCE_ADMIN_MAP;
	}
}

static void write_tags(const struct lt_rules *rules, const struct lt_rules_verdict *v,
		       struct lt_identity *id)
{
	lt_defer(lt_bounded_json_freep)
	struct lt_bounded_json *json = NULL;
	unsigned count = 0;

	id->tags[0] = '\0';
	for (size_t i = 0; i < rules->tag_count && count < LT_TAGS_MAX; i++) {
		const struct lt_decision *d = &v->of[LT_DIMENSIONS + i];

		if (!d->made || (!json && lt_bounded_json_new(sizeof(id->tags), &json) < 0))
			continue;
		lt_bounded_json_text(json, rules->tags[i] + strlen("tags."), d->value);
		count++;
	}
	if (json)
		lt_bounded_json_end(json, id->tags);
}

void lt_rules_apply(const struct lt_rules *rules, const struct lt_facts *facts,
		    struct lt_identity *id)
{
	struct lt_rules_verdict v;

	lt_rules_decide(rules, facts, &v);
	id->source = LT_IDENTITY_NONE;
	id->confidence = 0;
	id->claim_conflict = v.claim_conflict;
	for (size_t t = 0; t < LT_DIMENSIONS; t++) {
		const struct lt_decision *d = &v.of[t];
		unsigned confidence = confidence_of(d);

		memcpy((char *)id + lt_rule_dimensions[t].offset, d->value, LT_DIMENSION_SIZE);
		if (!d->made)
			continue;
		if (id->source == LT_IDENTITY_NONE || confidence < id->confidence)
			id->confidence = confidence;
		if (d->source > id->source)
			id->source = d->source;
	}
	write_tags(rules, &v, id);
}

/* ---- command lines ---- */

uint64_t lt_rules_match_command(const struct lt_rules *rules, struct lt_bytes words)
{
	uint64_t bits = 0;
	char *joined;

	if (rules->command_count == 0 || words.n == 0)
		return 0;
	joined = lt_calloc(1, words.n + 1);
	if (!joined)
		return 0;
	for (size_t i = 0; i < words.n; i++)
		joined[i] = words.p[i] ? (char)words.p[i] : ' ';
	while (words.n > 0 && words.p[words.n - 1] == '\0')
		words.n--;
	for (size_t i = 0; i < rules->command_count; i++) {
		bool has = lt_glob_match(rules->commands[i], lt_bytes(joined, words.n));

		for (size_t at = 0, n; at < words.n && !has; at += n + 1) {
			n = strnlen((const char *)words.p + at, words.n - at);
			has = lt_glob_match(rules->commands[i], lt_bytes(words.p + at, n));
		}
		bits |= (uint64_t)has << i;
	}
	lt_wipe(joined, words.n);
	lt_free(joined);
	return bits;
}

/* ---- explaining ---- */

const char *lt_rules_target(const struct lt_rules *rules, size_t i)
{
	if (i < LT_DIMENSIONS)
		return lt_rule_dimensions[i].key;
	return i - LT_DIMENSIONS < rules->tag_count ? rules->tags[i - LT_DIMENSIONS] : NULL;
}

size_t lt_rules_count(const struct lt_rules *rules)
{
	return rules->count;
}

static void see(const struct lt_rules *rules, unsigned fact, const struct lt_facts *f,
		char to[sizeof(((struct lt_rule_view *)NULL)->seen)])
{
	size_t size = sizeof(((struct lt_rule_view *)NULL)->seen), n = 0;
	const char *text;

	(void)rules;
	to[0] = '\0';
	if (fact == LT_FACT_UID && f->uid_known)
		snprintf(to, size, "%u", f->uid);
	if (fact == LT_FACT_PARENT) {
		for (size_t i = 0; i < f->parent_count && n < size - 1; i++)
			n += (size_t)snprintf(to + n, size - n, "%s%s", i > 0 ? "<" : "",
					      f->parents[i]);
	}
	if (fact == LT_FACT_UID || fact == LT_FACT_PARENT || fact == LT_FACT_COMMAND)
		return;
	text = fact >= LT_FACT_NAMED ? f->named[fact - LT_FACT_NAMED] : f->text[fact];
	if (text)
		lt_bytes_copy(to, size, lt_bytes_str(text));
}

void lt_rules_view(const struct lt_rules *rules, size_t i, const struct lt_facts *facts,
		   struct lt_rule_view *ret)
{
	const struct lt_rule *rule = &rules->rules[i];
	const struct lt_rule_condition *failed = first_failed(rule, facts);

	memset(ret, 0, sizeof(*ret));
	ret->line = rule->line;
	ret->column = rule->column;
	ret->matched = !failed;
	if (!failed)
		return;
	ret->failed = failed->fact >= LT_FACT_NAMED
			      ? rules->names[failed->fact - LT_FACT_NAMED].text
			      : lt_fact_text((enum lt_fact)failed->fact);
	ret->wanted = failed->patterns[0].glob;
	ret->patterns = failed->count;
	see(rules, failed->fact, facts, ret->seen);
}
