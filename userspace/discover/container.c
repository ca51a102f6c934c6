// SPDX-License-Identifier: Apache-2.0
/*
 * A cgroup path is walked from the root to the leaf, one name at a time. Every name is one of: a
 * pod, a container (recognised by its own shape, or by the name above it), a systemd unit, or
 * nothing to us. The innermost container and unit win; of pods the outermost, because that is the
 * one the host's orchestrator knows.
 */
#include "userspace/discover/container.h"

#include <ctype.h>
#include <stdlib.h>

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

enum {
	PATH_MAX_BYTES = 4096, /* the kernel's own limit */
	ID_HEX = 64,	       /* what every OCI engine uses */
	ID_HEX_MIN = 12, /* shortest that is believed where the place already says "container" */
	UUID_TEXT = 36,
};

struct walk {
	struct lt_container *c;
	struct lt_bytes previous; /* name above */
	unsigned depth;
	bool in_pod;	  /* the name above is a pod */
	bool in_kubepods; /* below "kubepods", no pod yet */
	bool in_ecs;
	bool nspawn;	/* the name above is a systemd-nspawn machine */
	bool delegated; /* below the manager of a user */
	const char *qos;
};

static bool is_hex(struct lt_bytes b, size_t min, size_t max)
{
	if (b.n < min || b.n > max)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		if (!(b.p[i] >= '0' && b.p[i] <= '9') && !(b.p[i] >= 'a' && b.p[i] <= 'f'))
			return false;
	}
	return true;
}

static bool ends_with(struct lt_bytes b, const char *end)
{
	size_t n = strlen(end);

	return b.n >= n && memcmp(b.p + b.n - n, end, n) == 0;
}

/* Takes @end off @b when something is left before it. */
static bool cut_end(struct lt_bytes *b, const char *end)
{
	if (b->n <= strlen(end) || !ends_with(*b, end))
		return false;
	b->n -= strlen(end);
	return true;
}

static bool cut_start(struct lt_bytes *b, const char *start)
{
	if (b->n <= strlen(start) || !lt_bytes_starts(*b, start))
		return false;
	*b = lt_bytes_skip(*b, strlen(start));
	return true;
}

/* Names can be made by unprivileged users in their own subtree: keep control characters out of
 * records. */
static void copy_clean(char *to, size_t size, struct lt_bytes b)
{
	lt_bytes_copy(to, size, b);
	for (char *c = to; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

/* Whether somebody else than the host's administrator chooses names here. */
static bool is_claim(const struct walk *w)
{
	return w->delegated || w->c->id[0];
}

static void found(struct walk *w, struct lt_bytes id, const char *runtime)
{
	w->c->id_is_claim = is_claim(w);
	copy_clean(w->c->id, sizeof(w->c->id), id);
	lt_bytes_copy(w->c->runtime, sizeof(w->c->runtime), lt_bytes_str(runtime));
}

/* 8-4-4-4-12 with '-' (or '_' in slice names), or the 32 bare digits of a static pod. */
static bool read_pod_uid(struct lt_bytes b, char ret[LT_POD_UID])
{
	if (b.n != UUID_TEXT && b.n != 32)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		bool dash = b.n == UUID_TEXT && (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? b.p[i] != '-' && b.p[i] != '_' : !isxdigit(b.p[i]))
			return false;
		ret[i] = dash ? '-' : (char)b.p[i];
	}
	ret[b.n] = '\0';
	return true;
}

static void found_pod(struct walk *w, const char *uid, const char *qos)
{
	w->in_pod = true;
	w->in_kubepods = false;
	if (w->c->pod_uid[0])
		return;
	w->c->pod_is_claim = is_claim(w);
	lt_bytes_copy(w->c->pod_uid, sizeof(w->c->pod_uid), lt_bytes_str(uid));
	lt_bytes_copy(w->c->qos, sizeof(w->c->qos), lt_bytes_str(qos));
}

/* "kubepods-burstable-pod<uid>", perhaps with a prefix of the cgroup root ("kubelet-"). */
static bool slice_pod(struct walk *w, struct lt_bytes name)
{
	static const char mark[] = "-pod";
	const uint8_t *at = memmem(name.p, name.n, mark, strlen(mark));
	struct lt_bytes before, uid;
	char text[LT_POD_UID];
	const char *qos = "guaranteed";

	/* The first "-pod" may belong to the cgroup root's own name. */
	while (at) {
		before = lt_bytes(name.p, (size_t)(at - name.p));
		uid = lt_bytes_skip(name, before.n + strlen(mark));
		if (read_pod_uid(uid, text))
			break;
		at = memmem(uid.p, uid.n, mark, strlen(mark));
	}
	if (!at)
		return false;
	if (cut_end(&before, "-burstable"))
		qos = "burstable";
	else if (cut_end(&before, "-besteffort"))
		qos = "besteffort";
	if (!ends_with(before, "kubepods"))
		return false;
	found_pod(w, text, qos);
	return true;
}

/* "kubepods", "burstable", "besteffort", "pod<uid>" of the cgroupfs driver. */
static bool plain_pod(struct walk *w, struct lt_bytes name)
{
	char text[LT_POD_UID];

	if (lt_bytes_is(name, "kubepods")) {
		w->in_kubepods = true;
		w->qos = "guaranteed";
		return true;
	}
	if (lt_bytes_is(name, "burstable") || lt_bytes_is(name, "besteffort")) {
		w->in_kubepods = true;
		w->qos = name.p[1] == 'u' ? "burstable" : "besteffort";
		return true;
	}
	if (!cut_start(&name, "pod") || !read_pod_uid(name, text))
		return false;
	/* In a private cgroup namespace the names above are "..": the class is not known then. */
	found_pod(w, text, w->in_kubepods ? w->qos : "");
	return true;
}

/* Engines that put their name before the id: "docker-<id>.scope", "crio-<id>", "libpod-<id>.scope".
 */
static bool prefixed_container(struct walk *w, struct lt_bytes name)
{
	static const struct {
		const char *prefix, *runtime;
	} engines[] = {
		{"docker-", "docker"},
		{"cri-containerd-", "containerd"},
		{"crio-", "cri-o"},
		{"libpod-payload-", "podman"},
		{"libpod-", "podman"},
		{"nerdctl-", "containerd"},
		{"containerd-", "containerd"},
		{"kata_", "kata"},
	};
	struct lt_bytes id;

	cut_end(&name, ".scope");
	for (size_t i = 0; i < LT_COUNT(engines); i++) {
		id = name;
		if (cut_start(&id, engines[i].prefix) && is_hex(id, ID_HEX_MIN, ID_HEX)) {
			found(w, id, engines[i].runtime);
			return true;
		}
	}
	/* An engine that we have no name for. */
	id = lt_bytes_skip(name, name.n > ID_HEX ? name.n - ID_HEX : 0);
	if (name.n > ID_HEX + 1 && id.p[-1] == '-' && is_hex(id, ID_HEX, ID_HEX) &&
	    !memmem(name.p, name.n, "conmon-", 7)) {
		found(w, id, "");
		return true;
	}
	return false;
}

/* "slice:prefix:id", the systemd driver's notation where no systemd took it. */
static bool colon_container(struct walk *w, struct lt_bytes name)
{
	const uint8_t *first = memchr(name.p, ':', name.n);
	const uint8_t *second = first ? memchr(first + 1, ':',
					       name.n - (size_t)(first + 1 - name.p))
				      : NULL;
	struct lt_bytes slice, prefix, id;

	if (!second)
		return false;
	slice = lt_bytes(name.p, (size_t)(first - name.p));
	prefix = lt_bytes(first + 1, (size_t)(second - first - 1));
	id = lt_bytes_skip(name, (size_t)(second + 1 - name.p));
	cut_end(&slice, ".slice");
	if (slice_pod(w, slice))
		w->in_pod = false;
	/* Exactly 64: the kernel side cuts long names, and a cut id would be a wrong one. */
	if (!is_hex(id, ID_HEX, ID_HEX))
		return true;
	if (lt_bytes_is(prefix, "docker"))
		found(w, id, "docker");
	else if (lt_bytes_is(prefix, "crio"))
		found(w, id, "cri-o");
	else if (lt_bytes_is(prefix, "libpod"))
		found(w, id, "podman");
	else if (lt_bytes_is(prefix, "cri-containerd") || lt_bytes_is(prefix, "nerdctl"))
		found(w, id, "containerd");
	else if (!ends_with(prefix, "conmon"))
		found(w, id, "");
	return true;
}

/* Undoes systemd's "\x2d". @to may be as short as it likes. */
static void unescape(struct lt_bytes in, char *to, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n && n + 1 < size; i++, n++) {
		char digits[3] = "";

		to[n] = (char)in.p[i];
		if (in.p[i] != '\\' || in.n - i < 4 || in.p[i + 1] != 'x' ||
		    !isxdigit(in.p[i + 2]) || !isxdigit(in.p[i + 3]))
			continue;
		memcpy(digits, in.p + i + 2, 2);
		to[n] = (char)strtoul(digits, NULL, 16);
		if (to[n] == '\0')
			to[n] = '?';
		i += 3;
	}
	to[n] = '\0';
}

/* Machines of systemd-machined: nspawn containers and libvirt guests. */
static bool machine(struct walk *w, struct lt_bytes name)
{
	char text[LT_CONTAINER_ID];
	struct lt_bytes id = name;

	if (cut_end(&id, ".scope")
		    ? !cut_start(&id, "machine-")
		    : !cut_end(&id, ".service") || !cut_start(&id, "systemd-nspawn@"))
		return false;
	unescape(id, text, sizeof(text));
	id = lt_bytes_str(text);
	if (cut_start(&id, "qemu-")) {
		found(w, id, "libvirt");
		return true;
	}
	found(w, id, "systemd-nspawn");
	w->nspawn = true;
	return true;
}

static bool is_systemd_name(struct lt_bytes name)
{
	return ends_with(name, ".slice") || ends_with(name, ".scope") ||
	       ends_with(name, ".service");
}

static bool lxc_container(struct walk *w, struct lt_bytes name)
{
	struct lt_bytes id = name;

	if (lt_bytes_starts(name, "lxc.monitor"))
		return true;
	if (cut_start(&id, "lxc.payload.") ||
	    ((lt_bytes_is(w->previous, "lxc") || lt_bytes_is(w->previous, "lxc.payload")) &&
	     !is_systemd_name(name))) {
		found(w, id, "lxc");
		return true;
	}
	return false;
}

/* "<32 hex task>-<number>" below /ecs/: Fargate. */
static bool is_fargate_id(struct lt_bytes name)
{
	struct lt_bytes number = lt_bytes_skip(name, 33);

	if (name.n < 34 || name.p[32] != '-' || !is_hex(lt_bytes(name.p, 32), 32, 32))
		return false;
	for (size_t i = 0; i < number.n; i++) {
		if (!isdigit(number.p[i]))
			return false;
	}
	return true;
}

/* Which engine keeps its containers, by any name, right below the name above; NULL: none that we
 * know. */
static const char *keeper(const struct walk *w, struct lt_bytes name)
{
	/* containerd's namespaces sit at the root of the tree. */
	static const char *const namespaces[] = {"default", "k8s.io", "moby", "services.linuxkit"};
	char uuid[LT_POD_UID];

	if (is_systemd_name(name))
		return NULL;
	if (lt_bytes_is(w->previous, "garden"))
		return "garden";
	if (lt_bytes_is(w->previous, "buildkit"))
		return "buildkit";
	if (lt_bytes_is(w->previous, "mesos") && read_pod_uid(name, uuid))
		return "mesos";
	for (size_t i = 0; w->depth == 1 && i < LT_COUNT(namespaces); i++) {
		if (lt_bytes_is(w->previous, namespaces[i]))
			return "containerd";
	}
	return NULL;
}

/* Names that are only an id: what is above tells the engine. */
static bool plain_container(struct walk *w, struct lt_bytes name)
{
	const char *runtime = keeper(w, name);

	if (!runtime && w->in_pod && is_hex(name, ID_HEX_MIN, ID_HEX))
		runtime = "containerd";
	if (!runtime && w->in_ecs && is_fargate_id(name))
		runtime = "containerd";
	if (!runtime && is_hex(name, ID_HEX, ID_HEX))
		runtime = lt_bytes_is(w->previous, "docker") || w->in_ecs ? "docker" : "";
	if (!runtime)
		return false;
	found(w, name, runtime);
	return true;
}

/* What manages a container is not in it, whatever its name says. */
static bool is_monitor(struct lt_bytes name)
{
	return lt_bytes_starts(name, "crio-conmon-") || lt_bytes_starts(name, "libpod-conmon-");
}

static void unit(struct walk *w, struct lt_bytes name)
{
	struct lt_bytes stem = name;

	if (lt_bytes_starts(name, "user@") && ends_with(name, ".service"))
		w->delegated = true;
	if (cut_end(&stem, ".service") || cut_end(&stem, ".scope"))
		copy_clean(w->c->unit, sizeof(w->c->unit), name);
}

static void component(struct walk *w, struct lt_bytes name)
{
	struct lt_bytes slice = name;
	bool was_nspawn = w->nspawn, was_pod = w->in_pod;

	w->nspawn = false;
	if (was_nspawn && lt_bytes_is(name, "supervisor")) {
		w->c->id[0] = w->c->runtime[0] = '\0';
		w->c->id_is_claim = false;
		return;
	}
	if (cut_end(&slice, ".slice")) {
		slice_pod(w, slice);
		return;
	}
	if (lt_bytes_is(name, "ecs"))
		w->in_ecs = true;
	if (is_monitor(name) || plain_pod(w, name) || colon_container(w, name) ||
	    prefixed_container(w, name) || machine(w, name) || lxc_container(w, name) ||
	    plain_container(w, name)) {
		if (was_pod)
			w->in_pod = false;
		return;
	}
	w->in_pod = false;
	unit(w, name);
}

void lt_container_parse(const char *path, struct lt_container *ret)
{
	struct lt_bytes rest = lt_bytes(path, strnlen(path, PATH_MAX_BYTES));
	struct walk w = {.c = ret};

	memset(ret, 0, sizeof(*ret));
	while (rest.n > 0) {
		const uint8_t *slash = memchr(rest.p, '/', rest.n);
		struct lt_bytes name = lt_bytes(rest.p, slash ? (size_t)(slash - rest.p) : rest.n);

		rest = lt_bytes_skip(rest, name.n + 1);
		if (name.n == 0 || lt_bytes_is(name, "..") || lt_bytes_is(name, "."))
			continue;
		component(&w, name);
		w.previous = name;
		w.depth++;
	}
}
