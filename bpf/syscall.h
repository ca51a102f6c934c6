/* SPDX-License-Identifier: Apache-2.0 */
/* What the system call that the current task is in says of the bytes that it moves. */
#pragma once

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/events.h"

/* Numbers of the 64-bit system calls (asm/unistd_64.h, asm-generic/unistd.h). */
#ifdef __TARGET_ARCH_arm64
enum {
	NR_READ = 63,
	NR_WRITE = 64,
	NR_READV = 65,
	NR_WRITEV = 66,
	NR_SENDTO = 206,
	NR_RECVFROM = 207,
	NR_SENDMSG = 211,
	NR_RECVMSG = 212,
};
#else
enum {
	NR_READ = 0,
	NR_WRITE = 1,
	NR_READV = 19,
	NR_WRITEV = 20,
	NR_SENDTO = 44,
	NR_RECVFROM = 45,
	NR_SENDMSG = 46,
	NR_RECVMSG = 47,
};
#endif

/* Flags with which a call takes nothing out of the stream: it only looks, or asks what became of
 * what was sent. */
enum { MSG_PEEK = 0x02, MSG_ERRQUEUE = 0x2000 };

struct user_iovec {
	__u64 base;
	__u64 len;
};

/* struct user_msghdr, linux/socket.h. */
struct user_message {
	__u64 name;
	__u64 name_len;
	__u64 iov;
	__u64 iov_len;
};

struct syscall {
	__u32 fd;
	__u32 dir;
	__u64 buf; /* 0: the bytes are where the iovecs say */
	__u64 iov;
};

/* Its number, -1: none that a 64-bit program can be in. The registers are those of user space. */
static __always_inline long syscall_number(struct pt_regs *regs)
{
#ifdef __TARGET_ARCH_arm64
	/* PSR_MODE32_BIT: other numbers, other structs. */
	return BPF_CORE_READ(regs, user_regs.pstate) & 0x10 ? -1 : BPF_CORE_READ(regs, syscallno);
#else
	/* The code segment of 64-bit user space; a 32-bit program's is another, a kernel thread has
	 * none. */
	return (BPF_CORE_READ(regs, cs) & 0xffff) == 0x33 ? (long)BPF_CORE_READ(regs, orig_ax) : -1;
#endif
}

static __always_inline bool syscall_moves_bytes(long number)
{
	return number == NR_READ || number == NR_WRITE || number == NR_SENDTO ||
	       number == NR_RECVFROM || number == NR_SENDMSG || number == NR_RECVMSG ||
	       number == NR_READV || number == NR_WRITEV;
}

static __always_inline bool is_msg(long number)
{
	return number == NR_SENDMSG || number == NR_RECVMSG;
}

static __always_inline bool syscall_only_looks(struct pt_regs *regs, long number)
{
	__u64 flags = 0;

	if (number == NR_RECVFROM)
		flags = PT_REGS_PARM4_CORE_SYSCALL(regs);
	else if (number == NR_RECVMSG)
		flags = PT_REGS_PARM3_CORE_SYSCALL(regs);
	return flags & (MSG_PEEK | MSG_ERRQUEUE);
}

/* False: no call whose bytes we know where to find. */
static __always_inline bool syscall_read(struct pt_regs *regs, long number, struct syscall *ret)
{
	__u64 second;

	if (!syscall_moves_bytes(number))
		return false;
	ret->fd = PT_REGS_PARM1_CORE_SYSCALL(regs);
	ret->dir = number == NR_WRITE || number == NR_SENDTO || number == NR_SENDMSG ||
				   number == NR_WRITEV
			   ? LT_DIR_WRITE
			   : LT_DIR_READ;
	second = PT_REGS_PARM2_CORE_SYSCALL(regs);
	ret->buf = 0;
	ret->iov = 0;
	if (is_msg(number)) {
		struct user_message message = {};

		if (bpf_probe_read_user(&message, sizeof(message), (const void *)second))
			return false;
		ret->iov = message.iov;
	} else if (number == NR_READV || number == NR_WRITEV) {
		ret->iov = second;
	} else {
		ret->buf = second;
	}
	return true;
}
