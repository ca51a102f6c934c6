// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/json_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <sys/stat.h>

#include "userspace/base/alloc.h"
#include "userspace/base/digest.h"

struct lt_json_file {
	json_t *root;
};

static const struct lt_json_value *value_of(const json_t *json)
{
	return (const struct lt_json_value *)json;
}

static const json_t *json_of(const struct lt_json_value *value)
{
	return (const json_t *)value;
}

static void *allocate(size_t n)
{
	return lt_calloc(1, n);
}

/* What files and answers hold may be somebody's prompt, or an environment with keys. */
static void wipe_and_free(void *p)
{
	lt_wipe(p, malloc_usable_size(p));
	lt_free(p);
}

/* jansson's messages end with the text they stumbled over, which may be somebody's prompt. */
static void cut_quote(char *message)
{
	char *quote = strstr(message, " near '");

	if (quote)
		*quote = '\0';
}

int lt_json_file_parse(struct lt_bytes text, const char *name, struct lt_json_file **ret,
		       struct lt_problem *problem)
{
	lt_defer(lt_json_file_freep)
	struct lt_json_file *file = NULL;
	json_error_t error;

	json_set_alloc_funcs(allocate, wipe_and_free);
	file = lt_calloc(1, sizeof(*file));
	if (!file)
		return lt_problem_set(problem, -ENOMEM, name, 0, "out of memory");
	file->root = json_loadb((const char *)text.p, text.n, JSON_ALLOW_NUL, &error);
	if (!file->root) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return lt_problem_set(problem, -ENOMEM, name, 0, "out of memory");
		cut_quote(error.text);
		return lt_problem_set(problem, -EBADMSG, name,
				      error.line > 0 ? (unsigned)error.line : 0,
				      "this is no JSON: %s", error.text);
	}
	*ret = lt_take(file);
	return 0;
}

static int read_all(int fd, uint8_t *to, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, to + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		done += (size_t)r;
	}
	return 0;
}

int lt_json_file_load(const char *path, struct lt_json_file **ret, struct lt_problem *problem)
{
	lt_defer(lt_freep)
	uint8_t *text = NULL;
	lt_defer(lt_closep)
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return lt_problem_set(problem, -errno, path, 0, "cannot be read: %s",
				      strerror(errno));
	if (!S_ISREG(st.st_mode))
		return lt_problem_set(problem, -EINVAL, path, 0, "is no plain file");
	if (st.st_size > LT_JSON_FILE_MAX)
		return lt_problem_set(problem, -EFBIG, path, 0, "is larger than %d MiB",
				      LT_JSON_FILE_MAX >> 20);
	text = lt_calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return lt_problem_set(problem, -ENOMEM, path, 0, "out of memory");
	r = read_all(fd, text, (size_t)st.st_size);
	if (r < 0)
		return lt_problem_set(problem, r, path, 0, "cannot be read: %s", strerror(-r));
	return lt_json_file_parse(lt_bytes(text, (size_t)st.st_size), path, ret, problem);
}

struct lt_json_file *lt_json_file_free(struct lt_json_file *file)
{
	if (!file)
		return NULL;
	json_decref(file->root);
	lt_free(file);
	return NULL;
}

const struct lt_json_value *lt_json_file_root(const struct lt_json_file *file)
{
	return value_of(file->root);
}

const struct lt_json_value *lt_json_get(const struct lt_json_value *object, const char *name)
{
	return value_of(json_object_get(json_of(object), name));
}

size_t lt_json_count(const struct lt_json_value *array)
{
	return json_array_size(json_of(array));
}

const struct lt_json_value *lt_json_at(const struct lt_json_value *array, size_t index)
{
	return value_of(json_array_get(json_of(array), index));
}

void lt_json_each(const struct lt_json_value *object,
		  void (*each)(void *arg, const char *name, const struct lt_json_value *value),
		  void *arg)
{
	json_t *json = (json_t *)json_of(object); /* jansson's iterators take no const */

	for (void *i = json_object_iter(json); i; i = json_object_iter_next(json, i))
		each(arg, json_object_iter_key(i), value_of(json_object_iter_value(i)));
}

bool lt_json_is_object(const struct lt_json_value *value)
{
	return json_is_object(json_of(value));
}

bool lt_json_is_array(const struct lt_json_value *value)
{
	return json_is_array(json_of(value));
}

bool lt_json_is_true(const struct lt_json_value *value)
{
	return json_is_true(json_of(value));
}

bool lt_json_text(const struct lt_json_value *value, struct lt_bytes *ret)
{
	if (!json_is_string(json_of(value)))
		return false;
	*ret = lt_bytes(json_string_value(json_of(value)), json_string_length(json_of(value)));
	return true;
}

bool lt_json_number(const struct lt_json_value *value, double *ret)
{
	if (!json_is_number(json_of(value)))
		return false;
	*ret = json_number_value(json_of(value));
	return true;
}
