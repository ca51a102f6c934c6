// SPDX-License-Identifier: Apache-2.0
/* Kinds of keys by their public prefixes: data. */
#include "userspace/base/cleanup.h"
#include "userspace/decode/credential.h"

enum { ANY_LENGTH = 0 };

/*
 * The first line that fits wins, so a longer prefix stands before a shorter one. @only: keys that
 * go to this provider, NULL: whoever is asked. @n: the whole length of the key.
 *
 * Sources: the providers' own pages on keys, and the pattern lists of public secret scanners.
 */
static const struct {
	const char *prefix, *only;
	size_t n;
	struct lt_key_kind kind;
} table[] = {
	/* clang-format off */
	{"sk-proj-",        NULL, ANY_LENGTH, {"openai_project", "openai", 0}},
	{"sk-svcacct-",     NULL, ANY_LENGTH, {"openai_service_account", "openai", 0}},
	{"sk-admin-",       NULL, ANY_LENGTH, {"openai_admin", "openai", LT_KEY_ADMIN}},
	{"sk-None-",        NULL, ANY_LENGTH, {"openai_user", "openai", 0}},
	{"sess-",           "openai", ANY_LENGTH, {"openai_session", "openai", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"ek_",             "openai", ANY_LENGTH, {"openai_ephemeral", "openai", LT_KEY_SHORT}},
	{"sk-ant-api",      NULL, ANY_LENGTH, {"anthropic_api_key", "anthropic", 0}},
	{"sk-ant-admin",    NULL, ANY_LENGTH, {"anthropic_admin", "anthropic", LT_KEY_ADMIN}},
	{"sk-ant-oat",      NULL, ANY_LENGTH, {"anthropic_oauth", "anthropic", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"sk-ant-sid",      NULL, ANY_LENGTH, {"anthropic_session", "anthropic", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"sk-or-v1-",       NULL, ANY_LENGTH, {"openrouter_api_key", "openrouter", 0}},
	{"sk-helicone-",    NULL, ANY_LENGTH, {"helicone_api_key", "helicone", 0}},
	{"sk-lf-",          NULL, ANY_LENGTH, {"langfuse_secret", "langfuse", 0}},
	{"AIza",            NULL, ANY_LENGTH, {"google_api_key", "gemini", 0}},
	{"AQ.",             NULL, ANY_LENGTH, {"google_bound_key", "gemini", 0}},
	{"ya29.c.",         NULL, ANY_LENGTH, {"google_service_account", "gemini", LT_KEY_SHORT}},
	{"ya29.",           NULL, ANY_LENGTH, {"google_oauth", "gemini", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"AKIA",            NULL, ANY_LENGTH, {"aws_access_key", "bedrock", 0}},
	{"ASIA",            NULL, ANY_LENGTH, {"aws_temporary", "bedrock", LT_KEY_SHORT}},
	{"ABSK",            NULL, ANY_LENGTH, {"aws_bedrock_key", "bedrock", 0}},
	{"bedrock-api-key-", NULL, ANY_LENGTH, {"aws_bedrock_temporary", "bedrock", LT_KEY_SHORT}},
	{"gsk_",            NULL, ANY_LENGTH, {"groq_api_key", "groq", 0}},
	{"xai-token-",      NULL, ANY_LENGTH, {"xai_management", "xai", LT_KEY_ADMIN}},
	{"xai-",            NULL, ANY_LENGTH, {"xai_api_key", "xai", 0}},
	{"pplx-",           NULL, ANY_LENGTH, {"perplexity_api_key", "perplexity", 0}},
	{"hf_",             NULL, ANY_LENGTH, {"huggingface_user", "huggingface", 0}},
	{"api_org_",        NULL, ANY_LENGTH, {"huggingface_organization", "huggingface", 0}},
	{"r8_",             NULL, ANY_LENGTH, {"replicate_api_key", "replicate", 0}},
	{"fw_",             NULL, ANY_LENGTH, {"fireworks_api_key", "fireworks", 0}},
	{"nvapi-",          NULL, ANY_LENGTH, {"nvidia_api_key", "nvidia", 0}},
	{"csk-",            NULL, ANY_LENGTH, {"cerebras_api_key", "cerebras", 0}},
	{"tgp_v1_",         NULL, ANY_LENGTH, {"together_api_key", "together", 0}},
	{"flp_",            NULL, ANY_LENGTH, {"friendli_api_key", "friendli", 0}},
	{"vck_",            NULL, ANY_LENGTH, {"vercel_gateway_key", "vercel-gateway", 0}},
	{"jina_",           NULL, ANY_LENGTH, {"jina_api_key", "jina", 0}},
	{"up_",             "upstage", ANY_LENGTH, {"upstage_api_key", "upstage", 0}},
	{"pa-",             "voyage", ANY_LENGTH, {"voyage_api_key", "voyage", 0}},
	{"dapi",            "databricks", ANY_LENGTH, {"databricks_token", "databricks", 0}},
	{"tid=",            NULL, ANY_LENGTH, {"github_copilot", "github-copilot", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"ghu_",            NULL, ANY_LENGTH, {"github_app_user", "github", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"gho_",            NULL, ANY_LENGTH, {"github_oauth", "github", LT_KEY_PERSONAL}},
	{"ghp_",            NULL, ANY_LENGTH, {"github_personal", "github", LT_KEY_PERSONAL}},
	{"github_pat_",     NULL, ANY_LENGTH, {"github_personal", "github", LT_KEY_PERSONAL}},
	{"ghs_",            NULL, ANY_LENGTH, {"github_app", "github", LT_KEY_SHORT}},
	{"pcsk_",           NULL, ANY_LENGTH, {"pinecone_api_key", "pinecone", 0}},
	{"tvly-",           NULL, ANY_LENGTH, {"tavily_api_key", "tavily", 0}},
	{"fc-",             "firecrawl", ANY_LENGTH, {"firecrawl_api_key", "firecrawl", 0}},
	{"e2b_",            NULL, ANY_LENGTH, {"e2b_api_key", "e2b", 0}},
	{"bb_live_",        NULL, ANY_LENGTH, {"browserbase_api_key", "browserbase", 0}},
	{"apify_api_",      NULL, ANY_LENGTH, {"apify_token", "apify", 0}},
	{"lsv2_pt_",        NULL, ANY_LENGTH, {"langsmith_personal", "langsmith", 0}},
	{"lsv2_sk_",        NULL, ANY_LENGTH, {"langsmith_service", "langsmith", 0}},
	{"ntn_",            NULL, ANY_LENGTH, {"notion_token", "notion", 0}},
	{"SG.",             NULL, ANY_LENGTH, {"sendgrid_api_key", "sendgrid", 0}},
	{"xoxb-",           NULL, ANY_LENGTH, {"slack_bot", "slack", 0}},
	{"xoxp-",           NULL, ANY_LENGTH, {"slack_user", "slack", LT_KEY_PERSONAL}},
	{"sk_live_",        "stripe", ANY_LENGTH, {"stripe_secret", "stripe", 0}},
	{"rk_live_",        "stripe", ANY_LENGTH, {"stripe_restricted", "stripe", 0}},
	{"sk_",             "elevenlabs", ANY_LENGTH, {"elevenlabs_api_key", "elevenlabs", 0}},
	/* What several give is told by who is asked. */
	{"eyJ",             "chatgpt-codex", ANY_LENGTH, {"openai_oauth", "openai", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"eyJ",             "openai", ANY_LENGTH, {"openai_oauth", "openai", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"eyJ",             "azure", ANY_LENGTH, {"azure_entra", "azure", LT_KEY_SHORT}},
	{"eyJ",             "github-copilot", ANY_LENGTH, {"github_copilot", "github-copilot", LT_KEY_PERSONAL | LT_KEY_SHORT}},
	{"eyJ",             NULL, ANY_LENGTH, {"jwt", "", LT_KEY_SHORT}},
	{"sk-",             "openai", ANY_LENGTH, {"openai_user", "openai", 0}},
	{"sk-",             "deepseek", ANY_LENGTH, {"deepseek_api_key", "deepseek", 0}},
	{"sk-",             "alibaba", ANY_LENGTH, {"alibaba_api_key", "alibaba", 0}},
	{"sk-",             "moonshot", ANY_LENGTH, {"moonshot_api_key", "moonshot", 0}},
	{"sk-",             "stability", ANY_LENGTH, {"stability_api_key", "stability", 0}},
	{"sk-",             NULL, ANY_LENGTH, {"sk_key", "", 0}}, /* LiteLLM's virtual keys, and many others */
	{"",                "azure", 32, {"azure_api_key", "azure", 0}},
	{"",                "azure", 84, {"azure_api_key", "azure", 0}},
	{"",                "mistral", 32, {"mistral_api_key", "mistral", 0}},
	{"",                "cohere", 40, {"cohere_api_key", "cohere", 0}},
	/* clang-format on */
};

const struct lt_key_kind *lt_key_kind(struct lt_bytes key, const char *provider)
{
	for (size_t i = 0; key.n > 0 && i < LT_COUNT(table); i++) {
		if (lt_bytes_starts(key, table[i].prefix) &&
		    (table[i].n == ANY_LENGTH || table[i].n == key.n) &&
		    (!table[i].only || strcmp(table[i].only, provider) == 0))
			return &table[i].kind;
	}
	return NULL;
}

const struct lt_key_kind *lt_key_kind_named(const char *name)
{
	for (size_t i = 0; i < LT_COUNT(table); i++) {
		if (strcmp(table[i].kind.name, name) == 0)
			return &table[i].kind;
	}
	return NULL;
}

const struct lt_key_kind *lt_key_kind_at(size_t i)
{
	return i < LT_COUNT(table) ? &table[i].kind : NULL;
}
