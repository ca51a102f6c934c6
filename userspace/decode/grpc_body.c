// SPDX-License-Identifier: Apache-2.0
/* Bodies of gRPC: each message through the scanner of its side, and the call's status. */
#include "userspace/decode/work.h"

static void on_request_begin(void *arg)
{
	lt_proto_scan_reset(((struct lt_work *)arg)->proto[LT_SIDE_REQUEST]);
}

static void on_response_begin(void *arg)
{
	lt_proto_scan_reset(((struct lt_work *)arg)->proto[LT_SIDE_RESPONSE]);
}

static void on_request_data(void *arg, struct lt_bytes piece)
{
	/* What is broken has no hits any more. */
	lt_ignore(lt_proto_scan_feed(((struct lt_work *)arg)->proto[LT_SIDE_REQUEST], piece));
}

static void on_response_data(void *arg, struct lt_bytes piece)
{
	struct lt_work *w = arg;

	if (lt_proto_scan_feed(w->proto[LT_SIDE_RESPONSE], piece) < 0)
		w->bad_json = true;
}

static void on_request_end(void *arg, bool whole)
{
	(void)arg;
	(void)whole;
}

static void on_response_end(void *arg, bool whole)
{
	struct lt_work *w = arg;

	if (whole && lt_proto_scan_finish(w->proto[LT_SIDE_RESPONSE]) == 0) {
		lt_work_payload_ends(w);
		return;
	}
	w->bad_json = true;
	lt_work_payload_drop(w);
}

static void on_request_hit(void *arg, const struct lt_json_hit *hit)
{
	lt_work_request_hit(arg, hit);
}

static void on_response_hit(void *arg, const struct lt_json_hit *hit)
{
	lt_work_response_hit(arg, hit);
}

static void on_request_text(void *arg, uint32_t path, struct lt_bytes piece)
{
	lt_work_text(arg, LT_SIDE_REQUEST, path, piece);
}

static void on_response_text(void *arg, uint32_t path, struct lt_bytes piece)
{
	lt_work_text(arg, LT_SIDE_RESPONSE, path, piece);
}

bool lt_work_grpc_begins(struct lt_work *w, const struct lt_http_head *head)
{
	const struct lt_grpc_sink sinks[] = {
		{w, on_request_begin, on_request_data, on_request_end},
		{w, on_response_begin, on_response_data, on_response_end},
	};
	const struct lt_json_sink hits[] = {
		{w, on_request_hit, on_request_text},
		{w, on_response_hit, on_response_text},
	};
	const struct lt_rules *rules = head->side == LT_SIDE_REQUEST ? &w->api->shape->request
								     : &w->api->shape->response;
	enum lt_side side = head->side;

	if (!w->api->shape->protobuf ||
	    !lt_bytes_starts(lt_http_field(head, "content-type"), "application/grpc"))
		return false;
	if (!w->proto[side] && lt_proto_scan_new(rules->paths, &hits[side], &w->proto[side]) < 0)
		return false;
	lt_grpc_init(&w->grpc[side], lt_http_field(head, "grpc-encoding"), &sinks[side]);
	return true;
}

void lt_work_grpc_status(struct lt_work *w, const struct lt_http_head *head)
{
	struct lt_bytes code = lt_http_field(head, "grpc-status");
	const char *name = lt_grpc_status(code);

	if (code.n == 0)
		return;
	w->done = true;
	if (!name[0])
		return;
	w->failed = true;
	lt_work_field(w, LT_SIDE_RESPONSE, LT_F_ERROR_TYPE, lt_bytes_str(name));
}

void lt_work_grpc_done(struct lt_work *w)
{
	for (int side = 0; side < 2; side++) {
		lt_grpc_done(&w->grpc[side]);
		w->proto[side] = lt_proto_scan_free(w->proto[side]);
	}
}
