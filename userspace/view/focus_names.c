// SPDX-License-Identifier: Apache-2.0
#include "userspace/view/focus_names.h"

#include <ctype.h>
#include <string.h>

/* Those whose seller or service has another name than the catalog's. */
static const struct {
	const char *id, *provider, *service;
} sellers[] = {
	{"azure", "Microsoft", "Azure OpenAI"},
	{"azure-serverless", "Microsoft", "Azure AI Model Catalog"},
	{"azure-speech", "Microsoft", "Azure AI Speech"},
	{"azure-ai-search", "Microsoft", "Azure AI Search"},
	{"bing", "Microsoft", "Bing"},
	{"github", "GitHub", "GitHub"},
	{"github-copilot", "GitHub", "GitHub Copilot"},
	{"github-models", "GitHub", "GitHub Models"},
	{"bedrock", "AWS", "Amazon Bedrock"},
	{"sagemaker", "AWS", "Amazon SageMaker"},
	{"aws-polly", "AWS", "Amazon Polly"},
	{"mturk", "AWS", "Amazon Mechanical Turk"},
	{"gemini", "Google", "Gemini API"},
	{"vertex", "Google Cloud", "Vertex AI"},
	{"google-cse", "Google", "Google Custom Search"},
	{"google-speech", "Google Cloud", "Google Cloud Speech"},
	{"openai", "OpenAI", "OpenAI API"},
	{"openai-decisions", "OpenAI", "OpenAI Decisions"},
	{"chatgpt-codex", "OpenAI", "ChatGPT Codex"},
	{"anthropic", "Anthropic", "Anthropic API"},
	{"openrouter", "OpenRouter", "OpenRouter"},
	{"xai", "xAI", "xAI API"},
	{"deepseek", "DeepSeek", "DeepSeek API"},
	{"huggingface", "Hugging Face", "Hugging Face"},
	{"elevenlabs", "ElevenLabs", "ElevenLabs"},
	{"watsonx", "IBM", "watsonx.ai"},
	{"cloudflare", "Cloudflare", "Cloudflare Workers AI"},
	{"cloudflare-gateway", "Cloudflare", "Cloudflare AI Gateway"},
	{"alibaba", "Alibaba Cloud", "Alibaba Cloud Model Studio"},
};

/* A service has one category, whatever it is used for. The first one is that of what is not named.
 */
static const struct {
	const char *record_type, *category, *subcategory, *suffix;
} kinds[] = {
	{"", "Other", "Other (Other)", " Service"},
	{"llm", "AI and Machine Learning", "Generative AI", " API"},
	{"embedding", "AI and Machine Learning", "Generative AI", " API"},
	{"rerank", "AI and Machine Learning", "Generative AI", " API"},
	{"vector_db", "Databases", "NoSQL Databases", " Vector Database"},
	{"tool_api", "Integration", "API Management", " Tool API"},
	{"mcp", "Integration", "API Management", " MCP"},
	{"saas", "Business Applications", "Other (Business Applications)", " Application"},
	{"evaluation", "Business Applications", "Other (Business Applications)", " Evaluation"},
	{"human_review", "Other", "Other (Other)", " Human Review"},
};

/* "jina-reader" -> "Jina Reader", "you.com" -> "You.com" */
static void capitalise(const char *from, char to[LT_FOCUS_NAME])
{
	bool begins = true;
	size_t n = 0;

	for (; *from && n + 1 < LT_FOCUS_NAME; from++) {
		unsigned char c = (unsigned char)*from;

		to[n++] = (char)(begins && c < 0x80 ? toupper(c) : c);
		begins = c == '-' || c == '_';
		if (begins)
			to[n - 1] = ' ';
	}
	to[n] = '\0';
}

void lt_focus_service(const struct lt_call *call, struct lt_focus_service *ret)
{
	const char *service = NULL;
	size_t kind = 0;

	capitalise(call->provider[0] ? call->provider : "unknown", ret->provider);
	for (size_t i = 0; i < LT_COUNT(sellers); i++) {
		if (strcmp(sellers[i].id, call->provider) != 0)
			continue;
		snprintf(ret->provider, sizeof(ret->provider), "%s", sellers[i].provider);
		service = sellers[i].service;
	}
	for (size_t i = 1; i < LT_COUNT(kinds); i++) {
		if (strcmp(kinds[i].record_type, call->record_type) == 0)
			kind = i;
	}
	ret->category = kinds[kind].category;
	ret->subcategory = kinds[kind].subcategory;
	/* The names above are those of AI services, and need no "API" behind them. */
	if (service && strcmp(kinds[kind].suffix, " API") == 0)
		snprintf(ret->name, sizeof(ret->name), "%s", service);
	else
		snprintf(ret->name, sizeof(ret->name), "%.60s%s", service ? service : ret->provider,
			 kinds[kind].suffix);
}

static const struct known_meter {
	const char *id, *name, *unit, *direction, *cache, *ttl, *modality;
} meters[] = {
	{"input", "Input Tokens", "Tokens", "Input", "Uncached", NULL, "Text"},
	{"cache_read", "Cache Read Input Tokens", "Tokens", "Input", "Read", NULL, "Text"},
	{"cache_write", "Cache Write Input Tokens", "Tokens", "Input", "Write", "5m", "Text"},
	{"cache_write_5m", "Cache Write Input Tokens", "Tokens", "Input", "Write", "5m", "Text"},
	{"cache_write_1h", "Cache Write Input Tokens", "Tokens", "Input", "Write", "1h", "Text"},
	{"input_audio", "Audio Input Tokens", "Tokens", "Input", "Uncached", NULL, "Audio"},
	{"input_image", "Image Input Tokens", "Tokens", "Input", "Uncached", NULL, "Image"},
	{"input_video", "Video Input Tokens", "Tokens", "Input", "Uncached", NULL, "Video"},
	{"cache_audio_read", "Cache Read Audio Input Tokens", "Tokens", "Input", "Read", NULL,
	 "Audio"},
	{"cache_image_read", "Cache Read Image Input Tokens", "Tokens", "Input", "Read", NULL,
	 "Image"},
	{"output", "Output Tokens", "Tokens", "Output", NULL, NULL, "Text"},
	{"output_audio", "Audio Output Tokens", "Tokens", "Output", NULL, NULL, "Audio"},
	{"output_image", "Image Output Tokens", "Tokens", "Output", NULL, NULL, "Image"},
	{"output_video", "Video Output Tokens", "Tokens", "Output", NULL, NULL, "Video"},
	{"output_reasoning", "Reasoning Output Tokens", "Tokens", "Output", NULL, NULL, "Text"},
	{"output_citation", "Citation Output Tokens", "Tokens", "Output", NULL, NULL, "Text"},
	{"other", "Other", "Units", NULL, NULL, NULL, NULL},
};

/* Buckets of the usage are not the meters of the book, but each has one. */
static const char *const buckets[][2] = {
	{"in_uncached", "input"},
	{"in_audio", "input_audio"},
	{"in_image", "input_image"},
	{"cache_read_audio", "cache_audio_read"},
	{"cache_read_image", "cache_image_read"},
	{"out_visible", "output"},
	{"out_audio", "output_audio"},
	{"out_image", "output_image"},
	{"reasoning", "output_reasoning"},
};

/* "rerank_searches" -> "Rerank Searches"; what is neither letter nor digit parts words. */
static void title_case(const char *from, char *to, size_t size)
{
	size_t n = 0;
	bool begins = true;

	for (; *from && n + 2 < size; from++) {
		unsigned char c = (unsigned char)*from;

		if (c >= 0x80 || !isalnum(c)) {
			begins = true;
			continue;
		}
		if (begins && n > 0)
			to[n++] = ' ';
		to[n++] = (char)(begins ? toupper(c) : c);
		begins = false;
	}
	to[n] = '\0';
}

/* The format of units wants words that begin with a letter. */
static void own_unit(const char *meter, struct lt_focus_meter *ret)
{
	const char *last;

	title_case(meter, ret->name, sizeof(ret->name));
	last = strrchr(ret->name, ' ');
	last = last ? last + 1 : ret->name;
	snprintf(ret->unit, sizeof(ret->unit), "%s",
		 isalpha((unsigned char)last[0]) ? last : "Units");
	if (!ret->name[0])
		snprintf(ret->name, sizeof(ret->name), "Units");
}

void lt_focus_meter(const char *meter, struct lt_focus_meter *ret)
{
	*ret = (struct lt_focus_meter){0};
	for (size_t i = 0; i < LT_COUNT(buckets); i++) {
		if (strcmp(meter, buckets[i][0]) == 0)
			meter = buckets[i][1];
	}
	for (size_t i = 0; i < LT_COUNT(meters); i++) {
		const struct known_meter *m = &meters[i];

		if (strcmp(m->id, meter) != 0)
			continue;
		snprintf(ret->name, sizeof(ret->name), "%s", m->name);
		snprintf(ret->unit, sizeof(ret->unit), "%s", m->unit);
		ret->tokens = m->direction != NULL;
		ret->direction = m->direction;
		ret->cache = m->cache;
		ret->ttl = m->ttl;
		ret->modality = m->modality;
		return;
	}
	own_unit(meter, ret);
}

static void copy(char *to, size_t size, const char *from, size_t n)
{
	lt_bytes_copy(to, size, lt_bytes(from, n));
}

/* What stands behind @mark, up to the next mark or @end. */
static void copy_behind(char *to, size_t size, const char *from, const char *end, const char *marks)
{
	const char *p = from;

	to[0] = '\0';
	while (p < end && !strchr(marks, *p))
		p++;
	if (p == end)
		return;
	for (from = ++p; p < end && !strchr("=:*>", *p); p++)
		;
	copy(to, size, from, (size_t)(p - from));
}

bool lt_focus_sku(const char *price, struct lt_focus_sku *ret)
{
	const char *end = strrchr(price, '@'), *first = strchr(price, '/');
	const char *meter = end, *meter_end, *hours;

	*ret = (struct lt_focus_sku){0};
	if (!end || !first || first > end)
		return false;
	while (meter > first && meter[-1] != '/')
		meter--;
	if (meter == first + 1 || meter <= first)
		return false;
	for (meter_end = meter; meter_end < end && !strchr("=:*>", *meter_end); meter_end++)
		;
	hours = strchr(end, 'T');
	copy(ret->id, sizeof(ret->id), price, (size_t)(meter_end - price));
	copy(ret->model, sizeof(ret->model), first + 1, (size_t)(meter - 1 - (first + 1)));
	copy(ret->meter, sizeof(ret->meter), meter, (size_t)(meter_end - meter));
	copy_behind(ret->tier, sizeof(ret->tier), meter_end, end, ":*");
	copy_behind(ret->context + 1, sizeof(ret->context) - 1, meter_end, end, ">");
	ret->context[0] = ret->context[1] ? '>' : '\0';
	snprintf(ret->hours, sizeof(ret->hours), "%s", hours ? hours + 1 : "");
	snprintf(ret->price_id, sizeof(ret->price_id), "%.*s%s%s", (int)(end - price), price,
		 hours ? "@" : "", hours ? hours : "");
	return true;
}

static bool copy_label(const char *from, const char *end, char ret[LT_FOCUS_NAME])
{
	if (!from || !end || end <= from)
		return false;
	copy(ret, LT_FOCUS_NAME, from, (size_t)(end - from));
	return true;
}

bool lt_focus_region(const struct lt_call *call, char ret[LT_FOCUS_NAME])
{
	static const char vertex[] = "-aiplatform.", *const aws[] = {"bedrock", "sagemaker"};
	const char *p;

	for (size_t i = 0; i < LT_COUNT(aws); i++) {
		/* service.REGION.amazonaws.com, also behind a name of one's own (vpce) */
		if (strcmp(call->provider, aws[i]) != 0)
			continue;
		p = strstr(call->host, aws[i]);
		p = p ? strchr(p, '.') : NULL;
		return p && copy_label(p + 1, strchr(p + 1, '.'), ret);
	}
	p = strstr(call->host, vertex);
	return p && copy_label(call->host, p, ret);
}
