/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider catalog: data, not code. One YAML file per provider (hosts, paths, which shape) and
 * one per shape (which JSON path feeds which field or meter, cumulative or additive, inclusive or
 * disjoint). The shipped files are built into the binary; a directory can replace them by name or
 * add to them.
 */
#pragma once

#include "userspace/base/problem.h"
#include "userspace/protocol/exchange.h"

struct lt_call;
struct lt_catalog;
struct lt_api; /* one metered operation of one provider */

/*
 * Loads the built-in files, then every *.yaml of @directory (NULL: none) in name order: a file that
 * names a known provider or shape replaces it. Nothing is half loaded: on failure *ret is
 * untouched, @problem says where.
 */
LT_MUST_CHECK int lt_catalog_load(const char *directory, struct lt_catalog **ret,
				  struct lt_problem *problem);
struct lt_catalog *lt_catalog_free(struct lt_catalog *catalog);
LT_DEFINE_FREEP(lt_catalog_free, struct lt_catalog)

/*
 * Adds a host (glob) that speaks the shapes of @provider ("openai_compatible" for any in-house
 * gateway);
 * @name is what records call it. For hosts from the config. -EINVAL: no such provider.
 */
LT_MUST_CHECK int lt_catalog_add_host(struct lt_catalog *catalog, const char *host,
				      const char *provider, const char *name,
				      struct lt_problem *problem);

enum lt_host_match {
	LT_HOST_UNKNOWN, /* no provider: the connection can be ignored */
	LT_HOST_BESIDE,	 /* no provider, but what a client of one asks before it calls */
	LT_HOST_KNOWN,	 /* a provider's host, but not a metered path */
	LT_HOST_METERED, /* *ret_api is set */
};

/* What a request is asked about by. @path is without query; @mcp: its headers are those of MCP;
 * @websocket: it asks for a socket. */
struct lt_ask {
	struct lt_bytes host, method, path;
	bool mcp, websocket;
};

/* The answer is borrowed from the catalog. */
enum lt_host_match lt_catalog_match(const struct lt_catalog *catalog, const struct lt_ask *ask,
				    const struct lt_api **ret_api);
/*
 * By the answer alone, when nothing of the request is known: @start is how the body begins. The
 * host's own provider first, then "compatible". NULL: no idea.
 */
const struct lt_api *lt_catalog_guess(const struct lt_catalog *catalog, struct lt_bytes host,
				      struct lt_bytes start);
/* Whether the host alone is known. */
bool lt_catalog_knows_host(const struct lt_catalog *catalog, struct lt_bytes host);
/*
 * What is known of calls to @host when nothing of them can be read: fills host and provider of
 * @call. False: the host is not known, and nothing is filled in.
 */
bool lt_catalog_describe_host(const struct lt_catalog *catalog, struct lt_bytes host,
			      struct lt_call *call);
/* Number of providers and of APIs, for doctor. */
void lt_catalog_size(const struct lt_catalog *catalog, size_t *ret_providers, size_t *ret_apis);
