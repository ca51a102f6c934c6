// SPDX-License-Identifier: Apache-2.0
#include "userspace/discover/scout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "collectors/elf_image.h"
#include "collectors/returns.h"
#include "userspace/base/alloc.h"
#include "userspace/base/clock.h"
#include "userspace/base/counter.h"
#include "userspace/base/parse.h"
#include "userspace/capture/map_watch.h"
#include "userspace/discover/foreign_stack.h"
#include "userspace/discover/images.h"
#include "userspace/discover/maps.h"
#include "userspace/discover/probe_cache.h"

#define CROWDED_SWEEP_NS 2000000000ULL

enum { SWEEPS_REMEMBERED = 20, QUESTIONS_MAX = 8, JUDGE_MS = 1000 };

struct question {
	uint32_t pid;
	unsigned number;
};

struct lt_scout {
	struct lt_capture *capture;
	struct lt_scout_opts opts;
	struct lt_images *images;
	struct lt_map_watch *watch; /* NULL: the sweep alone finds files */
	int wake_fd;
	int news_fd; /* readable when wake_fd is, or when a file with probes changed */
	atomic_bool stopping;
	atomic_int first; /* what came of the first sweep; -EAGAIN: it goes on */
	atomic_uint closed;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* of the next two */
	struct question questions[QUESTIONS_MAX];
	size_t question_count;
};

LT_DEFINE_FREEP(lt_scout_stop, struct lt_scout)

static void tell(struct lt_scout *s, const struct lt_scout_file *file)
{
	if (s->opts.found)
		s->opts.found(s->opts.arg, file);
}

static uint64_t sight_of(const struct lt_mapping *m)
{
	return m->inode ^ m->inode_generation * 0x9e3779b97f4a7c15ULL;
}

static int attach_image(struct lt_scout *s, const struct lt_mapping *m, int fd, const char *path,
			const struct lt_image_id *id, const struct lt_probe_plan *plan)
{
	/* First: a change in the middle must not go unseen. */
	int number = lt_images_watch(s->images, fd), r;
	struct lt_attachment *attachment;

	r = lt_capture_attach(s->capture, fd, plan, &attachment);
	if (r < 0)
		return r;
	r = lt_images_add(s->images, id, makedev(m->major, m->minor), sight_of(m), attachment,
			  lt_clock_boot_ns());
	if (r < 0) {
		lt_attachment_free(attachment);
		return r;
	}
	lt_images_guard(s->images, attachment, number);
	if (plan->found == LT_FOUND_CODE && lt_attachment_state(attachment) != LT_SITE_TRUSTED)
		lt_images_try(s->images, attachment, path, plan->collector);
	return r;
}

/* Attaches it if that can be, and tells of it. */
static int attach_plan(struct lt_scout *s, const struct lt_mapping *m, int fd, const char *path,
		       const struct lt_elf_image *image, const struct lt_image_id *id,
		       struct lt_probe_plan *plan)
{
	struct lt_scout_file file = {
		.path = path,
		.collector = plan->collector,
		.inode = m->inode,
		.probes = plan->count,
		.pid = m->pid,
	};

	if (lt_capture_returns_at_sites(s->capture))
		file.error = lt_returns_plan(image, plan);
	file.probes = plan->count;
	if (file.error == 0)
		file.error = attach_image(s, m, fd, path, id, plan);
	if (file.error < 0)
		lt_counter_add(LT_C_ATTACH_ERRORS, 1);
	tell(s, &file);
	return file.error;
}

/* Looks into the file behind @fd. -ENOENT: nothing for us, or attached already. */
static int examine_fd(struct lt_scout *s, const struct lt_mapping *m, int fd, const char *path)
{
	lt_defer(lt_elf_freep)
	struct lt_elf_image *image = NULL;
	struct lt_probe_plans plans = {.count = 0};
	struct lt_image_id id;
	size_t asked = 0;
	int r, first = 0;

	r = lt_elf_open(fd, &image);
	if (r < 0)
		return r;
	lt_counter_add(LT_C_IMAGES, 1);
	lt_probe_cache_use(s->opts.cache, fd, image);
	r = lt_images_identify(fd, image, &id);
	if (r < 0)
		return r;
	if (lt_images_attached(s->images, &id))
		return -ENOENT;
	/* Each at once: its process may be about to make its first call, and to look for what else
	 * the file may carry takes longer. */
	while ((r = lt_collector_next(image, &asked, &plans)) == 0) {
		r = attach_plan(s, m, fd, path, image, &id, &plans.plans[plans.count - 1]);
		if (first == 0)
			first = r;
	}
	return r == -ENOENT && plans.count > 0 ? first : r;
}

static bool forbidden(int r)
{
	return r == -EACCES || r == -EPERM;
}

/* -ESRCH: the mapping is not there (any more) under these addresses. -EACCES, -EPERM: not ours to
 * open. */
static int examine(struct lt_scout *s, const struct lt_mapping *m)
{
	uint64_t sight = sight_of(m);
	uint64_t device = makedev(m->major, m->minor);
	lt_defer(lt_closep)
	int fd = -1;
	char path[LT_MAPS_PATH];

	if (m->inode == 0 || !lt_images_first_sight(s->images, device, sight))
		return 0;
	fd = lt_maps_open("/proc", m, path);
	if (fd < 0) {
		lt_images_unsee(s->images, device, sight);
		return forbidden(fd) ? fd : -ESRCH;
	}
	if (examine_fd(s, m, fd, path) == -ENOMEM)
		lt_images_unsee(s->images, device, sight);
	return 0;
}

/* False when it may not be looked into. */
static bool sweep_process(struct lt_scout *s, uint32_t pid, uint64_t now_ns)
{
	lt_defer(lt_fclosep)
	FILE *maps = NULL;
	char path[32], line[512];
	bool open = true;
	size_t lines = 0;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return !forbidden(-errno);
	while (lines++ < LT_MAPS_LINES_MAX && fgets(line, sizeof(line), maps)) {
		struct lt_mapping m;

		if (!lt_maps_parse_line(line, pid, &m))
			continue;
		/* What has changed again meanwhile is told of, or swept later. */
		open &= !forbidden(examine(s, &m));
		lt_images_touch(s->images, makedev(m.major, m.minor), m.inode, now_ns);
	}
	return open;
}

static void on_cgroup(void *arg, uint64_t id)
{
	struct lt_scout *s = arg;

	lt_ignore(lt_capture_plain_cgroup(s->capture, id)); /* the next sweep tries again */
}

static void on_connected(void *arg, uint32_t tgid)
{
	struct lt_scout *s = arg;

	if (tgid != (uint32_t)getpid())
		lt_ignore(lt_capture_plain_process(s->capture, tgid));
}

/* Cgroups come and go. Who connects is seen in the kernel: only what was there before is looked
 * for. */
static void find_plain(struct lt_scout *s, bool first)
{
	struct lt_plain_found found = {.arg = s, .cgroup = on_cgroup, .process = on_connected};
	enum lt_plain_way way = lt_capture_plain_way(s->capture);

	if (way == LT_PLAIN_OFF)
		return;
	lt_ignore(lt_plain_find_cgroups(&s->opts.plain, &found));
	if (first && way == LT_PLAIN_SYSCALLS)
		lt_ignore(lt_plain_find_connected(&s->opts.plain, &found));
}

static int sweep(struct lt_scout *s)
{
	uint64_t now_ns = lt_clock_boot_ns();
	uint32_t own = (uint32_t)getpid();
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned closed = 0;

	if (!proc)
		return -errno;
	while (!atomic_load(&s->stopping) && (entry = readdir(proc))) {
		uint64_t pid;

		if (lt_parse_u64(lt_bytes_str(entry->d_name), &pid) == 0 && pid != own)
			closed += !sweep_process(s, (uint32_t)pid, now_ns);
	}
	closedir(proc);
	atomic_store(&s->closed, closed);
	return 0;
}

static void on_mapping(void *arg, const struct lt_mapping *m)
{
	if (m->pid == (uint32_t)getpid())
		return;
	/* Loaders split and merge their mappings right after they make them: then look at what it
	 * has become. */
	if (examine(arg, m) == -ESRCH)
		lt_ignore(sweep_process(arg, m->pid, lt_clock_boot_ns()));
}

static void wait_for_news(struct lt_scout *s, int timeout_ms)
{
	if (s->watch && lt_map_watch_poll(s->watch, s->news_fd, timeout_ms, on_mapping, s) >= 0)
		return;
	/* No notices on this host, or they broke: sleep; the wake fd ends the wait at once. */
	s->watch = lt_map_watch_free(s->watch);
	{
		struct pollfd woken = {.fd = s->news_fd, .events = POLLIN};

		lt_ignore(poll(&woken, 1, 200));
	}
}

static void on_decided(void *arg, const char *path, const char *collector, enum lt_site_state state)
{
	const struct lt_scout *s = arg;
	struct lt_scout_proof proof = {
		.path = path,
		.collector = collector,
		.wrong = state == LT_SITE_WRONG,
	};

	if (s->opts.proved)
		s->opts.proved(s->opts.arg, &proof);
}

/* Milliseconds to wait for news at most, before the sweep at @next_ns. */
static int patience(const struct lt_scout *s, uint64_t now_ns, uint64_t next_ns)
{
	uint64_t ms = (next_ns - now_ns) / 1000000 + 1;

	return lt_images_on_trial(s->images) && ms > JUDGE_MS ? JUDGE_MS : (int)ms;
}

static bool next_question(struct lt_scout *s, struct question *ret)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->question_count > 0;
	if (any)
		*ret = s->questions[--s->question_count];
	pthread_mutex_unlock(&s->lock);
	return any;
}

static void answer(struct lt_scout *s)
{
	struct question q;
	eventfd_t value;

	if (eventfd_read(s->wake_fd, &value) < 0)
		return; /* nobody woke us */
	while (!atomic_load(&s->stopping) && next_question(s, &q))
		s->opts.stack(s->opts.stack_arg, q.number, lt_foreign_stack("/proc", q.pid));
}

int lt_scout_ask(struct lt_scout *s, uint32_t pid, unsigned question)
{
	int r = -EBUSY;

	if (!s->opts.stack)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&s->lock);
	if (s->question_count < QUESTIONS_MAX) {
		s->questions[s->question_count++] = (struct question){pid, question};
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	lt_ignore(eventfd_write(s->wake_fd, 1));
	return r;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Where distributions keep what most TLS clients use. Attached before anybody runs it: attaching
 * takes the kernel tens of milliseconds, and the first process of a new file would be past its
 * first calls by then.
 */
static const char *const usual_files[] = {
	"/usr/lib/libssl.so*",
	"/usr/lib/*/libssl.so*",
	"/usr/lib64/libssl.so*",
	"/usr/local/lib*/libssl.so*",
	"/usr/bin/node",
	"/usr/local/bin/node",
	"/usr/lib/*/libnode.so*",
	"/usr/lib/*/libgnutls.so.*",
	"/usr/lib64/libgnutls.so.*",
	"/usr/lib/*/libnspr4.so",
	"/usr/lib64/libnspr4.so",
	"/usr/lib/*/libssl3.so",
	"/usr/lib64/libssl3.so",
	"/usr/lib/*/libmbedtls.so.*",
	"/usr/lib64/libmbedtls.so.*",
	"/usr/lib/*/libwolfssl.so.*",
	"/usr/lib64/libwolfssl.so.*",
	"/usr/lib/*/libs2n.so*",
	"/usr/lib64/libs2n.so*",
};

static void attach_usual(struct lt_scout *s)
{
	glob_t found = {0};

	for (size_t i = 0; i < LT_COUNT(usual_files); i++)
		lt_ignore(glob(usual_files[i], i > 0 ? GLOB_APPEND : 0, NULL, &found));
	for (size_t i = 0; i < found.gl_pathc && i < LT_IMAGES_ATTACHED_MAX / 4; i++) {
		lt_defer(lt_closep)
		int fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		struct lt_mapping m = {0};
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		m.major = major(st.st_dev);
		m.minor = minor(st.st_dev);
		m.inode = st.st_ino;
		if (lt_images_first_sight(s->images, st.st_dev, st.st_ino))
			lt_ignore(examine_fd(s, &m, fd, found.gl_pathv[i]));
	}
	globfree(&found);
	lt_images_pin(s->images);
}

static int listen_to(int news_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return fd >= 0 && epoll_ctl(news_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int new_scout(struct lt_capture *capture, const struct lt_scout_opts *opts,
		     struct lt_scout **ret)
{
	lt_defer(lt_scout_stopp)
	struct lt_scout *s = lt_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->capture = capture;
	s->opts = *opts;
	if (s->opts.sweep_ns == 0)
		s->opts.sweep_ns = 30ULL * 1000000000;
	if (s->opts.keep_ns == 0)
		s->opts.keep_ns = 600ULL * 1000000000;
	s->news_fd = -1;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0)
		return -errno;
	s->news_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->news_fd < 0)
		return -errno;
	r = lt_images_new(&s->images);
	if (r == 0)
		r = listen_to(s->news_fd, s->wake_fd);
	if (r == 0)
		r = listen_to(s->news_fd, lt_images_guard_fd(s->images));
	if (r < 0)
		return r;
	*ret = lt_take(s);
	return 0;
}

static void *run(void *arg)
{
	struct lt_scout *s = arg;
	uint64_t swept_ns = lt_clock_boot_ns(), next_ns = swept_ns + s->opts.sweep_ns, keep_ns;
	unsigned sweeps = 0;
	bool full = false;
	int r;

	attach_usual(s);
	find_plain(s, true);
	r = sweep(s);
	atomic_store(&s->first, r < 0 ? r : 0);
	if (r < 0)
		return NULL;
	/* A new file is attached before its process makes its first call, or too late: on a busy
	 * host this thread goes first. Where it may not, it does not. */
	lt_ignore(setpriority(PRIO_PROCESS, (id_t)gettid(), -15));
	while (!atomic_load(&s->stopping)) {
		uint64_t now_ns = lt_clock_boot_ns();

		if (!full && lt_images_crowded(s->images))
			next_ns = earlier(next_ns, swept_ns + CROWDED_SWEEP_NS);
		if (now_ns < next_ns) {
			wait_for_news(s, patience(s, now_ns, next_ns));
			lt_images_check(s->images);
			lt_images_judge(s->images, on_decided, s);
			answer(s);
			continue;
		}
		if (++sweeps % SWEEPS_REMEMBERED == 0)
			lt_images_forget_sights(s->images);
		find_plain(s, false);
		lt_ignore(sweep(s)); /* /proc that cannot be read now is read the next time */
		/* Many files that live for one run: what nobody has mapped now makes room. */
		keep_ns = lt_images_crowded(s->images) ? 0 : s->opts.keep_ns;
		if (now_ns > keep_ns)
			lt_images_retire(s->images, now_ns - keep_ns);
		full = lt_images_crowded(s->images); /* of files that are in use */
		swept_ns = now_ns;
		next_ns = now_ns + s->opts.sweep_ns;
	}
	return NULL;
}

int lt_scout_start(struct lt_capture *capture, const struct lt_scout_opts *opts,
		   struct lt_scout **ret)
{
	lt_defer(lt_scout_stopp)
	struct lt_scout *s = NULL;
	int r;

	r = new_scout(capture, opts, &s);
	if (r < 0)
		return r;
	/* Before the first sweep, so that nothing mapped meanwhile is missed. */
	if (lt_map_watch_open(&s->watch) < 0)
		s->watch = NULL;
	atomic_store(&s->first, -EAGAIN);
	r = -pthread_create(&s->thread, NULL, run, s);
	if (r < 0)
		return r;
	s->running = true;
	*ret = lt_take(s);
	return 0;
}

int lt_scout_first_sweep(const struct lt_scout *s)
{
	return atomic_load(&s->first);
}

unsigned lt_scout_closed(const struct lt_scout *s)
{
	return atomic_load(&s->closed);
}

struct lt_scout *lt_scout_stop(struct lt_scout *s)
{
	if (!s)
		return NULL;
	atomic_store(&s->stopping, true);
	if (s->running) {
		lt_ignore(eventfd_write(s->wake_fd, 1));
		pthread_join(s->thread, NULL);
	}
	s->watch = lt_map_watch_free(s->watch);
	s->images = lt_images_free(s->images);
	lt_closep(&s->wake_fd);
	lt_closep(&s->news_fd);
	pthread_mutex_destroy(&s->lock);
	lt_free(s);
	return NULL;
}
