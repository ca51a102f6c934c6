/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in SQLite: embedded default store, spool and what the reports read (the only SQLite
 * user). <state-dir>/ledger.db, WAL, synchronous=NORMAL, STRICT, WITHOUT ROWID, 16-byte key. Append
 * revisions, never edit.
 */
#pragma once

#include "userspace/base/problem.h"
#include "userspace/ledger/record.h"

struct lt_ledger;

/* FOLLOW: reads for as long as the agent runs, without mapping the file into its memory. */
enum lt_ledger_mode { LT_LEDGER_READ, LT_LEDGER_FOLLOW, LT_LEDGER_WRITE };

/*
 * WRITE makes directory and file (0700, 0600) and migrates; a corrupt file is moved aside (never
 * deleted) and a new one begun, and @problem says so while 0 is returned. READ works while the
 * agent writes, also on a read-only file system. -EBUSY: another process writes this ledger.
 * -EBUSY: another process has it open for writing.
 */
LT_MUST_CHECK int lt_ledger_open(const char *state_dir, enum lt_ledger_mode mode,
				 struct lt_ledger **ret, struct lt_problem *problem);
struct lt_ledger *lt_ledger_close(struct lt_ledger *l);
LT_DEFINE_FREEP(lt_ledger_close, struct lt_ledger)

/* Whether a process (the agent) has the ledger in @state_dir open for writing. */
bool lt_ledger_has_writer(const char *state_dir);

/* One transaction. Idempotent on (record id, revision). -ENOSPC, -EIO: nothing of the batch was
 * written. */
LT_MUST_CHECK int lt_ledger_put(struct lt_ledger *l, const struct lt_record *const *records,
				size_t count);
/*
 * Who can tell whether a process listens on a TCP port: a gateway is joined to its client without a
 * common response id only where it does. Asked in the thread that writes. NULL: nobody knows, and
 * there are no such joins.
 */
void lt_ledger_serves(struct lt_ledger *l,
		      bool (*serves)(void *arg, uint32_t tgid, uint64_t process_start_ns,
				     uint16_t port),
		      void *arg);
/* Whether the file that is open still is the one under the ledger's name. */
bool lt_ledger_is_current(const struct lt_ledger *l);
/* Tells ledgers apart: one that was moved aside and begun anew is another one. */
LT_MUST_CHECK int lt_ledger_uid(struct lt_ledger *l, uint8_t ret[16]);
/* Last error of the library in words, for the log. */
const char *lt_ledger_error(const struct lt_ledger *l);
