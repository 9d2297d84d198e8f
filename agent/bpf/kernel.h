/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the kernel's types that our programs look at. Offsets come from the running kernel's BTF (CO-RE), so a
 * type here has the fields that we use and no others, and no kernel's headers are needed to build.
 */
#ifndef OOMP_KERNEL_H
#define OOMP_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum bpf_cgroup_iter_order {
	BPF_CGROUP_ITER_DESCENDANTS_POST = 3,
};

/* the values are the running kernel's, see bpf_core_enum_value() */
enum node_stat_item {
	NR_SLAB_RECLAIMABLE_B,
	NR_FILE_PAGES,
	NR_SHMEM,
	NR_SWAPCACHE,
};

enum oom_constraint {
	CONSTRAINT_NONE,
	CONSTRAINT_CPUSET,
	CONSTRAINT_MEMORY_POLICY,
	CONSTRAINT_MEMCG,
};

enum {
	MM_FILEPAGES,
	MM_ANONPAGES,
	MM_SWAPENTS,
	MM_SHMEMPAGES,
};

#define OOM_SCORE_ADJ_MIN (-1000)

enum {
	CSS_ONLINE = 1 << 1,
	CSS_TASK_ITER_PROCS = 1 << 0,
};

struct bpf_iter_css {
	__u64 __opaque[3];
} __attribute__((aligned(8)));

struct bpf_iter_css_task {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

struct bpf_iter_num {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic_long_t;

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
	unsigned int flags;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
};

struct page_counter {
	atomic_long_t usage; /* pages */
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter swap;
	bool oom_group;
};

struct percpu_counter {
	__s64 count;
};

struct mm_struct {
	struct percpu_counter rss_stat[4];
};

struct signal_struct {
	short oom_score_adj;
	struct mm_struct *oom_mm; /* set by the OOM killer */
};

struct task_struct {
	int pid;
	char comm[16];
	struct mm_struct *mm;
	struct signal_struct *signal;
};

struct oom_control {
	struct mem_cgroup *memcg; /* NULL: the system */
	const int order; /* -1: sysrq */
	enum oom_constraint constraint;
};

/* Not in any released kernel: agent/kernel/patches. The type of the second argument differs, so nobody may look at it. */
struct bpf_oom_ops {
	int (*handle_out_of_memory)(struct oom_control *oc, struct cgroup *cgrp);
	char name[64];
};

#pragma clang attribute pop

#endif
