/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incremental JSON field extractor: takes a set of paths and the bytes of a document in any split,
 * and reports the values found at those paths. Memory is constant: nothing of the document is kept
 * but the nesting, the position in the path set and the (cut) text of the scalar being read.
 */
#pragma once

#include "userspace/base/bytes.h"
#include "userspace/base/cleanup.h"

enum {
	LT_JSON_TEXT_MAX =
		256, /* bytes of a scalar's text that are reported; longer ones are cut */
	LT_JSON_DEPTH_MAX =
		512, /* deeper documents are -EBADMSG: no provider nests anywhere near */
	LT_JSON_PATHS_MAX = 256, /* paths in one set */
};

enum lt_json_type {
	LT_JSON_NULL,
	LT_JSON_FALSE,
	LT_JSON_TRUE,
	LT_JSON_NUMBER, /* text as on the wire, e.g. "12", "1.0", "1e3" */
	LT_JSON_STRING, /* text with escapes resolved, UTF-8 */
	LT_JSON_OBJECT, /* an object begins here */
	LT_JSON_ARRAY,	/* an array begins here */
	LT_JSON_END,	/* the object or array that began at this path ends */
};

/*
 * A compiled set of paths. Immutable after creation: may be shared by any number of scanners and
 * threads.
 *
 * Grammar: member names joined by '.', "[]" = every element of an array, "[N]" = element N only, ""
 * = the root value. A member name that itself holds '.', '[' or '"' is written in double quotes.
 * Examples: "usage.prompt_tokens", "choices[0].finish_reason", "output[].type",
 * "choices[].delta.tool_calls[].id".
 */
struct lt_json_paths;

/*
 * Number of a path = its index in @paths. -EINVAL: the path at *@ret_bad does not parse, or with it
 * more than eight different paths could match one value; -ENOMEM.
 */
LT_MUST_CHECK int lt_json_paths_new(const char *const *paths, size_t count,
				    struct lt_json_paths **ret, size_t *ret_bad);
/* Strings at path number @path come whole, piece by piece (lt_json_sink.text), before their hit. To
 * be said before the first scanner. */
void lt_json_paths_want_text(struct lt_json_paths *paths, uint32_t path);
/* The numbers of the paths that are @name alone, a member of the root; at most @max. For names and
 * values that come otherwise than as JSON. */
size_t lt_json_paths_member(const struct lt_json_paths *paths, struct lt_bytes name,
			    uint32_t *ret_paths, size_t max);
struct lt_json_paths *lt_json_paths_free(struct lt_json_paths *paths);
LT_DEFINE_FREEP(lt_json_paths_free, struct lt_json_paths)

struct lt_json_hit {
	uint32_t path; /* number of the path; a value at several paths is reported once for each */
	enum lt_json_type type;
	struct lt_bytes text; /* NUMBER and STRING only; at most LT_JSON_TEXT_MAX bytes, borrowed */
	bool cut;	      /* the text was longer */
	uint64_t
		characters; /* STRING: code points of the whole text, however much of it is shown */
	uint64_t at; /* OBJECT, ARRAY and END: of the bracket, in bytes since the document's first
			feed */
};

struct lt_json_sink {
	void *arg;
	void (*hit)(void *arg, const struct lt_json_hit *hit);
	/* The next bytes of a string, escapes resolved, split anywhere; only for paths that want
	 * it. May be NULL. */
	void (*text)(void *arg, uint32_t path, struct lt_bytes piece);
};

/* Plain storage of one scanner, to live inside its owner. The members are json_scan.c's. */
struct lt_json_scan;

/* The storage is opaque but of constant size, allocated once and reset for every document. */
LT_MUST_CHECK int lt_json_scan_new(const struct lt_json_paths *paths,
				   const struct lt_json_sink *sink, struct lt_json_scan **ret);
struct lt_json_scan *lt_json_scan_free(struct lt_json_scan *scan);
LT_DEFINE_FREEP(lt_json_scan_free, struct lt_json_scan)

/* Ready for the next document (cheap: called for every SSE event). */
void lt_json_scan_reset(struct lt_json_scan *scan);

/*
 * Takes the next bytes. Leading white space is skipped; white space after the root value is fine,
 * anything else there is -EBADMSG. After an error the scanner stays in error until reset (hits
 * already reported stay).
 */
LT_MUST_CHECK int lt_json_scan_feed(struct lt_json_scan *scan, struct lt_bytes in);

/*
 * The same, but stops behind the root value: *@ret_used bytes were taken. For streams of documents,
 * where the next one begins right there. A number at the root goes on to the end of @in.
 */
LT_MUST_CHECK int lt_json_scan_document(struct lt_json_scan *scan, struct lt_bytes in,
					size_t *ret_used);

/* The document has ended: 0 when it was whole, -ENODATA when nothing but white space came, -EBADMSG
 * when cut. */
LT_MUST_CHECK int lt_json_scan_finish(struct lt_json_scan *scan);

/* Whether the root value is complete (so that a stream of documents can be told apart). */
bool lt_json_scan_done(const struct lt_json_scan *scan);
