// SPDX-License-Identifier: Apache-2.0
/* The collectors in match order. A new TLS stack adds its line here. */
#include <errno.h>

#include "collectors/collector.h"

static const struct lt_collector *const collectors[] = {
	&lt_wolfssl_collector,	 /* its builds may have OpenSSL's names too */
	&lt_boringssl_collector, /* its functions bear OpenSSL's names */
	&lt_openssl_collector,	 &lt_gnutls_collector,	       &lt_nss_collector,
	&lt_s2n_collector,	 &lt_mbedtls_collector,	       &lt_go_tls_collector,
	&lt_rustls_collector,	 &lt_boringssl_code_collector, &lt_openssl_code_collector,
};

static bool has_library(const struct lt_probe_plans *plans, enum lt_library library)
{
	for (unsigned i = 0; i < plans->count; i++) {
		if (plans->plans[i].library == library)
			return true;
	}
	return false;
}

static bool has_openssl_names(const struct lt_probe_plans *plans)
{
	for (size_t i = 0; i < LT_COUNT(collectors); i++) {
		if (collectors[i]->openssl_names && !collectors[i]->by_code &&
		    has_library(plans, collectors[i]->library))
			return true;
	}
	return false;
}

int lt_collector_next(const struct lt_elf_image *image, size_t *asked, struct lt_probe_plans *found)
{
	while (*asked < LT_COUNT(collectors) && found->count < LT_PLANS_MAX) {
		const struct lt_collector *next = collectors[(*asked)++];
		int r;

		if ((next->by_code && has_library(found, next->library)) ||
		    (next->openssl_names && has_openssl_names(found)))
			continue;
		r = next->plan(image, &found->plans[found->count]);
		if (r == 0)
			found->count++;
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

int lt_collector_plans(const struct lt_elf_image *image, struct lt_probe_plans *ret)
{
	size_t asked = 0;
	int r = 0;

	ret->count = 0;
	while (r == 0)
		r = lt_collector_next(image, &asked, ret);
	return r == -ENOENT && ret->count > 0 ? 0 : r;
}
