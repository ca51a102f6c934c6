// SPDX-License-Identifier: Apache-2.0
/*
 * Plan -> links. A file is named by /proc/self/fd/N of the descriptor that was examined, so what is
 * attached is what was looked at: mount namespaces, deleted and replaced files do not matter.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/capture/internal.h"
#include "userspace/capture/uprobe_perf.h"

enum { LINKS_MAX = 4 };

struct lt_attachment {
	struct lt_capture *capture;
	struct lt_attachment *next; /* in capture->ended */
	uint32_t site;		    /* index in the kernel's array of sites, 0: none */
	int multi[LINKS_MAX];	    /* one for each program that the plan needs, -1: none */
	size_t count;
	struct lt_uprobe_perf probes[]; /* perf events */
};

LT_DEFINE_FREEP(lt_attachment_free, struct lt_attachment)

enum {
	DETACH_THREADS = 8,
	END_EVENTS_MS = 300,
	GIVEN_UP_MAX = 64, /* connections without a protocol that is known, and none with one */
};

struct detach {
	struct lt_attachment *attachment;
	size_t first;
};

static void *detach_some(void *arg)
{
	const struct detach *job = arg;
	struct lt_attachment *a = job->attachment;

	for (size_t i = job->first; i < a->count; i += DETACH_THREADS) {
		lt_uprobe_perf_unlink(&a->probes[i]);
		if (!atomic_load(&a->capture->ending))
			lt_closep(&a->probes[i].event);
	}
	return NULL;
}

/* The kernel waits a grace period for every program, so they are taken off side by side. */
static void detach_perf(struct lt_attachment *a)
{
	struct detach jobs[DETACH_THREADS];
	pthread_t threads[DETACH_THREADS];
	size_t started = 0;

	for (size_t i = 0; i < DETACH_THREADS && i < a->count; i++) {
		jobs[i] = (struct detach){.attachment = a, .first = i};
		if (pthread_create(&threads[started], NULL, detach_some, &jobs[i]) == 0)
			started++;
		else
			detach_some(&jobs[i]);
	}
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

/* A site of its own for an attachment; 0 when the kernel's programs can't tell sites apart, or all
 * are taken: then it is trusted unseen. */
static uint32_t take_site(struct lt_capture *c)
{
	static const struct lt_site fresh;
	uint32_t site = 0;

	if (c->way == LT_ATTACH_PLAIN)
		return 0;
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 1; i < LT_SITES_MAX && site == 0; i++) {
		if (c->sites_taken[i])
			continue;
		if (bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.sites), &i, &fresh,
					BPF_ANY) == 0) {
			c->sites_taken[i] = true;
			site = i;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return site;
}

static void give_site_back(struct lt_capture *c, uint32_t site)
{
	pthread_mutex_lock(&c->lock);
	c->sites_taken[site] = false;
	pthread_mutex_unlock(&c->lock);
}

enum lt_site_state lt_attachment_state(const struct lt_attachment *a)
{
	const struct lt_capture *c = a->capture;
	struct lt_site site;

	if (a->site == 0 ||
	    bpf_map_lookup_elem(bpf_map__fd(c->skeleton->maps.sites), &a->site, &site) < 0 ||
	    site.proven)
		return LT_SITE_TRUSTED;
	return site.absurd > 0 || site.given_up >= GIVEN_UP_MAX ? LT_SITE_WRONG : LT_SITE_UNPROVEN;
}

static void *close_link(void *link)
{
	lt_closep(link);
	return NULL;
}

/*
 * Side by side: the kernel waits a grace period for each, and takes a breakpoint out when the last
 * program of its place goes, which must be soon where the file has changed.
 */
static void detach_multi(struct lt_attachment *a)
{
	pthread_t threads[LINKS_MAX];
	size_t started = 0;

	for (size_t i = 0; i < LINKS_MAX; i++) {
		if (a->multi[i] >= 0 &&
		    pthread_create(&threads[started], NULL, close_link, &a->multi[i]) == 0)
			started++;
		else
			lt_closep(&a->multi[i]);
	}
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

struct lt_attachment *lt_attachment_free(struct lt_attachment *a)
{
	struct lt_capture *c;

	if (!a)
		return NULL;
	c = a->capture;
	detach_multi(a);
	detach_perf(a);
	give_site_back(c, a->site);
	if (a->count == 0 || !atomic_load(&c->ending)) {
		lt_free(a);
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	a->next = c->ended;
	c->ended = a;
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* All that is left, in one process. */
static int leave_events(struct lt_capture *c)
{
	struct lt_uprobe_perf *all;
	size_t count = 0;
	int r;

	for (const struct lt_attachment *a = c->ended; a; a = a->next)
		count += a->count;
	all = lt_calloc(count, sizeof(*all));
	if (!all)
		return -ENOMEM;
	count = 0;
	for (const struct lt_attachment *a = c->ended; a; a = a->next) {
		memcpy(&all[count], a->probes, a->count * sizeof(*all));
		count += a->count;
	}
	r = lt_uprobe_perf_leave(all, count);
	lt_free(all);
	for (struct lt_attachment *a = c->ended; a && r == 0; a = a->next)
		a->count = 0;
	return r;
}

/*
 * The kernel ends perf events one at a time, some 100 ms each where that is slowest. A few are
 * worth waiting for; what takes longer is left to a process of its own, so that our end does not
 * depend on how many files were attached.
 */
void lt_attach_end_events(struct lt_capture *c)
{
	uint64_t until_ns = lt_clock_boot_ns() + END_EVENTS_MS * 1000000ULL;
	bool wait = false; /* for all of them, because nobody else can */

	while (c->ended) {
		struct lt_attachment *a = c->ended;

		while (a->count > 0 && (wait || lt_clock_boot_ns() < until_ns))
			lt_closep(&a->probes[--a->count].event);
		if (a->count > 0) {
			wait = leave_events(c) < 0;
			continue;
		}
		c->ended = a->next;
		lt_free(a);
	}
}

static bool is_of_go(enum lt_hook hook)
{
	return hook >= LT_HOOK_GO_READ && hook <= LT_HOOK_GO_STACK_HANDSHAKE;
}

static struct bpf_program *go_program(const struct lt_capture *c, enum lt_hook hook)
{
	const struct lt_capture_bpf *s = c->skeleton;
	struct bpf_program *const plain[LT_HOOK_COUNT] = {
		[LT_HOOK_GO_READ] = s->progs.lt_go_plain_read,
		[LT_HOOK_GO_WRITE] = s->progs.lt_go_plain_write,
		[LT_HOOK_GO_READ_RET] = s->progs.lt_go_plain_read_ret,
		[LT_HOOK_GO_WRITE_RET] = s->progs.lt_go_plain_write_ret,
		[LT_HOOK_GO_CLOSE] = s->progs.lt_go_plain_close,
		[LT_HOOK_GO_HANDSHAKE] = s->progs.lt_go_plain_handshake,
		[LT_HOOK_GO_STACK_READ] = s->progs.lt_go_plain_stack_read,
		[LT_HOOK_GO_STACK_WRITE] = s->progs.lt_go_plain_stack_write,
		[LT_HOOK_GO_STACK_READ_RET] = s->progs.lt_go_plain_stack_read_ret,
		[LT_HOOK_GO_STACK_WRITE_RET] = s->progs.lt_go_plain_stack_write_ret,
		[LT_HOOK_GO_STACK_CLOSE] = s->progs.lt_go_plain_stack_close,
		[LT_HOOK_GO_STACK_HANDSHAKE] = s->progs.lt_go_plain_stack_handshake,
	};

	if (c->way == LT_ATTACH_PLAIN)
		return plain[hook];
	if (hook != LT_HOOK_GO_READ_RET && hook != LT_HOOK_GO_WRITE_RET &&
	    hook != LT_HOOK_GO_STACK_READ_RET && hook != LT_HOOK_GO_STACK_WRITE_RET)
		return s->progs.lt_go_enter;
	return c->old ? s->progs.lt_go_leave_old : s->progs.lt_go_leave;
}

static struct bpf_program *aead_program(const struct lt_capture *c, enum lt_hook hook)
{
	const struct lt_capture_bpf *s = c->skeleton;
	struct bpf_program *const plain[LT_HOOK_COUNT] = {
		[LT_HOOK_AEAD_OPEN] = s->progs.lt_aead_plain_open,
		[LT_HOOK_AEAD_OPEN_GATHER] = s->progs.lt_aead_plain_open_gather,
		[LT_HOOK_AEAD_SEAL] = s->progs.lt_aead_plain_seal,
		[LT_HOOK_AEAD_SEAL_SCATTER] = s->progs.lt_aead_plain_seal_scatter,
		[LT_HOOK_AEAD_INIT] = s->progs.lt_aead_plain_init,
		[LT_HOOK_AEAD_FREE] = s->progs.lt_aead_plain_free,
		[LT_HOOK_RING_OPEN] = s->progs.lt_aead_plain_ring_open,
		[LT_HOOK_RING_SEAL] = s->progs.lt_aead_plain_ring_seal,
		[LT_HOOK_RING_INIT] = s->progs.lt_aead_plain_ring_init,
	};

	return c->way == LT_ATTACH_PLAIN ? plain[hook] : s->progs.lt_aead_enter;
}

/* Without cookies: the program that knows both the function and whose it is. */
static struct bpf_program *plain_program(const struct lt_capture *c, enum lt_library library,
					 enum lt_hook hook)
{
	struct bpf_program *const any[LT_HOOK_COUNT] = {
		[LT_HOOK_READ] = c->skeleton->progs.lt_ssl_enter_read,
		[LT_HOOK_WRITE] = c->skeleton->progs.lt_ssl_enter_write,
		[LT_HOOK_READ_EX] = c->skeleton->progs.lt_ssl_enter_read_ex,
		[LT_HOOK_WRITE_EX] = c->skeleton->progs.lt_ssl_enter_write_ex,
		[LT_HOOK_WRITE_EX2] = c->skeleton->progs.lt_ssl_enter_write_ex2,
		[LT_HOOK_FREE] = c->skeleton->progs.lt_ssl_enter_free,
		[LT_HOOK_CLEAR] = c->skeleton->progs.lt_ssl_enter_clear,
		[LT_HOOK_SHUTDOWN] = c->skeleton->progs.lt_ssl_enter_shutdown,
		[LT_HOOK_CTRL] = c->skeleton->progs.lt_ssl_enter_ctrl,
		[LT_HOOK_SET_FD] = c->skeleton->progs.lt_ssl_enter_set_fd,
		[LT_HOOK_SET_BIO] = c->skeleton->progs.lt_ssl_enter_set_bio,
		[LT_HOOK_SET_RBIO] = c->skeleton->progs.lt_ssl_enter_set_rbio,
		[LT_HOOK_SET_PTR] = c->skeleton->progs.lt_ssl_enter_set_ptr,
		[LT_HOOK_SET_NAME] = c->skeleton->progs.lt_ssl_enter_set_name,
		[LT_HOOK_SET_URL] = c->skeleton->progs.lt_ssl_enter_set_url,
		[LT_HOOK_SET_HOST] = c->skeleton->progs.lt_ssl_enter_set_host,
		[LT_HOOK_SET_SNI] = c->skeleton->progs.lt_ssl_enter_set_sni,
		[LT_HOOK_SET_NET] = c->skeleton->progs.lt_ssl_enter_set_net,
	};
	struct bpf_program *const own[LT_LIBRARY_COUNT][LT_HOOK_COUNT] = {
		[LT_LIBRARY_BORINGSSL][LT_HOOK_READ] =
			c->skeleton->progs.lt_ssl_enter_boringssl_read,
		[LT_LIBRARY_BORINGSSL][LT_HOOK_WRITE] =
			c->skeleton->progs.lt_ssl_enter_boringssl_write,
		[LT_LIBRARY_GNUTLS][LT_HOOK_READ] = c->skeleton->progs.lt_ssl_enter_gnutls_read,
		[LT_LIBRARY_GNUTLS][LT_HOOK_WRITE] = c->skeleton->progs.lt_ssl_enter_gnutls_write,
		[LT_LIBRARY_GNUTLS][LT_HOOK_COVER] = c->skeleton->progs.lt_ssl_enter_gnutls_cover,
		[LT_LIBRARY_NSS][LT_HOOK_READ] = c->skeleton->progs.lt_ssl_enter_nss_read,
		[LT_LIBRARY_NSS][LT_HOOK_WRITE] = c->skeleton->progs.lt_ssl_enter_nss_write,
		[LT_LIBRARY_NSS][LT_HOOK_RECV] = c->skeleton->progs.lt_ssl_enter_nss_recv,
		[LT_LIBRARY_NSS][LT_HOOK_WRITEV] = c->skeleton->progs.lt_ssl_enter_nss_writev,
		[LT_LIBRARY_S2N][LT_HOOK_READ] = c->skeleton->progs.lt_ssl_enter_s2n_read,
		[LT_LIBRARY_S2N][LT_HOOK_WRITE] = c->skeleton->progs.lt_ssl_enter_s2n_write,
		[LT_LIBRARY_S2N][LT_HOOK_WRITEV] = c->skeleton->progs.lt_ssl_enter_s2n_writev,
		[LT_LIBRARY_S2N][LT_HOOK_WRITEV_AT] = c->skeleton->progs.lt_ssl_enter_s2n_writev_at,
		[LT_LIBRARY_MBEDTLS][LT_HOOK_READ] = c->skeleton->progs.lt_ssl_enter_mbedtls_read,
		[LT_LIBRARY_MBEDTLS][LT_HOOK_WRITE] = c->skeleton->progs.lt_ssl_enter_mbedtls_write,
		[LT_LIBRARY_WOLFSSL][LT_HOOK_READ] = c->skeleton->progs.lt_ssl_enter_wolfssl_read,
		[LT_LIBRARY_WOLFSSL][LT_HOOK_WRITE] = c->skeleton->progs.lt_ssl_enter_wolfssl_write,
		[LT_LIBRARY_WOLFSSL][LT_HOOK_WRITEV] =
			c->skeleton->progs.lt_ssl_enter_wolfssl_writev,
		[LT_LIBRARY_WOLFSSL][LT_HOOK_READ_EX] =
			c->skeleton->progs.lt_ssl_enter_wolfssl_read_ex,
		[LT_LIBRARY_WOLFSSL][LT_HOOK_WRITE_EX] =
			c->skeleton->progs.lt_ssl_enter_wolfssl_write_ex,
	};

	return own[library][hook] ? own[library][hook] : any[hook];
}

/* The program that looks at what a function returned. */
static struct bpf_program *leave_program(const struct lt_capture *c, bool of_aead)
{
	if (of_aead)
		return c->skeleton->progs.lt_aead_leave;
	return c->old ? c->skeleton->progs.lt_ssl_leave_old : c->skeleton->progs.lt_ssl_leave;
}

static struct bpf_program *entry_program(const struct lt_capture *c, enum lt_library library,
					 enum lt_hook hook)
{
	if (c->floor)
		return c->skeleton->progs.lt_floor_enter;
	if (hook == LT_HOOK_LEAVE || hook == LT_HOOK_AEAD_LEAVE)
		return leave_program(c, hook == LT_HOOK_AEAD_LEAVE);
	if (is_of_go(hook))
		return go_program(c, hook);
	if (lt_hook_of_aead(hook))
		return aead_program(c, hook);
	return c->way == LT_ATTACH_PLAIN ? plain_program(c, library, hook)
					 : c->skeleton->progs.lt_ssl_enter;
}

/* NULL: its entry is all that matters. */
static struct bpf_program *return_program(const struct lt_capture *c, enum lt_hook hook)
{
	if (!lt_hook_returns(hook) || c->returns_at_sites)
		return NULL;
	if (c->floor)
		return c->skeleton->progs.lt_floor_leave;
	return leave_program(c, lt_hook_of_aead(hook));
}

/* One link: all of the plan's functions whose program is @program. */
static int link_program(const struct lt_attachment *a, const char *path,
			const struct lt_probe_plan *plan, const struct bpf_program *program,
			bool returning, int *ret_link)
{
	uint64_t offsets[LT_PROBES_MAX], cookies[LT_PROBES_MAX];
	const struct lt_capture *c = a->capture;
	size_t count = 0;

	for (unsigned i = 0; i < plan->count; i++) {
		const struct lt_probe *probe = &plan->probes[i];
		const struct bpf_program *its = returning ? return_program(c, probe->hook)
							  : entry_program(c, plan->library,
									  probe->hook);

		if (its != program)
			continue;
		offsets[count] = probe->offset;
		cookies[count++] = LT_COOKIE(a->site, plan->library, probe->hook);
	}
	*ret_link = lt_uprobe_multi_link(bpf_program__fd(program), path, offsets, cookies, count,
					 returning);
	return *ret_link < 0 ? *ret_link : 0;
}

/* Links for every program that serves the entries, or the returns, of the plan's functions. */
static int link_all(struct lt_capture *c, const char *path, const struct lt_probe_plan *plan,
		    bool returning, struct lt_attachment *a, size_t *links)
{
	const struct bpf_program *done[LINKS_MAX];
	size_t count = 0;
	int r = 0;

	for (unsigned i = 0; i < plan->count && r == 0; i++) {
		enum lt_hook hook = plan->probes[i].hook;
		const struct bpf_program *program = returning
							    ? return_program(c, hook)
							    : entry_program(c, plan->library, hook);
		size_t seen = 0;

		while (seen < count && done[seen] != program)
			seen++;
		if (!program || seen < count)
			continue;
		if (*links == LINKS_MAX)
			return -E2BIG;
		done[count++] = program;
		r = link_program(a, path, plan, program, returning, &a->multi[(*links)++]);
	}
	return r;
}

static int attach_multi(struct lt_capture *c, const char *path, const struct lt_probe_plan *plan,
			struct lt_attachment *a)
{
	size_t links = 0;
	/* The return links first: a call that enters in between has no entry and is left out, not
	 * half seen. */
	int r = link_all(c, path, plan, true, a, &links);

	return r < 0 ? r : link_all(c, path, plan, false, a, &links);
}

static int attach_one(struct lt_attachment *a, struct bpf_program *program, const char *path,
		      enum lt_library library, const struct lt_probe *probe, bool returning)
{
	const struct lt_capture *c = a->capture;
	uint64_t cookie = c->way == LT_ATTACH_PLAIN ? 0 : LT_COOKIE(a->site, library, probe->hook);
	int r;

	r = lt_uprobe_perf_open(bpf_program__fd(program), path, probe->offset, cookie, returning,
				c->linked, &a->probes[a->count]);
	if (r == 0)
		a->count++;
	return r;
}

static int attach_perf(struct lt_capture *c, const char *path, const struct lt_probe_plan *plan,
		       struct lt_attachment *a)
{
	int r = 0;

	for (unsigned i = 0; i < plan->count && r == 0; i++) {
		const struct lt_probe *probe = &plan->probes[i];

		if (return_program(c, probe->hook))
			r = attach_one(a, return_program(c, probe->hook), path, plan->library,
				       probe, true);
		if (r == 0 && entry_program(c, plan->library, probe->hook))
			r = attach_one(a, entry_program(c, plan->library, probe->hook), path,
				       plan->library, probe, false);
	}
	return r;
}

int lt_capture_attach(struct lt_capture *c, int fd, const struct lt_probe_plan *plan,
		      struct lt_attachment **ret)
{
	lt_defer(lt_attachment_freep)
	struct lt_attachment *a = lt_calloc(1, sizeof(*a) + 2 * plan->count * sizeof(a->probes[0]));
	char path[32];
	int r;

	if (!a)
		return -ENOMEM;
	a->capture = c;
	a->site = plan->found == LT_FOUND_CODE ? take_site(c) : 0;
	memset(a->multi, 0xff, sizeof(a->multi));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	lt_hurry_begin(&c->hurry);
	if (c->way == LT_ATTACH_MULTI)
		r = attach_multi(c, path, plan, a);
	else
		r = attach_perf(c, path, plan, a);
	lt_hurry_end(&c->hurry);
	if (r < 0)
		return r;
	*ret = lt_take(a);
	return 0;
}
