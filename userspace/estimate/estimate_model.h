/* SPDX-License-Identifier: Apache-2.0 */
/* How the tokens of a model are estimated: by which encoding, or else by bytes for each token. */
#pragma once

#include "userspace/base/bytes.h"

/*
 * "o200k_base" or "cl100k_base" for OpenAI's models; NULL for all others. What a gateway puts
 * before the name ("openai/", "ft:") and case do not matter.
 */
const char *lt_encoding_for_model(struct lt_bytes model);

/*
 * Models that answer in channels (gpt-oss, gpt-5, o1 ...) are charged for the marks around a
 * message, which never show in its text.
 */
bool lt_model_has_channels(struct lt_bytes model);

/* Models of one tokenizer, more or less. Where the figures come from: docs/decoding.md, Estimates.
 */
struct lt_model_family {
	const char *name; /* claude, gemini, mistral, llama, qwen, deepseek, other */
	uint32_t
		scale_percent; /* tokens for 100 of o200k_base: of texts, many languages and code */
	uint32_t bytes_per_1000_tokens; /* English; where no ranks are installed */
};

/* Never NULL. */
const struct lt_model_family *lt_family_of_model(struct lt_bytes model);
/* Rounded to the nearest; at least 1 when there is text. */
uint64_t lt_tokens_of_bytes(const struct lt_model_family *family, uint64_t bytes);
