// SPDX-License-Identifier: Apache-2.0
#include "userspace/ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/parse.h"
#include "userspace/ledger/internal.h"

enum {
	SCHEMA_VERSION = 4,
	BUSY_MS = 2000,
	/* A larger file is not read through at every start; its damage shows when a page is used.
	 */
	CHECK_BYTES_MAX = 64 << 20,
};

int lt_sqlite_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISUSE:
	case SQLITE_RANGE:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int lt_ledger_prepare(struct lt_ledger *l, const char *sql, sqlite3_stmt **ret)
{
	return lt_sqlite_errno(
		sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL));
}

int lt_sqlite_run(sqlite3 *db, const char *sql)
{
	return lt_sqlite_errno(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int lt_sqlite_step(sqlite3_stmt *s)
{
	int code = sqlite3_step(s);

	sqlite3_reset(s);
	return lt_sqlite_errno(code);
}

int lt_sqlite_end(sqlite3 *db, int r)
{
	if (r == 0)
		r = lt_sqlite_run(db, "commit");
	if (r < 0 && !sqlite3_get_autocommit(db))
		lt_ignore(lt_sqlite_run(db, "rollback"));
	return r;
}

void lt_sqlite_text(sqlite3_stmt *s, int at, char *to, size_t size)
{
	const void *text = sqlite3_column_text(s, at);

	if (text)
		lt_bytes_copy(to, size, lt_bytes(text, (size_t)sqlite3_column_bytes(s, at)));
}

int lt_sqlite_move_aside(const char *path, const char *suffix)
{
	static const char *const file[] = {"", "-wal", "-shm"};
	char from[LT_LEDGER_PATH + 8], to[LT_LEDGER_PATH + 64];

	for (size_t i = 0; i < LT_COUNT(file); i++) {
		snprintf(from, sizeof(from), "%s%s", path, file[i]);
		snprintf(to, sizeof(to), "%s%s%s", path, suffix, file[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int run(struct lt_ledger *l, const char *sql)
{
	return lt_sqlite_run(l->db, sql);
}

/* The first column of the first row as a number. -ENOENT: no row. */
static int ask(struct lt_ledger *l, const char *sql, int64_t *ret)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r, step;

	r = lt_ledger_prepare(l, sql, &s);
	if (r < 0)
		return r;
	step = sqlite3_step(s);
	if (step == SQLITE_DONE)
		return -ENOENT;
	if (step != SQLITE_ROW)
		return lt_sqlite_errno(step);
	*ret = sqlite3_column_int64(s, 0);
	return 0;
}

/* lt_glob(pattern, text): the globs of the rules, which are not those of SQL. */
static void glob_function(sqlite3_context *context, int count, sqlite3_value **value)
{
	const char *pattern = (const char *)sqlite3_value_text(value[0]);
	const void *text = sqlite3_value_text(value[1]);
	size_t n = (size_t)sqlite3_value_bytes(value[1]);

	(void)count;
	sqlite3_result_int(context, pattern && text && lt_glob_match(pattern, lt_bytes(text, n)));
}

static int open_database(struct lt_ledger *l, const char *path, int flags)
{
	int code = sqlite3_open_v2(path, &l->db, flags | SQLITE_OPEN_EXRESCODE, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_busy_timeout(l->db, BUSY_MS);
	if (code == SQLITE_OK)
		code = sqlite3_create_function(l->db, "lt_glob", 2,
					       SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
					       glob_function, NULL, NULL);
	return lt_sqlite_errno(code);
}

static void close_database(struct lt_ledger *l)
{
	sqlite3_stmt **statement[] = {&l->insert, &l->units, &l->parts, &l->add_alias,
				      &l->follow_alias};

	lt_joins_close(l);
	for (size_t i = 0; i < LT_COUNT(statement); i++)
		lt_finalizep(statement[i]);
	sqlite3_close(l->db);
	l->db = NULL;
}

struct lt_ledger *lt_ledger_close(struct lt_ledger *l)
{
	if (!l)
		return NULL;
	close_database(l);
	lt_closep(&l->lock);
	lt_free(l);
	return NULL;
}

static int ledger_problem(struct lt_ledger *l, int error, const char *path,
			  struct lt_problem *problem)
{
	const char *why = l->db ? sqlite3_errmsg(l->db) : "out of memory";

	return lt_problem_set(problem, error, path, 0, "the ledger cannot be opened: %s%s", why,
			      error == -EBUSY ? "; is another agent using this state directory?"
					      : "");
}

static int newer_problem(int64_t version, const char *path, struct lt_problem *problem)
{
	return lt_problem_set(problem, -EOPNOTSUPP, path, 0,
			      "the ledger was written by a newer ledgertap (schema %" PRId64
			      ", this one knows %d): use that version, or another --state-dir",
			      version, SCHEMA_VERSION);
}

/* ---- writing ---- */

static int check(struct lt_ledger *l)
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r;

	r = lt_ledger_prepare(l, "pragma quick_check(1)", &s);
	if (r < 0)
		return r;
	r = sqlite3_step(s);
	if (r != SQLITE_ROW)
		return lt_sqlite_errno(r);
	return strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0 ? 0 : -EBADMSG;
}

/*
 * Each commit that changes a record moves it behind all others, so that who reads by change_seq and
 * keeps its place (a sink) meets every revision, whichever statement made it.
 */
#define CHANGES                                                                                    \
	"create trigger record_changed after update of revision on record"                         \
	" when new.revision > old.revision begin update record set change_seq ="                   \
	" (select max(change_seq) + 1 from record) where record_id = new.record_id; end;"

static int create(struct lt_ledger *l)
{
	int r = run(l, lt_record_table);

	return r < 0 ? r
		     : run(l,
			   "create unique index record_node_seq on record (node_seq);"
			   "create unique index record_change_seq on record (change_seq);" CHANGES
			   "create index record_start on record (start_ns);"
			   "create index record_tenant on record (tenant, start_ns);"
			   "create index record_dedupe on record (dedupe_key)"
			   " where dedupe_key is not null");
}

/* What a table of an earlier version lacks. */
static const char *const steps[SCHEMA_VERSION + 1] = {
	[2] = "alter table record add column usage_method text;"
	      "alter table record add column hop_role text not null default 'single';",
	[3] = "alter table record add column cache_read_audio integer;"
	      "alter table record add column cache_read_image integer;"
	      "alter table record add column tool_name text;"
	      "alter table record add column inferred integer;"
	      "alter table record add column stored integer not null default 0;"
	      "alter table record add column model_part integer;",
	[4] = "alter table record add column record_state text not null default 'final';"
	      "alter table record add column agent_role text;"
	      "alter table record add column tags text;"
	      "alter table record add column claim_conflict integer not null default 0;"
	      "alter table record add column service_name text;"
	      "alter table record add column facts text;"
	      "alter table record add column identity_pending integer not null default 0;"
	      "alter table record add column agent_name text;"
	      "alter table record add column run_key integer;"
	      "alter table record add column session_key integer;"
	      "alter table record add column step_no integer;"
	      "alter table record add column container_claimed integer not null default 0;"
	      "alter table record add column pod_claimed integer not null default 0;"
	      "alter table record add column cluster text;"
	      "alter table record add column container_name text;"
	      "alter table record add column image text;"
	      "alter table record add column image_digest text;"
	      "alter table record add column namespace text;"
	      "alter table record add column pod text;"
	      "alter table record add column node text;"
	      "alter table record add column workload_ref text;"
	      "alter table record add column key_kind text;"
	      "alter table record add column provider_organization text;"
	      "alter table record add column provider_project text;"
	      "alter table record add column session_fp integer;"
	      "alter table record add column tool_results integer;"
	      "alter table record add column change_seq integer not null default 0;"
	      "update record set change_seq = node_seq;"
	      "create unique index record_change_seq on record (change_seq);" CHANGES,
};

/* What an earlier agent of the same version may not have made, and who this ledger is. */
static int add_indexes(struct lt_ledger *l)
{
	return run(l, "create table if not exists ledger (uid blob not null) strict;"
		      "insert into ledger select randomblob(16) where not exists"
		      " (select 1 from ledger);"
		      "create index if not exists record_encrypted on record (start_ns)"
		      " where coverage_class = 'known_host_encrypted';"
		      "create index if not exists record_pending on record (node_seq)"
		      " where identity_pending = 1");
}

static int step_up(struct lt_ledger *l, int64_t from)
{
	int r = 0;

	for (int64_t version = from + 1; r == 0 && version <= SCHEMA_VERSION; version++)
		r = run(l, steps[version]);
	return r;
}

static int migrate(struct lt_ledger *l)
{
	lt_defer(lt_sqlite_freep)
	char *sql = NULL;
	int64_t version;
	int r;

	r = run(l, "begin immediate");
	if (r == 0)
		r = ask(l, "pragma user_version", &version);
	if (r < 0 || version == SCHEMA_VERSION) {
		run(l, "rollback");
		return r;
	}
	r = version > 0 ? step_up(l, version) : create(l);
	sql = sqlite3_mprintf("pragma user_version = %d; commit", SCHEMA_VERSION);
	if (r == 0)
		r = sql ? run(l, sql) : -ENOMEM;
	if (r < 0)
		run(l, "rollback");
	return r;
}

static int prepare_writing(struct lt_ledger *l)
{
	int r = lt_ledger_prepare(l, lt_record_insert, &l->insert);

	if (r == 0)
		r = lt_joins_open(l);
	return r < 0 ? r : lt_credentials_open(l);
}

static int make_place(const char *state_dir, const char *path, off_t *ret_size,
		      struct lt_problem *problem)
{
	lt_defer(lt_closep)
	int fd = -1;
	struct stat st;

	if (mkdir(state_dir, 0700) < 0 && errno != EEXIST)
		return lt_problem_set(problem, -errno, state_dir, 0,
				      "the state directory cannot be made: %s", strerror(errno));
	/* Made here so that SQLite does not choose the mode; its -wal and -shm take it over. */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return lt_problem_set(problem, -errno, path, 0,
				      "the ledger cannot be opened for writing: %s%s",
				      strerror(errno),
				      errno == EACCES ? "; try sudo, or another --state-dir" : "");
	*ret_size = st.st_size;
	return 0;
}

/*
 * Two agents would each see every call, and keep it twice: the connections have other stamps in
 * each. The lock is the directory's own, so it leaves no file, and ends with the process.
 */
static int lock_place(struct lt_ledger *l, struct lt_problem *problem)
{
	if (l->lock >= 0)
		return 0;
	l->lock = open(l->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->lock < 0)
		return lt_problem_set(problem, -errno, l->state_dir, 0,
				      "the state directory cannot be opened: %s", strerror(errno));
	if (flock(l->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return lt_problem_set(problem, -EBUSY, l->state_dir, 0,
				      "another agent keeps its ledger here: stop it first, or give "
				      "this one a --state-dir of its own");
	/* A file system without locks: then nobody can be told apart, and one agent is the rule. */
	return 0;
}

/* -EBADMSG: the file is damaged. */
static int begin_writing(struct lt_ledger *l, const char *path, off_t size,
			 struct lt_problem *problem)
{
	int64_t version = 0;
	int r;

	r = open_database(l, path, SQLITE_OPEN_READWRITE);
	if (r == 0)
		r = ask(l, "pragma user_version", &version);
	if (r == 0 && version > SCHEMA_VERSION)
		return newer_problem(version, path, problem);
	if (r == 0)
		r = run(l, "pragma journal_mode = wal;"
			   "pragma synchronous = normal;"
			   "pragma journal_size_limit = 16777216");
	if (r == 0 && size > 0 && size <= CHECK_BYTES_MAX)
		r = check(l);
	if (r == 0)
		r = migrate(l);
	if (r == 0)
		r = add_indexes(l);
	if (r == 0)
		r = prepare_writing(l);
	return r < 0 ? ledger_problem(l, r, path, problem) : 0;
}

static int move_aside(const char *path, struct lt_problem *problem)
{
	char suffix[48];
	time_t now = (time_t)(lt_clock_wall_ns() / 1000000000);
	struct tm tm;
	int r;

	strftime(suffix, sizeof(suffix), ".corrupt-%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	r = lt_sqlite_move_aside(path, suffix);
	if (r < 0)
		return lt_problem_set(problem, r, path, 0,
				      "the ledger is damaged and cannot be moved aside: %s",
				      strerror(-r));
	return lt_problem_set(problem, 0, path, 0,
			      "the ledger was damaged: it was kept as ledger.db%s and a new one "
			      "begun; 'sqlite3 FILE .recover' may save what is in it",
			      suffix);
}

static int open_write(struct lt_ledger *l, const char *state_dir, const char *path,
		      struct lt_problem *problem)
{
	struct lt_problem moved = {0};
	off_t size;
	int r;

	r = make_place(state_dir, path, &size, problem);
	if (r == 0)
		r = lock_place(l, problem);
	if (r < 0)
		return r;
	r = begin_writing(l, path, size, problem);
	if (r != -EBADMSG)
		return r;
	close_database(l);
	r = move_aside(path, &moved);
	if (r == 0)
		r = make_place(state_dir, path, &size, problem);
	if (r == 0)
		r = begin_writing(l, path, size, problem);
	if (problem && (r == 0 || moved.text[0] == '\0'))
		*problem = moved;
	return r;
}

/* ---- reading ---- */

static int reading_problem(int error, const char *state_dir, struct lt_problem *problem)
{
	if (error == -EACCES)
		return lt_problem_set(problem, error, NULL, 0,
				      "no right to read the ledger in %s: try sudo, or --state-dir",
				      state_dir);
	return lt_problem_set(problem, error, NULL, 0,
			      "no ledger in %s: is the agent running? try sudo, or --state-dir",
			      state_dir);
}

/* Nothing can be written beside the file (a read-only file system): read it as it is, without its
 * log. */
static int open_immutable(struct lt_ledger *l, const char *path, struct lt_problem *problem)
{
	lt_defer(lt_sqlite_freep)
	char *uri = sqlite3_mprintf("file:%s?immutable=1", path);
	char wal[LT_LEDGER_PATH + 8];
	struct stat st;

	close_database(l);
	if (!uri)
		return -ENOMEM;
	if (strpbrk(path, "?#%"))
		return -EIO; /* would be read as a part of the URI */
	snprintf(wal, sizeof(wal), "%s-wal", path);
	if (stat(wal, &st) == 0 && st.st_size > 0)
		lt_problem_set(
			problem, 0, path, 0,
			"the latest calls may be missing: the ledger's log cannot be used here");
	return open_database(l, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

static int open_read(struct lt_ledger *l, enum lt_ledger_mode mode, const char *state_dir,
		     const char *path, struct lt_problem *problem)
{
	int64_t version = 0;
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return reading_problem(errno == EACCES ? -EACCES : -ENOENT, state_dir, problem);
	l->device = st.st_dev;
	l->inode = st.st_ino;
	if (access(path, R_OK) < 0)
		return reading_problem(-EACCES, state_dir, problem);
	r = open_database(l, path, SQLITE_OPEN_READONLY);
	if (r == 0)
		r = ask(l, "pragma user_version", &version);
	if (r == -EIO || r == -EROFS) {
		r = open_immutable(l, path, problem);
		if (r == 0)
			r = ask(l, "pragma user_version", &version);
	}
	if (r == 0 && mode == LT_LEDGER_READ) /* a report reads the whole file: without a system
						 call for every page */
		r = run(l, "pragma mmap_size = 1073741824; pragma temp_store = memory");
	if (r < 0)
		return ledger_problem(l, r, path, problem);
	if (version == 0) /* the agent has made the file and is about to fill it */
		return reading_problem(-ENOENT, state_dir, problem);
	if (version > SCHEMA_VERSION)
		return newer_problem(version, path, problem);
	if (version < SCHEMA_VERSION)
		return lt_problem_set(problem, -EOPNOTSUPP, path, 0,
				      "the ledger was written by an earlier ledgertap (schema "
				      "%" PRId64 ", this one reads %d): start this version's "
				      "agent once, which brings it up to date",
				      version, SCHEMA_VERSION);
	return 0;
}

int lt_ledger_open(const char *state_dir, enum lt_ledger_mode mode, struct lt_ledger **ret,
		   struct lt_problem *problem)
{
	lt_defer(lt_ledger_closep)
	struct lt_ledger *l = NULL;
	size_t n;
	int r;

	l = lt_calloc(1, sizeof(*l));
	if (!l)
		return lt_problem_set(problem, -ENOMEM, NULL, 0, "out of memory");
	l->lock = -1;
	snprintf(l->state_dir, sizeof(l->state_dir), "%s", state_dir);
	n = (size_t)snprintf(l->path, sizeof(l->path), "%s/ledger.db", state_dir);
	if (n >= sizeof(l->path))
		return lt_problem_set(problem, -EINVAL, NULL, 0,
				      "the name of the state directory is too long");
	r = mode == LT_LEDGER_WRITE ? open_write(l, state_dir, l->path, problem)
				    : open_read(l, mode, state_dir, l->path, problem);
	if (r < 0)
		return r;
	*ret = lt_take(l);
	return 0;
}

bool lt_ledger_has_writer(const char *state_dir)
{
	lt_defer(lt_closep)
	int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* ---- records ---- */

static int put_one(struct lt_ledger *l, const struct lt_record *record)
{
	int r = lt_credentials_put(l, record);

	if (r == 0)
		r = lt_record_bind(l->insert, record);
	if (r == 0)
		r = lt_sqlite_step(l->insert);
	return r < 0 || sqlite3_changes(l->db) == 0 ? r : lt_joins_put(l, record);
}

/* A page turned out to be damaged: the file is moved aside as at the start, and the next try goes
 * to a new one. */
static void begin_anew(struct lt_ledger *l)
{
	struct lt_problem problem = {0};

	close_database(l);
	if (open_write(l, l->state_dir, l->path, &problem) < 0)
		close_database(l);
	snprintf(l->error, sizeof(l->error), "%.*s", (int)sizeof(l->error) - 1, problem.text);
}

int lt_ledger_put(struct lt_ledger *l, const struct lt_record *const *records, size_t count)
{
	int r;

	l->error[0] = '\0';
	if (!l->db) {
		begin_anew(l);
		if (!l->db)
			return -EIO;
	}
	r = run(l, "begin immediate");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = put_one(l, records[i]);
	if (r == 0)
		r = run(l, "commit");
	if (r == 0)
		return 0;
	/* Kept now, since the roll-back would be the last thing that the library speaks of. */
	snprintf(l->error, sizeof(l->error), "%s", sqlite3_errmsg(l->db));
	if (!sqlite3_get_autocommit(l->db))
		run(l, "rollback");
	if (r == -EBADMSG)
		begin_anew(l);
	return r;
}

bool lt_ledger_is_current(const struct lt_ledger *l)
{
	struct stat st;

	return stat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode;
}

int lt_ledger_uid(struct lt_ledger *l, uint8_t ret[16])
{
	lt_defer(lt_finalizep)
	sqlite3_stmt *s = NULL;
	int r = lt_ledger_prepare(l, "select uid from ledger", &s);
	int step;

	if (r < 0)
		return r;
	step = sqlite3_step(s);
	if (step != SQLITE_ROW)
		return step == SQLITE_DONE ? -EBADMSG : lt_sqlite_errno(step);
	if (sqlite3_column_bytes(s, 0) != 16)
		return -EBADMSG;
	memcpy(ret, sqlite3_column_blob(s, 0), 16);
	return 0;
}

const char *lt_ledger_error(const struct lt_ledger *l)
{
	return l->error[0] ? l->error : l->db ? sqlite3_errmsg(l->db) : "closed";
}
