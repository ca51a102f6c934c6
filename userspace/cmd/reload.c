// SPDX-License-Identifier: Apache-2.0
#include "userspace/cmd/reload.h"

#include <errno.h>
#include <stdio.h>

#include "userspace/base/log.h"

static const char *path_of(const struct lt_reload *r)
{
	return r->path ? r->path : LT_CONFIG_PATH;
}

/* Followed to its end: config maps of Kubernetes swap a link above the file. False: there is none.
 */
static bool look(const struct lt_reload *r, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	return stat(path_of(r), ret) == 0;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void lt_reload_init(struct lt_reload *r, const char *path)
{
	r->path = path;
	lt_ignore(look(r, &r->known));
	r->before = r->known;
}

bool lt_reload_due(struct lt_reload *r)
{
	struct stat now;
	bool there = look(r, &now);
	bool settled = same(&now, &r->before);

	r->before = now;
	/* An editor may have moved it away for a moment: what is gone changes nothing. */
	return there && settled && !same(&now, &r->known);
}

/* The settings beside "attribution" that are not as they were when the agent began. */
static void say_others(const struct lt_config *running, const struct lt_config *fresh)
{
	const struct lt_yaml_node *old = running->yaml ? lt_yaml_root(running->yaml) : NULL;
	const struct lt_yaml_node *new = fresh->yaml ? lt_yaml_root(fresh->yaml) : NULL;
	char names[256] = "";
	size_t n = 0;

	lt_yaml_for_each (item, new) {
		if (strcmp(item->key, "attribution") != 0 &&
		    !lt_yaml_same(item, lt_yaml_get(old, item->key)) && n < sizeof(names) - 1)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
					      n > 0 ? ", " : "", item->key);
	}
	lt_yaml_for_each (item, old) {
		if (strcmp(item->key, "attribution") != 0 && !lt_yaml_get(new, item->key) &&
		    n < sizeof(names) - 1)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
					      n > 0 ? ", " : "", item->key);
	}
	if (n > 0)
		lt_log_warn("%s changed in the config: that takes a restart of the agent", names);
}

void lt_reload_run(struct lt_reload *r, const struct lt_config *running, struct lt_pipeline *p)
{
	lt_defer(lt_config_freep)
	struct lt_config *fresh = NULL;
	bool read_environ = lt_attributor_reads_environ(lt_pipeline_attributor(p));
	struct lt_problem problem = {0};
	char text[1024];
	int e;

	/* Before it is read: a change in between is another one. */
	lt_ignore(look(r, &r->known));
	e = lt_config_load(r->path, &fresh, &problem);
	if (e == 0)
		e = lt_pipeline_reload(p, fresh, &problem);
	if (e < 0) {
		lt_log_error("%s; the old rules stay",
			     problem.text[0] ? lt_problem_format(&problem, text, sizeof(text))
					     : strerror(-e));
		return;
	}
	lt_log_info("the config was read again: %zu attribution rules",
		    lt_rules_count(lt_attributor_rules(lt_pipeline_attributor(p))));
	if (!read_environ && lt_attributor_reads_environ(lt_pipeline_attributor(p)))
		lt_log_warn("attribution.env is new: the environment of programs that end within "
			    "milliseconds is read after a restart of the agent only");
	say_others(running, fresh);
}
