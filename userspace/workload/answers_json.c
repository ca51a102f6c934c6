// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/alloc.h"
#include "userspace/workload/runtime_answers.h"

static struct lt_bytes text_at(const struct lt_json_value *object, const char *name)
{
	struct lt_bytes text = lt_bytes("", 0);

	lt_ignore(lt_json_text(lt_json_get(object, name), &text));
	return text;
}

#define COPY(to, text) lt_draft_text(to, sizeof(to), text)

static void label(void *arg, const char *name, const struct lt_json_value *value)
{
	struct lt_bytes text;

	if (lt_json_text(value, &text))
		lt_draft_label(arg, lt_bytes_str(name), text);
}

static void read_id(struct lt_bytes text, char ret_id[LT_DRAFT_ID])
{
	lt_draft_text(ret_id, LT_DRAFT_ID, text);
	if (text.n >= LT_DRAFT_ID)
		ret_id[0] = '\0';
}

/* Its own name: those with another slash are what others call it. */
static struct lt_bytes own_name(const struct lt_json_value *names)
{
	struct lt_bytes name = lt_bytes("", 0);

	for (size_t i = lt_json_count(names); i-- > 0;) {
		struct lt_bytes text;

		if (lt_json_text(lt_json_at(names, i), &text) && text.n > 1 &&
		    !memchr(text.p + 1, '/', text.n - 1))
			name = text;
	}
	return name;
}

/* Names before labels, since labels know better. */
void lt_docker_entry(const struct lt_json_value *v, struct lt_container_draft *d)
{
	lt_draft_id(d, text_at(v, "Id"));
	lt_draft_name(d, own_name(lt_json_get(v, "Names")));
	COPY(d->image, text_at(v, "Image"));
	COPY(d->image_id, text_at(v, "ImageID"));
	lt_draft_digest(d, text_at(lt_json_get(v, "ImageManifestDescriptor"), "digest"));
	lt_json_each(lt_json_get(v, "Labels"), label, d);
}

void lt_docker_file(const struct lt_json_value *v, struct lt_container_draft *d)
{
	const struct lt_json_value *config = lt_json_get(v, "Config");

	lt_draft_id(d, text_at(v, "ID"));
	lt_draft_name(d, text_at(v, "Name"));
	COPY(d->image, text_at(config, "Image"));
	COPY(d->image_id, text_at(v, "Image"));
	lt_draft_digest(d, text_at(lt_json_get(v, "ImageManifest"), "digest"));
	lt_json_each(lt_json_get(config, "Labels"), label, d);
}

/* "registry:5000/team/app:1.2" is of the repository "registry:5000/team/app". */
static struct lt_bytes repository(struct lt_bytes reference)
{
	size_t end = reference.n;

	for (size_t i = 0; i < reference.n; i++) {
		if (reference.p[i] == '/')
			end = reference.n;
		else if ((reference.p[i] == ':' || reference.p[i] == '@') && end == reference.n)
			end = i;
	}
	return lt_bytes(reference.p, end);
}

static bool same(struct lt_bytes a, struct lt_bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

void lt_docker_image(const struct lt_json_value *v, struct lt_container_draft *d)
{
	const struct lt_json_value *digests = lt_json_get(v, "RepoDigests");
	struct lt_bytes wanted = repository(lt_bytes_str(d->image));

	/* From the last to the first, so that the first stays where none is of that repository. */
	for (size_t i = lt_json_count(digests); i-- > 0;) {
		struct lt_bytes text;

		if (!lt_json_text(lt_json_at(digests, i), &text))
			continue;
		lt_draft_digest(d, text);
		if (same(repository(text), wanted))
			return;
	}
}

enum lt_runtime_news lt_docker_event(const struct lt_json_value *v, char ret_id[LT_DRAFT_ID])
{
	static const struct {
		const char *action;
		enum lt_runtime_news news;
	} known[] = {
		{"create", LT_NEWS_LOOK}, {"start", LT_NEWS_LOOK},   {"rename", LT_NEWS_LOOK},
		{"die", LT_NEWS_GONE},	  {"died", LT_NEWS_GONE},    {"destroy", LT_NEWS_GONE},
		{"remove", LT_NEWS_GONE}, {"cleanup", LT_NEWS_GONE},
	};
	struct lt_bytes action = text_at(v, "Action");

	read_id(text_at(lt_json_get(v, "Actor"), "ID"), ret_id);
	if (!lt_bytes_is(text_at(v, "Type"), "container") || !ret_id[0])
		return LT_NEWS_NONE;
	for (size_t i = 0; i < LT_COUNT(known); i++) {
		if (lt_bytes_is(action, known[i].action))
			return known[i].news;
	}
	return LT_NEWS_NONE;
}

/* ---- files ---- */

static void one_reference(void *arg, const char *name, const struct lt_json_value *value)
{
	struct lt_container_draft *d = arg;
	struct lt_bytes id, reference = lt_bytes_str(name);

	if (lt_json_text(value, &id) && lt_bytes_is(id, d->image_id) && strchr(name, '@') &&
	    (!d->digest[0] || same(repository(reference), repository(lt_bytes_str(d->image)))))
		lt_draft_digest(d, reference);
}

static void one_repository(void *arg, const char *name, const struct lt_json_value *value)
{
	(void)name;
	lt_json_each(value, one_reference, arg);
}

void lt_docker_repositories(const struct lt_json_value *v, struct lt_container_draft *d)
{
	if (d->image_id[0])
		lt_json_each(lt_json_get(v, "Repositories"), one_repository, d);
}

/* What Podman and CRI-O say of a container, as JSON in a text. */
static void read_metadata(struct lt_bytes text, struct lt_container_draft *d)
{
	lt_defer(lt_json_file_freep)
	struct lt_json_file *file = NULL;
	const struct lt_json_value *v;

	if (text.n == 0 || lt_json_file_parse(text, "metadata", &file, NULL) < 0)
		return;
	v = lt_json_file_root(file);
	COPY(d->image, text_at(v, "image-name"));
	if (!d->name[0])
		lt_draft_name(d, text_at(v, "name"));
	if (text_at(v, "metadata-name").n > 0)
		COPY(d->name, text_at(v, "metadata-name"));
}

void lt_storage_container(const struct lt_json_value *v, struct lt_container_draft *d)
{
	struct lt_bytes name = lt_bytes("", 0);

	lt_draft_id(d, text_at(v, "id"));
	COPY(d->image_id, text_at(v, "image"));
	if (lt_json_text(lt_json_at(lt_json_get(v, "names"), 0), &name))
		lt_draft_name(d, name);
	read_metadata(text_at(v, "metadata"), d);
}

void lt_storage_image(const struct lt_json_value *v, char ret_id[LT_DRAFT_DIGEST],
		      char ret_digest[LT_DRAFT_DIGEST])
{
	lt_draft_text(ret_id, LT_DRAFT_DIGEST, text_at(v, "id"));
	lt_draft_text(ret_digest, LT_DRAFT_DIGEST, text_at(v, "digest"));
}
