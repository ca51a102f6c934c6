// SPDX-License-Identifier: Apache-2.0
/* The collectors in match order. A new TLS stack adds its line here. */
#include <errno.h>

#include "collectors/collector.h"

static const struct lt_collector *const collectors[] = {
	&lt_wolfssl_collector,	 /* its builds may have OpenSSL's names too */
	&lt_boringssl_collector, /* its functions bear OpenSSL's names */
	&lt_openssl_collector,	 &lt_gnutls_collector,	&lt_nss_collector,
	&lt_s2n_collector,	 &lt_mbedtls_collector, &lt_go_tls_collector,
};

int lt_collector_plan(const struct lt_elf_image *image, struct lt_probe_plan *ret)
{
	for (size_t i = 0; i < LT_COUNT(collectors); i++) {
		int r = collectors[i]->plan(image, ret);

		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}
