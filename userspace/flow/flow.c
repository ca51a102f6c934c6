// SPDX-License-Identifier: Apache-2.0
#include "userspace/flow/flow.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/flow/client_hello.h"

enum {
	MAX_FLOWS = 4096,
	BUCKETS = 4096, /* power of two */
	/*
	 * What a client sends in a handshake behind its ClientHello: a key exchange (TLS 1.2) or
	 * nothing, and Finished; the shortest request with a key is longer.
	 */
	HANDSHAKE_BYTES = 256,
	/*
	 * A process whose requests to that host are read opens connections in advance too, which
	 * over HTTP/2 say more before they are asked anything: its small flows are such.
	 */
	READABLE_BYTES = 1024,
	READER_SETS = 256, /* power of two */
	READER_WAYS = 4,
	TICK_NS = 100 * 1000 * 1000,
	SECOND_NS = 1000 * 1000 * 1000,
};

enum state {
	AWAITS_NAME, /* the ClientHello is not read through */
	OPEN,
	CLAIMED, /* decoded, as far as process and host can tell */
	ENDED,	 /* waits for what may still be decoded */
};

struct flow {
	struct flow *next, *before; /* by age */
	struct flow *chain;	    /* of the bucket */
	enum state state;
	struct lt_event_flow facts; /* of the latest event */
	struct lt_client_hello hello;
	uint64_t hello_bytes;
	uint64_t due_ns;   /* when to look again, or when its end is final */
	uint32_t revision; /* of the last record, 0: none */
	bool asked;	   /* the kernel was asked for it and has not answered */
	bool told;	   /* a record was made with these bytes */
	bool suspected;
};

/* A process whose requests to a host are decoded. */
struct reader {
	uint64_t process_start_ns, host; /* a hash of its name */
	uint64_t used;			 /* when, by a clock of uses */
	uint32_t tgid;
	uint32_t claims; /* decoded connections whose flow nobody knows yet */
};

struct lt_flows {
	struct lt_flows_opts opts;
	const struct lt_catalog *catalog;
	struct lt_flow_sink sink;
	struct flow *oldest, *newest;
	struct flow *bucket[BUCKETS];
	struct reader readers[READER_SETS][READER_WAYS];
	uint64_t uses;
	size_t count;
	uint64_t next_tick_ns;
};

int lt_flows_new(const struct lt_flows_opts *opts, const struct lt_catalog *catalog,
		 const struct lt_flow_sink *sink, struct lt_flows **ret)
{
	struct lt_flows *f = lt_calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->opts = *opts;
	if (f->opts.max_flows == 0)
		f->opts.max_flows = MAX_FLOWS;
	if (f->opts.grace_ns == 0)
		f->opts.grace_ns = 300ULL * 1000 * 1000;
	if (f->opts.suspect_ns == 0)
		f->opts.suspect_ns = SECOND_NS;
	if (f->opts.first_ns == 0)
		f->opts.first_ns = 60ULL * SECOND_NS;
	if (f->opts.interval_ns == 0)
		f->opts.interval_ns = 600ULL * SECOND_NS;
	f->catalog = catalog;
	f->sink = *sink;
	*ret = f;
	return 0;
}

static struct flow **bucket_of(struct lt_flows *f, uint64_t cookie)
{
	return &f->bucket[(cookie * 0x9e3779b97f4a7c15u >> 32) % BUCKETS];
}

static struct flow *find(struct lt_flows *f, uint64_t cookie)
{
	struct flow *flow = *bucket_of(f, cookie);

	while (flow && flow->facts.socket_cookie != cookie)
		flow = flow->chain;
	return flow;
}

static void drop(struct lt_flows *f, struct flow *flow)
{
	struct flow **at = bucket_of(f, flow->facts.socket_cookie);

	while (*at != flow)
		at = &(*at)->chain;
	*at = flow->chain;
	*(flow->before ? &flow->before->next : &f->oldest) = flow->next;
	*(flow->next ? &flow->next->before : &f->newest) = flow->before;
	f->count--;
	lt_free(flow);
}

static uint64_t hash_name(struct lt_bytes name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x100000001b3u;
	}
	return hash;
}

/* The reader that this flow may belong to. @add: makes one, in place of the longest unused. NULL:
 * it is not known that any request of that process to that host was decoded. */
static struct reader *reader_of(struct lt_flows *f, const struct flow *flow, bool add)
{
	uint64_t host = hash_name(lt_bytes_str(flow->hello.name));
	uint64_t start = flow->facts.process_start_ns;
	uint32_t tgid = flow->facts.head.tgid;
	struct reader *set = f->readers[(host ^ tgid * 0x9e3779b1u) % READER_SETS];
	struct reader *oldest = set;

	for (int i = 0; i < READER_WAYS; i++) {
		struct reader *r = &set[i];

		if (r->used > 0 && r->tgid == tgid && r->process_start_ns == start &&
		    r->host == host) {
			r->used = ++f->uses;
			return r;
		}
		if (r->used < oldest->used)
			oldest = r;
	}
	if (!add)
		return NULL;
	*oldest = (struct reader){
		.process_start_ns = start, .host = host, .used = ++f->uses, .tgid = tgid};
	return oldest;
}

/* Whether more was sent than a handshake takes: then there were requests. */
static bool has_requests(const struct flow *flow, const struct reader *reader)
{
	return flow->facts.sent > flow->hello_bytes + (reader ? READABLE_BYTES : HANDSHAKE_BYTES);
}

static void tell(struct lt_flows *f, struct flow *flow)
{
	const struct lt_event_flow *e = &flow->facts;
	struct lt_call call = {
		/* Beside the connections of TLS stacks, which have an address here. */
		.conn = {.tgid = e->head.tgid, .ctx = e->socket_cookie, .generation = e->start_ns},
		.process_start_ns = e->process_start_ns,
		.cgroup_id = e->cgroup_id,
		.uid = e->uid,
		.socket_cookie = e->socket_cookie,
		.first_byte_ns = e->start_ns,
		.end_ns = e->head.ts_ns,
		.port = e->port == 443 ? 0 : e->port,
		.record_type = "unknown_ai",
		.usage.completeness = LT_CAPTURE_GAP,
		.request_body_bytes = e->sent,
		.response_body_bytes = e->received,
	};

	if (!lt_catalog_describe_host(f->catalog, lt_bytes_str(flow->hello.name), &call))
		return;
	if (flow->revision == 0)
		lt_counter_add(LT_C_FLOWS, 1);
	flow->told = true;
	f->sink.flow(f->sink.arg, &call, ++flow->revision, e->ended);
}

static void tell_if_due(struct lt_flows *f, struct flow *flow)
{
	struct reader *reader;

	if (flow->state == AWAITS_NAME || flow->state == CLAIMED || flow->told)
		return;
	reader = reader_of(f, flow, false);
	if (!has_requests(flow, reader))
		return;
	if (flow->revision == 0 && reader && reader->claims > 0) {
		reader->claims--;
		flow->state = CLAIMED;
		return;
	}
	tell(f, flow);
}

/* Any flow of that process to that host; the newest, as it is the likely one. */
static struct flow *find_like(struct lt_flows *f, uint32_t tgid, uint64_t process_start_ns,
			      struct lt_bytes host)
{
	struct flow *flow = f->newest;

	while (flow && (flow->state == AWAITS_NAME || flow->facts.head.tgid != tgid ||
			flow->facts.process_start_ns != process_start_ns ||
			!lt_bytes_is_nocase(host, flow->hello.name)))
		flow = flow->before;
	return flow;
}

static void decoded_by_name(struct lt_flows *f, const struct lt_conn *conn, struct lt_bytes host)
{
	struct flow *flow = find_like(f, conn->key.tgid, conn->process_start_ns,
				      lt_bytes_str(conn->server_name));

	if (!flow)
		flow = find_like(f, conn->key.tgid, conn->process_start_ns, host);
	if (flow)
		reader_of(f, flow, true)->claims++;
}

void lt_flows_decoded(struct lt_flows *f, const struct lt_conn *conn, struct lt_bytes host)
{
	struct flow *flow;

	/* What is in the clear is another connection than any of these, whatever host it names. */
	if (f->count == 0 || conn->library == LT_LIBRARY_PLAINTEXT)
		return;
	if (!conn->socket_cookie) {
		decoded_by_name(f, conn, host);
		return;
	}
	flow = find(f, conn->socket_cookie);
	if (!flow)
		return;
	if (flow->state != AWAITS_NAME)
		reader_of(f, flow, true);
	drop(f, flow);
}

static void flow_ended(struct lt_flows *f, struct flow *flow)
{
	if (flow->state == AWAITS_NAME)
		lt_counter_add(LT_C_FLOWS_UNNAMED, 1);
	if (flow->state != OPEN || !has_requests(flow, NULL)) {
		drop(f, flow);
		return;
	}
	flow->state = ENDED;
	flow->due_ns = flow->facts.head.ts_ns + f->opts.grace_ns;
}

void lt_flows_event(struct lt_flows *f, const struct lt_event_flow *e)
{
	struct flow *flow = find(f, e->socket_cookie);

	if (!flow || flow->state == ENDED)
		return;
	flow->told &= e->ended == 0 && e->sent == flow->facts.sent &&
		      e->received == flow->facts.received;
	flow->facts = *e;
	if (e->ended) {
		flow_ended(f, flow);
	} else if (flow->asked) {
		flow->asked = false;
		tell_if_due(f, flow);
	}
}

static void evict(struct lt_flows *f)
{
	lt_counter_add(LT_C_FLOWS_EVICTED, 1);
	tell_if_due(f, f->oldest);
	drop(f, f->oldest);
}

static struct flow *add(struct lt_flows *f, const struct lt_event_flow *e)
{
	struct flow **bucket = bucket_of(f, e->socket_cookie);
	struct flow *flow;

	if (f->count == f->opts.max_flows)
		evict(f);
	flow = lt_calloc(1, sizeof(*flow));
	if (!flow) {
		lt_counter_add(LT_C_FLOWS_EVICTED, 1);
		return NULL;
	}
	flow->facts = *e;
	flow->due_ns = e->start_ns + f->opts.suspect_ns;
	flow->chain = *bucket;
	*bucket = flow;
	flow->before = f->newest;
	*(f->newest ? &f->newest->next : &f->oldest) = flow;
	f->newest = flow;
	f->count++;
	return flow;
}

static void name_known(struct lt_flows *f, struct flow *flow)
{
	if (!lt_catalog_knows_host(f->catalog, lt_bytes_str(flow->hello.name))) {
		drop(f, flow);
		return;
	}
	flow->state = OPEN;
	f->sink.begins(f->sink.arg, &flow->facts);
}

void lt_flows_hello(struct lt_flows *f, const struct lt_event_hello *e)
{
	struct flow *flow = find(f, e->flow.socket_cookie);

	if (!flow && e->position == 0)
		flow = add(f, &e->flow);
	if (!flow)
		return; /* its host is known not to be of interest, or its begin was lost */
	if (flow->state != AWAITS_NAME)
		return;
	flow->hello_bytes = e->whole ? e->whole : (uint64_t)e->position + e->len;
	switch (lt_client_hello_feed(&flow->hello, lt_bytes(e->data, e->len))) {
	case LT_HELLO_MORE:
		break;
	case LT_HELLO_NAMED:
		name_known(f, flow);
		break;
	case LT_HELLO_UNNAMED:
	case LT_HELLO_BROKEN:
		lt_counter_add(LT_C_FLOWS_UNNAMED, 1);
		drop(f, flow);
		break;
	}
}

/* An open flow whose time has come. The kernel that does not answer does not know it any more. */
static void look(struct lt_flows *f, struct flow *flow, uint64_t now_ns)
{
	int r = -EOPNOTSUPP;

	if (flow->asked) {
		flow_ended(f, flow);
		return;
	}
	flow->due_ns = now_ns + f->opts.interval_ns;
	if (f->sink.look)
		r = f->sink.look(f->sink.arg, flow->facts.sock, flow->facts.socket_cookie);
	flow->asked = r >= 0;
}

static void suspect(struct lt_flows *f, struct flow *flow)
{
	flow->suspected = true;
	flow->due_ns = flow->facts.start_ns + f->opts.first_ns;
	if (flow->state == OPEN)
		f->sink.suspect(f->sink.arg, &flow->facts);
}

void lt_flows_tick(struct lt_flows *f, uint64_t now_ns)
{
	struct flow *flow, *next;

	if (f->count == 0 || now_ns < f->next_tick_ns)
		return;
	f->next_tick_ns = now_ns + TICK_NS;
	for (flow = f->oldest; flow; flow = next) {
		next = flow->next;
		if (now_ns < flow->due_ns)
			continue;
		if (flow->state == ENDED) {
			tell_if_due(f, flow);
			drop(f, flow);
		} else if (!flow->suspected) {
			suspect(f, flow);
		} else {
			look(f, flow, now_ns);
		}
	}
}

void lt_flows_look(struct lt_flows *f)
{
	for (struct flow *flow = f->oldest; flow && f->sink.look; flow = flow->next) {
		if (flow->state == OPEN)
			lt_ignore(f->sink.look(f->sink.arg, flow->facts.sock,
					       flow->facts.socket_cookie));
	}
}

struct lt_flows *lt_flows_free(struct lt_flows *f)
{
	if (!f)
		return NULL;
	while (f->oldest) {
		tell_if_due(f, f->oldest);
		drop(f, f->oldest);
	}
	lt_free(f);
	return NULL;
}

size_t lt_flows_count(const struct lt_flows *f)
{
	return f->count;
}
