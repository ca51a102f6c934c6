// SPDX-License-Identifier: Apache-2.0
/* The text of /proc/PID/cgroup, whose names unprivileged users can choose: what comes out is
 * bounded and printable. */
#include <stdlib.h>

#include "userspace/base/bytes.h"
#include "userspace/discover/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	if (n == size)
		abort();
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			abort();
	}
}

static void check_path(const char *path)
{
	struct lt_container c;

	memset(&c, 0xa5, sizeof(c));
	lt_container_parse(path, &c);
	check_text(c.id, sizeof(c.id));
	check_text(c.runtime, sizeof(c.runtime));
	check_text(c.pod_uid, sizeof(c.pod_uid));
	check_text(c.qos, sizeof(c.qos));
	check_text(c.unit, sizeof(c.unit));
	if ((c.runtime[0] && !c.id[0]) || (c.qos[0] && !c.pod_uid[0]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[LT_CGROUP_PATH];
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_path(text);
	if (lt_cgroup_pick(text, size, path)) {
		if (strnlen(path, sizeof(path)) == sizeof(path) || !path[0])
			abort();
		check_path(path);
	}
	free(text);
	return 0;
}
