// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/features.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "userspace/base/cleanup.h"
#include "userspace/capture/map_watch.h"
#include "userspace/capture/uprobe_multi.h"
#include "userspace/capture/uprobe_perf.h"

/* Loads "return 0", or "call @helper" before it. A file descriptor or negative errno. */
static int load_tiny(enum bpf_prog_type type, int helper, unsigned attach_type)
{
	struct bpf_insn plain[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_insn calling[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = helper},
		plain[0],
		plain[1],
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach_type);
	int fd;

	fd = bpf_prog_load(type, "lt_probe", "GPL", helper ? calling : plain,
			   helper ? LT_COUNT(calling) : LT_COUNT(plain), &opts);
	return fd < 0 ? -errno : fd;
}

static bool loads(int helper)
{
	lt_defer(lt_closep)
	int fd = load_tiny(BPF_PROG_TYPE_KPROBE, helper, 0);

	/* A kernel that knows the helper may still refuse its arguments, but not as unknown
	 * (-EINVAL). */
	return fd >= 0 || fd == -EACCES;
}

/* Links a program that does nothing to a place in our own binary. */
static bool multi_works(void)
{
	lt_defer(lt_closep)
	int prog = load_tiny(BPF_PROG_TYPE_KPROBE, 0, LT_BPF_TRACE_UPROBE_MULTI);
	lt_defer(lt_closep)
	int link = -1;
	uint64_t offset = 0, cookie = 1; /* the ELF header: never executed */

	if (prog < 0)
		return false;
	link = lt_uprobe_multi_link(prog, "/proc/self/exe", &offset, &cookie, 1, false);
	return link >= 0;
}

static bool has_cgroup_skb(void)
{
	lt_defer(lt_closep)
	int prog = load_tiny(BPF_PROG_TYPE_CGROUP_SKB, 0, BPF_CGROUP_INET_EGRESS);

	return prog >= 0;
}

static void look_into_btf(struct lt_features *ret)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return;
	ret->preempt_guard = btf__find_by_name_kind(btf, "bpf_preempt_disable", BTF_KIND_FUNC) > 0;
	ret->socket_events =
		btf__find_by_name_kind(btf, "btf_trace_sock_send_length", BTF_KIND_TYPEDEF) > 0 &&
		btf__find_by_name_kind(btf, "btf_trace_sock_recv_length", BTF_KIND_TYPEDEF) > 0;
	ret->exec_prepared = btf__find_by_name_kind(btf, "btf_trace_sched_prepare_exec",
						    BTF_KIND_TYPEDEF) > 0;
	btf__free(btf);
}

static bool map_files_open(void)
{
	char path[sizeof("/proc/self/map_files/") + sizeof(((struct dirent *)0)->d_name)];
	DIR *dir = opendir("/proc/self/map_files");
	struct dirent *entry;
	bool works = false;

	if (!dir)
		return false;
	while (!works && (entry = readdir(dir))) {
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/map_files/%s", entry->d_name);
		file = fopen(path, "re");
		works = file != NULL;
		if (file)
			fclose(file);
	}
	closedir(dir);
	return works;
}

#ifdef __x86_64__
enum { SYSCALL_URETPROBE = 335 };

__attribute__((noinline)) static int probed(int n)
{
	__asm__ volatile("" : "+r"(n));
	return n;
}

struct place {
	uint64_t address, offset;
};

static int find_in_file(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *place = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && place->address >= start &&
		    place->address - start < segment->p_filesz)
			place->offset = place->address - start + segment->p_offset;
	}
	return 1; /* the program itself comes first */
}

/* In a child: what filters of containers do with a system call that they do not know. */
static void call_under_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYSCALL_URETPROBE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = LT_COUNT(code), .filter = code};

	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		_exit(0);
	_exit(probed(0));
}

/* Tried with a return probe on a function of ours. */
static bool uretprobe_kills(void)
{
	struct place place = {.address = (uint64_t)(uintptr_t)probed};
	struct lt_uprobe_perf probe = {-1, -1};
	lt_defer(lt_closep)
	int prog = load_tiny(BPF_PROG_TYPE_KPROBE, 0, 0);
	int status = 0;
	pid_t child;

	dl_iterate_phdr(find_in_file, &place);
	if (prog < 0 || place.offset == 0 ||
	    lt_uprobe_perf_open(prog, "/proc/self/exe", place.offset, 0, true, false, &probe) < 0)
		return false;
	child = fork();
	if (child == 0)
		call_under_filter();
	if (child > 0)
		waitpid(child, &status, 0);
	lt_uprobe_perf_unlink(&probe);
	lt_closep(&probe.event);
	return child > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}
#else
static bool uretprobe_kills(void)
{
	return false; /* no system call there */
}
#endif

static bool mmap_events_work(void)
{
	struct lt_map_watch *watch;

	if (lt_map_watch_open(&watch) < 0)
		return false;
	lt_map_watch_free(watch);
	return true;
}

void lt_features_probe(struct lt_features *ret)
{
	struct utsname name;
	int fd;

	memset(ret, 0, sizeof(*ret));
	libbpf_set_print(NULL); /* what is missing is told by our callers */
	if (uname(&name) == 0)
		snprintf(ret->release, sizeof(ret->release), "%s", name.release);
	ret->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	fd = load_tiny(BPF_PROG_TYPE_KPROBE, 0, 0);
	ret->bpf = fd >= 0;
	ret->bpf_error = fd < 0 ? fd : 0;
	if (fd >= 0)
		close(fd);
	if (ret->bpf) {
		ret->attach_cookie = loads(BPF_FUNC_get_attach_cookie);
		ret->bpf_loop = loads(BPF_FUNC_loop);
		ret->uprobe_multi = ret->attach_cookie && multi_works();
		ret->cgroup_skb = has_cgroup_skb();
		ret->uretprobe_kills = uretprobe_kills();
	}
	look_into_btf(ret);
	ret->mmap_events = mmap_events_work();
	ret->map_files = map_files_open();
}
