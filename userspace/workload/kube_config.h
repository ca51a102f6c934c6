/* SPDX-License-Identifier: Apache-2.0 */
/* The config's "kubernetes" section, and what it comes to on this host: whom to ask, and as whom.
 */
#pragma once

#include "userspace/base/yaml.h"
#include "userspace/workload/http.h"
#include "userspace/workload/kube_pod.h"

enum lt_kube_from { LT_KUBE_OFF, LT_KUBE_API, LT_KUBE_KUBELET };

struct lt_kube_settings {
	enum lt_kube_from from;
	char *server; /* "https://10.0.0.1:443", as a person knows it */
	char *prefix; /* of all paths: of an API server behind another server; "" */
	char *node;
	char *ca_file, *ca_pem;
	char *cert_file, *cert_pem;
	char *key_file, *key_pem;
	char *token_file, *token;
	bool any_certificate;
	struct lt_kube_filter labels, annotations;
};

/* @section NULL: as if it were empty. -EINVAL with @problem, -ENOMEM. Reads no other file. */
LT_MUST_CHECK int lt_kube_config_check(const struct lt_yaml *config,
				       const struct lt_yaml_node *section,
				       struct lt_problem *problem);

/*
 * The same, and looks at the files and the environment of this host. -EINVAL, -ENOENT, -EACCES with
 * @problem, -ENOMEM.
 */
LT_MUST_CHECK int lt_kube_settings_load(const struct lt_yaml *config,
					const struct lt_yaml_node *section,
					struct lt_kube_settings **ret, struct lt_problem *problem);
struct lt_kube_settings *lt_kube_settings_free(struct lt_kube_settings *s);
LT_DEFINE_FREEP(lt_kube_settings_free, struct lt_kube_settings)

/* A connection by these settings; @timeout_ms as in lt_http_opts. As lt_http_new. */
LT_MUST_CHECK int lt_kube_settings_connect(const struct lt_kube_settings *s, unsigned timeout_ms,
					   struct lt_http **ret, struct lt_problem *problem);

/*
 * Reads a kubeconfig's current context into @s. -EINVAL (no kubeconfig, or one that asks for a
 * program to be run), -ENOENT, -EACCES with @problem, -ENOMEM.
 */
LT_MUST_CHECK int lt_kube_config_file(const char *path, struct lt_kube_settings *s,
				      struct lt_problem *problem);
