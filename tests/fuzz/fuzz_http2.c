// SPDX-License-Identifier: Apache-2.0
/* HTTP/2. */
#include "tests/fuzz/fuzz_protocol.h"

const struct lt_protocol *const fuzzed = &lt_http2;
