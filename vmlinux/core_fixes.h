/* SPDX-License-Identifier: Apache-2.0 */
/* One inline for each field that moved or was renamed, with the kernel release that did it. */
#pragma once

#include <bpf/bpf_core_read.h>

/* kernfs_node.parent became __parent (RCU protected) in 6.15. */
struct kernfs_node___before_6_15 {
	struct kernfs_node *parent;
} __attribute__((preserve_access_index));

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *kn)
{
	if (bpf_core_field_exists(kn->__parent))
		return BPF_CORE_READ(kn, __parent);
	return BPF_CORE_READ((struct kernfs_node___before_6_15 *)kn, parent);
}

/* task_struct.start_boottime was real_start_time before 5.5: below our floor, so no fix is needed. */
