/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32 as of IEEE 802.3, the one of gzip and of AWS event streams. */
#pragma once

#include "userspace/base/bytes.h"

/* Continues @crc (0 at the beginning) over @data. */
uint32_t lt_crc32(uint32_t crc, struct lt_bytes data);
