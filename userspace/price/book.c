// SPDX-License-Identifier: Apache-2.0
#include "userspace/price/book.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/alloc.h"
#include "userspace/price/book_private.h"

void *lt_book_push_(void *vector, size_t *n, size_t *room, size_t size)
{
	/* Only vectors of LT_BOOK_ARRAY come here; memcpy keeps the pointer's type out of it. */
	void *old, *grown;

	memcpy(&old, vector, sizeof(old));
	if (*n == *room) {
		size_t more = *room ? *room * 2 : 16;

		grown = lt_reallocarray(old, more, size);
		if (!grown)
			return NULL;
		memcpy(vector, &grown, sizeof(grown));
		*room = more;
		old = grown;
	}
	old = (char *)old + *n * size;
	memset(old, 0, size);
	*n += 1;
	return old;
}

struct lt_book *lt_book_free(struct lt_book *book)
{
	if (!book)
		return NULL;
	for (size_t i = 0; i < book->words.n; i++)
		lt_free(book->words.v[i]);
	for (unsigned i = 0; i < LT_BOOK_LAYERS; i++)
		lt_free(book->layer[i].text);
	lt_free(book->providers.v);
	lt_free(book->models.v);
	lt_free(book->terms.v);
	lt_free(book->sets.v);
	lt_free(book->rates.v);
	lt_free(book->rules.v);
	lt_free(book->aliases.v);
	lt_free(book->words.v);
	lt_free(book->slots);
	lt_free(book->slot_terms);
	lt_free(book);
	return NULL;
}

static struct lt_book *new_book(void)
{
	static const char *const known[] = {
#define LT_X(id, name) name,
		LT_METERS(LT_X)
#undef LT_X
	};
	lt_defer(lt_book_freep)
	struct lt_book *book = lt_calloc(1, sizeof(*book));

	if (!book)
		return NULL;
	for (size_t i = 0; i < LT_COUNT(known); i++) {
		char **word = lt_book_push(&book->words);

		if (!word)
			return NULL;
		*word = lt_strdup(known[i]);
		if (!*word)
			return NULL;
	}
	return lt_take(book);
}

/* Reads the whole file into the layer that will be read next; the layer owns it. */
static int read_file(const char *path, struct lt_book_layer *layer, struct lt_bytes *ret,
		     struct lt_problem *problem)
{
	lt_defer(lt_fclosep)
	FILE *f = fopen(path, "re");
	size_t n = 0, room = 64 << 10;
	size_t got;

	if (!f)
		return lt_problem_set(problem, -EINVAL, path, 0,
				      "cannot open the price book (%s); check the path",
				      strerror(errno));
	layer->text = lt_calloc(1, room);
	if (!layer->text)
		return -ENOMEM;
	while ((got = fread(layer->text + n, 1, room - n, f)) > 0) {
		n += got;
		if (n < room)
			continue;
		if (room >= LT_BOOK_FILE_MAX)
			return lt_problem_set(problem, -EINVAL, path, 0,
					      "the price book is larger than 16 MB; split it");
		char *grown = lt_reallocarray(layer->text, room * 2, 1);

		if (!grown)
			return -ENOMEM;
		layer->text = grown;
		room *= 2;
	}
	if (ferror(f))
		return lt_problem_set(problem, -EINVAL, path, 0,
				      "cannot read the price book; is it a regular file?");
	*ret = lt_bytes(layer->text, n);
	return 0;
}

/* Appends the layer from @path, or from @builtin when that is NULL. */
static int add_layer(struct lt_book *book, const char *path, struct lt_bytes builtin,
		     const char *name, struct lt_problem *problem)
{
	struct lt_bytes text = builtin;

	if (path) {
		int err = read_file(path, &book->layer[book->layer_count], &text, problem);

		if (err)
			return err;
	}
	return lt_book_read(book, text, path ? path : name, problem);
}

/* name@version of every layer, joined by '+': a record tells exactly what priced it. */
static int finish(struct lt_book *book, const char *name, struct lt_problem *problem)
{
	size_t n = 0;

	for (unsigned i = 0; i < book->layer_count; i++) {
		const struct lt_book_layer *l = &book->layer[i];
		int wrote;

		if (strcmp(l->currency, book->layer[0].currency) != 0)
			return lt_problem_set(
				problem, -EINVAL, name, 0,
				"the overlay is in %s, the book in %s; use one currency",
				l->currency, book->layer[0].currency);
		wrote = snprintf(book->version + n, sizeof(book->version) - n, "%s%s@%s",
				 i > 0 ? "+" : "", l->name, l->version);
		if (wrote < 0 || (size_t)wrote >= sizeof(book->version) - n)
			return lt_problem_set(
				problem, -EINVAL, name, 0,
				"the names of the price books are too long; shorten '%s'", l->name);
		n += (size_t)wrote;
	}
	return lt_book_index(book, name, problem);
}

int lt_book_load(const char *path, const char *overlay, struct lt_book **ret,
		 struct lt_problem *problem)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = new_book();
	int err;

	if (!book)
		return -ENOMEM;
	err = add_layer(book, path, lt_book_builtin_prices(), "built-in book.tsv", problem);
	if (!err && !path)
		err = add_layer(book, NULL, lt_book_builtin_tiers(), "built-in tiers.tsv", problem);
	if (!err && overlay)
		err = add_layer(book, overlay, lt_bytes(NULL, 0), overlay, problem);
	if (!err)
		err = finish(book, overlay ? overlay : path ? path : "built-in", problem);
	if (err)
		return err;
	*ret = lt_take(book);
	return 0;
}

int lt_book_parse(struct lt_bytes text, const char *name, struct lt_book **ret,
		  struct lt_problem *problem)
{
	lt_defer(lt_book_freep)
	struct lt_book *book = NULL;
	char *copy;
	int err;

	if (text.n > LT_BOOK_FILE_MAX)
		return lt_problem_set(problem, -EINVAL, name, 0,
				      "the price book is larger than 16 MB; split it");
	book = new_book();
	if (!book)
		return -ENOMEM;
	copy = lt_calloc(1, text.n + 1);
	if (!copy)
		return -ENOMEM;
	book->layer[0].text = copy;
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	err = lt_book_read(book, lt_bytes(copy, text.n), name, problem);
	if (!err)
		err = finish(book, name, problem);
	if (err)
		return err;
	*ret = lt_take(book);
	return 0;
}

const char *lt_book_version(const struct lt_book *book)
{
	return book->version;
}

const char *lt_book_source(const struct lt_book *book)
{
	return book->layer[0].source;
}

size_t lt_book_size(const struct lt_book *book)
{
	return book->models.n;
}

const char *lt_book_currency(const struct lt_book *book)
{
	return book->layer[0].currency;
}
