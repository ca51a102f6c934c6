// SPDX-License-Identifier: Apache-2.0
/* The collectors in match order. A new TLS stack adds its line here. */
#include <errno.h>

#include "collectors/collector.h"

static const struct lt_collector *const collectors[] = {
	&lt_openssl_collector,	    &lt_gnutls_collector, &lt_nss_collector,
	&lt_go_tls_collector,	    &lt_rustls_collector, &lt_boringssl_code_collector,
	&lt_openssl_code_collector,
};

static bool has_library(const struct lt_probe_plans *plans, enum lt_library library)
{
	for (unsigned i = 0; i < plans->count; i++) {
		if (plans->plans[i].library == library)
			return true;
	}
	return false;
}

int lt_collector_plans(const struct lt_elf_image *image, struct lt_probe_plans *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < LT_COUNT(collectors) && ret->count < LT_PLANS_MAX; i++) {
		int r;

		if (collectors[i]->by_code && has_library(ret, collectors[i]->library))
			continue;
		r = collectors[i]->plan(image, &ret->plans[ret->count]);
		if (r == 0)
			ret->count++;
		else if (r != -ENOENT)
			return r;
	}
	return ret->count > 0 ? 0 : -ENOENT;
}
