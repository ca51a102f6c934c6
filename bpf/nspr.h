/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PRFileDesc of NSPR (prio.h). Files, pipes and sockets go through the same functions as TLS
 * does: TLS is a layer that NSS pushes on a socket. A descriptor points to its methods, which say
 * what it is, to its layer's own object, and to the layer below.
 */
#pragma once

#include "bpf/entry.h"
#include "bpf/hooks.h"

enum {
	PR_DESC_SOCKET_TCP = 2,
	PR_DESC_LAYERED = 4,
	PR_MSG_PEEK = 2,
	NSPR_LAYERS_MAX = 6,
};

struct pr_file_desc {
	__u64 methods;
	__u64 secret;
	__u64 lower;
};

/* PRFilePrivate, the object of a socket. */
struct pr_file_private {
	__u32 state;
	__u32 nonblocking;
	__u32 inheritable;
	__u32 pad;
	__u64 next;
	__u32 lock_count;
	__s32 fd;
};

enum { PR_FILEDESC_OPEN = 0xaaaaaaaa }; /* its state */

/* Reads the descriptor; its type, or -1. */
static __always_inline __s32 nspr_type(__u64 address, struct pr_file_desc *ret)
{
	__s32 type = -1;

	if (bpf_probe_read_user(ret, sizeof(*ret), (const void *)address) ||
	    bpf_probe_read_user(&type, sizeof(type), (const void *)untag(ret->methods)))
		return -1;
	return type;
}

/*
 * Whether TLS is among the layers. The type of NSS's layer is the same as any other's, but its
 * object (sslSocket) begins with a pointer to the descriptor that it belongs to. NSS sets that
 * pointer at each use: until the first use after another layer came on top it shows the top.
 */
static __always_inline bool nspr_is_tls(__u64 top)
{
	__u64 address = top;
	int i;

	for (i = 0; i < NSPR_LAYERS_MAX; i++) {
		struct pr_file_desc desc;
		__u64 owner = 0;

		if (nspr_type(address, &desc) != PR_DESC_LAYERED)
			return false;
		if (bpf_probe_read_user(&owner, sizeof(owner), (const void *)untag(desc.secret)) ==
			    0 &&
		    owner && (untag(owner) == address || untag(owner) == top))
			return true;
		address = untag(desc.lower);
	}
	return false;
}

/* Whether the call moves bytes of a TLS connection: PR_Recv may only look at them. */
static __always_inline bool nspr_takes_tls(__u64 top, __u32 hook, __u64 flags)
{
	return !(hook == LT_HOOK_RECV && (flags & PR_MSG_PEEK)) && nspr_is_tls(top);
}

/* The socket below all layers, -1: not known. */
static __always_inline __s32 nspr_fd(__u64 top)
{
	struct pr_file_private socket;
	struct pr_file_desc desc;
	__u64 address = top;
	__s32 type = -1;
	int i;

	for (i = 0; i < NSPR_LAYERS_MAX; i++) {
		type = nspr_type(address, &desc);
		if (type != PR_DESC_LAYERED)
			break;
		address = untag(desc.lower);
	}
	if (type != PR_DESC_SOCKET_TCP ||
	    bpf_probe_read_user(&socket, sizeof(socket), (const void *)untag(desc.secret)) ||
	    socket.state != PR_FILEDESC_OPEN)
		return -1;
	return socket.fd;
}
