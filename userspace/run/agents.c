// SPDX-License-Identifier: Apache-2.0
#include "userspace/run/agents.h"

#include <errno.h>

#include "userspace/base/alloc.h"
#include "userspace/base/parse.h"
#include "userspace/run/cmdline.h"

/* Read-only data of the program; make knows that this file depends on it. */
__asm__(".section .rodata\n"
	".balign 16\n"
	"lt_builtin_agents:\n"
	".incbin \"userspace/run/agents.yaml\"\n"
	"lt_builtin_agents_end:\n"
	".byte 0\n"
	".previous\n");
extern const char lt_builtin_agents[] __attribute__((visibility("hidden")));
extern const char lt_builtin_agents_end[] __attribute__((visibility("hidden")));

enum { AGENTS_MAX = 512, SIGNS_MAX = 4096, SIGN_BYTES_MAX = 255 };

/* In the order of sign_names. */
enum sign_kind { EXE, COMM, NPM, PYTHON, SCRIPT, USER_AGENT, KINDS };

static const char *const sign_names[KINDS] = {"exe",	"comm",	  "npm",
					      "python", "script", "user_agent"};

struct sign {
	enum sign_kind kind;
	int agent;
	const char *text; /* borrowed from a document */
	/* Its longest part without wild cards: most programs of a host are told apart by it alone.
	 */
	struct lt_bytes part;
};

struct lt_agents {
	struct lt_yaml *builtin;
	const char *name[AGENTS_MAX];
	size_t count;
	struct sign *sign;
	size_t sign_count;
};

/* ---- the list ---- */

static int short_text(const struct lt_yaml *yaml, const struct lt_yaml_node *node, size_t max,
		      struct lt_problem *problem)
{
	size_t n = node && node->kind == LT_YAML_SCALAR ? strlen(node->text) : 0;

	if (n > 0 && n <= max)
		return 0;
	return lt_yaml_problem(yaml, node, problem, "a text of 1 to %zu bytes is expected here",
			       max);
}

static struct lt_bytes longest_part(const char *glob)
{
	struct lt_bytes best = {0};

	while (*glob) {
		size_t n = strcspn(glob, "*?");

		if (n > best.n)
			best = lt_bytes(glob, n);
		glob += n + (glob[n] != '\0');
	}
	return best;
}

static int add_signs(struct lt_agents *a, const struct lt_yaml *yaml,
		     const struct lt_yaml_node *list, enum sign_kind kind,
		     struct lt_problem *problem)
{
	if (list && list->kind != LT_YAML_LIST)
		return lt_yaml_problem(yaml, list, problem, "%s takes a list of texts",
				       sign_names[kind]);
	lt_yaml_for_each (item, list) {
		int r = short_text(yaml, item, SIGN_BYTES_MAX, problem);

		if (r < 0)
			return r;
		/* Every process of the host would be that agent. */
		if (item->text[strspn(item->text, "*?/")] == '\0')
			return lt_yaml_problem(yaml, item, problem,
					       "more than wild cards is expected here");
		if (a->sign_count == SIGNS_MAX)
			return lt_yaml_problem(yaml, item, problem,
					       "there are too many signs of agents");
		a->sign[a->sign_count++] = (struct sign){kind, (int)a->count, item->text,
							 longest_part(item->text)};
	}
	return 0;
}

static int add_agent(struct lt_agents *a, const struct lt_yaml *yaml,
		     const struct lt_yaml_node *node, struct lt_problem *problem)
{
	static const char *const known[] = {"name",   "exe",	"comm",	      "npm",
					    "python", "script", "user_agent", NULL};
	const struct lt_yaml_node *name = lt_yaml_get(node, "name");
	size_t before = a->sign_count;
	int r;

	if (node->kind != LT_YAML_MAP || !name)
		return lt_yaml_problem(yaml, node, problem,
				       "agents takes maps such as {name: our-agent, exe: "
				       "[\"/opt/our-agent/*\"]}");
	r = lt_yaml_check_keys(yaml, node, known, problem);
	if (r == 0)
		r = short_text(yaml, name, LT_AGENT_NAME_MAX, problem);
	if (r == 0 && a->count == AGENTS_MAX)
		r = lt_yaml_problem(yaml, node, problem, "there are too many agents");
	for (int kind = 0; r == 0 && kind < KINDS; kind++)
		r = add_signs(a, yaml, lt_yaml_get(node, sign_names[kind]), (enum sign_kind)kind,
			      problem);
	if (r < 0)
		return r;
	if (a->sign_count == before)
		return lt_yaml_problem(yaml, node, problem,
				       "an agent needs exe, comm, npm, python, script or "
				       "user_agent");
	a->name[a->count++] = name->text;
	return 0;
}

static int add_list(struct lt_agents *a, const struct lt_yaml *yaml,
		    const struct lt_yaml_node *list, struct lt_problem *problem)
{
	if (list && list->kind != LT_YAML_LIST)
		return lt_yaml_problem(yaml, list, problem,
				       "agents takes a list of maps with name and exe, comm, npm, "
				       "python, script or user_agent");
	lt_yaml_for_each (item, list) {
		int r = add_agent(a, yaml, item, problem);

		if (r < 0)
			return r;
	}
	return 0;
}

int lt_agents_new(const struct lt_yaml *config, const struct lt_yaml_node *own,
		  struct lt_agents **ret, struct lt_problem *problem)
{
	lt_defer(lt_agents_freep)
	struct lt_agents *a = lt_calloc(1, sizeof(*a));
	struct lt_bytes text = lt_bytes(lt_builtin_agents,
					(size_t)(lt_builtin_agents_end - lt_builtin_agents));
	int r;

	if (a)
		a->sign = lt_calloc(SIGNS_MAX, sizeof(a->sign[0]));
	if (!a || !a->sign)
		return lt_problem_set(problem, -ENOMEM, NULL, 0, "out of memory");
	r = lt_yaml_parse(text, "userspace/run/agents.yaml", &a->builtin, problem);
	if (r == 0)
		r = add_list(a, config, own, problem);
	if (r == 0)
		r = add_list(a, a->builtin, lt_yaml_get(lt_yaml_root(a->builtin), "agents"),
			     problem);
	if (r < 0)
		return r;
	*ret = lt_take(a);
	return 0;
}

struct lt_agents *lt_agents_free(struct lt_agents *a)
{
	if (!a)
		return NULL;
	lt_yaml_free(a->builtin);
	lt_free(a->sign);
	lt_free(a);
	return NULL;
}

size_t lt_agents_count(const struct lt_agents *a)
{
	return a->count;
}

const char *lt_agents_name(const struct lt_agents *a, int agent)
{
	return a->name[agent];
}

/* ---- is it one? ---- */

/* What the signs are held against. */
struct look {
	struct lt_bytes exe, file, comm;
	struct lt_bytes script;	     /* the file that an interpreter runs */
	struct lt_bytes script_name; /* of it, without folders */
	struct lt_bytes module;
	bool python;
	bool packages; /* one of the paths goes through a folder of packages */
};

static bool has_part(struct lt_bytes text, struct lt_bytes part)
{
	return text.n >= part.n && memmem(text.p, text.n, part.p, part.n);
}

static bool is_like(const struct sign *s, struct lt_bytes text)
{
	return has_part(text, s->part) && lt_glob_match(s->text, text);
}

/* Whether @path goes through folder @parent/@name/, where @name may have wild cards. */
static bool in_folder(struct lt_bytes path, const char *parent, const char *name)
{
	char pattern[SIGN_BYTES_MAX + 64];

	snprintf(pattern, sizeof(pattern), "*/%s/%s/*", parent, name);
	return lt_glob_match(pattern, path);
}

static bool is_npm(const struct look *l, const char *package)
{
	char pattern[SIGN_BYTES_MAX + 64];

	if (l->packages && (in_folder(l->exe, "node_modules", package) ||
			    in_folder(l->file, "node_modules", package) ||
			    in_folder(l->script, "node_modules", package)))
		return true;
	if (l->python || !lt_bytes_starts(l->module, "npm:"))
		return false;
	snprintf(pattern, sizeof(pattern), "npm:%s", package);
	if (lt_glob_match(pattern, l->module))
		return true;
	snprintf(pattern, sizeof(pattern), "npm:%s@*", package);
	return lt_glob_match(pattern, l->module);
}

static bool is_module(const struct look *l, const char *module)
{
	size_t n = strlen(module);

	if (l->packages && (in_folder(l->script, "site-packages", module) ||
			    in_folder(l->script, "dist-packages", module)))
		return true;
	return l->python && lt_bytes_starts(l->module, module) &&
	       (l->module.n == n || l->module.p[n] == '.');
}

static bool has_sign(const struct look *l, const struct sign *s)
{
	switch (s->kind) {
	case EXE:
		return is_like(s, l->exe) || is_like(s, l->file);
	case COMM:
		return is_like(s, l->comm);
	case NPM:
		return is_npm(l, s->text);
	case PYTHON:
		return is_module(l, s->text);
	case SCRIPT:
		return lt_bytes_is(l->script_name, s->text);
	case USER_AGENT:
	case KINDS:
		break;
	}
	return false;
}

static bool goes_through_packages(struct lt_bytes path)
{
	return has_part(path, lt_bytes_str("node_modules/")) ||
	       has_part(path, lt_bytes_str("-packages/"));
}

int lt_agents_match(const struct lt_agents *a, const struct lt_program *p)
{
	struct lt_bytes runs = p->exe.n > 0 ? p->exe : p->file;
	struct lt_cmdline words = lt_cmdline_parse(runs, p->cmdline, p->cmdline_whole);
	struct look look = {
		.exe = p->exe,
		.file = p->file,
		.comm = p->comm,
		.script = words.script,
		.module = words.module,
		.python = lt_bytes_starts(lt_base_name(runs), "py"),
	};

	/* Given to execve was a file whose first line names the interpreter; and where nothing else
	 * is known any more, that may be so. */
	if (look.script.n == 0 && look.module.n == 0 && p->file.n > 0 &&
	    (p->exe.n == 0 || lt_is_interpreter(p->exe)))
		look.script = p->file;
	look.script_name = lt_base_name(look.script);
	look.packages = goes_through_packages(look.exe) || goes_through_packages(look.file) ||
			goes_through_packages(look.script);
	for (size_t i = 0; i < a->sign_count; i++) {
		if (has_sign(&look, &a->sign[i]))
			return a->sign[i].agent;
	}
	return LT_NO_AGENT;
}

int lt_agents_match_user_agent(const struct lt_agents *a, struct lt_bytes product)
{
	for (size_t i = 0; product.n > 0 && i < a->sign_count; i++) {
		if (a->sign[i].kind == USER_AGENT && lt_glob_match(a->sign[i].text, product))
			return a->sign[i].agent;
	}
	return LT_NO_AGENT;
}
