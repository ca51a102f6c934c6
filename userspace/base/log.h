/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event on stderr. Only cmd/ and control/ log; never a byte that came from the wire.
 */
#pragma once

#include "userspace/base/cleanup.h"

enum lt_log_level { LT_LOG_ERROR, LT_LOG_WARN, LT_LOG_INFO, LT_LOG_DEBUG };

/* Lines above this level are dropped. Default LT_LOG_INFO. */
void lt_log_set_level(enum lt_log_level level);
/* "error" | "warn" | "info" | "debug"; -EINVAL else. */
LT_MUST_CHECK int lt_log_parse_level(const char *text, enum lt_log_level *ret);
/* Under systemd (JOURNAL_STREAM set) lines carry "<3>" style priorities instead of time and level.
 */
void lt_log(enum lt_log_level level, const char *format, ...) LT_PRINTF(2, 3);

#define lt_log_error(...) lt_log(LT_LOG_ERROR, __VA_ARGS__)
#define lt_log_warn(...)  lt_log(LT_LOG_WARN, __VA_ARGS__)
#define lt_log_info(...)  lt_log(LT_LOG_INFO, __VA_ARGS__)
#define lt_log_debug(...) lt_log(LT_LOG_DEBUG, __VA_ARGS__)
