/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that change while the agent runs: the rules of "attribution" are taken over, the rest is
 * said to need a restart. Thread: drain. */
#pragma once

#include <sys/stat.h>

#include "userspace/cmd/pipeline.h"

struct lt_reload {
	const char *path;	   /* NULL: the default one */
	struct stat known, before; /* of the file that was read last, and as it was last seen */
};

/* @path: as for lt_config_load, whose file has just been read. */
void lt_reload_init(struct lt_reload *r, const char *path);
/* Whether the file is another one than that read last, and is not being written any more. For once
 * a second. */
bool lt_reload_due(struct lt_reload *r);
/* Reads it, and says in the log what came of it. @running: the settings that the agent began with.
 */
void lt_reload_run(struct lt_reload *r, const struct lt_config *running, struct lt_pipeline *p);
