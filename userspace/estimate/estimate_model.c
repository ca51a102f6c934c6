// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/estimate_model.h"

#include <ctype.h>

#include "userspace/base/cleanup.h"

/* The first one that the name begins with and where a word ends behind it. */
static const struct {
	const char *prefix;
	const char *encoding;
} encodings[] = {
	{"gpt-4o", "o200k_base"},
	{"gpt-4.", "o200k_base"}, /* 4.1, 4.5 */
	{"gpt-5", "o200k_base"},
	{"gpt-oss", "o200k_base"},
	{"chatgpt-4o", "o200k_base"},
	{"o1", "o200k_base"},
	{"o3", "o200k_base"},
	{"o4", "o200k_base"},
	{"gpt-4", "cl100k_base"},
	{"gpt-3.5", "cl100k_base"},
	{"gpt-35", "cl100k_base"},
	/* Google has a text-embedding-004. */
	{"text-embedding-3", "cl100k_base"},
	{"text-embedding-ada", "cl100k_base"},
	{"davinci-002", "cl100k_base"},
	{"babbage-002", "cl100k_base"},
};

enum { CLAUDE, GEMINI, MISTRAL, LLAMA, QWEN, DEEPSEEK, OTHER };

static const struct lt_model_family families[] = {
	[CLAUDE] = {"claude", 115, 4000},   [GEMINI] = {"gemini", 100, 4400},
	[MISTRAL] = {"mistral", 105, 4500}, [LLAMA] = {"llama", 104, 4600},
	[QWEN] = {"qwen", 104, 4600},	    [DEEPSEEK] = {"deepseek", 104, 4600},
	[OTHER] = {"other", 105, 4200},
};

/* The first one that stands anywhere in the name: a distillation is named after both models, and
 * has the tokenizer of the smaller one. */
static const struct {
	const char *word;
	unsigned family;
} words[] = {
	{"claude", CLAUDE},	{"gemini", GEMINI},	{"gemma", GEMINI},
	{"mistral", MISTRAL},	{"mixtral", MISTRAL},	{"ministral", MISTRAL},
	{"codestral", MISTRAL}, {"magistral", MISTRAL}, {"devstral", MISTRAL},
	{"pixtral", MISTRAL},	{"voxtral", MISTRAL},	{"llama", LLAMA},
	{"qwen", QWEN},		{"qwq", QWEN},		{"deepseek", DEEPSEEK},
};

static bool begins(struct lt_bytes text, const char *prefix)
{
	size_t n = strlen(prefix);

	return text.n >= n && strncasecmp((const char *)text.p, prefix, n) == 0;
}

static bool begins_word(struct lt_bytes text, const char *prefix)
{
	size_t n = strlen(prefix);

	return begins(text, prefix) && (text.n == n || prefix[n - 1] == '.' || !isalnum(text.p[n]));
}

/* Without what gateways and fine-tuning put before the name. */
static struct lt_bytes bare_name(struct lt_bytes model)
{
	static const char *const before[] = {"ft:", "openai."};

	for (size_t i = model.n; i > 0; i--) {
		if (model.p[i - 1] == '/') {
			model = lt_bytes_skip(model, i);
			break;
		}
	}
	for (size_t i = 0; i < LT_COUNT(before); i++)
		if (begins(model, before[i]))
			model = lt_bytes_skip(model, strlen(before[i]));
	return model;
}

bool lt_model_has_channels(struct lt_bytes model)
{
	static const char *const names[] = {"gpt-5", "gpt-oss", "o1", "o3", "o4"};

	model = bare_name(model);
	for (size_t i = 0; i < LT_COUNT(names); i++) {
		if (begins_word(model, names[i]))
			return true;
	}
	return false;
}

const char *lt_encoding_for_model(struct lt_bytes model)
{
	model = bare_name(model);
	for (size_t i = 0; i < LT_COUNT(encodings); i++)
		if (begins_word(model, encodings[i].prefix))
			return encodings[i].encoding;
	return NULL;
}

static bool contains(struct lt_bytes text, const char *word)
{
	for (; text.n > 0; text = lt_bytes_skip(text, 1))
		if (begins(text, word))
			return true;
	return false;
}

const struct lt_model_family *lt_family_of_model(struct lt_bytes model)
{
	for (size_t i = 0; i < LT_COUNT(words); i++)
		if (contains(model, words[i].word))
			return &families[words[i].family];
	return &families[OTHER];
}

uint64_t lt_tokens_of_bytes(const struct lt_model_family *family, uint64_t bytes)
{
	uint32_t figure = family->bytes_per_1000_tokens;
	unsigned __int128 tokens = ((unsigned __int128)bytes * 1000 + figure / 2) / figure;

	return tokens == 0 && bytes > 0 ? 1 : (uint64_t)tokens;
}
