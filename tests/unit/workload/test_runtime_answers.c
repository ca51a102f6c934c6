// SPDX-License-Identifier: Apache-2.0
/* Answers and files recorded from Docker 20.10, Podman 4.3 and containerd 1.6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>

#include <cmocka.h>

#include "tests/unit/workload/answers.h"
#include "userspace/workload/grpc_call.h"
#include "userspace/workload/json_items.h"
#include "userspace/workload/runtime_answers.h"

#define T1_CONFIG   "sha256:5e589f2deae5c72c8542ed1cd2d0e099797d55e977cdf2b29363fe0a8b72b5d4"
#define T1_MANIFEST "sha256:21f578a0a1340fef091e8ed4572d892982bedb90417d6344eb31364a0aa4f86b"
#define T1_NATIVE   "sha256:eab4eae4f9c4e2530dce55ec877feac962eb56419dbf9c35ac8226aa157f7106"
#define WEB1	    "40df8411ec263626a648126be2540669d1ecd137e58b95cbb8b86e743ad4b29f"
#define DK1	    "01d537a68c3f468b12078ab6cd86b44c2470b09d7d8ae4e4ccb50ad1bfbc2434"

static struct lt_container_draft draft;

static void is_label(const char *key, const char *value)
{
	for (size_t i = 0; i < draft.label_count; i++) {
		if (strcmp(draft.labels[i].key, key) == 0) {
			assert_string_equal(draft.labels[i].value, value);
			return;
		}
	}
	fail_msg("no label %s", key);
}

static void is(const char *id, const char *name, const char *image, const char *digest)
{
	struct lt_container_facts f = lt_draft_facts(&draft);

	assert_string_equal(f.id, id);
	assert_string_equal(f.name, name);
	assert_string_equal(f.image, image);
	assert_string_equal(f.digest, digest);
}

typedef void (*reader)(const struct lt_json_value *v, struct lt_container_draft *d);

static int on_item(void *arg, const struct lt_json_value *v)
{
	(*(reader *)arg)(v, &draft);
	return 0;
}

static void read_json(const char *name, reader fn)
{
	struct lt_bytes text = answer(name);
	struct lt_json_items *items;

	assert_int_equal(lt_json_items_new(on_item, &fn, &items), 0);
	assert_int_equal(lt_json_items_feed(items, text), 0);
	assert_int_equal(lt_json_items_finish(items), 0);
	lt_json_items_free(items);
	free((void *)text.p);
}

static int reset(void **state)
{
	(void)state;
	lt_draft_reset(&draft);
	return 0;
}

static void docker_lists_a_container(void **state)
{
	(void)state;
	read_json("docker_list.json", lt_docker_entry);
	/* An image that was never pushed has the digest of its config alone. */
	is(DK1, "dk1b", "t:1",
	   "sha256:b032360554675123a2bdf53733a0c1bba022a3d759518f316973705b61831f41");
	is_label("tenant", "globex");
	is_label("team", "docker");
	assert_int_equal(draft.label_count, 2);
}

static void podman_lists_a_container_and_its_image(void **state)
{
	(void)state;
	read_json("podman_list.json", lt_docker_entry);
	is(WEB1, "web1", "localhost/t:1", T1_CONFIG);
	is_label("tenant", "acme");
	read_json("podman_image.json", lt_docker_image);
	is(WEB1, "web1", "localhost/t:1", T1_MANIFEST);
}

static void docker_writes_its_file(void **state)
{
	(void)state;
	read_json("docker_config_v2.json", lt_docker_file);
	is(DK1, "dk1b", "t:1",
	   "sha256:b032360554675123a2bdf53733a0c1bba022a3d759518f316973705b61831f41");
	is_label("tenant", "globex");
}

static void parse(const char *text, reader fn)
{
	struct lt_json_file *file;

	assert_int_equal(lt_json_file_parse(lt_bytes_str(text), "t", &file, NULL), 0);
	fn(lt_json_file_root(file), &draft);
	lt_json_file_free(file);
}

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static void the_digest_is_that_of_the_images_own_repository(void **state)
{
	static const char repos[] = "{\"Repositories\":{\"a\":{\"a:1\":\"sha256:x\",\"a@" D1
				    "\":\"sha256:x\"},"
				    "\"b:5000/c\":{\"b:5000/c@" D2
				    "\":\"sha256:x\",\"b:5000/c:2\":\"sha256:x\"}}}";

	(void)state;
	strcpy(draft.image, "b:5000/c:2");
	parse("{\"RepoDigests\":[\"a@" D1 "\",\"b:5000/c@" D2 "\"]}", lt_docker_image);
	assert_string_equal(draft.digest, D2);
	lt_draft_reset(&draft);
	strcpy(draft.image, "elsewhere:2");
	parse("{\"RepoDigests\":[\"a@" D1 "\",\"b:5000/c@" D2 "\"]}", lt_docker_image);
	assert_string_equal(draft.digest, D1);
	lt_draft_reset(&draft);
	strcpy(draft.image, "b:5000/c:2");
	strcpy(draft.image_id, "sha256:x");
	parse(repos, lt_docker_repositories);
	assert_string_equal(draft.digest, D2);
	lt_draft_reset(&draft);
	strcpy(draft.image_id, "sha256:y");
	parse(repos, lt_docker_repositories);
	assert_string_equal(draft.digest, "");
}

static void a_container_is_called_by_its_own_name(void **state)
{
	(void)state;
	parse("{\"Id\":\"a\",\"Names\":[\"/web/db\",\"/db\",\"/db2\"]}", lt_docker_entry);
	assert_string_equal(draft.name, "db");
	lt_draft_reset(&draft);
	parse("{\"Id\":\"a\",\"Names\":[\"/k8s_app_pod-1_shop_uid-1_0\"]}", lt_docker_entry);
	assert_string_equal(draft.name, "app");
	assert_string_equal(draft.pod, "pod-1");
	assert_string_equal(draft.namespace, "shop");
	assert_string_equal(draft.pod_uid, "uid-1");
}

static void storage_has_name_image_and_digest(void **state)
{
	struct lt_bytes images;
	char id[LT_DRAFT_DIGEST], digest[LT_DRAFT_DIGEST];
	struct lt_json_file *file;

	(void)state;
	read_json("storage_containers.json", lt_storage_container);
	is(WEB1, "web1", "localhost/t:1", "");
	images = answer("storage_images.json");
	assert_int_equal(lt_json_file_parse(images, "t", &file, NULL), 0);
	lt_storage_image(lt_json_at(lt_json_file_root(file), 0), id, digest);
	assert_string_equal(id, draft.image_id);
	assert_string_equal(digest, T1_MANIFEST);
	lt_json_file_free(file);
	free((void *)images.p);
}

/* The form that CRI-O's source writes; not recorded. */
static void crio_names_pods_in_its_storage(void **state)
{
	(void)state;
	parse("{\"id\":\"c1\",\"names\":[\"k8s_app_pod-1_shop_uid-1_0\"],\"image\":\"i1\","
	      "\"metadata\":\"{\\\"pod-name\\\":\\\"k8s_pod-1\\\",\\\"image-name\\\":"
	      "\\\"quay.io/a/b:1\\\",\\\"name\\\":\\\"k8s_app_pod-1_shop_uid-1_0\\\","
	      "\\\"metadata-name\\\":\\\"app\\\"}\"}",
	      lt_storage_container);
	is("c1", "app", "quay.io/a/b:1", "");
	assert_string_equal(draft.pod, "pod-1");
	assert_string_equal(draft.namespace, "shop");
	assert_string_equal(draft.pod_uid, "uid-1");
}

struct event_log {
	char text[512];
};

static int on_event(void *arg, const struct lt_json_value *v)
{
	struct event_log *log = arg;
	char id[LT_DRAFT_ID];
	enum lt_runtime_news news = lt_docker_event(v, id);
	size_t n = strlen(log->text);

	if (news != LT_NEWS_NONE)
		snprintf(log->text + n, sizeof(log->text) - n, "%s%.4s ",
			 news == LT_NEWS_GONE ? "-" : "+", id);
	return 0;
}

static void is_event_log(const char *name, const char *expected)
{
	struct lt_bytes text = answer(name);
	struct event_log log = {0};
	struct lt_json_items *items;

	assert_int_equal(lt_json_items_new(on_event, &log, &items), 0);
	assert_int_equal(lt_json_items_feed(items, text), 0);
	assert_string_equal(log.text, expected);
	lt_json_items_free(items);
	free((void *)text.p);
}

static void events_tell_of_begin_and_end(void **state)
{
	(void)state;
	is_event_log("docker_events.json", "+4131 +4131 -4131 -4131 ");
	is_event_log("podman_events.json", "+205f +205f -205f -205f ");
}

static void events_of_other_things_tell_nothing(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"Type\":\"image\",\"Action\":\"create\",\"Actor\":{\"ID\":\"a\"}}",
		"{\"Type\":\"container\",\"Action\":\"exec_create: sh\",\"Actor\":{\"ID\":\"a\"}}",
		"{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":7}}",
		"{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":[]}"};
	struct event_log log = {0};
	struct lt_json_file *file;

	(void)state;
	for (size_t i = 0; i < LT_COUNT(texts); i++) {
		assert_int_equal(lt_json_file_parse(lt_bytes_str(texts[i]), "t", &file, NULL), 0);
		assert_int_equal(on_event(&log, lt_json_file_root(file)), 0);
		lt_json_file_free(file);
	}
	assert_string_equal(log.text, "");
}

#define POD_UID "6f1a2b3c-1111-4222-8333-444455556666"

static void cri_tells_status_and_image(void **state)
{
	struct lt_bytes status = answer("cri_status.bin"), image = answer("cri_image.bin");

	(void)state;
	assert_int_equal(lt_cri_status(lt_proto_get(status, 1), &draft), 0);
	is("425f31d22b10e1bd997148af07f005257cb589f8e8b3553971e1f7ed16f7fc41", "server",
	   "localhost/t:1", T1_CONFIG);
	assert_string_equal(draft.pod, "api-7d9f");
	assert_string_equal(draft.namespace, "shop");
	assert_string_equal(draft.pod_uid, POD_UID);
	is_label("io.kubernetes.container.name", "server");
	/* Imported from a file: no registry gave it a digest. */
	assert_int_equal(lt_cri_image(lt_proto_get(image, 1), &draft), 0);
	assert_string_equal(draft.digest, "");
	/* Half of it is no message. */
	for (size_t n = 1; n < 60; n++)
		lt_ignore(lt_cri_status(lt_bytes(status.p + 3, n), &draft));
	free((void *)status.p);
	free((void *)image.p);
}

static void cri_image_refs_may_hold_the_digest(void **state)
{
	struct lt_proto_out status = {0}, image = {0};

	(void)state;
	lt_proto_put(&status, 1, lt_bytes_str("c1"));
	lt_proto_put(&status, 9, lt_bytes_str("reg.io/a@" D1));
	lt_proto_put(&image, 3, lt_bytes_str("a/b@" D2));
	assert_int_equal(lt_cri_status(lt_bytes(status.at, status.n), &draft), 0);
	assert_string_equal(draft.digest, D1);
	assert_int_equal(lt_cri_status(lt_bytes(status.at, status.n - 1), &draft), -EBADMSG);
	lt_draft_reset(&draft);
	assert_int_equal(lt_cri_image(lt_bytes(image.at, image.n), &draft), 0);
	assert_string_equal(draft.digest, D2);
}

static int on_cri_entry(void *arg, const struct lt_proto_field *f)
{
	char id[LT_DRAFT_ID], *log = arg;

	assert_int_equal(f->number, 1);
	assert_int_equal(lt_cri_entry(f->bytes, id), 0);
	snprintf(log + strlen(log), 64, "%.4s ", id);
	return 0;
}

static void cri_lists_in_any_pieces(void **state)
{
	struct lt_bytes list = answer("cri_list.bin");

	(void)state;
	for (size_t step = 1; step < 40; step += 3) {
		char log[256] = "";
		struct lt_grpc_sink sink = {.field = on_cri_entry, .arg = log};
		struct lt_grpc_messages *m;
		struct lt_bytes rest = list;

		assert_int_equal(lt_grpc_messages_new(&sink, &m), 0);
		while (rest.n > 0) {
			assert_int_equal(
				lt_grpc_messages_feed(
					m, lt_bytes(rest.p, step < rest.n ? step : rest.n)),
				0);
			rest = lt_bytes_skip(rest, step);
		}
		assert_int_equal(lt_grpc_messages_finish(m), 0);
		assert_string_equal(log, "425f e612 ");
		lt_grpc_messages_free(m);
	}
	free((void *)list.p);
}

static void an_ended_container_is_not_listed(void **state)
{
	static const uint8_t ended[] = "\x0a\x02"
				       "c1"
				       "\x30\x02";
	char id[LT_DRAFT_ID];

	(void)state;
	assert_int_equal(lt_cri_entry(lt_bytes(ended, 6), id), 0);
	assert_string_equal(id, "");
	assert_int_equal(lt_cri_entry(lt_bytes(ended, 4), id), 0);
	assert_string_equal(id, "c1");
	assert_int_equal(lt_cri_entry(lt_bytes(ended, 5), id), -EBADMSG);
	assert_string_equal(id, "");
}

/* Composed by the field numbers of k8s.io/cri-api: containerd 1.6 has no such stream. */
static void cri_tells_news(void **state)
{
	static const struct {
		uint64_t type;
		enum lt_runtime_news news;
	} cases[] = {{0, LT_NEWS_LOOK}, {1, LT_NEWS_LOOK}, {2, LT_NEWS_GONE}, {3, LT_NEWS_GONE}};
	struct lt_proto_field id = {.number = 1, .kind = LT_PROTO_BYTES};
	struct lt_cri_event none = {0};

	(void)state;
	id.bytes = lt_bytes_str("c1");
	for (size_t i = 0; i < LT_COUNT(cases); i++) {
		struct lt_proto_field type = {.number = 2, .value = cases[i].type};
		struct lt_cri_event e = {0};

		lt_cri_event_field(&e, &id);
		if (cases[i].type)
			lt_cri_event_field(&e, &type);
		assert_string_equal(e.id, "c1");
		assert_int_equal(lt_cri_event_news(&e), cases[i].news);
	}
	assert_int_equal(lt_cri_event_news(&none), LT_NEWS_NONE);
}

static void containerd_tells_container_and_image(void **state)
{
	struct lt_bytes c = answer("containerd_container.bin"), i = answer("containerd_image.bin");

	(void)state;
	assert_int_equal(lt_containerd_container(lt_proto_get(c, 1), &draft), 0);
	assert_string_equal(draft.digest, "");
	lt_containerd_image(lt_proto_get(i, 1), &draft);
	is("e612d0ebeff067f5a237f5faa9171ab3eba2e8f6a3c6cce1714305791ae97cab", "server",
	   "localhost/t:1", T1_NATIVE);
	assert_string_equal(draft.pod, "byid");
	is_label("team", "data");
	free((void *)c.p);
	free((void *)i.p);
}

/* As it is where the image lost its name since: the one in the OCI spec is left. */
static void containerd_tells_what_an_image_was_called(void **state)
{
	struct lt_bytes c = answer("containerd_container.bin"), spec;
	struct lt_proto_out out = {0};

	(void)state;
	spec = lt_proto_get(lt_proto_get(c, 1), 5);
	lt_proto_put(&out, 1, lt_bytes_str("c1"));
	lt_proto_put(&out, 3, lt_bytes_str(T1_CONFIG));
	lt_proto_put(&out, 5, spec);
	assert_int_equal(lt_containerd_container(lt_bytes(out.at, out.n), &draft), 0);
	is("c1", "", "localhost/t:1", T1_CONFIG);
	assert_string_equal(draft.image_id, T1_CONFIG);
	free((void *)c.p);
}

struct envelope {
	char topic[64], log[128];
};

static int on_envelope_field(void *arg, const struct lt_proto_field *f)
{
	struct envelope *e = arg;
	char id[LT_DRAFT_ID];
	enum lt_runtime_news news;

	if (f->number == 3)
		lt_draft_text(e->topic, sizeof(e->topic), f->bytes);
	if (f->number != 4)
		return 0;
	news = lt_containerd_event(lt_bytes_str(e->topic), f->bytes, id);
	snprintf(e->log + strlen(e->log), 32, "%s%.20s ", news == LT_NEWS_GONE ? "-" : "+", id);
	return 0;
}

static void containerd_tells_news(void **state)
{
	struct lt_bytes events = answer("containerd_events.bin");
	struct envelope e = {0};
	struct lt_grpc_sink sink = {.field = on_envelope_field, .arg = &e};
	struct lt_grpc_messages *m;

	(void)state;
	assert_int_equal(lt_grpc_messages_new(&sink, &m), 0);
	assert_int_equal(lt_grpc_messages_feed(m, events), 0);
	assert_int_equal(lt_grpc_messages_finish(m), 0);
	assert_string_equal(e.log, "+short9 -short9 ");
	lt_grpc_messages_free(m);
	free((void *)events.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(docker_lists_a_container, reset),
		cmocka_unit_test_setup(podman_lists_a_container_and_its_image, reset),
		cmocka_unit_test_setup(docker_writes_its_file, reset),
		cmocka_unit_test_setup(the_digest_is_that_of_the_images_own_repository, reset),
		cmocka_unit_test_setup(a_container_is_called_by_its_own_name, reset),
		cmocka_unit_test_setup(storage_has_name_image_and_digest, reset),
		cmocka_unit_test_setup(crio_names_pods_in_its_storage, reset),
		cmocka_unit_test(events_tell_of_begin_and_end),
		cmocka_unit_test(events_of_other_things_tell_nothing),
		cmocka_unit_test_setup(cri_tells_status_and_image, reset),
		cmocka_unit_test_setup(cri_image_refs_may_hold_the_digest, reset),
		cmocka_unit_test(cri_lists_in_any_pieces),
		cmocka_unit_test(an_ended_container_is_not_listed),
		cmocka_unit_test(cri_tells_news),
		cmocka_unit_test_setup(containerd_tells_container_and_image, reset),
		cmocka_unit_test_setup(containerd_tells_what_an_image_was_called, reset),
		cmocka_unit_test(containerd_tells_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
