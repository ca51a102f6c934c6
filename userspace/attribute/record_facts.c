// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/record_facts.h"

#include <inttypes.h>
#include <stdio.h>

/* What is not said leaves the field as it is. */
static void put(char *to, size_t size, const char *text)
{
	if (text && text[0])
		lt_bytes_copy(to, size, lt_bytes_str(text));
}

void lt_identity_workload(struct lt_identity *id, const struct lt_workload *w)
{
	put(id->container_name, sizeof(id->container_name), w->container_name);
	put(id->image, sizeof(id->image), w->image);
	put(id->image_digest, sizeof(id->image_digest), w->digest);
	put(id->namespace, sizeof(id->namespace), w->namespace);
	put(id->pod, sizeof(id->pod), w->pod);
	put(id->node, sizeof(id->node), w->node);
	put(id->container.pod_uid, sizeof(id->container.pod_uid),
	    id->container.pod_uid[0] ? NULL : w->pod_uid);
	if (w->owner_kind && w->owner_kind[0] && w->owner_name && w->owner_name[0])
		snprintf(id->workload, sizeof(id->workload), "%.40s/%.200s", w->owner_kind,
			 w->owner_name);
}

/* "sh<cron<systemd": nearest first. */
static void split_parents(const char *joined, struct lt_fact_scratch *s, struct lt_facts *ret)
{
	char *at = s->parents;

	lt_bytes_copy(s->parents, sizeof(s->parents), lt_bytes_str(joined));
	while (*at && ret->parent_count < LT_PARENTS_MAX) {
		char *end = at + strcspn(at, "<");

		s->parent[ret->parent_count++] = at;
		if (!*end)
			break;
		*end = '\0';
		at = end + 1;
	}
	ret->parents = s->parent;
}

void lt_facts_of_columns(const struct lt_identity *id, const struct lt_call *call,
			 struct lt_fact_scratch *s, struct lt_facts *ret)
{
	const struct lt_container *c = &id->container;

	s->store.used = 0;
	s->store.incomplete = false;
	s->credential[0] = '\0';
	if (call->credential_fp)
		snprintf(s->credential, sizeof(s->credential), "%016" PRIx64, call->credential_fp);
	*ret = (struct lt_facts){
		.text = {[LT_FACT_COMM] = id->comm,
			 [LT_FACT_EXE] = id->exe,
			 [LT_FACT_CGROUP] = id->cgroup,
			 [LT_FACT_CONTAINER_ID] = c->id,
			 [LT_FACT_RUNTIME] = c->runtime,
			 [LT_FACT_POD_UID] = c->pod_uid,
			 [LT_FACT_QOS] = c->qos,
			 [LT_FACT_UNIT] = c->unit,
			 [LT_FACT_HOST] = call->host,
			 [LT_FACT_PROVIDER] = call->provider,
			 [LT_FACT_CREDENTIAL] = s->credential,
			 [LT_FACT_KEY_KIND] = call->key_kind,
			 [LT_FACT_ORGANIZATION] = call->organization,
			 [LT_FACT_PROJECT] = call->project,
			 [LT_FACT_AGENT] = id->agent_name,
			 [LT_FACT_CLUSTER] = id->cluster,
			 [LT_FACT_CONTAINER_NAME] = id->container_name,
			 [LT_FACT_IMAGE] = id->image,
			 [LT_FACT_IMAGE_DIGEST] = id->image_digest,
			 [LT_FACT_NAMESPACE] = id->namespace,
			 [LT_FACT_POD] = id->pod,
			 [LT_FACT_NODE] = id->node,
			 [LT_FACT_WORKLOAD] = id->workload},
		.uid = id->uid,
		/* Pid 0 makes no calls: a recording without process facts. */
		.uid_known = id->pid != 0,
		.organization_claimed = call->organization_claimed,
		.project_claimed = call->project_claimed,
		.container_claimed = c->id_is_claim,
		.pod_claimed = c->pod_is_claim,
	};
	split_parents(id->parents, s, ret);
}

void lt_facts_of_workload(const struct lt_rules *rules, const struct lt_workload *w,
			  struct lt_facts *facts)
{
	const struct lt_fact_name *name;

	if (!w)
		return;
	if (w->service_account && w->service_account[0])
		facts->text[LT_FACT_SERVICE_ACCOUNT] = w->service_account;
	for (size_t i = 0; (name = lt_rules_name(rules, i)) != NULL; i++) {
		const char *value = NULL;

		if (name->family == LT_FAMILY_LABEL)
			value = lt_pairs_get(w->labels, name->key);
		else if (name->family == LT_FAMILY_ANNOTATION)
			value = lt_pairs_get(w->annotations, name->key);
		if (value && value[0])
			facts->named[i] = value;
	}
}

int lt_facts_of_record(const struct lt_rules *rules, const struct lt_identity *id,
		       const struct lt_call *call, const struct lt_workload *w,
		       struct lt_fact_scratch *scratch, struct lt_facts *ret)
{
	int r;

	lt_facts_of_columns(id, call, scratch, ret);
	r = lt_facts_read(rules, id->facts, &scratch->store, ret);
	if (r == 0)
		lt_facts_of_workload(rules, w, ret);
	return r;
}
