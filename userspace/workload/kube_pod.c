// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/kube_pod.h"

#include <errno.h>

#include "userspace/base/parse.h"

/* How long before its pod a CronJob's Job may have been due. */
#define DUE_BEFORE_S (7 * 86400ll)

const char *lt_kube_text(const struct lt_json_value *object, const char *name)
{
	struct lt_bytes text;

	return lt_json_text(lt_json_get(object, name), &text) ? (const char *)text.p : "";
}

static void copy(char *to, size_t size, const char *text)
{
	lt_ignore(lt_bytes_copy(to, size, lt_bytes_str(text)));
}

/* ---- labels and annotations ------------------------------------------------------------------ */

struct picking {
	const struct lt_kube_filter *filter;
	struct lt_pair *to;
	size_t n;
};

static bool wants(const struct lt_kube_filter *filter, const char *key)
{
	for (size_t i = 0; i < filter->count; i++) {
		if (lt_glob_match(filter->globs[i], lt_bytes_str(key)))
			return true;
	}
	return filter->all;
}

static void pick(void *arg, const char *key, const struct lt_json_value *value)
{
	struct picking *p = arg;
	struct lt_bytes text;

	if (p->n == LT_KUBE_PAIRS || !lt_json_text(value, &text) || !wants(p->filter, key))
		return;
	p->to[p->n].key = key;
	p->to[p->n++].value = (const char *)text.p;
}

static struct lt_pairs read_pairs(const struct lt_json_value *object,
				  const struct lt_kube_filter *filter, struct lt_pair *to)
{
	struct picking p = {.filter = filter, .to = to};

	lt_json_each(object, pick, &p);
	return (struct lt_pairs){to, p.n};
}

/* ---- containers ------------------------------------------------------------------------------ */

/* "docker-pullable://repo@sha256:..." and "sha256:..." alike; what else is there says nothing. */
static const char *digest_of(const char *image_id)
{
	const char *at = strrchr(image_id, '@');

	if (at)
		return at + 1;
	return strncmp(image_id, "sha256:", 7) == 0 ? image_id : "";
}

/* Of an older docker: "docker://sha256:...", which is that of the config. */
static const char *without_scheme(const char *text)
{
	const char *scheme = strstr(text, "://");

	return scheme ? scheme + 3 : text;
}

static void read_containers(const struct lt_json_value *status, const char *member,
			    struct lt_kube_pod *pod)
{
	const struct lt_json_value *list = lt_json_get(status, member);
	size_t *n = &pod->facts.container_count;

	for (size_t i = 0; i < lt_json_count(list) && *n < LT_KUBE_CONTAINERS; i++) {
		const struct lt_json_value *at = lt_json_at(list, i);
		const char *id = without_scheme(lt_kube_text(at, "containerID"));

		if (!id[0]) /* not begun yet */
			continue;
		pod->containers[(*n)++] = (struct lt_container_facts){
			.id = id,
			.name = lt_kube_text(at, "name"),
			.image = lt_kube_text(at, "image"),
			.digest = digest_of(without_scheme(lt_kube_text(at, "imageID"))),
		};
	}
}

/* ---- owners ---------------------------------------------------------------------------------- */

void lt_kube_owner_read(const struct lt_json_value *object, struct lt_kube_owner *ret)
{
	const struct lt_json_value *list = lt_json_get(lt_json_get(object, "metadata"),
						       "ownerReferences");

	*ret = (struct lt_kube_owner){0};
	for (size_t i = 0; i < lt_json_count(list); i++) {
		const struct lt_json_value *at = lt_json_at(list, i);

		if (!lt_json_is_true(lt_json_get(at, "controller")))
			continue;
		copy(ret->version, sizeof(ret->version), lt_kube_text(at, "apiVersion"));
		copy(ret->kind, sizeof(ret->kind), lt_kube_text(at, "kind"));
		copy(ret->name, sizeof(ret->name), lt_kube_text(at, "name"));
		copy(ret->uid, sizeof(ret->uid), lt_kube_text(at, "uid"));
		return;
	}
}

static bool is_group(const struct lt_kube_owner *owner, const char *group)
{
	size_t n = strlen(group);

	return strncmp(owner->version, group, n) == 0 && owner->version[n] == '/';
}

bool lt_kube_owner_has_owner(const struct lt_kube_owner *owner)
{
	return (strcmp(owner->kind, "ReplicaSet") == 0 && is_group(owner, "apps")) ||
	       (strcmp(owner->kind, "Job") == 0 && is_group(owner, "batch"));
}

/* Cuts "-HASH" off the name when it ends with that. */
static bool cut_hash(const struct lt_kube_pod *pod, const char *label, char *name)
{
	const char *hash = lt_kube_text(pod->all_labels, label);
	size_t n = strlen(name), m = strlen(hash);

	if (m == 0 || n < m + 2 || name[n - m - 1] != '-' || strcmp(name + n - m, hash) != 0)
		return false;
	name[n - m - 1] = '\0';
	return true;
}

/* Cuts "-TIME" off the name of a Job: when it was due, in minutes or (Kubernetes 1.20) seconds. */
static bool cut_time(const struct lt_kube_pod *pod, char *name)
{
	char *dash = strrchr(name, '-');
	int64_t created_ns, age;
	uint64_t due;

	if (!dash || dash == name || lt_parse_u64(lt_bytes_str(dash + 1), &due) < 0 ||
	    due > UINT32_MAX || lt_parse_time(lt_bytes_str(pod->created), &created_ns) < 0)
		return false;
	if (due < 100000000)
		due *= 60;
	age = created_ns / 1000000000 - (int64_t)due;
	if (age < -60 || age > DUE_BEFORE_S)
		return false;
	*dash = '\0';
	return true;
}

void lt_kube_owner_guess(const struct lt_kube_pod *pod, char ret_kind[LT_KUBE_KIND],
			 char ret_name[LT_KUBE_NAME])
{
	const char *kind = pod->owner.kind;

	copy(ret_name, LT_KUBE_NAME, pod->owner.name);
	if (strcmp(kind, "ReplicaSet") == 0 && cut_hash(pod, "pod-template-hash", ret_name))
		kind = "Deployment";
	else if (strcmp(kind, "ReplicaSet") == 0 &&
		 cut_hash(pod, "rollouts-pod-template-hash", ret_name))
		kind = "Rollout";
	else if (strcmp(kind, "Job") == 0 && cut_time(pod, ret_name))
		kind = "CronJob";
	copy(ret_kind, LT_KUBE_KIND, kind);
}

/* ---- pods ------------------------------------------------------------------------------------ */

/*
 * Of a static pod the API server shows a mirror, with a uid of its own; its cgroup has the hash
 * that the kubelet gave it. The kubelet itself lists it under the hash. Anybody can write an
 * annotation: it must not look like the uid of another's pod, which has dashes.
 */
static const char *cgroup_uid(const struct lt_json_value *annotations, const char *uid)
{
	const char *hash = lt_kube_text(annotations, "kubernetes.io/config.mirror");

	if (!hash[0])
		hash = lt_kube_text(annotations, "kubernetes.io/config.hash");
	if (strlen(hash) != 32 || strspn(hash, "0123456789abcdef") != 32)
		return NULL;
	return strcmp(hash, uid) != 0 ? hash : NULL;
}

int lt_kube_pod_read(const struct lt_json_value *object, const struct lt_kube_filter *labels,
		     const struct lt_kube_filter *annotations, struct lt_kube_pod *ret)
{
	const struct lt_json_value *metadata = lt_json_get(object, "metadata");
	const struct lt_json_value *spec = lt_json_get(object, "spec");
	const struct lt_json_value *status = lt_json_get(object, "status");
	const struct lt_json_value *all = lt_json_get(metadata, "annotations");
	struct lt_pod_facts *facts = &ret->facts;

	*facts = (struct lt_pod_facts){
		.uid = lt_kube_text(metadata, "uid"),
		.name = lt_kube_text(metadata, "name"),
		.namespace = lt_kube_text(metadata, "namespace"),
		.node = lt_kube_text(spec, "nodeName"),
		.service_account = lt_kube_text(spec, "serviceAccountName"),
		.containers = ret->containers,
	};
	ret->version = lt_kube_text(metadata, "resourceVersion");
	ret->created = lt_kube_text(metadata, "creationTimestamp");
	ret->all_labels = lt_json_get(metadata, "labels");
	if (!facts->uid[0] || strlen(facts->uid) >= LT_KUBE_UID || !facts->name[0] ||
	    !facts->namespace[0])
		return -EINVAL;
	facts->cgroup_uid = cgroup_uid(all, facts->uid);
	facts->labels = read_pairs(ret->all_labels, labels, ret->labels);
	facts->annotations = read_pairs(all, annotations, ret->annotations);
	read_containers(status, "containerStatuses", ret);
	read_containers(status, "initContainerStatuses", ret);
	read_containers(status, "ephemeralContainerStatuses", ret);
	lt_kube_owner_read(object, &ret->owner);
	return 0;
}
