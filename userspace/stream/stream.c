// SPDX-License-Identifier: Apache-2.0
/*
 * One table of fixed capacity: a hash by (tgid, ctx, generation), a list in order of use for
 * eviction, and a second hash by tgid, so that the end of a process costs its own connections only.
 *
 * Chunks that come before their turn are copied and held, within bounds. What comes later in the
 * other direction waits with them: an answer must not overtake the request that it answers.
 */
#include "userspace/stream/stream.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/counter.h"
#include "userspace/base/digest.h"

struct held {
	struct held *next;
	uint64_t arrival; /* number of the chunk on its connection, both directions counted */
	uint64_t position;
	uint64_t lost;
	uint64_t ts_ns;
	bool early; /* came before its turn */
	size_t n;
	uint8_t data[];
};

struct direction {
	bool begun;
	uint64_t expected; /* position of the next byte */
	uint64_t lost;	   /* the kernel's count as of the last chunk passed on */
	struct held *held; /* by position */
	size_t held_count;
};

struct entry {
	struct lt_conn conn;
	void *user;
	struct direction dir[2];
	uint64_t arrivals;
	uint64_t used_ns;
	struct entry *next, **at;			/* in the bucket */
	struct entry *next_of_process, **at_of_process; /* in the bucket of its process */
	struct entry *newer, *older;			/* by use */
	struct entry *next_waiting, *prev_waiting;	/* something is held */
	bool waiting;
};

struct lt_stream {
	struct lt_stream_opts opts;
	struct lt_stream_sink sink;
	struct entry **buckets;
	struct entry **processes;
	size_t mask;
	size_t count;
	size_t held_bytes;
	struct entry *newest, *oldest;
	struct entry *waiting;
};

static size_t hash(const struct lt_stream *s, uint32_t tgid, uint64_t ctx, uint64_t generation)
{
	uint64_t h = (ctx ^ generation) * 0x9e3779b97f4a7c15ULL ^ tgid * 0xff51afd7ed558ccdULL;

	return (h ^ h >> 29) & s->mask;
}

static size_t process_hash(const struct lt_stream *s, uint32_t tgid)
{
	return (tgid * 0x9e3779b1U >> 7) & s->mask;
}

int lt_stream_new(const struct lt_stream_opts *opts, const struct lt_stream_sink *sink,
		  struct lt_stream **ret)
{
	lt_defer(lt_stream_freep)
	struct lt_stream *s = lt_calloc(1, sizeof(*s));
	size_t buckets = 64;

	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	s->sink = *sink;
	if (s->opts.max_connections == 0)
		s->opts.max_connections = 16384;
	if (s->opts.window_chunks == 0)
		s->opts.window_chunks = 16;
	if (s->opts.window_bytes == 0)
		s->opts.window_bytes = 8 << 20;
	if (s->opts.window_ns == 0)
		s->opts.window_ns = 100 * 1000000ULL;
	if (s->opts.idle_ns == 0)
		s->opts.idle_ns = 1800 * 1000000000ULL;
	while (buckets < s->opts.max_connections)
		buckets *= 2;
	s->mask = buckets - 1;
	s->buckets = lt_calloc(buckets, sizeof(*s->buckets));
	s->processes = lt_calloc(buckets, sizeof(*s->processes));
	if (!s->buckets || !s->processes)
		return -ENOMEM;
	*ret = lt_take(s);
	return 0;
}

/* ---- lists ---- */

static void unlink_use(struct lt_stream *s, struct entry *e)
{
	if (e->newer)
		e->newer->older = e->older;
	else
		s->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		s->oldest = e->newer;
	e->newer = e->older = NULL;
}

static void link_use(struct lt_stream *s, struct entry *e)
{
	e->older = s->newest;
	if (s->newest)
		s->newest->newer = e;
	s->newest = e;
	if (!s->oldest)
		s->oldest = e;
}

static void touch(struct lt_stream *s, struct entry *e, uint64_t ts_ns)
{
	if (ts_ns > e->used_ns)
		e->used_ns = ts_ns;
	if (s->newest == e)
		return;
	unlink_use(s, e);
	link_use(s, e);
}

static void set_waiting(struct lt_stream *s, struct entry *e, bool waiting)
{
	if (e->waiting == waiting)
		return;
	e->waiting = waiting;
	if (waiting) {
		e->prev_waiting = NULL;
		e->next_waiting = s->waiting;
		if (s->waiting)
			s->waiting->prev_waiting = e;
		s->waiting = e;
		return;
	}
	if (e->prev_waiting)
		e->prev_waiting->next_waiting = e->next_waiting;
	else
		s->waiting = e->next_waiting;
	if (e->next_waiting)
		e->next_waiting->prev_waiting = e->prev_waiting;
}

static void link_hashes(struct lt_stream *s, struct entry *e)
{
	const struct lt_conn_key *k = &e->conn.key;

	e->at = &s->buckets[hash(s, k->tgid, k->ctx, k->generation)];
	e->next = *e->at;
	*e->at = e;
	if (e->next)
		e->next->at = &e->next;
	e->at_of_process = &s->processes[process_hash(s, k->tgid)];
	e->next_of_process = *e->at_of_process;
	*e->at_of_process = e;
	if (e->next_of_process)
		e->next_of_process->at_of_process = &e->next_of_process;
}

static void unlink_hashes(struct entry *e)
{
	*e->at = e->next;
	if (e->next)
		e->next->at = e->at;
	*e->at_of_process = e->next_of_process;
	if (e->next_of_process)
		e->next_of_process->at_of_process = e->at_of_process;
}

/* ---- order ---- */

/* The bytes up to position @to are missing for good. */
static void report_gap(struct lt_stream *s, struct entry *e, enum lt_dir dir, uint64_t ts_ns,
		       uint64_t to)
{
	struct direction *d = &e->dir[dir];
	uint64_t missing = to - d->expected;

	d->expected = to;
	s->sink.gap(s->sink.arg, e->user, dir, ts_ns, missing);
}

/* A chunk has its turn: bytes missing before it are a gap, bytes known already are left out. */
static void pass_on(struct lt_stream *s, struct entry *e, enum lt_dir dir, uint64_t ts_ns,
		    uint64_t position, uint64_t lost, struct lt_bytes data)
{
	struct direction *d = &e->dir[dir];

	if (lost > d->lost)
		d->lost = lost;
	if (position > d->expected)
		report_gap(s, e, dir, ts_ns, position);
	data = lt_bytes_skip(data, (size_t)(d->expected - position));
	if (data.n == 0)
		return;
	d->expected += data.n;
	s->sink.bytes(s->sink.arg, e->user, dir, ts_ns, data);
}

/* Whether the kernel's loss count, as known to what is held, covers everything that is missing up
 * to it. */
static bool explained(const struct direction *d)
{
	uint64_t missing = 0, at = d->expected;

	for (const struct held *h = d->held; h; h = h->next) {
		if (h->position > at)
			missing += h->position - at;
		if (h->position + h->n > at)
			at = h->position + h->n;
		if (h->lost > d->lost && h->lost - d->lost >= missing)
			return true;
	}
	return false;
}

static bool blocked(const struct direction *d)
{
	return d->held && d->held->position > d->expected && !explained(d);
}

/* The chunk that has been waiting for longest: what is before it in its direction has its turn with
 * it. */
static const struct held *first_come(const struct direction *d)
{
	const struct held *first = d->held;

	for (const struct held *h = d->held; h; h = h->next) {
		if (h->arrival < first->arrival)
			first = h;
	}
	return first;
}

static void pass_on_held(struct lt_stream *s, struct entry *e, enum lt_dir dir)
{
	struct direction *d = &e->dir[dir];
	struct held *h = d->held;

	d->held = h->next;
	d->held_count--;
	s->held_bytes -= h->n;
	if (h->early && h->position <= d->expected)
		lt_counter_add(LT_C_STREAM_REORDERED, 1);
	pass_on(s, e, dir, h->ts_ns, h->position, h->lost, lt_bytes(h->data, h->n));
	lt_wipe(h->data, h->n);
	lt_free(h);
}

/* Of two directions the one that waits for longer, -1 for none: @may says which are to be
 * considered. */
static int longer_waiting(const struct entry *e, const bool may[2])
{
	if (may[0] && may[1])
		return first_come(&e->dir[0])->arrival < first_come(&e->dir[1])->arrival ? 0 : 1;
	if (may[0])
		return 0;
	return may[1] ? 1 : -1;
}

/* The direction that blocks, -1 when none does. */
static int blocking(const struct entry *e)
{
	return longer_waiting(e, (bool[2]){blocked(&e->dir[0]), blocked(&e->dir[1])});
}

/* The direction whose turn it is, -1 when all that is held has to wait. */
static int next_turn(const struct entry *e)
{
	int turn = longer_waiting(e, (bool[2]){e->dir[0].held, e->dir[1].held});

	return turn >= 0 && blocked(&e->dir[turn]) ? -1 : turn;
}

static void pass_on_all_ready(struct lt_stream *s, struct entry *e)
{
	int turn;

	while ((turn = next_turn(e)) >= 0)
		pass_on_held(s, e, (enum lt_dir)turn);
	set_waiting(s, e, e->dir[0].held || e->dir[1].held);
}

/* The oldest hole is final. */
static void give_up_hole(struct lt_stream *s, struct entry *e)
{
	int dir = blocking(e);

	if (dir >= 0)
		pass_on_held(s, e, (enum lt_dir)dir);
	pass_on_all_ready(s, e);
}

static void give_up_all(struct lt_stream *s, struct entry *e)
{
	while (e->dir[0].held || e->dir[1].held)
		give_up_hole(s, e);
}

static int hold(struct lt_stream *s, struct entry *e, const struct lt_chunk *c)
{
	struct direction *d = &e->dir[c->dir];
	struct held **slot = &d->held;
	struct held *h;

	if (s->held_bytes + c->data.n > s->opts.window_bytes)
		return -ENOBUFS;
	h = lt_calloc(1, sizeof(*h) + c->data.n);
	if (!h)
		return -ENOMEM;
	h->arrival = e->arrivals++;
	h->position = c->position;
	h->lost = c->lost;
	h->ts_ns = c->ts_ns;
	h->early = c->position > d->expected;
	h->n = c->data.n;
	memcpy(h->data, c->data.p, c->data.n);
	while (*slot && (*slot)->position <= h->position)
		slot = &(*slot)->next;
	h->next = *slot;
	*slot = h;
	d->held_count++;
	s->held_bytes += h->n;
	return 0;
}

/* A chunk that cannot be passed on as it comes. */
static void queue_up(struct lt_stream *s, struct entry *e, const struct lt_chunk *c)
{
	if (hold(s, e, c) < 0) {
		/* No room to wait: the holes before it are final now. */
		give_up_all(s, e);
		pass_on(s, e, c->dir, c->ts_ns, c->position, c->lost, c->data);
		return;
	}
	pass_on_all_ready(s, e);
	while (e->dir[0].held_count > s->opts.window_chunks ||
	       e->dir[1].held_count > s->opts.window_chunks)
		give_up_hole(s, e);
}

/* ---- connections ---- */

static struct entry *find(struct lt_stream *s, const struct lt_event_conn *c)
{
	struct entry *e = s->buckets[hash(s, c->head.tgid, c->ctx, c->generation)];

	while (e && (e->conn.key.ctx != c->ctx || e->conn.key.generation != c->generation ||
		     e->conn.key.tgid != c->head.tgid))
		e = e->next;
	return e;
}

static void end_entry(struct lt_stream *s, struct entry *e, uint64_t ts_ns,
		      enum lt_close_reason why)
{
	give_up_all(s, e);
	unlink_use(s, e);
	unlink_hashes(e);
	s->count--;
	s->sink.close(s->sink.arg, e->user, ts_ns, why);
	lt_free(e);
}

static struct entry *open_entry(struct lt_stream *s, const struct lt_event_conn *c)
{
	struct entry *e;

	if (s->count >= s->opts.max_connections) {
		lt_counter_add(LT_C_CONNECTIONS_EVICTED, 1);
		end_entry(s, s->oldest, c->head.ts_ns, LT_CLOSE_EVICTED);
	}
	e = lt_calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->conn.key = (struct lt_conn_key){
		.tgid = c->head.tgid,
		.ctx = c->ctx,
		.generation = c->generation,
	};
	e->conn.process_start_ns = c->process_start_ns;
	e->conn.cgroup_id = c->cgroup_id;
	e->conn.uid = c->uid;
	e->conn.slot = c->slot;
	link_hashes(s, e);
	e->used_ns = c->head.ts_ns;
	link_use(s, e);
	s->count++;
	lt_counter_add(LT_C_CONNECTIONS, 1);
	s->sink.open(s->sink.arg, &e->conn, &e->user);
	return e;
}

static struct entry *get(struct lt_stream *s, const struct lt_event_conn *c)
{
	struct entry *e = find(s, c);

	if (!e)
		return open_entry(s, c);
	touch(s, e, c->head.ts_ns);
	return e;
}

struct lt_stream *lt_stream_free(struct lt_stream *s)
{
	if (!s)
		return NULL;
	while (s->oldest)
		end_entry(s, s->oldest, s->oldest->used_ns, LT_CLOSE_STOP);
	lt_free(s->buckets);
	lt_free(s->processes);
	lt_free(s);
	return NULL;
}

/* ---- events ---- */

static void begin_direction(struct direction *d, const struct lt_chunk *c)
{
	d->begun = true;
	d->lost = c->lost;
	/* Bytes that the kernel tried to hand over and could not are a hole; bytes before our time
	 * are not. */
	d->expected = c->position - (c->lost < c->position ? c->lost : c->position);
}

int lt_stream_data(struct lt_stream *s, const struct lt_chunk *c)
{
	struct entry *e = get(s, c->conn);
	struct direction *d;
	bool final;

	if (!e)
		return -ENOMEM;
	e->conn.library = c->library;
	/* The process may have been moved since: a request is sent from where it is now. */
	if (c->dir == LT_DIR_WRITE)
		e->conn.cgroup_id = c->conn->cgroup_id;
	d = &e->dir[c->dir];
	final = c->lost > d->lost && c->position > d->expected &&
		c->lost - d->lost >= c->position - d->expected;
	if (!d->begun) {
		begin_direction(d, c);
		final = true;
	}
	if (!e->waiting && (final || c->position <= d->expected))
		pass_on(s, e, c->dir, c->ts_ns, c->position, c->lost, c->data);
	else
		queue_up(s, e, c);
	return 0;
}

void lt_stream_name(struct lt_stream *s, const struct lt_event_name *event)
{
	struct entry *e = get(s, &event->conn);

	if (e)
		memccpy(e->conn.server_name, event->name, '\0', sizeof(e->conn.server_name) - 1);
}

void lt_stream_peer(struct lt_stream *s, const struct lt_event_peer *event)
{
	struct entry *e = get(s, &event->conn);

	if (!e)
		return;
	e->conn.peer_family = event->family;
	e->conn.peer_port = event->port;
	memcpy(e->conn.peer_address, event->address, sizeof(e->conn.peer_address));
	e->conn.socket_cookie = event->socket_cookie;
}

void lt_stream_close(struct lt_stream *s, const struct lt_event_close *event)
{
	struct entry *e = find(s, &event->conn);

	if (!e)
		return;
	give_up_all(s, e);
	for (int dir = 0; dir < 2; dir++) {
		struct direction *d = &e->dir[dir];

		/* What the kernel counted beyond the last byte that came was lost at the tail. */
		if (d->begun && event->position[dir] > d->expected)
			report_gap(s, e, (enum lt_dir)dir, event->conn.head.ts_ns,
				   event->position[dir]);
	}
	end_entry(s, e, event->conn.head.ts_ns, LT_CLOSE_FREED);
}

void lt_stream_exit(struct lt_stream *s, uint32_t tgid, uint64_t ts_ns)
{
	struct entry *e = s->processes[process_hash(s, tgid)];

	while (e) {
		struct entry *next = e->next_of_process;

		if (e->conn.key.tgid == tgid)
			end_entry(s, e, ts_ns, LT_CLOSE_EXIT);
		e = next;
	}
}

void lt_stream_tick(struct lt_stream *s, uint64_t now_ns)
{
	struct entry *e = s->waiting;

	while (e) {
		struct entry *next = e->next_waiting;

		int dir;

		while ((dir = blocking(e)) >= 0 &&
		       now_ns > first_come(&e->dir[dir])->ts_ns + s->opts.window_ns)
			give_up_hole(s, e);
		e = next;
	}
	while (s->oldest && now_ns > s->oldest->used_ns + s->opts.idle_ns) {
		lt_counter_add(LT_C_CONNECTIONS_EVICTED, 1);
		end_entry(s, s->oldest, now_ns, LT_CLOSE_EVICTED);
	}
}

size_t lt_stream_count(const struct lt_stream *s)
{
	return s->count;
}
