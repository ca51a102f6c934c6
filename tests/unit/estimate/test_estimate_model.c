// SPDX-License-Identifier: Apache-2.0
#include "userspace/estimate/estimate_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/base/cleanup.h"

static void openai_models_have_an_encoding(void **state)
{
	static const char *const o200k[] = {
		"gpt-4o",	"gpt-4o-mini-2024-07-18",
		"gpt-4.1-nano", "gpt-4.5-preview",
		"gpt-5",	"gpt-5-mini",
		"gpt-5.6-sol",	"o1",
		"o1-preview",	"o3-mini",
		"o4-mini",	"chatgpt-4o-latest",
		"openai/gpt-5", "ft:gpt-4o-mini:x:y:z",
		"openai/o3",	"openai.gpt-oss-120b-1:0",
		"GPT-4o",	"azure/openai/gpt-4.1",
	};
	static const char *const cl100k[] = {
		"gpt-4",
		"gpt-4-0613",
		"gpt-4-turbo",
		"gpt-3.5-turbo",
		"gpt-35-turbo",
		"text-embedding-3-small",
		"text-embedding-3-large",
		"text-embedding-ada-002",
		"ft:gpt-3.5-turbo-0125:x",
		"ft:davinci-002:x",
		"openai/gpt-4",
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(o200k); i++)
		assert_string_equal(lt_encoding_for_model(lt_bytes_str(o200k[i])), "o200k_base");
	for (size_t i = 0; i < LT_COUNT(cl100k); i++)
		assert_string_equal(lt_encoding_for_model(lt_bytes_str(cl100k[i])), "cl100k_base");
}

static void others_have_none(void **state)
{
	static const char *const none[] = {
		"",
		"/",
		"claude-sonnet-5",
		"gemini-2.5-pro",
		"text-embedding-004",
		"gpt-2",
		"gpt-4x",
		"gpt-50",
		"o10",
		"o1x",
		"o3d",
		"olmo-2",
		"gpt",
		"gpt-4o/llama-3",
		"davinci",
		"gpt-j",
		"not-gpt-4o-1",
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(none); i++)
		assert_null(lt_encoding_for_model(lt_bytes_str(none[i])));
	assert_null(lt_encoding_for_model(lt_bytes(NULL, 0)));
	/* The name may end anywhere, without a NUL. */
	assert_null(lt_encoding_for_model(lt_bytes("gpt-4o", 4)));
	assert_string_equal(lt_encoding_for_model(lt_bytes("gpt-4omega", 6)), "o200k_base");
}

static void a_model_has_a_family(void **state)
{
	static const struct {
		const char *model, *family;
	} models[] = {
		{"claude-sonnet-4-5-20250929", "claude"},
		{"us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude"},
		{"gemini-2.5-flash", "gemini"},
		{"google/gemma-3-27b-it", "gemini"},
		{"mistral-large-latest", "mistral"},
		{"mistralai/Mixtral-8x7B", "mistral"},
		{"codestral-2501", "mistral"},
		{"meta-llama/Meta-Llama-3.1-70B", "llama"},
		{"Qwen/Qwen3-4B", "qwen"},
		{"qwq-32b", "qwen"},
		{"deepseek-chat", "deepseek"},
		{"deepseek-r1-distill-llama-70b", "llama"},
		{"grok-4", "other"},
		{"", "other"},
		{"llam", "other"},
	};

	(void)state;
	for (size_t i = 0; i < LT_COUNT(models); i++)
		assert_string_equal(lt_family_of_model(lt_bytes_str(models[i].model))->name,
				    models[i].family);
	assert_string_equal(lt_family_of_model(lt_bytes(NULL, 0))->name, "other");
}

static void bytes_become_tokens(void **state)
{
	const struct lt_model_family *claude = lt_family_of_model(lt_bytes_str("claude"));

	(void)state;
	assert_int_equal(claude->bytes_per_1000_tokens, 4000);
	assert_int_equal(lt_tokens_of_bytes(claude, 0), 0);
	assert_int_equal(lt_tokens_of_bytes(claude, 1), 1);
	assert_int_equal(lt_tokens_of_bytes(claude, 5), 1);
	assert_int_equal(lt_tokens_of_bytes(claude, 6), 2);
	assert_int_equal(lt_tokens_of_bytes(claude, 4000000), 1000000);
	assert_true(lt_tokens_of_bytes(claude, UINT64_MAX) == 1ULL << 62);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openai_models_have_an_encoding),
		cmocka_unit_test(others_have_none),
		cmocka_unit_test(a_model_has_a_family),
		cmocka_unit_test(bytes_become_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
