// SPDX-License-Identifier: Apache-2.0
#include "userspace/workload/container_draft.h"

enum { K8S_PARTS = 6 };

void lt_draft_reset(struct lt_container_draft *d)
{
	d->id[0] = d->name[0] = d->image[0] = d->image_id[0] = d->digest[0] = '\0';
	d->pod_uid[0] = d->pod[0] = d->namespace[0] = '\0';
	d->label_count = 0;
	d->arena_used = 0;
}

/* Takes off a character of UTF-8 that the end cut in two. */
static void mend_end(char *text)
{
	size_t n = strlen(text), back = 0;
	unsigned char lead;

	while (back < 3 && back < n && ((unsigned char)text[n - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == n)
		return;
	lead = (unsigned char)text[n - 1 - back];
	if ((lead >= 0xc0 && back < 1) || (lead >= 0xe0 && back < 2) || (lead >= 0xf0 && back < 3))
		text[n - 1 - back] = '\0';
}

void lt_draft_text(char *to, size_t size, struct lt_bytes text)
{
	bool whole = lt_bytes_copy(to, size, text);
	size_t n = text.n < size - 1 ? text.n : size - 1;

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)to[i] < ' ' || to[i] == 0x7f)
			to[i] = '?';
	}
	if (!whole)
		mend_end(to);
}

void lt_draft_id(struct lt_container_draft *d, struct lt_bytes text)
{
	lt_draft_text(d->id, sizeof(d->id), text);
	if (text.n >= sizeof(d->id))
		d->id[0] = '\0';
}

/* "sha256:0123...", "sha512:...": an algorithm and at least 32 hexadecimal digits. */
static bool is_digest(struct lt_bytes b)
{
	size_t colon = 0;

	while (colon < b.n && b.p[colon] != ':')
		colon++;
	if (colon == 0 || b.n < colon + 33)
		return false;
	for (size_t i = colon + 1; i < b.n; i++) {
		if (!(b.p[i] >= '0' && b.p[i] <= '9') && !(b.p[i] >= 'a' && b.p[i] <= 'f'))
			return false;
	}
	return true;
}

void lt_draft_digest(struct lt_container_draft *d, struct lt_bytes text)
{
	const uint8_t *at = text.n ? memchr(text.p, '@', text.n) : NULL;

	if (at)
		text = lt_bytes_skip(text, (size_t)(at - text.p) + 1);
	if (is_digest(text) && text.n < sizeof(d->digest))
		lt_draft_text(d->digest, sizeof(d->digest), text);
}

static void keep_label(struct lt_container_draft *d, struct lt_bytes key, struct lt_bytes value)
{
	size_t key_size = key.n + 1;
	size_t value_size = (value.n < LT_DRAFT_LABEL_VALUE ? value.n : LT_DRAFT_LABEL_VALUE) + 1;
	char *to = d->arena + d->arena_used;

	if (d->label_count == LT_DRAFT_LABELS || key.n == 0 || key.n > LT_DRAFT_LABEL_KEY ||
	    key_size + value_size > sizeof(d->arena) - d->arena_used)
		return;
	lt_draft_text(to, key_size, key);
	lt_draft_text(to + key_size, value_size, value);
	d->labels[d->label_count++] = (struct lt_pair){.key = to, .value = to + key_size};
	d->arena_used += key_size + value_size;
}

void lt_draft_label(struct lt_container_draft *d, struct lt_bytes key, struct lt_bytes value)
{
	if (lt_bytes_is(key, "io.kubernetes.pod.name"))
		lt_draft_text(d->pod, sizeof(d->pod), value);
	else if (lt_bytes_is(key, "io.kubernetes.pod.namespace"))
		lt_draft_text(d->namespace, sizeof(d->namespace), value);
	else if (lt_bytes_is(key, "io.kubernetes.pod.uid"))
		lt_draft_text(d->pod_uid, sizeof(d->pod_uid), value);
	else if (lt_bytes_is(key, "io.kubernetes.container.name") ||
		 lt_bytes_is(key, "nerdctl/name"))
		lt_draft_text(d->name, sizeof(d->name), value);
	keep_label(d, key, value);
}

static size_t split(struct lt_bytes name, struct lt_bytes part[K8S_PARTS])
{
	size_t count = 0;

	while (count < K8S_PARTS - 1) {
		const uint8_t *end = name.n ? memchr(name.p, '_', name.n) : NULL;

		if (!end)
			break;
		part[count++] = lt_bytes(name.p, (size_t)(end - name.p));
		name = lt_bytes_skip(name, part[count - 1].n + 1);
	}
	part[count++] = name;
	return count;
}

void lt_draft_name(struct lt_container_draft *d, struct lt_bytes name)
{
	struct lt_bytes part[K8S_PARTS];

	if (name.n > 0 && name.p[0] == '/')
		name = lt_bytes_skip(name, 1);
	if (split(name, part) != K8S_PARTS || !lt_bytes_is(part[0], "k8s")) {
		lt_draft_text(d->name, sizeof(d->name), name);
		return;
	}
	lt_draft_text(d->name, sizeof(d->name), part[1]);
	lt_draft_text(d->pod, sizeof(d->pod), part[2]);
	lt_draft_text(d->namespace, sizeof(d->namespace), part[3]);
	lt_draft_text(d->pod_uid, sizeof(d->pod_uid), part[4]);
}

static const char *digest_of(const struct lt_container_draft *d)
{
	if (d->digest[0])
		return d->digest;
	return is_digest(lt_bytes_str(d->image_id)) ? d->image_id : "";
}

struct lt_container_facts lt_draft_facts(const struct lt_container_draft *d)
{
	return (struct lt_container_facts){
		.id = d->id,
		.name = d->name,
		.image = d->image,
		.digest = digest_of(d),
		.pod_uid = d->pod_uid,
		.pod = d->pod,
		.namespace = d->namespace,
		.labels = {.at = d->labels, .count = d->label_count},
	};
}

/* FNV-1a, with the end of each text. */
static uint64_t add(uint64_t hash, const char *text, size_t n)
{
	for (size_t i = 0; i <= n; i++)
		hash = (hash ^ (i < n ? (unsigned char)text[i] : 0xff)) * 0x100000001b3ULL;
	return hash;
}

uint64_t lt_draft_hash(const struct lt_container_draft *d)
{
	const char *const texts[] = {d->id,	d->name, d->image,   d->image_id,
				     d->digest, d->pod,	 d->pod_uid, d->namespace};
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		hash = add(hash, texts[i], strlen(texts[i]));
	return add(hash, d->arena, d->arena_used);
}
