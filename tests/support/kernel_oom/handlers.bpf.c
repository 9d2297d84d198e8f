// SPDX-License-Identifier: GPL-2.0-only
/* Policies for tests of the kernel's hook: one that does as it is told, and others that no kernel may suffer from. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "intf.h"
#include "compat.bpf.h"
#include "select.bpf.h"

enum { MOST_TURNS = 1 << 22 };

char LICENSE[] SEC("license") = "GPL";

/* What the handlers are told and what they have seen. */
struct talk {
	__u64 victim; /* cgroup id */
	__u64 asked;
	__u64 domain; /* cgroup id of the last one; 0: the system */
	__s32 error; /* of the last attempt to kill */
	__u32 killed;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct talk);
} talk SEC(".maps");

static __always_inline struct talk *hear(struct oom_control *oc)
{
	struct mem_cgroup *memcg = oc->memcg;
	struct talk *told;
	__u64 zero = 0;

	told = bpf_map_lookup_elem(&talk, &zero);
	if (!told)
		return NULL;
	told->asked++;
	told->domain = memcg ? BPF_CORE_READ(memcg, css.cgroup, kn, id) : 0;
	return told;
}

/* Kills everybody in the cgroup that it was told of; returns whether anybody was there to kill. */
static __always_inline bool kill_victim(struct oom_control *oc)
{
	struct talk *told = hear(oc);
	struct mem_cgroup *memcg;
	struct task_struct *task;
	int error;

	if (!told)
		return false;
	told->killed = 0; /* in memory: see kill.bpf.h */
	memcg = memcg_of(told->victim);
	if (!memcg)
		return false;
	bpf_for_each(css_task, task, &memcg->css, CSS_TASK_ITER_PROCS) {
		error = bpf_oom_kill_process(oc, task, "Chosen by a test");
		told->error = error;
		if (!error)
			told->killed++;
	}
	bpf_put_mem_cgroup(memcg);
	return told->killed > 0;
}

SEC("struct_ops.s/handle_out_of_memory")
int BPF_PROG(obey, struct oom_control *oc)
{
	return kill_victim(oc);
}

/* Claims to have freed something, whatever happened. */
SEC("struct_ops.s/handle_out_of_memory")
int BPF_PROG(boast, struct oom_control *oc)
{
	kill_victim(oc);
	return 1;
}

/* Claims so without doing anything: it would have everybody wait for ever. */
SEC("struct_ops.s/handle_out_of_memory")
int BPF_PROG(lie, struct oom_control *oc)
{
	hear(oc);
	return 1;
}

static long turn(__u64 index, void *context)
{
	return 0;
}

SEC("struct_ops.s/handle_out_of_memory")
int BPF_PROG(dawdle, struct oom_control *oc)
{
	hear(oc);
	bpf_loop(MOST_TURNS, turn, NULL, 0);
	return 0;
}

extern int bpf_out_of_memory(struct mem_cgroup *memcg, int order, __u64 flags) __ksym;

enum { WAIT_ON_OOM_LOCK = 1 }; /* of enum bpf_oom_flags */

struct declaration {
	__u64 memcg; /* cgroup id */
	__s32 order;
	__s32 answers[2];
};

/* Says twice in a row that a memory cgroup has run out, whether it has or not. */
SEC("syscall")
int declare(struct declaration *told)
{
	struct mem_cgroup *memcg = memcg_of(told->memcg);

	if (!memcg)
		return 0;
	told->answers[0] = bpf_out_of_memory(memcg, told->order, WAIT_ON_OOM_LOCK);
	told->answers[1] = bpf_out_of_memory(memcg, told->order, WAIT_ON_OOM_LOCK);
	bpf_put_mem_cgroup(memcg);
	return 0;
}

#define POLICY(function)                                                 \
	SEC(".struct_ops.link")                                          \
	struct bpf_oom_ops function##_ops = {                            \
		.handle_out_of_memory = (void *)function, .name = #function }

POLICY(obey);
POLICY(boast);
POLICY(lie);
POLICY(dawdle);
