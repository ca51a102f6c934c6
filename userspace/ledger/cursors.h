/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far each sink has come in the ledger, and what it refused: <state-dir>/spool.db, a file of
 * its own so that sinks never wait for the ledger's writer, nor it for them. Any thread; each call
 * is a transaction that is on disk when it returns.
 */
#pragma once

#include "userspace/ledger/ledger.h"

struct lt_cursors;

enum { LT_SINK_NAME = 64, LT_DEAD_REASON = 256 };

/* WRITE makes the file (0600); a damaged one is moved aside, and sinks begin anew (they know
 * records by their ids). -ENOENT for READ when there is none. */
LT_MUST_CHECK int lt_cursors_open(const char *state_dir, enum lt_ledger_mode mode,
				  struct lt_cursors **ret, struct lt_problem *problem);
struct lt_cursors *lt_cursors_close(struct lt_cursors *c);
LT_DEFINE_FREEP(lt_cursors_close, struct lt_cursors)

/* A sink's place: its last change_seq that was answered for. 0 when it is new, or the ledger
 * (@ledger: lt_ledger_uid) is another one than it was. */
LT_MUST_CHECK int lt_cursor_get(struct lt_cursors *c, const char *sink, const uint8_t ledger[16],
				uint64_t *ret_seq);

/* A record that a sink will never take, as it was. */
struct lt_dead_letter {
	struct lt_record_id id;
	uint32_t revision;
	uint64_t change_seq;
	int64_t at_ns; /* wall */
	char reason[LT_DEAD_REASON];
};

/* The sink has answered for all up to @seq: @delivered of them were taken, the others are dead
 * letters. */
LT_MUST_CHECK int lt_cursor_advance(struct lt_cursors *c, const char *sink,
				    const uint8_t ledger[16], uint64_t seq, uint64_t delivered,
				    const struct lt_dead_letter *dead, size_t dead_count);

struct lt_cursor {
	char sink[LT_SINK_NAME];
	uint8_t ledger[16]; /* in which ledger: lt_ledger_uid */
	uint64_t seq;
	uint64_t delivered, dead; /* since ever; dead: kept now */
	int64_t last_ns;	  /* wall, of the last advance */
};

LT_MUST_CHECK int lt_cursors_each(struct lt_cursors *c,
				  int (*each)(void *arg, const struct lt_cursor *cursor),
				  void *arg);
/* Of one sink, oldest first. */
LT_MUST_CHECK int lt_dead_letters_each(struct lt_cursors *c, const char *sink,
				       int (*each)(void *arg, const struct lt_dead_letter *dead),
				       void *arg);
/* They were delivered after all, or are given up. Returns how many, or -errno. */
LT_MUST_CHECK int lt_dead_letters_forget(struct lt_cursors *c, const char *sink,
					 const struct lt_dead_letter *dead, size_t count);
/* The lowest place of these sinks: all up to it may be dropped. UINT64_MAX without any. */
LT_MUST_CHECK int lt_cursors_lowest(struct lt_cursors *c, const char *const *sinks, size_t count,
				    const uint8_t ledger[16], uint64_t *ret_seq);
