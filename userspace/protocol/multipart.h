/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request bodies of multipart/form-data (RFC 7578), incremental: the short fields, never the files.
 * Constant memory.
 */
#pragma once

#include "userspace/base/bytes.h"

enum { LT_FORM_NAME = 64, LT_FORM_VALUE = 256, LT_FORM_BOUNDARY = 74, LT_FORM_LINE = 256 };

struct lt_multipart_sink {
	void *arg;
	/* A part without a file name has ended. A longer value is cut. */
	void (*field)(void *arg, struct lt_bytes name, struct lt_bytes value);
};

/* Plain state. */
struct lt_multipart {
	struct lt_multipart_sink sink;
	unsigned state;
	char boundary[LT_FORM_BOUNDARY]; /* with CR LF and the dashes in front */
	unsigned boundary_n, matched;
	bool bare; /* the line feed that matched had no CR before it */
	unsigned line_n, name_n, value_n;
	bool wanted; /* the part has a name that fits, and is no file */
	char line[LT_FORM_LINE];
	char name[LT_FORM_NAME];
	char value[LT_FORM_VALUE];
};

/* @content_type: the field's value. False: it is no form, or has no boundary that RFC 2046 allows.
 */
bool lt_multipart_init(struct lt_multipart *m, struct lt_bytes content_type,
		       const struct lt_multipart_sink *sink);
void lt_multipart_feed(struct lt_multipart *m, struct lt_bytes in);
