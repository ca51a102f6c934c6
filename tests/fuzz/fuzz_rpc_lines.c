// SPDX-License-Identifier: Apache-2.0
/* MCP over a child's standard input and output. */
#include "tests/fuzz/fuzz_protocol.h"

const struct lt_protocol *const fuzzed = &lt_rpc_lines;
