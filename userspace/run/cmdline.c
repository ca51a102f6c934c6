// SPDX-License-Identifier: Apache-2.0
#include "userspace/run/cmdline.h"

#include <ctype.h>

#include "userspace/base/cleanup.h"

enum { WORDS_MAX = 64 };

/* How an interpreter's options are read. */
static const struct interpreter {
	const char *name;   /* a version may follow it */
	const char *take;   /* options whose value is the next word, between spaces */
	const char *code;   /* options after which there is no file: the program is in the words */
	const char *module; /* option before a module's name */
	const char *commands; /* words before the file that are none */
} interpreters[] = {
	{"node",
	 " -r --require --import --loader --experimental-loader -C --conditions "
	 "--env-file --title --inspect-port --stack-trace-limit ",
	 " -e --eval -p --print -pe ", "", ""},
	{"nodejs", " -r --require --import --loader ", " -e --eval -p --print -pe ", "", ""},
	{"bun", " -r --preload --cwd -c --config --env-file ", " -e --eval -p --print ", "",
	 " run x "},
	{"deno", " -c --config --import-map --cert --location --seed --lock ", " eval repl ", "",
	 " run serve "},
	{"tsx", "", "", "", " watch "},
	{"python", " -W -X --check-hash-based-pycs ", " -c ", " -m ", ""},
	{"pypy", " -W -X ", " -c ", " -m ", ""},
	{"ruby", " -I -r -C -E ", " -e ", "", ""},
	{"java", " -cp -classpath --class-path -p --module-path --add-modules -m --module ", "", "",
	 ""},
};

struct lt_bytes lt_base_name(struct lt_bytes path)
{
	for (size_t i = path.n; i > 0; i--) {
		if (path.p[i - 1] == '/')
			return lt_bytes_skip(path, i);
	}
	return path;
}

/* "python", "python3", "python3.12", "python3.13t", but not "pythonista". */
static bool has_name(struct lt_bytes base, const char *name)
{
	size_t n = strlen(name);

	if (!lt_bytes_starts(base, name))
		return false;
	if (base.n > n && !isdigit(base.p[n]))
		return false;
	for (size_t i = n; i < base.n; i++) {
		if (!isdigit(base.p[i]) && base.p[i] != '.' && base.p[i] != 't')
			return false;
	}
	return true;
}

static const struct interpreter *find(struct lt_bytes path)
{
	struct lt_bytes base = lt_base_name(path);

	if (base.n > 4 && lt_bytes_is(lt_bytes_skip(base, base.n - 4), ".exe"))
		base.n -= 4; /* npm's copy of Bun is called so on all systems */
	for (size_t i = 0; i < LT_COUNT(interpreters); i++) {
		if (has_name(base, interpreters[i].name))
			return &interpreters[i];
	}
	return NULL;
}

bool lt_is_interpreter(struct lt_bytes path)
{
	return find(path) != NULL;
}

/* Whether the word stands between spaces in @list. */
static bool in_list(const char *list, struct lt_bytes word)
{
	const char *at = word.n > 0 ? list : NULL;

	while (at && (at = memmem(at, strlen(at), word.p, word.n))) {
		if (at > list && at[-1] == ' ' && at[word.n] == ' ')
			return true;
		at++;
	}
	return false;
}

/* The next word, without its NUL. False: there is no more, or only a part of one. */
static bool next_word(struct lt_bytes *text, bool whole, struct lt_bytes *ret)
{
	const uint8_t *end = text->n ? memchr(text->p, '\0', text->n) : NULL;

	if (text->n == 0 || (!end && !whole))
		return false;
	*ret = lt_bytes(text->p, end ? (size_t)(end - text->p) : text->n);
	*text = lt_bytes_skip(*text, ret->n + 1);
	return true;
}

struct lt_cmdline lt_cmdline_parse(struct lt_bytes program, struct lt_bytes text, bool whole)
{
	const struct interpreter *in = find(program);
	struct lt_cmdline ret = {0};
	struct lt_bytes word;

	if (!in || !next_word(&text, whole, &word))
		return ret;
	for (int i = 0; i < WORDS_MAX && next_word(&text, whole, &word); i++) {
		if (in_list(in->code, word))
			return ret;
		if (in_list(in->module, word)) {
			lt_ignore(next_word(&text, whole, &ret.module));
			return ret;
		}
		if (in_list(in->take, word)) {
			if (!next_word(&text, whole, &word))
				return ret;
			continue;
		}
		if (word.n == 0 || word.p[0] == '-' || in_list(in->commands, word))
			continue;
		if (lt_bytes_starts(word, "npm:"))
			ret.module = word;
		else
			ret.script = word;
		return ret;
	}
	return ret;
}
