// SPDX-License-Identifier: Apache-2.0
/* Text -> book. Strict: a row that is not understood refuses the file, with the line and what to
 * write instead. */
#include <errno.h>
#include <string.h>

#include "userspace/base/alloc.h"
#include "userspace/price/book_private.h"

enum { FORMAT_VERSION = 1, TIER_NAME = 12 };

struct reader {
	struct lt_book *book;
	struct lt_book_layer *layer;
	const char *file;
	unsigned line;
	struct lt_problem *problem;
	bool in_model, in_set;
	struct lt_bytes field[LT_BOOK_FIELDS_MAX];
	unsigned fields;
};

#define refuse(r, ...) lt_problem_set((r)->problem, -EINVAL, (r)->file, (r)->line, __VA_ARGS__)

/* A field for a message: printable by is_name() or cut short. */
#define SHOWN(b) ((int)((b).n < 60 ? (b).n : 60)), (const char *)(b).p

static bool is_name(struct lt_bytes b, size_t max)
{
	if (b.n == 0 || b.n > max)
		return false;
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] <= ' ' || b.p[i] > '~')
			return false;
	return true;
}

static bool is_lower(struct lt_bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			return false;
	return true;
}

static struct lt_book_text as_text(struct lt_bytes b)
{
	return (struct lt_book_text){.p = (const char *)b.p, .n = (uint32_t)b.n};
}

/* Two digits at @p, or -1. */
static int two_digits(const uint8_t *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int32_t days_from_civil(int y, int m, int d)
{
	int era, year_of_era, day_of_year;

	y -= m <= 2;
	era = y / 400;
	year_of_era = y - era * 400;
	day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static bool parse_day(struct lt_bytes b, int32_t *ret)
{
	static const int length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int high, low, year, month, day;

	if (b.n != 10 || b.p[4] != '-' || b.p[7] != '-')
		return false;
	high = two_digits(b.p);
	low = two_digits(b.p + 2);
	month = two_digits(b.p + 5);
	day = two_digits(b.p + 8);
	if (high < 19 || low < 0 || month < 1 || month > 12 || day < 1 || day > length[month - 1])
		return false;
	year = high * 100 + low;
	if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0)))
		return false;
	*ret = days_from_civil(year, month, day);
	return true;
}

static bool parse_from(struct lt_bytes b, int32_t *ret)
{
	if (lt_bytes_is(b, "-")) {
		*ret = LT_BOOK_NO_DAY;
		return true;
	}
	return parse_day(b, ret);
}

/* "00:30-16:30" */
static bool parse_hours(struct lt_bytes b, struct lt_book_set *set)
{
	int h[4];

	if (b.n != 11 || b.p[2] != ':' || b.p[5] != '-' || b.p[8] != ':')
		return false;
	for (int i = 0; i < 4; i++)
		h[i] = two_digits(b.p + 3 * i);
	if (h[0] < 0 || h[0] > 23 || h[1] < 0 || h[1] > 59 || h[2] < 0 || h[2] > 23 || h[3] < 0 ||
	    h[3] > 59)
		return false;
	set->start_minute = (int16_t)(h[0] * 60 + h[1]);
	set->end_minute = (int16_t)(h[2] * 60 + h[3]);
	return set->start_minute != set->end_minute;
}

static bool parse_u32(struct lt_bytes b, uint32_t *ret)
{
	uint64_t n = 0;

	if (b.n == 0 || b.n > 10)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] < '0' || b.p[i] > '9')
			return false;
		n = n * 10 + (unsigned)(b.p[i] - '0');
	}
	if (n == 0 || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* "0.00000125" or "4.8/3600" */
static int parse_ratio(struct reader *r, struct lt_bytes b, struct lt_ratio *ret)
{
	const uint8_t *slash = memchr(b.p, '/', b.n);
	struct lt_bytes number = b;
	struct lt_decimal d;
	int err;

	ret->divisor = 1;
	if (slash) {
		number.n = (size_t)(slash - b.p);
		if (!parse_u32(lt_bytes_skip(b, number.n + 1), &ret->divisor) ||
		    ret->divisor > 1000000)
			return refuse(r, "'%.*s': the divisor must be 1 to 1000000", SHOWN(b));
	}
	err = lt_decimal_parse(number, &d);
	if (err == -ERANGE)
		return refuse(r, "'%.*s' has more than 18 digits or decimal places", SHOWN(b));
	if (err || d.units < 0)
		return refuse(r, "'%.*s' is not a price; write a decimal of 0 or more", SHOWN(b));
	ret->units = d.units;
	ret->scale = d.scale;
	return 0;
}

static int intern_word(struct reader *r, struct lt_bytes b, size_t max, uint16_t *ret)
{
	char text[LT_BOOK_WORD];
	char **slot;

	if (!is_name(b, max) || !is_lower(b))
		return refuse(
			r,
			"'%.*s' is not a name; use at most %zu lower-case letters without spaces",
			SHOWN(b), max);
	*ret = lt_book_word_find(r->book, b);
	if (*ret != LT_METER_NONE)
		return 0;
	if (r->book->words.n >= LT_BOOK_WORDS_MAX)
		return refuse(r, "more than %d names of meters and tiers", LT_BOOK_WORDS_MAX);
	slot = lt_book_push(&r->book->words);
	if (!slot)
		return -ENOMEM;
	if (!lt_bytes_copy(text, sizeof(text), b))
		return -EINVAL;
	*slot = lt_strdup(text);
	if (!*slot) {
		r->book->words.n--;
		return -ENOMEM;
	}
	*ret = (uint16_t)(r->book->words.n - 1);
	return 0;
}

static int intern_provider(struct reader *r, struct lt_bytes b, uint16_t *ret)
{
	struct lt_book_provider *p;
	int found = lt_book_provider_find(r->book, b);

	if (found >= 0) {
		*ret = (uint16_t)found;
		return 0;
	}
	if (!is_name(b, LT_BOOK_WORD - 1) || !is_lower(b))
		return refuse(r, "'%.*s' is not a provider name; write it in lower case", SHOWN(b));
	if (r->book->providers.n >= LT_BOOK_PROVIDERS_MAX)
		return refuse(r, "more than %d providers", LT_BOOK_PROVIDERS_MAX);
	p = lt_book_push(&r->book->providers);
	if (!p)
		return -ENOMEM;
	p->id = as_text(b);
	p->first_rule = p->last_rule = UINT32_MAX;
	*ret = (uint16_t)(r->book->providers.n - 1);
	return 0;
}

static int copy_header(struct reader *r, char *to, size_t size)
{
	struct lt_bytes b = r->field[1];

	if (r->book->models.n > 0 && r->in_model)
		return refuse(r, "'%.*s' belongs above the first model", SHOWN(r->field[0]));
	if (to[0] != '\0')
		return refuse(r, "'%.*s' is there twice; keep one", SHOWN(r->field[0]));
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] < ' ' || b.p[i] > '~')
			return refuse(r, "only printable ASCII may stand here");
	if (!lt_bytes_copy(to, size, b))
		return refuse(r, "longer than %zu characters; shorten it", size - 1);
	return 0;
}

static int row_name(struct reader *r)
{
	if (!is_name(r->field[1], LT_BOOK_NAME - 1))
		return refuse(r, "the name has 1 to %d characters and no space", LT_BOOK_NAME - 1);
	return copy_header(r, r->layer->name, sizeof(r->layer->name));
}

static int row_version(struct reader *r)
{
	int32_t day;

	if (!parse_day(r->field[1], &day))
		return refuse(r, "the version of a price book is its date, e.g. 2026-11-24");
	return copy_header(r, r->layer->version, sizeof(r->layer->version));
}

static int row_source(struct reader *r)
{
	return copy_header(r, r->layer->source, sizeof(r->layer->source));
}

static int row_currency(struct reader *r)
{
	struct lt_bytes b = r->field[1];

	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] < 'A' || b.p[i] > 'Z')
			b.n = 0;
	if (b.n != 3)
		return refuse(r, "the currency is three capital letters, e.g. USD");
	return copy_header(r, r->layer->currency, sizeof(r->layer->currency));
}

static int row_licence(struct reader *r)
{
	(void)r;
	return 0;
}

static int row_provider(struct reader *r)
{
	uint16_t id, fallback;
	int err = intern_provider(r, r->field[1], &id);

	if (err)
		return err;
	if (r->fields - 2 > LT_BOOK_FALLBACKS)
		return refuse(r, "more than %d providers to fall back to", LT_BOOK_FALLBACKS);
	r->book->providers.v[id].fallback_count = 0;
	for (unsigned i = 2; i < r->fields; i++) {
		struct lt_book_provider *p;

		err = intern_provider(r, r->field[i], &fallback);
		if (err)
			return err;
		p = &r->book->providers.v[id]; /* the vector may have moved */
		p->fallback[p->fallback_count++] = fallback;
	}
	return 0;
}

static int row_model(struct reader *r)
{
	struct lt_book *book = r->book;
	struct lt_book_model *m;
	uint16_t provider;
	int err = intern_provider(r, r->field[1], &provider);

	if (err)
		return err;
	if (!is_name(r->field[2], LT_BOOK_NAMES_MAX) ||
	    r->field[1].n + r->field[2].n > LT_BOOK_NAMES_MAX)
		return refuse(r, "provider and model together have at most %d characters",
			      LT_BOOK_NAMES_MAX);
	m = lt_book_push(&book->models);
	if (!m)
		return -ENOMEM;
	m->id = as_text(r->field[2]);
	m->provider = provider;
	m->layer = (uint8_t)(book->layer_count - 1);
	m->line = r->line;
	m->first_term = (uint32_t)book->terms.n;
	m->first_set = (uint32_t)book->sets.n;
	r->in_model = true;
	r->in_set = false;
	return 0;
}

static int parse_term(struct reader *r, struct lt_bytes op, struct lt_bytes text,
		      struct lt_book_term *ret)
{
	static const char *const name[] = {
		[LT_MATCH_EQUALS] = "equals", [LT_MATCH_STARTS] = "starts",
		[LT_MATCH_ENDS] = "ends",     [LT_MATCH_CONTAINS] = "contains",
		[LT_MATCH_LIKE] = "like",
	};
	const uint8_t *star;

	*ret = (struct lt_book_term){.text = as_text(text)};
	if (op.n > 0 && op.p[0] == '!') {
		ret->negated = true;
		op = lt_bytes_skip(op, 1);
	}
	while (ret->op < LT_COUNT(name) && !lt_bytes_is(op, name[ret->op]))
		ret->op++;
	if (ret->op == LT_COUNT(name))
		return refuse(r, "'%.*s': use equals, starts, ends, contains or like", SHOWN(op));
	if (!is_name(text, LT_BOOK_NAMES_MAX) || !is_lower(text))
		return refuse(r, "'%.*s': write the model name in lower case, without spaces",
			      SHOWN(text));
	star = memchr(text.p, '*', text.n);
	if (ret->op == LT_MATCH_LIKE && star && star != text.p + text.n - 1)
		return refuse(r, "'%.*s': '*' may stand only at the end", SHOWN(text));
	return 0;
}

static int row_match(struct reader *r)
{
	struct lt_book *book = r->book;
	int err;

	if (!r->in_model || r->in_set)
		return refuse(r, "'match' belongs between 'model' and its first 'prices'");
	if (r->fields % 2 == 0)
		return refuse(r, "'match' takes pairs of a comparison and a text");
	for (unsigned i = 1; i + 1 < r->fields; i += 2) {
		struct lt_book_term term;
		struct lt_book_term *t;

		err = parse_term(r, r->field[i], r->field[i + 1], &term);
		if (err)
			return err;
		t = lt_book_push(&book->terms);
		if (!t)
			return -ENOMEM;
		*t = term;
		t->last = i + 2 >= r->fields;
		book->models.v[book->models.n - 1].term_count++;
	}
	return 0;
}

/* @at: the field with the date; the hours may follow it. */
static int add_set(struct reader *r, unsigned at, uint16_t tier)
{
	struct lt_book *book = r->book;
	struct lt_book_model *m = &book->models.v[book->models.n - 1];
	struct lt_book_set set = {
		.start_minute = -1,
		.end_minute = -1,
		.tier = tier,
		.first_rate = (uint32_t)book->rates.n,
	};
	struct lt_book_set *s;

	if (!parse_from(r->field[at], &set.from_day))
		return refuse(r, "'%.*s': write the first day of these prices, or '-'",
			      SHOWN(r->field[at]));
	if (r->fields > at + 1 && !parse_hours(r->field[at + 1], &set))
		return refuse(r, "'%.*s': write the hours (UTC) like 00:30-16:30",
			      SHOWN(r->field[at + 1]));
	s = lt_book_push(&book->sets);
	if (!s)
		return -ENOMEM;
	*s = set;
	m->set_count++;
	r->in_set = true;
	return 0;
}

static int row_prices(struct reader *r)
{
	if (!r->in_model)
		return refuse(r, "'prices' belongs below a 'model'");
	return add_set(r, 1, LT_METER_NONE);
}

static int row_tier(struct reader *r)
{
	uint16_t tier;
	int err;

	if (!r->in_model || !r->in_set)
		return refuse(r, "'tier' belongs below the 'prices' of a model");
	err = intern_word(r, r->field[1], TIER_NAME, &tier);
	return err ? err : add_set(r, 2, tier);
}

static int row_rate(struct reader *r)
{
	struct lt_book *book = r->book;
	struct lt_book_set *set;
	struct lt_book_rate rate = {0};
	int err;

	if (!r->in_set)
		return refuse(r, "'rate' belongs below 'prices' or 'tier'");
	if (r->fields % 2 == 0)
		return refuse(r, "steps are pairs: >tokens and a price");
	err = intern_word(r, r->field[1], LT_BOOK_WORD - 1, &rate.meter);
	if (err)
		return err;
	set = &book->sets.v[book->sets.n - 1];
	for (unsigned i = 0; i < set->rate_count; i++)
		if (book->rates.v[set->first_rate + i].meter == rate.meter)
			return refuse(r, "'%.*s' has a price already", SHOWN(r->field[1]));
	for (unsigned i = 2; i < r->fields; i += 2) {
		uint32_t before = rate.above;
		struct lt_book_rate *slot;

		if (i > 2) {
			struct lt_bytes above = r->field[i - 1];

			if (above.n == 0 || above.p[0] != '>' ||
			    !parse_u32(lt_bytes_skip(above, 1), &rate.above) ||
			    rate.above <= before)
				return refuse(r, "'%.*s': steps are written >200000 and rise",
					      SHOWN(above));
		}
		err = parse_ratio(r, r->field[i], &rate.price);
		if (err)
			return err;
		if (set->rate_count == UINT16_MAX)
			return refuse(r, "too many prices for one model");
		slot = lt_book_push(&book->rates);
		if (!slot)
			return -ENOMEM;
		*slot = rate;
		set->rate_count++;
	}
	return 0;
}

static int add_rule(struct reader *r, struct lt_book_rule *rule, unsigned from)
{
	struct lt_book_rule *slot;
	int err = intern_provider(r, r->field[1], &rule->provider);

	if (err)
		return err;
	if (!is_name(r->field[2], LT_BOOK_NAMES_MAX) ||
	    !lt_bytes_copy(rule->model, sizeof(rule->model), r->field[2]))
		return refuse(r, "'%.*s' is not a pattern for model ids", SHOWN(r->field[2]));
	if (!parse_from(r->field[from], &rule->from_day))
		return refuse(r, "'%.*s': write the first day of this rule, or '-'",
			      SHOWN(r->field[from]));
	slot = lt_book_push(&r->book->rules);
	if (!slot)
		return -ENOMEM;
	*slot = *rule;
	return 0;
}

/* factor provider model-pattern tier from ratio */
static int row_factor(struct reader *r)
{
	struct lt_book_rule rule = {0};
	int err = intern_word(r, r->field[3], TIER_NAME, &rule.tier);

	if (!err)
		err = parse_ratio(r, r->field[5], &rule.ratio);
	return err ? err : add_rule(r, &rule, 4);
}

/* derive provider model-pattern meter from base-meter ratio */
static int row_derive(struct reader *r)
{
	struct lt_book_rule rule = {.derive = true};
	int err = intern_word(r, r->field[3], LT_BOOK_WORD - 1, &rule.meter);

	if (!err)
		err = intern_word(r, r->field[5], LT_BOOK_WORD - 1, &rule.base);
	if (!err)
		err = parse_ratio(r, r->field[6], &rule.ratio);
	return err ? err : add_rule(r, &rule, 4);
}

/* alias unit meter */
static int row_alias(struct reader *r)
{
	struct lt_book_alias *slot;
	uint16_t meter;
	int err = intern_word(r, r->field[2], LT_BOOK_WORD - 1, &meter);

	if (err)
		return err;
	if (!is_name(r->field[1], LT_BOOK_WORD - 1))
		return refuse(r, "'%.*s' is not a unit name", SHOWN(r->field[1]));
	if (r->book->aliases.n >= LT_BOOK_WORDS_MAX)
		return refuse(r, "more than %d aliases", LT_BOOK_WORDS_MAX);
	slot = lt_book_push(&r->book->aliases);
	if (!slot)
		return -ENOMEM;
	lt_ignore(lt_bytes_copy(slot->unit, sizeof(slot->unit), r->field[1]));
	slot->meter = meter;
	return 0;
}

static const struct {
	const char *name;
	unsigned min, max; /* fields, the name included */
	int (*row)(struct reader *r);
} rows[] = {
	{"match", 3, LT_BOOK_FIELDS_MAX, row_match},
	{"rate", 3, LT_BOOK_FIELDS_MAX, row_rate},
	{"model", 3, 3, row_model},
	{"prices", 2, 3, row_prices},
	{"tier", 3, 4, row_tier},
	{"provider", 2, LT_BOOK_FIELDS_MAX, row_provider},
	{"factor", 6, 6, row_factor},
	{"derive", 7, 7, row_derive},
	{"alias", 3, 3, row_alias},
	{"name", 2, 2, row_name},
	{"version", 2, 2, row_version},
	{"source", 2, 2, row_source},
	{"currency", 2, 2, row_currency},
	{"licence", 2, 2, row_licence},
};

/* Fields between tabs; one that begins with '#' is a comment and ends the row. */
static int split(struct reader *r, struct lt_bytes line)
{
	r->fields = 0;
	while (line.n > 0 && line.p[0] != '#') {
		const uint8_t *tab = memchr(line.p, '\t', line.n);
		size_t n = tab ? (size_t)(tab - line.p) : line.n;

		if (r->fields == LT_BOOK_FIELDS_MAX)
			return refuse(r, "more than %d fields in one row", LT_BOOK_FIELDS_MAX);
		if (n == 0)
			return refuse(r, "an empty field; put one tab between fields");
		r->field[r->fields++] = lt_bytes(line.p, n);
		line = lt_bytes_skip(line, n + (tab != NULL));
		if (tab && line.n == 0)
			return refuse(r, "a tab at the end of the row; delete it");
	}
	return 0;
}

static int read_row(struct reader *r, struct lt_bytes line)
{
	int err = split(r, line);

	if (err || r->fields == 0)
		return err;
	for (size_t i = 0; i < LT_COUNT(rows); i++) {
		if (!lt_bytes_is(r->field[0], rows[i].name))
			continue;
		if (r->fields < rows[i].min || r->fields > rows[i].max)
			return refuse(r, "'%s' has %u fields; see the format in books/README.md",
				      rows[i].name, r->fields);
		return rows[i].row(r);
	}
	return refuse(r, "a row of a kind that this version does not know");
}

static int read_first_row(struct reader *r, struct lt_bytes line)
{
	int err = split(r, line);

	if (err)
		return err;
	if (r->fields != 2 || !lt_bytes_is(r->field[0], "ledgertap-book"))
		return refuse(r, "not a price book: the first line must be 'ledgertap-book<tab>%d'",
			      FORMAT_VERSION);
	if (!lt_bytes_is(r->field[1], "1"))
		return refuse(r, "a newer format than this version reads; use format %d",
			      FORMAT_VERSION);
	return 0;
}

int lt_book_read(struct lt_book *book, struct lt_bytes text, const char *name,
		 struct lt_problem *problem)
{
	struct reader r = {.book = book, .file = name, .problem = problem};

	if (book->layer_count == LT_BOOK_LAYERS)
		return refuse(&r, "too many price books");
	r.layer = &book->layer[book->layer_count++];
	do {
		const uint8_t *end = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;
		size_t n = end ? (size_t)(end - text.p) : text.n;
		int err;

		r.line++;
		err = r.line == 1 ? read_first_row(&r, lt_bytes(text.p, n))
				  : read_row(&r, lt_bytes(text.p, n));
		if (err)
			return err;
		text = lt_bytes_skip(text, n + (end != NULL));
	} while (text.n > 0);
	if (r.layer->name[0] == '\0' || r.layer->version[0] == '\0' || r.layer->currency[0] == '\0')
		return refuse(&r, "the book needs the rows name, version and currency");
	return 0;
}
