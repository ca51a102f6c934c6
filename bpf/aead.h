/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rustls. Its own functions are made anew by every release of the compiler, but the cryptography
 * below (AWS-LC, ring) seals and opens whole TLS records in functions that are not: one call, one
 * record, plaintext in hand. The additional data is the record's header, which tells TLS from all
 * else that is encrypted, and the record's type tells data from handshake and alerts.
 *
 * Each direction has a key of its own, and nothing there says which two belong together. rustls
 * makes both in one go, and no record passes on that thread in between: so two keys that are made
 * on a thread without a record between them are partners. A key that is made right after a
 * KeyUpdate takes the place of the one that the message came under (RFC 8446, 4.6.3).
 *
 * Part of ssl.bpf.c and no object of its own, as go.h.
 */
#pragma once

#include "bpf/aead_args.h"
#include "bpf/connection.h"
#include "bpf/entry.h"
#include "bpf/hooks.h"
#include "bpf/verdict.h"

enum { HANDSHAKE_KEY_UPDATE = 24, ALERT_FATAL = 2, ALERT_CLOSE_NOTIFY = 0 };

/* How struct call.done tells the return what was entered: the length below, the type, and how the
 * function says that it succeeded. */
#define OPEN_LEN(done)	((done)&0xffffffff)
#define OPEN_TYPE(done) ((__u32)((done) >> 32) & 0xff)
#define OPEN_CHECKED	(1ULL << 40) /* returns 1 for success */
#define OPEN_MAKES_KEY	(1ULL << 41)

/*
 * ring keeps a key in a Rust value, which moves after it was made: it is known by a digest of its
 * bytes (subkeys, or a part of the key), which stays here. The first 16 bytes hold no key but its
 * kind, and room that a move need not copy.
 */
static __always_inline __u64 key_digest(__u64 address)
{
	__u64 bytes[2] = {};

	if (bpf_probe_read_user(bytes, sizeof(bytes), (const void *)(address + sizeof(bytes))))
		return 0;
	bytes[0] = (bytes[0] ^ bytes[0] >> 29) * 0xbf58476d1ce4e5b9ULL;
	bytes[0] = (bytes[0] ^ bytes[0] >> 32 ^ bytes[1]) * 0x94d049bb133111ebULL;
	return bytes[0] ^ bytes[0] >> 31;
}

static __always_inline struct aead_key *find_key(__u64 name, __u64 process)
{
	struct conn_key key = {.ctx = name, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct aead_key *found = bpf_map_lookup_elem(&aead_keys, &key);

	return found && found->process == process ? found : NULL;
}

static __always_inline struct aead_key *put_key(__u64 name, const struct aead_key *value)
{
	struct conn_key key = {.ctx = name, .tgid = bpf_get_current_pid_tgid() >> 32};

	if (bpf_map_update_elem(&aead_keys, &key, value, BPF_ANY)) {
		count(LT_KC_CALLS_LOST, 1);
		return NULL;
	}
	return bpf_map_lookup_elem(&aead_keys, &key);
}

static __always_inline void drop_key(__u64 name)
{
	struct conn_key key = {.ctx = name, .tgid = bpf_get_current_pid_tgid() >> 32};

	bpf_map_delete_elem(&aead_keys, &key);
}

/* A connection's number instead of an address: contexts come and go while it lives. */
static __always_inline __u64 new_connection(void)
{
	return 1ULL << 63 | __sync_fetch_and_add(&lt_next_aead, 1);
}

static const struct aead_thread new_thread;

static __always_inline struct aead_thread *this_thread(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct aead_thread *thread = bpf_map_lookup_elem(&aead_threads, &id);

	if (thread)
		return thread;
	bpf_map_update_elem(&aead_threads, &id, &new_thread, BPF_ANY);
	return bpf_map_lookup_elem(&aead_threads, &id);
}

/* The key whose place a new one takes, 0: none. Both sides may have said that theirs changes: then
 * the one that seals is made first. */
static __always_inline __u64 replaced_key(struct aead_thread *thread)
{
	__u32 dir = thread->renews[LT_DIR_WRITE] ? LT_DIR_WRITE : LT_DIR_READ;
	__u64 name = thread->renews[dir & 1];

	thread->renews[dir & 1] = 0;
	return name;
}

static __always_inline void key_made(struct aead_thread *thread, __u64 name)
{
	struct aead_key *key = &thread->key, *other;
	__u64 replaced;

	/* A function that makes keys may call another such. */
	if (!name || thread->newest == name)
		return;
	__builtin_memset(key, 0, sizeof(*key));
	key->process = process_mark();
	other = find_key(name, key->process);
	if (other && other->id)
		conn_ends(other->id);
	replaced = replaced_key(thread);
	other = replaced ? find_key(replaced, key->process) : NULL;
	if (other) {
		key->id = other->id;
		drop_key(replaced);
	} else {
		other = thread->single ? find_key(thread->single, key->process) : NULL;
		key->partner = other ? thread->single : 0;
		if (other)
			other->partner = name;
		thread->single = other ? 0 : name;
	}
	put_key(name, key);
	thread->newest = name;
}

/*
 * A connection of which not both keys were seen being made: it is older than the agent, or than its
 * probes. Where a process has one request under way on such a connection the next answer is its
 * own.
 */
static __always_inline void ask_for_answer(struct aead_thread *thread, __u64 name,
					   const struct aead_key *key)
{
	__u64 id = bpf_get_current_pid_tgid() >> 32;
	struct aead_waiting *before = bpf_map_lookup_elem(&aead_waiting, &id);
	struct aead_waiting *now = &thread->waiting;

	now->process = key->process;
	now->id = key->id;
	now->name = name;
	now->several = before && before->process == key->process && before->id &&
		       (before->several || before->id != key->id);
	bpf_map_update_elem(&aead_waiting, &id, now, BPF_ANY);
}

static __always_inline void answer(struct aead_key *key)
{
	__u64 id = bpf_get_current_pid_tgid() >> 32;
	struct aead_waiting *waiting = bpf_map_lookup_elem(&aead_waiting, &id);
	struct aead_key *other;

	if (!waiting || waiting->process != key->process || !waiting->id || waiting->several) {
		count(LT_KC_UNPAIRED, 1);
		return;
	}
	key->id = waiting->id;
	key->stranger = 0;
	other = find_key(waiting->name, key->process);
	if (other)
		other->stranger = 0;
	waiting->id = 0;
}

/* The first frame of an HTTP/2 server: SETTINGS of the connection, no acknowledgement. */
static __always_inline bool begins_settings(__u64 text, __u64 len)
{
	__u8 frame[9];

	return len >= sizeof(frame) &&
	       bpf_probe_read_user(frame, sizeof(frame), (const void *)text) == 0 &&
	       frame[0] == 0 && frame[3] == 4 && frame[4] == 0 &&
	       (frame[5] | frame[6] | frame[7] | frame[8]) == 0;
}

static __always_inline void pair_by_sight(struct aead_thread *thread, __u64 name,
					  struct aead_key *key, __u32 dir, __u64 text, __u64 len)
{
	enum start start = look((const void *)text, len);

	key->stranger--;
	if (dir == LT_DIR_WRITE && start == START_REQUEST)
		ask_for_answer(thread, name, key);
	else if (dir == LT_DIR_READ && (start == START_RESPONSE || begins_settings(text, len)))
		answer(key);
}

/* The key's connection begins to carry data: it and its partner get a number. */
static __always_inline void number_key(__u64 name, struct aead_key *key)
{
	struct aead_key *other = key->partner ? find_key(key->partner, key->process) : NULL;

	key->id = new_connection();
	if (other && !other->id && other->partner == name)
		other->id = key->id;
	else
		key->stranger = CONN_TRIES;
}

static __always_inline struct aead_key *get_key(struct aead_thread *thread, __u64 name, __u32 dir,
						__u64 text, __u64 len)
{
	__u64 process = process_mark();
	struct aead_key *key = find_key(name, process), *unknown = &thread->key;

	if (!key) {
		__builtin_memset(unknown, 0, sizeof(*unknown));
		unknown->process = process;
		key = put_key(name, unknown);
	}
	if (!key)
		return NULL;
	if (!key->id)
		number_key(name, key);
	if (key->stranger)
		pair_by_sight(thread, name, key, dir, text, len);
	return key;
}

static __always_inline void record_of_data(struct aead_thread *thread, __u64 id, __u32 dir,
					   __u64 text, __u64 len)
{
	struct call *call = &thread->call;
	struct facts f = {};
	__u64 position, wanted;

	call->buf = text;
	call->dir = dir;
	call->library = LT_LIBRARY_RUSTLS;
	if (len == 0 || len > LT_CHUNK_MAX || !get_facts(id, &f))
		return;
	position = __sync_fetch_and_add(&f.conn->position[dir & 1], len);
	wanted = wanted_bytes(f.conn, call, position, len);
	/* A function that is none of these shows no headers of records: what speaks another
	 * protocol than HTTP proves nothing against a site. */
	if (f.conn->tries < CONN_TRIES)
		note_site(call->site, f.conn);
	if (wanted > 0)
		emit_rest(&f, call, position, text, wanted);
}

/* Whether a record of a handshake says that the next key takes this one's place. */
static __always_inline bool is_key_update(__u64 text, __u64 len)
{
	__u8 kind = 0;

	return len == 5 && bpf_probe_read_user(&kind, sizeof(kind), (const void *)text) == 0 &&
	       kind == HANDSHAKE_KEY_UPDATE;
}

static __always_inline bool ends_connection(__u64 text, __u64 len)
{
	__u8 alert[2] = {};

	return len == 2 && bpf_probe_read_user(alert, sizeof(alert), (const void *)text) == 0 &&
	       (alert[0] == ALERT_FATAL || alert[1] == ALERT_CLOSE_NOTIFY);
}

/*
 * One record under the key of that name, its plaintext where thread->args says. A function of its
 * own: what it needs of the stack is as much again as its callers do.
 */
static __noinline void record_passes(struct aead_thread *thread, __u64 name, __u32 dir, __u32 type)
{
	__u64 text = thread->args.text, len = thread->args.len;
	struct aead_key *key;

	thread->newest = thread->single = 0;
	if (type == RECORD_HANDSHAKE && is_key_update(text, len)) {
		thread->renews[dir & 1] = name;
		return;
	}
	thread->renews[0] = thread->renews[1] = 0;
	if (type == RECORD_DATA) {
		key = get_key(thread, name, dir, text, len);
		if (key)
			record_of_data(thread, key->id, dir, text, len);
	} else if (type == RECORD_ALERT && ends_connection(text, len)) {
		key = find_key(name, process_mark());
		if (key && key->id)
			conn_ends(key->id);
	}
}

/* Sealing functions call each other, and a file may be probed twice: a nonce comes once. */
static __always_inline bool is_repeated(__u64 name, const struct aead_call *a)
{
	struct aead_key *key = find_key(name, process_mark());
	__u64 nonce = 0;

	if (!key || !a->nonce ||
	    bpf_probe_read_user(&nonce, sizeof(nonce), (const void *)(a->nonce + 4)))
		return false;
	if (nonce == key->nonce)
		return true;
	key->nonce = nonce;
	return false;
}

static __always_inline void enter_seal(struct aead_thread *thread, __u64 name)
{
	struct aead_call *a = &thread->args;
	__u32 type = record_type(a);
	__u8 last = 0;

	if (type == RECORD_NONE || !name || is_repeated(name, a))
		return;
	if (type == RECORD_INNER && a->extra) {
		a->len--;
		if (bpf_probe_read_user(&last, sizeof(last), (const void *)a->extra))
			return;
		type = last;
	} else if (type == RECORD_INNER) {
		type = inner_type(a->text, &a->len);
	}
	record_passes(thread, name, LT_DIR_WRITE, type);
}

static __always_inline void enter_call(struct pt_regs *ctx, __u64 name, __u64 buf, __u64 done,
				       __u64 cookie, __u32 asked)
{
	struct call call = {
		.sp = PT_REGS_SP(ctx),
		.ctx = name,
		.buf = buf,
		.done = done,
		.dir = LT_DIR_READ,
		.library = LT_COOKIE_LIBRARY(cookie),
		.site = LT_COOKIE_SITE(cookie),
		.asked = asked,
	};

	call_enter(&call);
}

static __always_inline void enter_open(struct pt_regs *ctx, __u64 name, const struct aead_call *a,
				       __u64 how, __u64 cookie)
{
	__u32 type = record_type(a);

	if (type != RECORD_NONE && name)
		enter_call(ctx, name, a->text, a->len | (__u64)type << 32 | how, cookie, a->len);
}

static __always_inline void enter_record(struct pt_regs *ctx, __u64 cookie,
					 struct aead_thread *thread)
{
	__u32 hook = LT_COOKIE_HOOK(cookie);
	const bool of_ring = hook == LT_HOOK_RING_SEAL || hook == LT_HOOK_RING_OPEN;
	const bool seals = hook == LT_HOOK_RING_SEAL || hook == LT_HOOK_AEAD_SEAL ||
			   hook == LT_HOOK_AEAD_SEAL_SCATTER;
	struct aead_call *a = &thread->args;
	__u64 name;

	a->extra = a->nonce = 0;
	if (of_ring)
		ring_args(thread->words, seals, a);
	else if (hook == LT_HOOK_AEAD_SEAL_SCATTER)
		aead_scatter(thread->words, a);
	else if (hook == LT_HOOK_AEAD_OPEN_GATHER)
		aead_gather(thread->words, a);
	else
		aead_combined(thread->words, seals, a);
	if (!is_header_len(a->ad_len))
		return;
	a->text = untag(a->text);
	name = of_ring ? key_digest(untag(a->key)) : untag(a->key);
	thread->call.site = LT_COOKIE_SITE(cookie);
	if (seals)
		enter_seal(thread, name);
	else
		enter_open(ctx, name, a, of_ring ? 0 : OPEN_CHECKED, cookie);
}

static __always_inline void key_freed(struct aead_thread *thread, __u64 name)
{
	struct aead_key *key = find_key(name, process_mark());

	if (thread->newest == name)
		thread->newest = 0;
	if (thread->single == name)
		thread->single = 0;
	if (!key)
		return;
	if (key->id)
		conn_ends(key->id);
	drop_key(name);
}

static __always_inline void enter_hook(struct pt_regs *ctx, __u64 cookie)
{
	__u32 hook = LT_COOKIE_HOOK(cookie);
	struct aead_thread *thread;

	if (bpf_get_current_pid_tgid() >> 32 == lt_own_tgid)
		return;
	thread = this_thread();
	if (!thread || !aead_words(ctx, thread->words))
		return;
	if (hook == LT_HOOK_AEAD_INIT)
		key_made(thread, untag(thread->words[0]));
	else if (hook == LT_HOOK_AEAD_FREE)
		key_freed(thread, untag(thread->words[0]));
	else if (hook == LT_HOOK_RING_INIT)
		enter_call(ctx, 1, untag(rust_result(ctx)), OPEN_MAKES_KEY, cookie, 0);
	else
		enter_record(ctx, cookie, thread);
}

static __always_inline int aead_enter(struct pt_regs *ctx, __u64 cookie)
{
	guard_enter();
	enter_hook(ctx, cookie);
	guard_leave();
	return 0;
}

SEC("uprobe")
int lt_aead_enter(struct pt_regs *ctx)
{
	return aead_enter(ctx, bpf_get_attach_cookie(ctx));
}

static __always_inline void leave_open(struct aead_thread *thread, const struct call *call)
{
	__u32 type = OPEN_TYPE(call->done);

	thread->call.site = call->site;
	thread->args.text = call->buf;
	thread->args.len = OPEN_LEN(call->done);
	if (type == RECORD_INNER)
		type = inner_type(call->buf, &thread->args.len);
	record_passes(thread, call->ctx, LT_DIR_READ, type);
}

static __always_inline void leave_hook(struct pt_regs *ctx)
{
	struct aead_thread *thread;
	struct call call;

	if (!call_leave(PT_REGS_SP(ctx), &call))
		return;
	thread = this_thread();
	if (!thread)
		return;
	if (call.done & OPEN_MAKES_KEY)
		key_made(thread, key_digest(call.buf));
	else if (!(call.done & OPEN_CHECKED) || (__s32)PT_REGS_RC(ctx) == 1)
		leave_open(thread, &call);
}

SEC("uprobe")
int lt_aead_leave(struct pt_regs *ctx)
{
	guard_enter();
	leave_hook(ctx);
	guard_leave();
	return 0;
}

/* Before 5.15 there is no cookie: one program for each hook. */
#define AEAD_PLAIN(name, hook)                                                                     \
	SEC("uprobe")                                                                              \
	int lt_aead_plain_##name(struct pt_regs *ctx)                                              \
	{                                                                                          \
		return aead_enter(ctx, LT_COOKIE(0, LT_LIBRARY_RUSTLS, hook));                     \
	}

AEAD_PLAIN(open, LT_HOOK_AEAD_OPEN)
AEAD_PLAIN(open_gather, LT_HOOK_AEAD_OPEN_GATHER)
AEAD_PLAIN(seal, LT_HOOK_AEAD_SEAL)
AEAD_PLAIN(seal_scatter, LT_HOOK_AEAD_SEAL_SCATTER)
AEAD_PLAIN(init, LT_HOOK_AEAD_INIT)
AEAD_PLAIN(free, LT_HOOK_AEAD_FREE)
AEAD_PLAIN(ring_open, LT_HOOK_RING_OPEN)
AEAD_PLAIN(ring_seal, LT_HOOK_RING_SEAL)
AEAD_PLAIN(ring_init, LT_HOOK_RING_INIT)
