// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/cursors.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/ledger/internal.h"

enum { BUSY_MS = 2000 };

struct lt_cursors {
	pthread_mutex_t lock;
	sqlite3 *db;
};

static const char tables[] =
	"create table if not exists cursor (sink text primary key, ledger blob not null,"
	" change_seq integer not null, delivered integer not null default 0,"
	" last_ns integer not null) strict, without rowid;"
	"create table if not exists dead_letter (sink text not null, record_id blob not null,"
	" revision integer not null, change_seq integer not null, at_ns integer not null,"
	" reason text not null, primary key (sink, record_id, revision)) strict, without rowid;"
	"create index if not exists dead_letter_at on dead_letter (sink, at_ns);";

static int prepare(struct lt_cursors *c, const char *sql, sqlite3_stmt **ret)
{
	return lt_sqlite_errno(sqlite3_prepare_v2(c->db, sql, -1, ret, NULL));
}

/* ---- opening ---- */

static int open_file(struct lt_cursors *c, const char *path, bool write)
{
	int flags = write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	int r = lt_sqlite_errno(sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_EXRESCODE, NULL));

	if (r == 0)
		r = lt_sqlite_errno(sqlite3_busy_timeout(c->db, BUSY_MS));
	/* FULL: what a sink has taken must not be forgotten by a power cut, or it comes again. */
	if (r == 0 && write)
		r = lt_sqlite_run(c->db, "pragma journal_mode = wal; pragma synchronous = full");
	return r == 0 && write ? lt_sqlite_run(c->db, tables) : r;
}

static int make_file(const char *path, struct lt_problem *problem)
{
	lt_defer(lt_closep)
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 ? 0
		       : lt_problem_set(problem, -errno, path, 0,
					"the file of the sinks' places cannot be written: %s",
					strerror(errno));
}

static int move_aside(const char *path, struct lt_problem *problem)
{
	int r = lt_sqlite_move_aside(path, ".corrupt");

	if (r < 0)
		return lt_problem_set(problem, r, path, 0,
				      "it is damaged and cannot be moved aside: %s", strerror(-r));
	return lt_problem_set(problem, 0, path, 0,
			      "it was damaged and is kept as spool.db.corrupt: the sinks get the "
			      "records anew, and know those that they have by their ids");
}

static int open_problem(struct lt_cursors *c, int error, const char *path,
			struct lt_problem *problem)
{
	return lt_problem_set(problem, error, path, 0, "the sinks' places cannot be read: %s",
			      c->db ? sqlite3_errmsg(c->db) : "out of memory");
}

static int open_write(struct lt_cursors *c, const char *path, struct lt_problem *problem)
{
	int r = make_file(path, problem);

	if (r < 0)
		return r;
	r = open_file(c, path, true);
	if (r == -EBADMSG) {
		sqlite3_close(c->db);
		c->db = NULL;
		r = move_aside(path, problem);
		if (r == 0)
			r = make_file(path, problem);
		if (r == 0)
			r = open_file(c, path, true);
	}
	return r < 0 ? open_problem(c, r, path, problem) : 0;
}

int lt_cursors_open(const char *state_dir, enum lt_ledger_mode mode, struct lt_cursors **ret,
		    struct lt_problem *problem)
{
	lt_defer(lt_cursors_closep)
	struct lt_cursors *c = lt_calloc(1, sizeof(*c));
	char path[LT_LEDGER_PATH];
	struct stat st;
	int r;

	if (!c)
		return lt_problem_set(problem, -ENOMEM, NULL, 0, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	if (snprintf(path, sizeof(path), "%s/spool.db", state_dir) >= (int)sizeof(path))
		return lt_problem_set(problem, -EINVAL, NULL, 0,
				      "the name of the state directory is too long");
	if (mode == LT_LEDGER_WRITE) {
		r = open_write(c, path, problem);
	} else if (stat(path, &st) < 0) {
		r = lt_problem_set(problem, -errno, path, 0, "no sink has been used here: %s",
				   strerror(errno));
	} else {
		r = open_file(c, path, false);
		if (r < 0)
			open_problem(c, r, path, problem);
	}
	if (r < 0)
		return r;
	*ret = lt_take(c);
	return 0;
}

struct lt_cursors *lt_cursors_close(struct lt_cursors *c)
{
	if (!c)
		return NULL;
	sqlite3_close(c->db);
	pthread_mutex_destroy(&c->lock);
	lt_free(c);
	return NULL;
}

/* ---- places ---- */

static int get(struct lt_cursors *c, const char *sink, const uint8_t ledger[16], uint64_t *ret_seq)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = prepare(c, "select change_seq from cursor where sink = ?1 and ledger = ?2", &s);
	int step;

	if (r < 0)
		return r;
	sqlite3_bind_text(s, 1, sink, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, ledger, 16, SQLITE_STATIC);
	step = sqlite3_step(s);
	*ret_seq = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : lt_sqlite_errno(step);
}

int lt_cursor_get(struct lt_cursors *c, const char *sink, const uint8_t ledger[16],
		  uint64_t *ret_seq)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = get(c, sink, ledger, ret_seq);
	pthread_mutex_unlock(&c->lock);
	return r;
}

static int put_dead(struct lt_cursors *c, const char *sink, const struct lt_dead_letter *dead,
		    size_t count)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = prepare(c, "insert or replace into dead_letter values (?1, ?2, ?3, ?4, ?5, ?6)",
			&s);

	for (size_t i = 0; r == 0 && i < count; i++) {
		sqlite3_bind_text(s, 1, sink, -1, SQLITE_STATIC);
		sqlite3_bind_blob(s, 2, dead[i].id.b, 16, SQLITE_STATIC);
		sqlite3_bind_int64(s, 3, dead[i].revision);
		sqlite3_bind_int64(s, 4, (int64_t)dead[i].change_seq);
		sqlite3_bind_int64(s, 5, dead[i].at_ns);
		sqlite3_bind_text(s, 6, dead[i].reason, -1, SQLITE_STATIC);
		r = lt_sqlite_step(s);
	}
	return r;
}

static int put_place(struct lt_cursors *c, const char *sink, const uint8_t ledger[16], uint64_t seq,
		     uint64_t delivered)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = prepare(c,
			"insert into cursor values (?1, ?2, ?3, ?4, ?5) on conflict (sink) do"
			" update set ledger = excluded.ledger, change_seq = excluded.change_seq,"
			" delivered = cursor.delivered + excluded.delivered,"
			" last_ns = excluded.last_ns",
			&s);

	if (r < 0)
		return r;
	sqlite3_bind_text(s, 1, sink, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, ledger, 16, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, (int64_t)seq);
	sqlite3_bind_int64(s, 4, (int64_t)delivered);
	sqlite3_bind_int64(s, 5, lt_clock_wall_ns());
	return lt_sqlite_step(s);
}

int lt_cursor_advance(struct lt_cursors *c, const char *sink, const uint8_t ledger[16],
		      uint64_t seq, uint64_t delivered, const struct lt_dead_letter *dead,
		      size_t dead_count)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = lt_sqlite_run(c->db, "begin immediate");
	if (r == 0)
		r = put_dead(c, sink, dead, dead_count);
	if (r == 0)
		r = put_place(c, sink, ledger, seq, delivered);
	r = lt_sqlite_end(c->db, r);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int lt_cursors_each(struct lt_cursors *c, int (*each)(void *arg, const struct lt_cursor *cursor),
		    void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r, step = SQLITE_DONE;

	pthread_mutex_lock(&c->lock);
	r = prepare(c,
		    "select sink, change_seq, delivered, last_ns, ledger, (select count(*) from"
		    " dead_letter where dead_letter.sink = cursor.sink) from cursor order by sink",
		    &s);
	while (r == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct lt_cursor cursor = {
			.seq = (uint64_t)sqlite3_column_int64(s, 1),
			.delivered = (uint64_t)sqlite3_column_int64(s, 2),
			.last_ns = sqlite3_column_int64(s, 3),
			.dead = (uint64_t)sqlite3_column_int64(s, 5),
		};

		if (sqlite3_column_bytes(s, 4) == sizeof(cursor.ledger))
			memcpy(cursor.ledger, sqlite3_column_blob(s, 4), sizeof(cursor.ledger));
		lt_sqlite_text(s, 0, cursor.sink, sizeof(cursor.sink));
		r = each(arg, &cursor);
	}
	pthread_mutex_unlock(&c->lock);
	return r == 0 ? lt_sqlite_errno(step) : r;
}

/* ---- dead letters ---- */

static int read_dead(sqlite3_stmt *s, struct lt_dead_letter *ret)
{
	*ret = (struct lt_dead_letter){
		.revision = (uint32_t)sqlite3_column_int64(s, 1),
		.change_seq = (uint64_t)sqlite3_column_int64(s, 2),
		.at_ns = sqlite3_column_int64(s, 3),
	};
	if (sqlite3_column_bytes(s, 0) != 16)
		return -EBADMSG;
	memcpy(ret->id.b, sqlite3_column_blob(s, 0), 16);
	lt_sqlite_text(s, 4, ret->reason, sizeof(ret->reason));
	return 0;
}

int lt_dead_letters_each(struct lt_cursors *c, const char *sink,
			 int (*each)(void *arg, const struct lt_dead_letter *dead), void *arg)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	struct lt_dead_letter dead;
	int r, step = SQLITE_DONE;

	pthread_mutex_lock(&c->lock);
	r = prepare(c,
		    "select record_id, revision, change_seq, at_ns, reason from dead_letter"
		    " where sink = ?1 order by at_ns, change_seq",
		    &s);
	if (r == 0)
		sqlite3_bind_text(s, 1, sink, -1, SQLITE_STATIC);
	while (r == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
		r = read_dead(s, &dead);
		if (r == 0)
			r = each(arg, &dead);
	}
	pthread_mutex_unlock(&c->lock);
	return r == 0 ? lt_sqlite_errno(step) : r;
}

static int forget(struct lt_cursors *c, const char *sink, const struct lt_dead_letter *dead,
		  size_t count, int *ret_forgotten)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = prepare(c,
			"delete from dead_letter where sink = ?1 and record_id = ?2 and"
			" revision = ?3",
			&s);

	*ret_forgotten = 0;
	for (size_t i = 0; r == 0 && i < count; i++) {
		sqlite3_bind_text(s, 1, sink, -1, SQLITE_STATIC);
		sqlite3_bind_blob(s, 2, dead[i].id.b, 16, SQLITE_STATIC);
		sqlite3_bind_int64(s, 3, dead[i].revision);
		r = lt_sqlite_step(s);
		*ret_forgotten += sqlite3_changes(c->db);
	}
	return r;
}

int lt_dead_letters_forget(struct lt_cursors *c, const char *sink,
			   const struct lt_dead_letter *dead, size_t count)
{
	int r, forgotten = 0;

	pthread_mutex_lock(&c->lock);
	r = lt_sqlite_run(c->db, "begin immediate");
	if (r == 0)
		r = forget(c, sink, dead, count, &forgotten);
	r = lt_sqlite_end(c->db, r);
	pthread_mutex_unlock(&c->lock);
	return r < 0 ? r : forgotten;
}

int lt_cursors_lowest(struct lt_cursors *c, const char *const *sinks, size_t count,
		      const uint8_t ledger[16], uint64_t *ret_seq)
{
	int r = 0;

	*ret_seq = UINT64_MAX;
	for (size_t i = 0; r == 0 && i < count; i++) {
		uint64_t seq;

		r = lt_cursor_get(c, sinks[i], ledger, &seq);
		if (r == 0 && seq < *ret_seq)
			*ret_seq = seq;
	}
	return r;
}
