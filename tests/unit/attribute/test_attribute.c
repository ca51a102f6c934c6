// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/attribute/attribute.h"
#include "userspace/attribute/claims.h"
#include "userspace/attribute/users.h"
#include "userspace/base/alloc.h"
#include "userspace/discover/procfs.h"

#define SECOND 1000000000ull
#define ID     "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define POD    "2b801b7a-5266-4386-864e-45ed71136371"

/* ---- what orchestrators would tell ---- */

static const struct lt_workload *told;
static unsigned borrowed;

const struct lt_workload *lt_workloads_find(struct lt_workloads *w, const char *container_id,
					    const char *pod_uid)
{
	(void)w;
	assert_true(container_id[0] || pod_uid[0]);
	borrowed += told != NULL;
	return told;
}

void lt_workload_put(const struct lt_workload *workload)
{
	borrowed -= workload != NULL;
}

const char *lt_pairs_get(struct lt_pairs pairs, const char *key)
{
	for (size_t i = 0; i < pairs.count; i++) {
		if (strcmp(pairs.at[i].key, key) == 0)
			return pairs.at[i].value;
	}
	return NULL;
}

/* ---- calls ---- */

struct fixture {
	struct lt_process_table *processes;
	struct lt_yaml *yaml;
	struct lt_attributor *attributor;
	struct lt_attributor_opts opts;
};

static void open_fixture(struct fixture *f, const char *text)
{
	/* No /proc: what is known comes from the events of the test. */
	struct lt_process_opts opts = {.proc = "/nowhere/at/all"};

	struct lt_problem problem = {0};

	assert_int_equal(lt_process_table_new(&opts, &f->processes), 0);
	assert_int_equal(lt_yaml_parse(lt_bytes_str(text), "t.yaml", &f->yaml, &problem), 0);
	f->opts.processes = f->processes;
	if (!f->opts.proc)
		f->opts.proc = opts.proc;
	assert_int_equal(lt_attributor_new(&f->opts, f->yaml, lt_yaml_root(f->yaml), &f->attributor,
					   &problem),
			 0);
}

static void close_fixture(struct fixture *f)
{
	lt_attributor_free(f->attributor);
	lt_yaml_free(f->yaml);
	lt_process_table_free(f->processes);
}

static void do_exec(const struct fixture *f, uint32_t tgid, uint32_t parent, const char *comm,
		    const char *leaf, const char *above)
{
	struct lt_event_exec e = {.head = {.type = LT_EVENT_EXEC, .tgid = tgid},
				  .process_start_ns = tgid * SECOND,
				  .cgroup_id = 70 + tgid,
				  .parent_tgid = parent,
				  .uid = 1001};

	snprintf(e.comm, sizeof(e.comm), "%s", comm);
	snprintf(e.file, sizeof(e.file), "/bin/%s", comm);
	snprintf(e.cgroup[0], sizeof(e.cgroup[0]), "%s", leaf);
	snprintf(e.cgroup[1], sizeof(e.cgroup[1]), "%s", above);
	lt_process_exec(f->processes, &e);
}

static struct lt_identity attribute(const struct fixture *f, uint32_t tgid)
{
	struct lt_call call = {.conn = {.tgid = tgid},
			       .process_start_ns = tgid * SECOND,
			       .cgroup_id = 70 + tgid,
			       .uid = 1001,
			       .host = "api.openai.com",
			       .provider = "openai"};
	struct lt_identity id;

	memset(&id, 0xa5, sizeof(id));
	lt_attribute_call(f->attributor, &call, NULL, &id);
	return id;
}

static void a_call_gets_the_facts_of_its_process(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "rules: [{match: {parent: cron, runtime: docker}, set: {team: ops}}]\n");
	do_exec(&f, 10, 1, "cron", "cron.service", "system.slice");
	do_exec(&f, 20, 10, "a<b\n", ID, "docker");
	do_exec(&f, 30, 20, "python3", ID, "docker");
	id = attribute(&f, 30);
	close_fixture(&f);
	assert_int_equal(id.pid, 30);
	assert_int_equal(id.parent_pid, 20);
	assert_int_equal(id.process_start_ns, 30 * SECOND);
	assert_int_equal(id.uid, 1001);
	assert_string_equal(id.comm, "python3");
	assert_string_equal(id.exe, "/bin/python3");
	assert_string_equal(id.parents, "a_b_<cron");
	assert_string_equal(id.cgroup, "/docker/" ID);
	assert_string_equal(id.container.id, ID);
	assert_string_equal(id.team, "ops");
	assert_string_equal(id.tenant, "unattributed");
	assert_string_equal(id.use_case, "");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
	assert_int_equal(id.confidence, 90);
}

static void without_a_rule_the_kernel_has_the_word(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "");
	do_exec(&f, 30, 1, "python3", "a.service", "system.slice");
	id = attribute(&f, 30);
	assert_string_equal(id.tenant, "unattributed");
	assert_int_equal(id.source, LT_IDENTITY_KERNEL);
	assert_int_equal(id.confidence, 50);
	id = attribute(&f, 31);
	close_fixture(&f);
	assert_int_equal(id.pid, 31);
	assert_int_equal(id.uid, 1001);
	assert_string_equal(id.comm, "");
	assert_string_equal(id.tenant, "unattributed");
	assert_int_equal(id.source, LT_IDENTITY_NONE);
	assert_int_equal(id.confidence, 0);
}

static void an_unknown_process_is_still_matched_by_its_call(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "rules:\n- {match: {comm: \"*\"}, set: {team: no}}\n"
			 "- {match: {uid: 1001, host: \"*.openai.com\"}, set: {tenant: acme}}\n");
	id = attribute(&f, 31);
	close_fixture(&f);
	assert_string_equal(id.team, "");
	assert_string_equal(id.tenant, "acme");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
}

static void a_long_chain_of_parents_is_cut_at_a_link(void **state)
{
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "");
	for (uint32_t i = 1; i <= 20; i++)
		do_exec(&f, i, i - 1, "fifteen-letters", "a.service", "b");
	id = attribute(&f, 20);
	close_fixture(&f);
	assert_int_equal(strlen(id.parents), 8 * 16 - 1);
}

static void sources_have_names(void **state)
{
	(void)state;
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_NONE), "none");
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_KERNEL), "kernel");
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_ADMIN_MAP), "admin_map");
	assert_string_equal(lt_identity_source_name(LT_IDENTITY_PROCESS_CONTEXT),
			    "process_context");
}

static void the_variables_to_read_are_those_of_the_section(void **state)
{
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	const char *names[LT_ENV_NAMES_MAX];
	size_t count = 9;

	(void)state;
	assert_int_equal(lt_yaml_parse(lt_bytes_str("env: [B, A]\n"), "t", &yaml, NULL), 0);
	assert_int_equal(lt_attribution_env_names(yaml, lt_yaml_root(yaml), names, &count, NULL),
			 0);
	assert_int_equal(count, 2);
	assert_string_equal(names[0], "B");
	assert_string_equal(names[1], "A");
	assert_int_equal(lt_attribution_env_names(NULL, NULL, names, &count, NULL), 0);
	assert_int_equal(count, 0);
}

/* ---- orchestrators ---- */

static const struct lt_pair labels[] = {{"app.kubernetes.io/name", "web"}, {"tenant", "acme"}};

static struct lt_workload some_workload(bool whole)
{
	return (struct lt_workload){.container_name = "app",
				    .image = "registry.example/web:1",
				    .digest = "sha256:00",
				    .pod_uid = POD,
				    .pod = "web-0",
				    .namespace = "shop",
				    .node = "node-1",
				    .service_account = "robot",
				    .owner_kind = "Deployment",
				    .owner_name = "web",
				    .labels = {labels, 2},
				    .whole = whole};
}

static const char pod_rules[] =
	"rules:\n- {match: {namespace: shop, service_account: robot}, set: {tenant: "
	"\"${label.tenant}\"}}\n"
	"- {match: {workload: \"Deployment/*\", cluster: prod}, set: {team: "
	"\"${label.app.kubernetes.io/name}\"}}\n"
	"- {match: {container_id: \"ca*\"}, set: {use_case: \"${agent}\"}}\n";

static void open_pods(struct fixture *f, const char *rules)
{
	/* Never looked into: the fake above answers. */
	static int workloads;

	f->opts = (struct lt_attributor_opts){.workloads = (struct lt_workloads *)&workloads,
					      .has_runtime = true,
					      .has_kubernetes = true,
					      .cluster = "prod"};
	open_fixture(f, rules);
	do_exec(f, 30, 1, "python3", ID, "docker");
}

static void what_orchestrators_say_goes_into_the_record(void **state)
{
	const struct lt_workload w = some_workload(true);
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_pods(&f, pod_rules);
	told = &w;
	id = attribute(&f, 30);
	told = NULL;
	close_fixture(&f);
	assert_int_equal(borrowed, 0);
	assert_string_equal(id.container_name, "app");
	assert_string_equal(id.image, "registry.example/web:1");
	assert_string_equal(id.image_digest, "sha256:00");
	assert_string_equal(id.namespace, "shop");
	assert_string_equal(id.pod, "web-0");
	assert_string_equal(id.node, "node-1");
	assert_string_equal(id.cluster, "prod");
	assert_string_equal(id.workload, "Deployment/web");
	assert_string_equal(id.container.pod_uid, POD);
	assert_string_equal(id.tenant, "acme");
	assert_string_equal(id.team, "web");
	assert_int_equal(id.source, LT_IDENTITY_ORCHESTRATOR);
	assert_int_equal(id.confidence, 80);
	assert_false(id.pending);
	assert_string_equal(id.facts, "{\"service_account\":\"robot\",\"label.tenant\":\"acme\","
				      "\"label.app.kubernetes.io/name\":\"web\"}");
}

static void what_may_still_be_told_is_pending(void **state)
{
	struct lt_workload w = some_workload(false);
	struct fixture f = {0};

	(void)state;
	open_pods(&f, "");
	assert_true(attribute(&f, 30).pending);
	told = &w;
	assert_true(attribute(&f, 30).pending);
	w.whole = true;
	assert_false(attribute(&f, 30).pending);
	told = NULL;
	do_exec(&f, 31, 1, "sh", "a.service", "system.slice");
	assert_false(attribute(&f, 31).pending);
	assert_string_equal(attribute(&f, 31).workload, "a.service");
	close_fixture(&f);
	/* Kubernetes alone knows nothing of a container outside of pods. */
	f = (struct fixture){0};
	open_pods(&f, "");
	lt_attributor_free(f.attributor);
	f.opts.has_runtime = false;
	assert_int_equal(
		lt_attributor_new(&f.opts, f.yaml, lt_yaml_root(f.yaml), &f.attributor, NULL), 0);
	assert_false(attribute(&f, 30).pending);
	close_fixture(&f);
}

static const struct lt_call later = {
	.conn = {.tgid = 30}, .host = "api.openai.com", .provider = "openai"};

static void a_record_is_attributed_again_when_more_is_known(void **state)
{
	const struct lt_workload w = some_workload(true);
	const struct lt_workload less = {.pod = "", .namespace = "shop", .whole = true};
	struct fixture f = {0};
	struct lt_identity id, again;

	(void)state;
	open_pods(&f, pod_rules);
	id = attribute(&f, 30);
	assert_string_equal(id.tenant, "unattributed");
	assert_int_equal(id.source, LT_IDENTITY_KERNEL);
	again = id;
	assert_false(lt_attribute_again(f.attributor, &later, NULL, &again));
	assert_memory_equal(&again, &id, sizeof(id));
	assert_true(lt_attribute_again(f.attributor, &later, &w, &again));
	assert_string_equal(again.tenant, "acme");
	assert_string_equal(again.team, "web");
	assert_string_equal(again.namespace, "shop");
	assert_false(again.pending);
	assert_int_equal(again.source, LT_IDENTITY_ORCHESTRATOR);
	/* Of what it keeps the same comes out, also when nobody can be asked any more. */
	id = again;
	assert_false(lt_attribute_again(f.attributor, &later, &w, &again));
	lt_ignore(lt_attribute_again(f.attributor, &later, NULL, &again));
	assert_string_equal(again.tenant, "acme");
	lt_ignore(lt_attribute_again(f.attributor, &later, &less, &again));
	assert_string_equal(again.pod, "web-0");
	assert_string_equal(again.tenant, "acme");
	assert_string_equal(again.facts, id.facts);
	close_fixture(&f);
}

static void an_unreadable_or_incomplete_past_is_left_alone(void **state)
{
	static const char *const pasts[] = {"{\"env.T\":\"x\",\"incomplete\":\"yes\"}", "{",
					    "nonsense"};
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	open_pods(&f, "rules: [{set: {tenant: other}}]\n");
	for (size_t i = 0; i < LT_COUNT(pasts); i++) {
		memset(&id, 0, sizeof(id));
		snprintf(id.tenant, sizeof(id.tenant), "acme");
		snprintf(id.facts, sizeof(id.facts), "%s", pasts[i]);
		assert_false(lt_attribute_again(f.attributor, &later, NULL, &id));
		assert_string_equal(id.tenant, "acme");
	}
	close_fixture(&f);
}

/* ---- what processes and requests say ---- */

static const char claim_rules[] =
	"env: [TEAM]\nheaders: [x-tenant-id]\nrules:\n"
	"- {match: {command: \"*sleep*\"}, set: {use_case: sleeping}}\n"
	"- {match: {command: \"*never-said*\"}, set: {use_case: wrong}}\n"
	"- {set: {environment: \"${resource.deployment.environment.name}\", team: "
	"\"${resource.team}\"}}\n"
	"- {set: {tenant: \"${claim.x-tenant-id}\"}}\n";

static void claims_of_the_request_are_those_of_these_rules(void **state)
{
	struct fixture f = {0};
	struct lt_call call = {.conn = {.tgid = 31}, .claim = {"globex"}};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, claim_rules);
	call.claim_names = lt_rules_stamp(lt_attributor_rules(f.attributor));
	lt_attribute_call(f.attributor, &call, "codex", &id);
	assert_string_equal(id.tenant, "globex");
	assert_string_equal(id.agent_name, "codex");
	assert_int_equal(id.source, LT_IDENTITY_CLIENT_CLAIM);
	assert_string_equal(id.facts, "{\"claim.x-tenant-id\":\"globex\"}");
	/* Those that an earlier config asked for may be another header's. */
	call.claim_names--;
	lt_attribute_call(f.attributor, &call, NULL, &id);
	assert_string_equal(id.tenant, "unattributed");
	close_fixture(&f);
}

static pid_t start_sleep(void)
{
	char *const argv[] = {(char *)"sleep", (char *)"30", NULL};
	char *const env[] = {(char *)"OTEL_RESOURCE_ATTRIBUTES=service.name=from-list,team=a%20b,"
				     "deployment.environment.name=prod,secret=no",
			     (char *)"OTEL_SERVICE_NAME=billing", NULL};
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		execve("/bin/sleep", argv, env);
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0); /* closed by the exec */
	close(ready[0]);
	return pid;
}

static uint64_t start_of(pid_t pid)
{
	struct lt_procfs_stat stat;
	lt_defer(lt_closep)
	int fd = lt_procfs_open("/proc", (uint32_t)pid);

	assert_true(fd >= 0);
	assert_int_equal(lt_procfs_stat(fd, &stat), 0);
	return stat.start_ns;
}

static void a_process_is_asked_for_what_it_claims(void **state)
{
	static const char other[] =
		"rules:\n- {set: {environment: \"${resource.deployment.environment.name}\"}}\n";
	struct fixture f = {.opts.proc = "/proc"};
	struct lt_yaml *yaml = NULL;
	pid_t pid = start_sleep();
	struct lt_event_exec e = {.head.tgid = (uint32_t)pid, .process_start_ns = start_of(pid)};
	struct lt_call call = {.conn = {.tgid = (uint32_t)pid},
			       .process_start_ns = e.process_start_ns};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, claim_rules);
	lt_process_exec(f.processes, &e);
	lt_attributor_look(f.attributor,
			   lt_process_find(f.processes, call.conn.tgid, call.process_start_ns, 0));
	/* It is known from then on, however soon the process ends. */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	lt_attribute_call(f.attributor, &call, NULL, &id);
	assert_string_equal(id.service_name, "billing");
	assert_string_equal(id.use_case, "sleeping");
	assert_string_equal(id.team, "a b");
	assert_string_equal(id.environment, "prod");
	assert_int_equal(id.source, LT_IDENTITY_PROCESS_CONTEXT);
	assert_string_equal(id.facts, "{\"command\":\"*sleep*\","
				      "\"resource.deployment.environment.name\":\"prod\","
				      "\"resource.team\":\"a b\"}");
	/* Read back, it is the same without the process. */
	call.conn.tgid = 0;
	assert_false(lt_attribute_again(f.attributor, &call, NULL, &id));
	/* Other rules find what they name. */
	assert_int_equal(lt_yaml_parse(lt_bytes_str(other), "t", &yaml, NULL), 0);
	assert_int_equal(lt_attributor_reload(f.attributor, yaml, lt_yaml_root(yaml), NULL), 0);
	lt_yaml_free(yaml);
	call.conn.tgid = (uint32_t)pid;
	lt_attribute_call(f.attributor, &call, NULL, &id);
	assert_string_equal(id.environment, "prod");
	assert_string_equal(id.use_case, "");
	/* Another program has other claims. */
	lt_attributor_exec(f.attributor, (uint32_t)pid);
	lt_attribute_call(f.attributor, &call, NULL, &id);
	assert_string_equal(id.environment, "");
	assert_string_equal(id.service_name, "");
	close_fixture(&f);
}

static void an_environment_of_the_kernel_is_heard(void **state)
{
	static const char text[] =
		"A=B\0OTEL_SERVICE_NAME=short\0OTEL_RESOURCE_ATTRIBUTES=service.name=no,team=x";
	static struct lt_event_environ e = {
		.conn = {.head.tgid = 40, .process_start_ns = 40 * SECOND}};
	struct fixture f = {0};
	struct lt_identity id;

	(void)state;
	e.len = sizeof(text);
	memcpy(e.text, text, sizeof(text));
	open_fixture(&f, claim_rules);
	do_exec(&f, 40, 1, "curl", "a.service", "system.slice");
	lt_attributor_environ(f.attributor, &e);
	id = attribute(&f, 40);
	close_fixture(&f);
	assert_string_equal(id.service_name, "short");
	assert_string_equal(id.team, "x");
}

/* SDKs publish when they are set up, which may be after the first call. */
static void what_is_published_later_is_found_in_time(void **state)
{
	lt_defer(lt_claims_freep)
	struct lt_claims *claims = NULL;
	const struct lt_claims_opts opts = {0};
	lt_defer(lt_yaml_freep)
	struct lt_yaml *yaml = NULL;
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = NULL;
	const struct lt_process p = {.tgid = (uint32_t)getpid(), .start_ns = start_of(getpid())};
	/* ProcessContext{resource{attributes{"service.name", "late"}}} */
	static const uint8_t payload[] = "\x0a\x18\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04late";
	struct {
		char signature[8];
		uint32_t version, size;
		uint64_t at_ns;
		const void *payload;
	} * page;
	int fd;

	(void)state;
	assert_int_equal(lt_claims_new(&opts, &claims), 0);
	assert_int_equal(lt_yaml_parse(lt_bytes_str(""), "t", &yaml, NULL), 0);
	assert_int_equal(lt_rules_new(yaml, NULL, &rules, NULL), 0);
	assert_string_equal(lt_claims_look(claims, rules, &p, SECOND)->service_name, "");
	fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	page->version = 2;
	page->size = sizeof(payload) - 1;
	page->at_ns = 1;
	page->payload = payload;
	memcpy(page->signature, "OTEL_CTX", 8);
	assert_string_equal(lt_claims_look(claims, rules, &p, SECOND + 1)->service_name, "");
	assert_string_equal(lt_claims_look(claims, rules, &p, 2 * SECOND)->service_name, "late");
	munmap(page, 4096);
	assert_string_equal(lt_claims_look(claims, rules, &p, 3 * SECOND)->service_name, "late");
}

/* One more than there is room for: the longest unused is read again when it is asked for. */
static void claims_are_kept_of_so_many_processes(void **state)
{
	lt_defer(lt_claims_freep)
	struct lt_claims *claims = NULL;
	const struct lt_claims_opts opts = {.max_processes = 8, .proc = ""};
	lt_defer(lt_rules_freep)
	struct lt_rules *rules = NULL;
	static const char text[] = "OTEL_SERVICE_NAME=known";
	struct lt_process p = {.tgid = 1, .start_ns = 1};
	unsigned long live;

	(void)state;
	assert_int_equal(lt_claims_new(&opts, &claims), 0);
	assert_int_equal(lt_rules_new(NULL, NULL, &rules, NULL), 0);
	lt_claims_environ(claims, rules, &p, lt_bytes(text, sizeof(text)));
	assert_string_equal(lt_claims_look(claims, rules, &p, 1)->service_name, "known");
	/* Another process under the same number is another. */
	p.start_ns = 2;
	assert_string_equal(lt_claims_look(claims, rules, &p, 1)->service_name, "");
	live = lt_alloc_live();
	for (uint32_t i = 0; i < 1000; i++) {
		p.tgid = i;
		assert_non_null(lt_claims_look(claims, rules, &p, 1));
	}
	assert_true(lt_alloc_live() - live <= 8 * 4096);
	p.tgid = 1;
	p.start_ns = 1;
	assert_string_equal(lt_claims_look(claims, rules, &p, 1)->service_name, "");
}

static void users_have_names(void **state)
{
	char path[] = "/tmp/passwd-XXXXXX";
	int fd = mkstemp(path);
	struct lt_users *u = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "root:x:0:0::/:/bin/sh\nbroken\nalice:x:1001:1::/:/bin/sh\n") > 0);
	assert_int_equal(lt_users_new(path, &u), 0);
	assert_string_equal(lt_users_name(u, 1001, 1), "alice");
	assert_string_equal(lt_users_name(u, 0, 1), "root");
	assert_string_equal(lt_users_name(u, 7, 1), "");
	unlink(path);
	close(fd);
	/* Kept for a while, and asked again then. */
	assert_string_equal(lt_users_name(u, 1001, 2), "alice");
	assert_string_equal(lt_users_name(u, 1001, 61 * SECOND), "");
	lt_users_free(u);
}

/* ---- names that others could choose ---- */

#define OTHER "bbbb8112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

/* In a container of its own, below which somebody has made a cgroup with another container's id. */
static void an_id_that_others_could_choose_is_a_claim(void **state)
{
	const struct lt_workload w = some_workload(true);
	struct fixture f = {.opts = {.workloads = (struct lt_workloads *)&f, .has_runtime = true}};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "rules:\n- {match: {container_id: " ID "}, set: {tenant: theirs}}\n"
			 "- {match: {exe: /bin/python3}, set: {team: ours}}\n");
	do_exec(&f, 30, 1, "python3", "docker-" ID ".scope", "docker-" OTHER ".scope");
	told = &w;
	id = attribute(&f, 30);
	assert_true(id.container.id_is_claim);
	assert_string_equal(id.container_name, "");
	assert_string_equal(id.namespace, "");
	assert_false(id.pending);
	assert_string_equal(id.tenant, "theirs");
	assert_int_equal(id.source, LT_IDENTITY_PROCESS_CONTEXT);
	do_exec(&f, 31, 1, "python3", "docker-" ID ".scope", "system.slice");
	id = attribute(&f, 31);
	assert_string_equal(id.container_name, "app");
	assert_int_equal(id.source, LT_IDENTITY_ADMIN_MAP);
	told = NULL;
	close_fixture(&f);
	assert_int_equal(borrowed, 0);
}

static void what_a_users_runtime_says_is_of_that_user(void **state)
{
	struct lt_workload w = some_workload(true);
	struct fixture f = {.opts = {.workloads = (struct lt_workloads *)&f, .has_runtime = true}};
	struct lt_identity id;

	(void)state;
	open_fixture(&f, "rules: []\n");
	do_exec(&f, 30, 1, "python3", "libpod-" ID ".scope", "machine.slice");
	told = &w;
	w.user = 1002;
	id = attribute(&f, 30);
	assert_string_equal(id.container_name, "");
	w.user = 1001;
	id = attribute(&f, 30);
	assert_string_equal(id.container_name, "app");
	told = NULL;
	close_fixture(&f);
	assert_int_equal(borrowed, 0);
}

/* ---- other rules while calls come ---- */

struct load {
	struct lt_attributor *attributor;
	atomic_bool stop;
	atomic_ulong wrong, done;
};

static void *again_and_again(void *arg)
{
	struct load *load = arg;

	while (!atomic_load(&load->stop)) {
		struct lt_identity id = {.pid = 30, .comm = "python3"};

		lt_ignore(lt_attribute_again(load->attributor, &later, NULL, &id));
		/* Of one set of rules or of the other, never of both. */
		load->wrong += strcmp(id.tenant, id.team) != 0;
		load->done++;
	}
	return NULL;
}

static void rules_change_under_load(void **state)
{
	static const char *const texts[] = {
		"rules: [{match: {comm: python3}, set: {tenant: one, team: one}}]\n",
		"rules: [{match: {comm: python3}, set: {tenant: two, team: two}}]\n"};
	struct fixture f = {0};
	struct lt_yaml *yaml[2];
	struct load load = {0};
	struct lt_problem problem = {0};
	pthread_t thread;
	unsigned seen[2] = {0};

	(void)state;
	open_fixture(&f, texts[0]);
	do_exec(&f, 30, 1, "python3", ID, "docker");
	for (int i = 0; i < 2; i++)
		assert_int_equal(lt_yaml_parse(lt_bytes_str(texts[i]), "t", &yaml[i], NULL), 0);
	load.attributor = f.attributor;
	assert_int_equal(pthread_create(&thread, NULL, again_and_again, &load), 0);
	for (int i = 0; i < 2000 || atomic_load(&load.done) < 100; i++) {
		struct lt_identity id;

		assert_int_equal(lt_attributor_reload(f.attributor, yaml[i % 2],
						      lt_yaml_root(yaml[i % 2]), &problem),
				 0);
		id = attribute(&f, 30);
		assert_string_equal(id.tenant, i % 2 ? "two" : "one");
		assert_string_equal(id.team, id.tenant);
		seen[i % 2]++;
	}
	atomic_store(&load.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(load.wrong, 0);
	assert_true(seen[0] > 0 && seen[1] > 0);
	lt_yaml_free(yaml[0]);
	lt_yaml_free(yaml[1]);
	close_fixture(&f);
}

static void bad_rules_leave_the_old_ones(void **state)
{
	struct fixture f = {0};
	struct lt_yaml *yaml = NULL;
	struct lt_problem problem = {0};

	(void)state;
	open_fixture(&f, "rules: [{set: {tenant: old}}]\n");
	assert_int_equal(lt_yaml_parse(lt_bytes_str("rules:\n- {set: {tenannt: new}}\n"), "t.yaml",
				       &yaml, NULL),
			 0);
	assert_int_equal(lt_attributor_reload(f.attributor, yaml, lt_yaml_root(yaml), &problem),
			 -EINVAL);
	assert_int_equal(problem.line, 2);
	assert_int_equal(problem.column, 10);
	assert_string_equal(attribute(&f, 31).tenant, "old");
	lt_yaml_free(yaml);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_gets_the_facts_of_its_process),
		cmocka_unit_test(without_a_rule_the_kernel_has_the_word),
		cmocka_unit_test(an_unknown_process_is_still_matched_by_its_call),
		cmocka_unit_test(a_long_chain_of_parents_is_cut_at_a_link),
		cmocka_unit_test(sources_have_names),
		cmocka_unit_test(the_variables_to_read_are_those_of_the_section),
		cmocka_unit_test(what_orchestrators_say_goes_into_the_record),
		cmocka_unit_test(what_may_still_be_told_is_pending),
		cmocka_unit_test(a_record_is_attributed_again_when_more_is_known),
		cmocka_unit_test(an_unreadable_or_incomplete_past_is_left_alone),
		cmocka_unit_test(claims_of_the_request_are_those_of_these_rules),
		cmocka_unit_test(a_process_is_asked_for_what_it_claims),
		cmocka_unit_test(an_environment_of_the_kernel_is_heard),
		cmocka_unit_test(what_is_published_later_is_found_in_time),
		cmocka_unit_test(claims_are_kept_of_so_many_processes),
		cmocka_unit_test(users_have_names),
		cmocka_unit_test(an_id_that_others_could_choose_is_a_claim),
		cmocka_unit_test(what_a_users_runtime_says_is_of_that_user),
		cmocka_unit_test(rules_change_under_load),
		cmocka_unit_test(bad_rules_leave_the_old_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
