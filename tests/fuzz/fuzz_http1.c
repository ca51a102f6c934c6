// SPDX-License-Identifier: Apache-2.0
/* HTTP/1, WebSocket behind it. */
#include "tests/fuzz/fuzz_protocol.h"

const struct lt_protocol *const fuzzed = &lt_http1;
