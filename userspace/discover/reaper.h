/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detaches beside the others: the kernel waits for grace periods, tens of milliseconds for every
 * file, and who notices new files must not. Its threads come when there is work and stay.
 */
#pragma once

#include <stdbool.h>

#include "userspace/capture/capture.h"

struct lt_reaper;

LT_MUST_CHECK int lt_reaper_new(struct lt_reaper **ret);
/* Takes over @a. False when it has too many already: then @a stays the caller's. One thread. */
LT_MUST_CHECK bool lt_reaper_take(struct lt_reaper *r, struct lt_attachment *a);
/* When all that it took is detached. Returns NULL. */
struct lt_reaper *lt_reaper_free(struct lt_reaper *r);
LT_DEFINE_FREEP(lt_reaper_free, struct lt_reaper)
