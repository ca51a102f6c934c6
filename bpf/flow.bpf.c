// SPDX-License-Identifier: Apache-2.0
/*
 * Connections to watched ports, whoever encrypts them: who opened each, how its first bytes look
 * (the ClientHello names the host), how many bytes went each way. It fires when a socket changes
 * its state; per packet there is only the program at the root cgroup, which for other ports is two
 * loads. It never refuses a packet.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/emit.h"
#include "bpf/process.h"

/* Set before load, network byte order; 0: none. */
const volatile __u16 lt_flow_ports[LT_FLOW_PORTS_MAX];

struct flow {
	__u64 cookie; /* 0: not established yet */
	__u64 start_ns;
	__u64 process_start_ns;
	__u64 cgroup_id;
	__u32 tgid;
	__u32 uid;
	__u16 port;
	__u8 told; /* userspace knows of it */
	__u8 pad[5];
};

/* What is known of the beginning of a connection. */
struct hello {
	__u64 sock;
	__u32 seq; /* of the byte that comes next */
	__u32 taken;
	__u32 wanted; /* 0: nothing was sent yet */
	__u32 whole;  /* see struct lt_event_hello */
	__u32 packets;
	__u32 pad;
};

/* By struct sock. Deleted when it closes; least recently used, should a close be missed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct flow);
} flows SEC(".maps");

/* By socket cookie: the connections whose ClientHello is still awaited. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct hello);
} hellos SEC(".maps");

static __always_inline bool is_watched(__u16 port)
{
	int i;

#pragma unroll
	for (i = 0; i < LT_FLOW_PORTS_MAX; i++) {
		if (lt_flow_ports[i] == 0)
			return false;
		if (lt_flow_ports[i] == port)
			return true;
	}
	return false;
}

/* Runs in the process that connects. */
static __always_inline void flow_opens(struct sock *sk)
{
	struct task_struct *leader = current_leader();
	__u64 key = (__u64)sk;
	struct flow flow = {
		.start_ns = bpf_ktime_get_boot_ns(),
		.process_start_ns = BPF_CORE_READ(leader, start_boottime),
		.cgroup_id = task_cgroup_id(leader),
		.tgid = bpf_get_current_pid_tgid() >> 32,
		.uid = (__u32)bpf_get_current_uid_gid(),
		.port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)),
	};

	if (flow.tgid == lt_own_tgid) /* the agent's, to the API server */
		return;
	if (bpf_map_update_elem(&flows, &key, &flow, BPF_ANY))
		count(LT_KC_CALLS_LOST, 1);
}

/* The cookie was given when the first packet went through the program at the root cgroup. */
static __always_inline void flow_established(struct sock *sk)
{
	__u64 key = (__u64)sk, cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	struct flow *flow = bpf_map_lookup_elem(&flows, &key);
	struct hello hello = {.sock = key};

	if (!flow || cookie == 0)
		return;
	flow->cookie = cookie;
	bpf_map_update_elem(&hellos, &cookie, &hello, BPF_ANY);
}

/* What is known without a look at the socket: programs for packets may not follow its pointers on
 * all kernels. */
static __always_inline void fill_flow(struct lt_event_flow *e, __u32 type, __u64 sock,
				      const struct flow *flow)
{
	e->head.type = type;
	e->head.tgid = flow->tgid;
	e->head.ts_ns = bpf_ktime_get_boot_ns();
	e->socket_cookie = flow->cookie;
	e->sock = sock;
	e->start_ns = flow->start_ns;
	e->process_start_ns = flow->process_start_ns;
	e->cgroup_id = flow->cgroup_id;
	e->sent = e->received = 0;
	e->uid = flow->uid;
	e->port = flow->port;
	e->ended = 0;
	e->pad = 0;
}

static __always_inline void fill_bytes(struct lt_event_flow *e, struct sock *sk)
{
	const struct tcp_sock *tcp = (const struct tcp_sock *)sk;
	unsigned long flags = BPF_CORE_READ(sk, __sk_common.skc_flags);
	__u32 done = bpf_core_enum_value(enum sock_flags, SOCK_DONE);
	__u64 sent = BPF_CORE_READ(tcp, bytes_sent), again = BPF_CORE_READ(tcp, bytes_retrans);
	__u64 received = BPF_CORE_READ(tcp, bytes_received);

	/* The peer's end takes a place in the sequence, but is no byte of payload. */
	if (received > 0 && flags >> (done & 63) & 1)
		received--;
	e->sent = sent > again ? sent - again : 0;
	e->received = received;
}

static __always_inline void emit_flow(struct sock *sk, const struct flow *flow, bool ended)
{
	struct lt_event_flow *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		count(LT_KC_LOST_EVENTS, 1);
		return;
	}
	fill_flow(e, LT_EVENT_FLOW, (__u64)sk, flow);
	fill_bytes(e, sk);
	e->ended = ended;
	bpf_ringbuf_submit(e, wakeup_flags());
}

static __always_inline void flow_ends(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct flow *flow = bpf_map_lookup_elem(&flows, &key);

	if (!flow)
		return;
	if (flow->told)
		emit_flow(sk, flow, true);
	else if (flow->cookie)
		bpf_map_delete_elem(&hellos, &flow->cookie);
	bpf_map_delete_elem(&flows, &key);
}

SEC("raw_tp/inet_sock_set_state")
int lt_flow_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	int before = ctx->args[1], now = ctx->args[2];

	if (now != TCP_CLOSE && now != TCP_SYN_SENT &&
	    (now != TCP_ESTABLISHED || before != TCP_SYN_SENT))
		return 0;
	if (!is_watched(BPF_CORE_READ(sk, __sk_common.skc_dport)) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (now == TCP_SYN_SENT)
		flow_opens(sk);
	else if (now == TCP_ESTABLISHED)
		flow_established(sk);
	else
		flow_ends(sk);
	return 0;
}

/* Not attached: run by the agent, which asks for one flow's bytes so far. */
SEC("raw_tp")
int lt_flow_look(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 key = ctx->args[0], cookie = ctx->args[1];
	struct flow *flow = bpf_map_lookup_elem(&flows, &key);

	if (flow && flow->cookie == cookie)
		emit_flow((struct sock *)key, flow, false);
	return 0;
}

/* Where the payload of a TCP packet begins, which itself begins with its IP header. 0: there is
 * none. */
static __always_inline __u32 find_payload(struct __sk_buff *skb, __u32 *ret_seq)
{
	enum { IPV4_PROTOCOL = 9, IPV6_NEXT = 6, IPV6_SIZE = 40 };
	enum { TCP_SEQ = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_SIZE = 20, SYN = 2 };
	__u8 first, protocol, tcp[TCP_SIZE];
	__u32 at, next = IPV6_NEXT;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return 0;
	at = IPV6_SIZE;
	if (first >> 4 == 4) {
		at = (first & 15) * 4;
		next = IPV4_PROTOCOL;
	}
	if (bpf_skb_load_bytes(skb, next, &protocol, 1) || protocol != IPPROTO_TCP ||
	    bpf_skb_load_bytes(skb, at, tcp, sizeof(tcp)) || tcp[TCP_FLAGS] & SYN)
		return 0;
	*ret_seq = (__u32)tcp[TCP_SEQ] << 24 | tcp[TCP_SEQ + 1] << 16 | tcp[TCP_SEQ + 2] << 8 |
		   tcp[TCP_SEQ + 3];
	at += (tcp[TCP_OFFSET] >> 4) * 4;
	return at < skb->len ? at : 0;
}

/* How much is wanted of a connection that begins at @at: its ClientHello. 0: there is none. */
static __always_inline __u32 wanted_of(struct __sk_buff *skb, __u32 at, __u32 *ret_whole)
{
	enum { HANDSHAKE = 22, CLIENT_HELLO = 1 };
	__u8 head[9];
	__u32 record, message;

	/* A client that writes the head alone, or less: all that comes may belong to it. */
	if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
		return LT_HELLO_MAX;
	record = head[3] << 8 | head[4];
	message = head[6] << 16 | head[7] << 8 | head[8];
	if (head[0] != HANDSHAKE || head[5] != CLIENT_HELLO)
		return 0;
	if (record >= message + 4)
		*ret_whole = message + 9;
	if (*ret_whole == 0 || *ret_whole > LT_HELLO_MAX)
		return LT_HELLO_MAX;
	return *ret_whole;
}

static __always_inline void emit_hello(struct __sk_buff *skb, const struct hello *hello, __u32 at,
				       __u32 len, const __u32 class)
{
	__u64 key = hello->sock;
	struct flow *flow = bpf_map_lookup_elem(&flows, &key);
	struct lt_event_hello *e;

	if (!flow)
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e) + class, 0);
	if (!e) {
		count(LT_KC_LOST_EVENTS, 1);
		return;
	}
	fill_flow(&e->flow, LT_EVENT_HELLO, key, flow);
	e->position = hello->taken;
	e->whole = hello->whole;
	e->pad = 0;
	if (len > class)
		len = class;
	barrier_var(len);
	if (len == 0 || len > class || bpf_skb_load_bytes(skb, at, e->data, len)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		count(LT_KC_SHORT_READS, 1);
		return;
	}
	e->len = len;
	flow->told = 1;
	/* It begins: userspace looks at the process while it surely lives. */
	bpf_ringbuf_submit(e, hello->taken == 0 ? BPF_RB_FORCE_WAKEUP : wakeup_flags());
}

/* Whether more of the connection is wanted after this packet. */
static __always_inline bool take(struct __sk_buff *skb, struct hello *hello)
{
	__u32 seq, len, at = find_payload(skb, &seq);

	if (at == 0)
		return true;
	len = skb->len - at;
	if (hello->wanted == 0) {
		hello->wanted = wanted_of(skb, at, &hello->whole);
		hello->seq = seq;
		if (hello->wanted == 0)
			return false;
	}
	if (seq != hello->seq) /* sent again */
		return true;
	hello->seq += len;
	hello->packets++;
	if (len > hello->wanted - hello->taken)
		len = hello->wanted - hello->taken;
	if (len <= 1024)
		emit_hello(skb, hello, at, len, 1024);
	else
		emit_hello(skb, hello, at, len, LT_HELLO_MAX);
	hello->taken += len;
	return hello->taken < hello->wanted && hello->packets < LT_HELLO_PACKETS;
}

SEC("cgroup_skb/egress")
int lt_flow_hello(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct hello *hello;
	__u64 cookie;

	if (!sk || !is_watched(sk->dst_port))
		return 1;
	cookie = bpf_get_socket_cookie(skb);
	hello = bpf_map_lookup_elem(&hellos, &cookie);
	if (hello && !take(skb, hello))
		bpf_map_delete_elem(&hellos, &cookie);
	return 1;
}
