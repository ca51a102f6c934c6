/* SPDX-License-Identifier: Apache-2.0 */
/* From a cgroup path to the container, its runtime, the pod and the systemd unit. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	LT_CONTAINER_ID = 72,
	LT_POD_UID = 40,
	LT_UNIT_SIZE = 96,
	LT_RUNTIME_SIZE = 16,
	LT_CGROUP_PATH = 512
};

struct lt_container {
	char id[LT_CONTAINER_ID]; /* as the runtime names it, usually 64 hex; "" = no container */
	char runtime[LT_RUNTIME_SIZE]; /* docker, containerd, cri-o, podman, systemd-nspawn, lxc
					  ...; "" */
	char pod_uid[LT_POD_UID];      /* with dashes where the runtime had them, "" = no pod */
	char qos[16];		       /* guaranteed, burstable, besteffort; "" */
	char unit[LT_UNIT_SIZE]; /* innermost systemd service or scope that is not a container's, ""
				  */
	/*
	 * Named below a container, or below a user's own manager: whoever is there chooses the
	 * name, and may choose another's. The host's runtimes and its orchestrator do not know it:
	 * what they say of that id is about somebody else.
	 */
	bool id_is_claim;
	bool pod_is_claim;
};

/* @path: a cgroup path such as "/kubepods.slice/...". Always fills *ret (empty when there is
 * nothing). */
void lt_container_parse(const char *path, struct lt_container *ret);

/* Whether a process in both is better known by its v1 path: on hybrid hosts that alone may name the
 * container, or the one within the container that the v2 path names. */
bool lt_cgroup_v1_says_more(const char *v1, const char *v2);

/* The paths of /proc/PID/cgroup; "" = no such line. A path too long keeps its end. */
struct lt_cgroup_paths {
	char v2[LT_CGROUP_PATH];
	char v1[LT_CGROUP_PATH]; /* of the v1 lines the one that says most */
};

/* False when there is no path at all. */
bool lt_cgroup_paths(const char *text, size_t n, struct lt_cgroup_paths *ret);

/*
 * Picks the path that names the container best from the text of /proc/PID/cgroup (v1, v2 and
 * hybrid): the "0::" line, or a v1 line when that one says more. False when there is none.
 */
bool lt_cgroup_pick(const char *text, size_t n, char ret_path[LT_CGROUP_PATH]);
