// SPDX-License-Identifier: Apache-2.0
#include "userspace/attribute/facts.h"

#include <ctype.h>

static const struct {
	const char *name;
	enum lt_identity_source class;
} facts[] = {
#define X(id, name, class) [LT_FACT_##id] = {name, LT_IDENTITY_##class},
	LT_FACTS(X)
#undef X
};

static const struct {
	const char *prefix;
	enum lt_identity_source class;
} families[] = {
#define X(id, prefix, class) [LT_FAMILY_##id] = {prefix, LT_IDENTITY_##class},
	LT_FACT_FAMILIES(X)
#undef X
};

const char *lt_fact_text(enum lt_fact fact)
{
	return facts[fact].name;
}

enum lt_identity_source lt_fact_class(enum lt_fact fact)
{
	return facts[fact].class;
}

enum lt_identity_source lt_family_class(enum lt_fact_family family)
{
	return families[family].class;
}

const char *lt_family_prefix(enum lt_fact_family family)
{
	return families[family].prefix;
}

bool lt_fact_find(struct lt_bytes name, enum lt_fact *ret)
{
	for (size_t i = 0; i < LT_COUNT(facts); i++) {
		if (lt_bytes_is(name, facts[i].name)) {
			*ret = (enum lt_fact)i;
			return true;
		}
	}
	return false;
}

bool lt_family_find(struct lt_bytes name, enum lt_fact_family *ret)
{
	for (size_t i = 0; i < LT_COUNT(families); i++) {
		if (lt_bytes_starts(name, families[i].prefix)) {
			*ret = (enum lt_fact_family)i;
			return true;
		}
	}
	return false;
}

/* Whether @name ends with @end, with '-' and '_' alike and case ignored. */
static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	if (n < m)
		return false;
	for (size_t i = 0; i < m; i++) {
		char a = name[n - m + i] == '-' ? '_' : name[n - m + i];

		if (toupper((unsigned char)a) != end[i])
			return false;
	}
	return true;
}

bool lt_names_a_secret(const char *name)
{
	static const char *const ends[] = {
		"API_KEY",    "APIKEY",	     "ACCESS_KEY",    "SECRET_KEY", "PRIVATE_KEY",
		"AUTH_KEY",   "SECRET",	     "TOKEN",	      "PASSWORD",   "PASSWD",
		"CREDENTIAL", "CREDENTIALS", "AUTHORIZATION", "COOKIE",	    "SIGNATURE",
	};

	for (size_t i = 0; i < LT_COUNT(ends); i++) {
		if (ends_with(name, ends[i]))
			return true;
	}
	return false;
}
