// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/focus.h"

#include <ctype.h>
#include <inttypes.h>
#include <time.h>

#include "userspace/base/clock.h"
#include "userspace/base/json_write.h"
#include "userspace/view/csv.h"
#include "userspace/view/focus_row.h"
#include "userspace/view/focus_share.h"

enum { NS = 1000000000, MICRO = 1000000, MICRO_PLACES = 6 };

/* ---- which records ---- */

/* ISO 4217; what is priced in credits has no money without a rate. */
static bool is_money(const char *currency)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!isupper((unsigned char)currency[i]))
			return false;
	}
	return currency[3] == '\0';
}

enum lt_focus_verdict lt_focus_judge(const struct lt_record *r, const char **ret_reason)
{
	*ret_reason = NULL;
	if (r->state == LT_RECORD_VOID || !r->counts_in_total)
		return LT_FOCUS_NOTHING;
	if (r->coverage != LT_COVERAGE_DECODED)
		*ret_reason = "not_read";
	else if (r->cost.status == LT_PRICE_NOT_BILLABLE)
		return LT_FOCUS_NOTHING;
	else if (r->cost.status == LT_PRICE_UNPRICED || r->cost.status == LT_PRICE_NO_USAGE)
		*ret_reason = lt_price_status_name(r->cost.status);
	else if (!is_money(r->cost.currency))
		*ret_reason = "currency";
	return *ret_reason ? LT_FOCUS_QUARANTINE : LT_FOCUS_ROWS;
}

/* ---- what the rows of a record share ---- */

static FILE *json_begin(struct lt_json_writer *w, char to[LT_FOCUS_JSON])
{
	FILE *out = fmemopen(to, LT_FOCUS_JSON, "w");

	if (out) {
		lt_json_writer_init(w, out);
		lt_json_begin_object(w);
	}
	return out;
}

/* An object that is empty, or for which there was no memory, is null. */
static void json_end(struct lt_json_writer *w, FILE *out, char to[LT_FOCUS_JSON])
{
	bool empty;

	if (!out) {
		to[0] = '\0';
		return;
	}
	empty = w->first[w->depth];
	lt_json_end_object(w);
	if (fclose(out) != 0 || empty)
		to[0] = '\0';
}

static void put(struct lt_json_writer *w, const char *key, const char *value)
{
	if (!value || !value[0])
		return;
	lt_json_key(w, key);
	lt_json_string(w, value);
}

/* The end of the string that begins at @p with its quote, behind the other one; NULL: not whole. */
static const char *skip_string(const char *p)
{
	if (*p != '"')
		return NULL;
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
	}
	return *p ? p + 1 : NULL;
}

struct tag {
	const char *key, *value;
};

static bool is_taken(const struct tag *tags, size_t count, struct lt_bytes key)
{
	for (size_t i = 0; i < count; i++) {
		if (tags[i].value[0] && lt_bytes_is(key, tags[i].key))
			return true;
	}
	return false;
}

/* The record's own tags ({"k":"v",...}, as the rules wrote them) behind those of the columns. A
 * name that a column has stays the column's. */
static void put_own_tags(struct lt_json_writer *w, const char *text, const struct tag *taken,
			 size_t count)
{
	char member[LT_TAGS_SIZE];

	while (*text == '{' || *text == ',') {
		const char *key = text + 1, *colon = skip_string(key), *end;

		if (!colon || *colon != ':')
			return;
		end = skip_string(colon + 1);
		if (!end)
			return;
		text = end;
		if (is_taken(taken, count, lt_bytes(key + 1, (size_t)(colon - key - 2))))
			continue;
		snprintf(member, sizeof(member), "%.*s", (int)(end - key), key);
		lt_json_raw(w, member); /* as it stands: name, colon, value */
	}
}

static void make_tags(const struct lt_identity *who, char to[LT_FOCUS_JSON])
{
	const struct tag tags[] = {
		{"use_case", who->use_case},
		{"agent_role", who->agent_role},
		{"agent", who->agent_name},
		{"team", who->team},
		{"cost_center", who->cost_center},
		{"env", who->environment},
		{"k8s_cluster", who->cluster},
		{"k8s_namespace", who->namespace},
		{"k8s_container", who->container_name},
		{"workload", who->workload},
	};
	struct lt_json_writer w;
	FILE *out = json_begin(&w, to);

	for (size_t i = 0; out && i < LT_COUNT(tags); i++)
		put(&w, tags[i].key, tags[i].value);
	if (out)
		put_own_tags(&w, who->tags, tags, LT_COUNT(tags));
	json_end(&w, out, to);
}

/* The workload as kernel and orchestrator name it, else what the program is. */
static void make_principal(const struct lt_identity *who, char *to, size_t size)
{
	if (who->workload[0])
		snprintf(to, size, "%s%s%s%s%s", who->cluster, who->cluster[0] ? "/" : "",
			 who->namespace, who->namespace[0] ? "/" : "", who->workload);
	else
		snprintf(to, size, "%s", who->container.unit[0] ? who->container.unit : who->exe);
}

/* The first second of the month that @wall_s is in, or of one @later. */
static int64_t month(int64_t wall_s, int later)
{
	time_t t = wall_s;
	struct tm tm = {0};

	if (!gmtime_r(&t, &tm))
		return wall_s;
	tm.tm_mday = 1;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mon += later;
	return timegm(&tm);
}

/* @end_s: exclusive. */
static void make_periods(struct lt_focus_base *b, int64_t start_s, int64_t end_s)
{
	int64_t month_end = month(end_s > start_s ? end_s - 1 : start_s, 1);

	lt_focus_time(month(start_s, 0), b->billing_start);
	lt_focus_time(month_end, b->billing_end);
	lt_focus_time(start_s, b->start);
	lt_focus_time(end_s, b->end);
}

/* Whole seconds around the call; what began in a month belongs to it. */
static void make_times(struct lt_focus_base *b, const struct lt_record *r)
{
	int64_t start_s = r->start_ns / NS - (r->start_ns % NS < 0);
	int64_t end_s = r->end_ns / NS + (r->end_ns % NS > 0), month_end = month(start_s, 1);

	if (end_s <= start_s)
		end_s = start_s + 1;
	make_periods(b, start_s, end_s < month_end ? end_s : month_end);
	lt_focus_time(start_s, b->exact_start);
	snprintf(b->exact_start + strlen(b->exact_start) - 1, 12, ".%09" PRId64 "Z",
		 r->start_ns - start_s * NS);
}

static const char *find_account(const struct lt_focus *f, const struct lt_record *r)
{
	const char *any = NULL;

	for (size_t i = 0; i < f->account_count; i++) {
		if (!f->accounts[i].provider[0])
			any = f->accounts[i].id;
		else if (strcmp(f->accounts[i].provider, r->call.provider) == 0)
			return f->accounts[i].id;
	}
	if (r->call.organization[0])
		return r->call.organization;
	return any ? any : "unattributed";
}

/* What the call went to, where that is the customer's own and not a public model. */
static void find_resource(struct lt_focus_base *b, const struct lt_call *call)
{
	if (!call->request_model[0])
		return;
	if (strcmp(call->provider, "azure") == 0)
		b->resource_type = "Deployment";
	else if (strcmp(call->provider, "sagemaker") == 0)
		b->resource_type = "Endpoint";
	else if (strncmp(call->request_model, "arn:", 4) == 0)
		b->resource_type = "Inference Profile";
	else
		return;
	b->resource_id = call->request_model;
}

static void make_base(struct lt_focus_base *b, const struct lt_focus *f, const struct lt_record *r)
{
	b->r = r;
	lt_focus_service(&r->call, &b->service);
	b->account = find_account(f, r);
	b->charge_category = "Usage";
	make_times(b, r);
	if (!lt_focus_region(&r->call, b->region))
		b->region[0] = '\0';
	find_resource(b, &r->call);
	make_tags(&r->who, b->tags);
	make_principal(&r->who, b->principal, sizeof(b->principal));
	lt_record_id_format(r->id, b->id);
	snprintf(b->revision, sizeof(b->revision), "%" PRIu32, r->revision);
	snprintf(b->confidence, sizeof(b->confidence), "%u", r->who.confidence);
	if (r->who.step.known)
		snprintf(b->step, sizeof(b->step), "%" PRIu64, r->who.step.n);
	if (r->call.credential_fp)
		snprintf(b->credential, sizeof(b->credential), "%016" PRIx64,
			 r->call.credential_fp);
}

/* ---- one row ---- */

/* What one meter of a call used and cost. */
struct charge {
	const char *bucket; /* the ledger's name */
	const char *price;  /* id of the price book's entry, "" = none */
	const char *mark;   /* tells apart the SKU prices that are in no book */
	lt_int128 micro;    /* millionths of the unit */
	lt_int128 amount;   /* pico, of the book */
	lt_int128 rest;	    /* pico, that the rounded parts lack to the record's amount */
};

struct writer {
	FILE *out;
	struct lt_focus *f;
	struct lt_focus_invoice *invoice; /* NULL: none */
	struct lt_focus_base base;
	size_t rows;
};

static void make_details(struct lt_focus_row *w)
{
	const struct lt_focus_sku *sku = &w->sku;
	struct lt_json_writer json;
	FILE *out = json_begin(&json, w->details);

	if (out) {
		put(&json, "x_ModelId", sku->model);
		put(&json, "x_TokenDirection", w->meter.direction);
		put(&json, "x_TokenCacheAction", w->meter.cache);
		put(&json, "x_CacheTtl", w->meter.ttl);
		put(&json, "x_Modality", w->meter.modality);
		put(&json, "x_ServiceTier", sku->tier[0] ? sku->tier : "standard");
		put(&json, "x_ContextTier", sku->context);
		put(&json, "x_Hours", sku->hours);
	}
	json_end(&json, out, w->details);
}

static const char *model_of(const struct lt_record *r)
{
	return r->call.response_model[0] ? r->call.response_model : r->call.request_model;
}

/* A SKU that no price book has: by the same scheme. */
static void make_sku(struct lt_focus_sku *sku, const struct lt_record *r, const struct charge *c)
{
	const char *model = model_of(r);

	snprintf(sku->model, sizeof(sku->model), "%s", model);
	snprintf(sku->meter, sizeof(sku->meter), "%s", c->bucket);
	snprintf(sku->id, sizeof(sku->id), "%s/%s%s%s", r->call.provider, model,
		 model[0] ? "/" : "", c->bucket);
	snprintf(sku->price_id, sizeof(sku->price_id), "%s:%s", sku->id, c->mark);
	if (r->call.tier == LT_TIER_PROVISIONED)
		snprintf(sku->tier, sizeof(sku->tier), "%s", lt_tier_name(r->call.tier));
}

/*
 * The price that the amount comes to, in as many decimals as make the product with the quantity
 * the amount again. A negative amount is a negative quantity: prices are never negative.
 */
static void make_price(struct lt_focus_row *w, const struct charge *c)
{
	lt_int128 magnitude = c->amount < 0 ? -c->amount : c->amount, sign = c->amount < 0 ? -1 : 1;
	/* Tokens are priced by the million: one token is a millionth of that. */
	lt_int128 pricing = w->meter.tokens ? c->micro / MICRO : c->micro;
	lt_int128 price = 0;

	if (pricing == 0 && magnitude > 0) { /* less than the ledger shows of it */
		pricing = MICRO;
		w->meter.tokens = false;
		snprintf(w->meter.unit, sizeof(w->meter.unit), "Requests");
	}
	if (pricing > 0)
		price = (magnitude * MICRO * MICRO + pricing / 2) / pricing;
	lt_focus_decimal(price, LT_PRICE_PLACES, w->unit_price);
	lt_focus_decimal(sign * pricing, MICRO_PLACES, w->quantity);
	lt_focus_decimal(sign * pricing, w->meter.tokens ? 0 : MICRO_PLACES, w->consumed);
	snprintf(w->pricing_unit, sizeof(w->pricing_unit), "%s%s",
		 w->meter.tokens ? "1000000 " : "", w->meter.unit);
}

static void make_costs(struct writer *p, struct lt_focus_row *w, const struct charge *c)
{
	w->list = c->amount;
	w->effective = c->amount + c->rest;
	w->billed = 0;
	if (p->f->mode == LT_FOCUS_PRIMARY)
		w->billed = w->effective;
	if (p->invoice)
		w->billed = w->effective = lt_focus_share(p->invoice, w->effective);
}

static void put_charge(struct writer *p, const struct charge *c)
{
	const struct lt_record *r = p->base.r;
	struct lt_focus_row w = {.base = &p->base, .first = p->rows == 0, .bucket = c->bucket};

	if (lt_focus_sku(c->price, &w.sku))
		w.price_key = c->price;
	else
		make_sku(&w.sku, r, c);
	lt_focus_meter(w.sku.meter, &w.meter);
	w.cost_category = r->call.category;
	w.pricing_category = "Standard";
	if (r->cost.status == LT_PRICE_INLINE)
		w.pricing_category = "Dynamic";
	else if (r->cost.status == LT_PRICE_SUBSCRIPTION)
		w.pricing_category = "Other";
	make_price(&w, c);
	make_details(&w);
	make_costs(p, &w, c);
	snprintf(w.description, sizeof(w.description), "%s%s%s, %s at %s", w.meter.name,
		 w.sku.model[0] ? " of " : "", w.sku.model,
		 r->call.operation[0] ? r->call.operation : "call", p->base.service.name);
	lt_focus_row_write(p->out, p->f->version, &w);
	p->rows++;
}

/* ---- the rows of a record ---- */

/*
 * Units come in millionths, and a part of the cost shows whole ones: the millionths are those of
 * the unit with the same name, or of the only one that is the same when rounded.
 */
static lt_int128 exact_quantity(const struct lt_usage *u, const struct lt_cost_part *part)
{
	lt_int128 found = (lt_int128)part->quantity * MICRO;
	unsigned alike = 0;

	for (unsigned i = 0; i < u->unit_count; i++) {
		uint64_t micro = u->units[i].amount_micro;
		bool rounds = micro / MICRO + (micro % MICRO >= MICRO / 2) == part->quantity;

		if (strcmp(u->units[i].name, part->meter) == 0)
			return micro;
		if (rounds && ++alike == 1)
			found = micro;
	}
	return alike > 1 ? (lt_int128)part->quantity * MICRO : found;
}

static lt_int128 quantity_of(const struct lt_usage *u, const struct lt_cost_part *part)
{
	struct lt_focus_meter meter;

	lt_focus_meter(part->meter, &meter);
	return meter.tokens || strcmp(part->meter, "requests") == 0
		       ? (lt_int128)part->quantity * MICRO
		       : exact_quantity(u, part);
}

/* Each part is rounded by itself and the amount once: the last row has the difference. */
static void put_parts(struct writer *p, const struct lt_record *r)
{
	const struct lt_cost *cost = &r->cost;
	lt_int128 rest = cost->amount;

	for (unsigned i = 0; i < cost->part_count; i++)
		rest -= cost->parts[i].amount;
	for (unsigned i = 0; i < cost->part_count; i++) {
		const struct lt_cost_part *part = &cost->parts[i];

		put_charge(p, &(struct charge){
				      .bucket = part->meter,
				      .price = part->price,
				      .mark = "sum",
				      .micro = quantity_of(&r->call.usage, part),
				      .amount = part->amount,
				      .rest = i + 1 == cost->part_count ? rest : 0,
			      });
	}
}

/* One amount for the whole call. */
static void put_request(struct writer *p, const char *mark, lt_int128 amount)
{
	put_charge(p, &(struct charge){.bucket = "requests",
				       .price = "",
				       .mark = mark,
				       .micro = MICRO,
				       .amount = amount});
}

/* Paid for by the month: what was used, at the price of none. */
static void put_subscription(struct writer *p, const struct lt_record *r)
{
	static const char *const name[] = {
#define LT_X(id, bucket, side) [LT_B_##id] = bucket,
		LT_BUCKETS(LT_X)
#undef LT_X
	};
	const struct lt_usage *u = &r->call.usage;
	const char *mark = r->call.tier == LT_TIER_PROVISIONED ? "provisioned" : "plan";

	for (unsigned i = 0; i < LT_BUCKET_COUNT; i++) {
		if (u->bucket[i].known && u->bucket[i].n > 0)
			put_charge(p, &(struct charge){.bucket = name[i],
						       .price = "",
						       .mark = mark,
						       .micro = (lt_int128)u->bucket[i].n * MICRO});
	}
	for (unsigned i = 0; i < u->unit_count; i++)
		put_charge(p, &(struct charge){.bucket = u->units[i].name,
					       .price = "",
					       .mark = mark,
					       .micro = u->units[i].amount_micro});
	if (p->rows == 0)
		put_request(p, mark, 0);
}

size_t lt_focus_write(FILE *out, struct lt_focus *f, const struct lt_record *r, bool correction)
{
	struct writer p = {.out = out, .f = f, .invoice = lt_focus_invoice_of(f, r)};

	make_base(&p.base, f, r);
	if (correction)
		p.base.charge_class = "Correction";
	if (p.invoice) {
		p.base.invoice = p.invoice->id;
		p.base.split = true;
	}
	if (r->cost.status == LT_PRICE_SUBSCRIPTION)
		put_subscription(&p, r);
	else if (r->cost.part_count > 0)
		put_parts(&p, r);
	else
		put_request(&p, r->cost.status == LT_PRICE_INLINE ? "inline" : "call",
			    r->cost.amount);
	return p.rows;
}

void lt_focus_titles(FILE *out, const struct lt_focus *f)
{
	lt_focus_row_titles(out, f->version);
}

/* ---- what no record explains ---- */

static void put_residual(FILE *out, const struct lt_focus *f, const struct lt_focus_invoice *i,
			 int64_t since_s, int64_t until_s)
{
	struct lt_record r = {0};
	struct lt_focus_base b = {.r = &r, .charge_category = "Adjustment", .invoice = i->id};
	struct lt_focus_row w = {.base = &b, .cost_category = "unattributed"};

	lt_bytes_copy(r.call.provider, sizeof(r.call.provider), lt_bytes_str(i->provider));
	lt_bytes_copy(r.call.record_type, sizeof(r.call.record_type),
		      lt_bytes_str(i->record_type[0] ? i->record_type : "llm"));
	lt_bytes_copy(r.cost.currency, sizeof(r.cost.currency), lt_bytes_str(i->currency));
	snprintf(r.who.tenant, sizeof(r.who.tenant), "unattributed");
	lt_focus_service(&r.call, &b.service);
	b.account = find_account(f, &r);
	b.split = true;
	make_periods(&b, since_s, until_s);
	w.list = w.effective = w.billed = i->amount - i->billed;
	snprintf(w.description, sizeof(w.description),
		 "Invoiced by %s, and explained by no recorded call", b.service.provider);
	lt_focus_row_write(out, f->version, &w);
}

size_t lt_focus_residuals(FILE *out, struct lt_focus *f, int64_t since_ns, int64_t until_ns)
{
	size_t rows = 0;

	for (size_t i = 0; i < f->invoice_count; i++) {
		if (f->invoices[i].amount == f->invoices[i].billed)
			continue;
		put_residual(out, f, &f->invoices[i], since_ns / NS, until_ns / NS);
		rows++;
	}
	return rows;
}

/* ---- what cannot be a row ---- */

void lt_focus_quarantine_titles(FILE *out)
{
	static const char *const titles[] = {
		"record_id",	"revision",	 "start",	 "reason",	  "tenant",
		"provider",	"host",		 "operation",	 "request_model", "response_model",
		"input_tokens", "output_tokens", "price_version"};

	lt_csv_line(out, titles, LT_COUNT(titles));
}

static const char *count(struct lt_count c, char to[24])
{
	snprintf(to, 24, "%" PRIu64, c.n);
	return c.known ? to : NULL;
}

void lt_focus_quarantine(FILE *out, const struct lt_record *r, const char *reason)
{
	char id[LT_RECORD_ID_TEXT], start[LT_CLOCK_TEXT], revision[12], in[24], output[24];
	const char *const values[] = {
		lt_record_id_format(r->id, id),
		revision,
		lt_clock_format(r->start_ns, start),
		reason,
		r->who.tenant,
		r->call.provider,
		r->call.host,
		r->call.operation,
		r->call.request_model,
		r->call.response_model,
		count(r->call.usage.input, in),
		count(r->call.usage.output, output),
		r->cost.version,
	};

	snprintf(revision, sizeof(revision), "%" PRIu32, r->revision);
	lt_csv_line(out, values, LT_COUNT(values));
}
