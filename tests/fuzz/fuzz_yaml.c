// SPDX-License-Identifier: Apache-2.0
/* YAML of config and catalog: any bytes give a tree or a problem, never both and never neither. */
#include <assert.h>

#include "userspace/base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = {"a", "provider", "hosts", NULL};
	struct lt_problem problem = {0};
	struct lt_yaml *yaml = NULL;
	int r = lt_yaml_parse(lt_bytes(data, size), "fuzz", &yaml, &problem);

	assert((r == 0) == (yaml != NULL));
	assert(r == 0 || problem.text[0]);
	if (yaml)
		lt_ignore(lt_yaml_check_keys(yaml, lt_yaml_root(yaml), known, &problem));
	lt_yaml_free(yaml);
	return 0;
}
