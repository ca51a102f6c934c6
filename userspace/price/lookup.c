// SPDX-License-Identifier: Apache-2.0
#include "userspace/price/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/price/book_private.h"

enum { MODEL_NAME_MAX = 256, MINUTES_PER_DAY = 24 * 60 };

static const int64_t ns_per_minute = 60ll * 1000000000;

static struct lt_bytes view(struct lt_book_text t)
{
	return lt_bytes(t.p, t.n);
}

static bool same(struct lt_bytes a, struct lt_bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int lt_book_provider_find(const struct lt_book *book, struct lt_bytes id)
{
	for (size_t i = 0; i < book->providers.n; i++)
		if (same(view(book->providers.v[i].id), id))
			return (int)i;
	return -1;
}

uint16_t lt_book_word_find(const struct lt_book *book, struct lt_bytes word)
{
	for (size_t i = 0; i < book->words.n; i++)
		if (lt_bytes_is(word, book->words.v[i]))
			return (uint16_t)i;
	return LT_METER_NONE;
}

uint16_t lt_book_meter(const struct lt_book *book, const char *name)
{
	/* From the end: the rows of an overlay win. */
	for (size_t i = book->aliases.n; i-- > 0;)
		if (strcmp(book->aliases.v[i].unit, name) == 0)
			return book->aliases.v[i].meter;
	return lt_book_word_find(book, lt_bytes_str(name));
}

const char *lt_book_meter_name(const struct lt_book *book, uint16_t meter)
{
	return meter < book->words.n ? book->words.v[meter] : NULL;
}

const struct lt_book_model *lt_book_at(const struct lt_book *book, size_t n)
{
	return n < book->models.n ? &book->models.v[n] : NULL;
}

struct lt_bytes lt_book_model_provider(const struct lt_book *book,
				       const struct lt_book_model *model)
{
	return view(book->providers.v[model->provider].id);
}

struct lt_bytes lt_book_model_id(const struct lt_book_model *model)
{
	return view(model->id);
}

/* ---- index ---- */

static uint64_t hash(uint16_t provider, struct lt_bytes name)
{
	uint64_t h = 0xcbf29ce484222325u ^ provider;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ name.p[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

/* The slot of that name: its own, or the free one where it belongs. The table is never full. */
static size_t slot_of(const struct lt_book *book, uint16_t provider, struct lt_bytes name)
{
	size_t i = hash(provider, name) & book->slot_mask;

	for (; book->slots[i] != 0; i = (i + 1) & book->slot_mask)
		if (book->models.v[book->slots[i] - 1].provider == provider &&
		    same(view(book->terms.v[book->slot_terms[i]].text), name))
			break;
	return i;
}

/* Puts the plain names into the table; a model with any other condition also goes on its provider's
 * list. */
static void index_model(struct lt_book *book, uint32_t n)
{
	struct lt_book_model *m = &book->models.v[n];
	struct lt_book_provider *p = &book->providers.v[m->provider];
	bool rule = false;
	bool first = true; /* of its conjunction */

	m->next_rule = UINT32_MAX;
	for (uint32_t i = m->first_term; i < m->first_term + m->term_count; i++) {
		const struct lt_book_term *t = &book->terms.v[i];

		if (first && t->last && t->op == LT_MATCH_EQUALS && !t->negated) {
			size_t slot = slot_of(book, m->provider, view(t->text));

			if (book->slots[slot] == 0) {
				book->slots[slot] = n + 1;
				book->slot_terms[slot] = i;
			}
		} else {
			rule = true;
		}
		first = t->last;
	}
	if (!rule)
		return;
	if (p->first_rule == UINT32_MAX)
		p->first_rule = n;
	else
		book->models.v[p->last_rule].next_rule = n;
	p->last_rule = n;
}

/* Two entries of one name in one file would share the ids of their prices. */
static int refuse_twins(const struct lt_book *book, const char *name, struct lt_problem *problem)
{
	lt_defer(lt_freep)
	uint32_t *ids = NULL;
	size_t size = 16;

	while (size < book->models.n * 2)
		size *= 2;
	ids = lt_calloc(size, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (size_t n = 0; n < book->models.n; n++) {
		const struct lt_book_model *m = &book->models.v[n];
		size_t i = hash(m->provider, view(m->id)) & (size - 1);

		for (; ids[i] != 0; i = (i + 1) & (size - 1)) {
			const struct lt_book_model *other = &book->models.v[ids[i] - 1];

			if (other->layer == m->layer && other->provider == m->provider &&
			    same(view(other->id), view(m->id)))
				return lt_problem_set(problem, -EINVAL, name, m->line,
						      "this model is there already in line %u; "
						      "make them one, with several 'prices' rows",
						      (unsigned)other->line);
		}
		ids[i] = (uint32_t)n + 1;
	}
	return 0;
}

int lt_book_index(struct lt_book *book, const char *name, struct lt_problem *problem)
{
	int err = refuse_twins(book, name, problem);
	size_t size = 16;
	uint32_t rank = 0;

	if (err)
		return err;
	while (size < book->terms.n * 2)
		size *= 2;
	book->slots = lt_calloc(size, sizeof(*book->slots));
	book->slot_terms = lt_calloc(size, sizeof(*book->slot_terms));
	if (!book->slots || !book->slot_terms)
		return -ENOMEM;
	book->slot_mask = size - 1;
	for (unsigned layer = book->layer_count; layer-- > 0;) {
		for (size_t i = 0; i < book->models.n; i++) {
			struct lt_book_model *m = &book->models.v[i];

			if (m->layer != layer)
				continue;
			if (m->set_count == 0 || m->term_count == 0)
				return lt_problem_set(
					problem, -EINVAL, name, m->line,
					"this model needs a 'match' and a 'prices' row");
			m->rank = rank++;
			index_model(book, (uint32_t)i);
		}
	}
	return 0;
}

/* ---- finding a model ---- */

static bool is_like(struct lt_bytes pattern, struct lt_bytes name)
{
	for (size_t i = 0; i < pattern.n; i++) {
		if (pattern.p[i] == '*')
			return true;
		if (i >= name.n)
			return false;
		if (pattern.p[i] == '#' ? name.p[i] < '0' || name.p[i] > '9'
					: name.p[i] != pattern.p[i])
			return false;
	}
	return name.n == pattern.n;
}

static bool term_holds(const struct lt_book_term *t, struct lt_bytes name)
{
	struct lt_bytes text = view(t->text);

	switch ((enum lt_match_op)t->op) {
	case LT_MATCH_EQUALS:
		return same(text, name);
	case LT_MATCH_STARTS:
		return name.n >= text.n && memcmp(name.p, text.p, text.n) == 0;
	case LT_MATCH_ENDS:
		return name.n >= text.n && memcmp(name.p + name.n - text.n, text.p, text.n) == 0;
	case LT_MATCH_CONTAINS:
		return memmem(name.p, name.n, text.p, text.n) != NULL;
	case LT_MATCH_LIKE:
		return is_like(text, name);
	}
	return false;
}

static bool model_matches(const struct lt_book *book, const struct lt_book_model *m,
			  struct lt_bytes name)
{
	bool all = true;

	for (uint32_t i = m->first_term; i < m->first_term + m->term_count; i++) {
		const struct lt_book_term *t = &book->terms.v[i];

		all = all && term_holds(t, name) != t->negated;
		if (!t->last)
			continue;
		if (all)
			return true;
		all = true;
	}
	return false;
}

/* The first model of the provider, in the order of the book, that matches: a table for plain names,
 * then rules. */
static const struct lt_book_model *find_in(const struct lt_book *book, uint16_t provider,
					   struct lt_bytes name)
{
	uint32_t found = book->slots[slot_of(book, provider, name)];
	const struct lt_book_model *best = found ? &book->models.v[found - 1] : NULL;
	uint32_t n = book->providers.v[provider].first_rule;

	for (; n != UINT32_MAX; n = book->models.v[n].next_rule) {
		const struct lt_book_model *m = &book->models.v[n];

		if (best && m->rank >= best->rank)
			break;
		if (model_matches(book, m, name))
			return m;
	}
	return best;
}

static const struct lt_book_model *find_with_fallback(const struct lt_book *book, uint16_t provider,
						      struct lt_bytes name)
{
	const struct lt_book_provider *p = &book->providers.v[provider];
	const struct lt_book_model *m = find_in(book, provider, name);

	for (unsigned i = 0; !m && i < p->fallback_count; i++)
		m = find_in(book, p->fallback[i], name);
	return m;
}

static bool are_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

/* Puts a dash after the @at-th character; the caller has made sure of the room. */
static void insert_dash(char *name, size_t at)
{
	memmove(name + at + 1, name + at, strlen(name + at) + 1);
	name[at] = '-';
}

/* "-20251211" at the end of a part of the name becomes "-2025-12-11", as gateways write it. False:
 * no such. */
static bool spread_date(char name[MODEL_NAME_MAX])
{
	size_t n = strlen(name);

	for (size_t i = 0; i + 9 <= n && n + 2 < MODEL_NAME_MAX; i++) {
		const char *d = name + i + 1;
		int month, day;

		if (name[i] != '-' || d[0] != '2' || d[1] != '0' || !are_digits(d, 8) ||
		    (d[8] != '\0' && d[8] != '-' && d[8] != ':'))
			continue;
		month = (d[4] - '0') * 10 + d[5] - '0';
		day = (d[6] - '0') * 10 + d[7] - '0';
		if (month < 1 || month > 12 || day < 1 || day > 31)
			continue;
		insert_dash(name, i + 7);
		insert_dash(name, i + 5);
		return true;
	}
	return false;
}

const struct lt_book_model *lt_book_find(const struct lt_book *book, const char *provider,
					 const char *model)
{
	int p = lt_book_provider_find(book, lt_bytes_str(provider));
	char name[MODEL_NAME_MAX];
	const struct lt_book_model *m;
	size_t n = strlen(model);

	if (p < 0 || n == 0 || n >= sizeof(name))
		return NULL;
	for (size_t i = 0; i <= n; i++)
		name[i] = (char)(model[i] >= 'A' && model[i] <= 'Z' ? model[i] + 32 : model[i]);
	m = find_with_fallback(book, (uint16_t)p, lt_bytes(name, n));
	if (!m && spread_date(name))
		m = find_with_fallback(book, (uint16_t)p, lt_bytes_str(name));
	return m;
}

/* ---- prices ---- */

static bool is_active(const struct lt_book_set *s, int32_t day, int minute)
{
	if (s->from_day > day)
		return false;
	if (s->start_minute < 0)
		return true;
	if (s->end_minute < s->start_minute)
		return minute >= s->start_minute || minute < s->end_minute;
	return minute >= s->start_minute && minute < s->end_minute;
}

static bool id_matches(const struct lt_book_rule *rule, const struct lt_book_model *m)
{
	return lt_glob_match(rule->model, view(m->id));
}

/* The last set in force; before the first known day the oldest is the best that is known. */
static const struct lt_book_set *standard_set(const struct lt_tariff *t)
{
	const struct lt_book_set *sets = &t->book->sets.v[t->model->first_set];
	const struct lt_book_set *found = NULL;

	for (uint32_t i = t->model->set_count; i-- > 0;) {
		if (sets[i].tier != LT_METER_NONE)
			continue;
		if (is_active(&sets[i], t->day, t->minute))
			return &sets[i];
		found = &sets[i];
	}
	return found;
}

static bool has_tier_set(const struct lt_tariff *t)
{
	const struct lt_book_set *sets = &t->book->sets.v[t->model->first_set];

	for (uint32_t i = 0; i < t->model->set_count; i++)
		if (sets[i].tier == t->tier && is_active(&sets[i], t->day, t->minute))
			return true;
	return false;
}

static bool find_factor(struct lt_tariff *t, int provider)
{
	for (size_t i = t->book->rules.n; i-- > 0;) {
		const struct lt_book_rule *rule = &t->book->rules.v[i];

		if (rule->derive || rule->provider != provider || rule->tier != t->tier ||
		    rule->from_day > t->day || !id_matches(rule, t->model))
			continue;
		t->factor = rule->ratio;
		return true;
	}
	return false;
}

int lt_tariff_find(const struct lt_book *book, const struct lt_book_model *model,
		   const char *provider, const char *tier, int64_t at_ns, struct lt_tariff *ret)
{
	int called = lt_book_provider_find(book, lt_bytes_str(provider));
	struct lt_tariff t = {.book = book, .model = model, .tier = LT_METER_NONE};
	int64_t minutes = at_ns / ns_per_minute - (at_ns % ns_per_minute < 0);
	int64_t days = minutes / MINUTES_PER_DAY - (minutes % MINUTES_PER_DAY < 0);

	t.day = (int32_t)days;
	t.minute = (int16_t)(minutes - days * MINUTES_PER_DAY);
	t.standard = standard_set(&t);
	if (!t.standard)
		return -ENOENT;
	if (tier[0] != '\0' && strcmp(tier, "standard") != 0) {
		t.tier = lt_book_word_find(book, lt_bytes_str(tier));
		if (t.tier == LT_METER_NONE)
			return -ENOENT;
		t.tiered = true;
		t.own_prices = model->provider == called && has_tier_set(&t);
		t.factored = !t.own_prices && find_factor(&t, called);
		if (!t.own_prices && !t.factored)
			return -ENOENT;
	}
	*ret = t;
	return 0;
}

static const struct lt_book_rate *rate_in(const struct lt_book *book, const struct lt_book_set *set,
					  uint16_t meter, uint64_t total_input)
{
	const struct lt_book_rate *found = NULL;

	for (uint32_t i = 0; i < set->rate_count; i++) {
		const struct lt_book_rate *r = &book->rates.v[set->first_rate + i];

		if (r->meter == meter && (r->above == 0 || total_input > r->above))
			found = r;
	}
	return found;
}

static void format_day(int32_t day, char to[16])
{
	time_t seconds = (time_t)day * 24 * 3600;
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	strftime(to, 16, "%Y-%m-%d", &tm);
}

struct chosen {
	const struct lt_book_set *set;
	const struct lt_book_rate *rate;
};

/* A tier's own prices first, meter by meter; what they leave out costs the standard price. */
static bool choose(const struct lt_tariff *t, uint16_t meter, uint64_t total_input,
		   struct chosen *ret)
{
	const struct lt_book_set *sets = &t->book->sets.v[t->model->first_set];

	for (uint32_t i = 0; t->own_prices && i < t->model->set_count; i++) {
		const struct lt_book_rate *r;

		if (sets[i].tier != t->tier || !is_active(&sets[i], t->day, t->minute))
			continue;
		r = rate_in(t->book, &sets[i], meter, total_input);
		if (!r)
			continue;
		*ret = (struct chosen){.set = &sets[i], .rate = r};
		return true;
	}
	ret->set = t->standard;
	ret->rate = rate_in(t->book, t->standard, meter, total_input);
	return ret->rate != NULL;
}

static const struct lt_book_rule *find_derivation(const struct lt_tariff *t, uint16_t meter)
{
	for (size_t i = t->book->rules.n; i-- > 0;) {
		const struct lt_book_rule *rule = &t->book->rules.v[i];

		if (rule->derive && rule->meter == meter && rule->provider == t->model->provider &&
		    rule->from_day <= t->day && id_matches(rule, t->model))
			return rule;
	}
	return NULL;
}

/* provider/model/meter[=base][:tier|*tier][>tokens]@day[Thours]: everything that told the price
 * apart. */
static void write_key(const struct lt_tariff *t, uint16_t meter, const struct lt_book_rule *derived,
		      const struct chosen *c, bool factored, char key[LT_PRICE_KEY])
{
	const struct lt_book_text provider = t->book->providers.v[t->model->provider].id;
	char **words = t->book->words.v;
	char above[16] = "", day[16] = "always", hours[32] = "";
	bool own = c->set->tier != LT_METER_NONE;
	const char *mark = own ? ":" : "";

	if (factored)
		mark = "*";
	if (c->rate->above > 0)
		snprintf(above, sizeof(above), ">%u", (unsigned)c->rate->above);
	if (c->set->from_day != LT_BOOK_NO_DAY)
		format_day(c->set->from_day, day);
	if (c->set->start_minute >= 0)
		snprintf(hours, sizeof(hours), "T%02d%02d-%02d%02d", c->set->start_minute / 60,
			 c->set->start_minute % 60, c->set->end_minute / 60,
			 c->set->end_minute % 60);
	snprintf(key, LT_PRICE_KEY, "%.*s/%.*s/%s%s%s%s%s%s@%s%s", (int)provider.n, provider.p,
		 (int)t->model->id.n, t->model->id.p, words[meter], derived ? "=" : "",
		 derived ? words[derived->base] : "", mark, mark[0] ? words[t->tier] : "", above,
		 day, hours);
}

int lt_tariff_quote(const struct lt_tariff *tariff, uint16_t meter, uint64_t total_input,
		    struct lt_quote *ret)
{
	const struct lt_book_rule *derived = NULL;
	struct chosen c;
	bool factored;

	if (meter >= tariff->book->words.n)
		return -ENOENT;
	if (!choose(tariff, meter, total_input, &c)) {
		derived = find_derivation(tariff, meter);
		if (!derived || !choose(tariff, derived->base, total_input, &c))
			return -ENOENT;
	}
	factored = tariff->factored && lt_meter_is_token(meter);
	ret->ratio_count = 0;
	ret->ratio[ret->ratio_count++] = c.rate->price;
	if (derived)
		ret->ratio[ret->ratio_count++] = derived->ratio;
	if (factored)
		ret->ratio[ret->ratio_count++] = tariff->factor;
	write_key(tariff, meter, derived, &c, factored, ret->key);
	return 0;
}

bool lt_tariff_is_free(const struct lt_tariff *tariff)
{
	const struct lt_book_set *set = tariff->standard;

	for (uint32_t i = 0; i < set->rate_count; i++)
		if (tariff->book->rates.v[set->first_rate + i].price.units != 0)
			return false;
	return set->rate_count > 0;
}
