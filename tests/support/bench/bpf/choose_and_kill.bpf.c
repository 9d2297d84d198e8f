// SPDX-License-Identifier: GPL-2.0-only
/* Only to be measured: the choice of assist.bpf.c, and the kill by the same run. `visited` has how many were signalled. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "intf.h"
#include "compat.bpf.h"
#include "select.bpf.h"

struct task_struct {
	int pid; /* not looked at, but libbpf takes a struct without a body for another type */
} __attribute__((preserve_access_index));

enum pid_type {
	PIDTYPE_TGID = 1,
};

struct bpf_iter_css_task {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css, unsigned int flags) __ksym;
extern struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) __ksym;
extern void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) __ksym;
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type, __u64 value) __ksym;

enum { CSS_TASK_ITER_PROCS = 1 };

enum { SIGKILL = 9 };

char LICENSE[] SEC("license") = "GPL";

static __always_inline __u32 kill_all(struct cgroup *cgrp)
{
	struct mem_cgroup *memcg = bpf_get_mem_cgroup(&cgrp->self);
	struct task_struct *task;
	__u32 signalled = 0;

	if (!memcg)
		return 0;
	bpf_for_each(css_task, task, &memcg->css, CSS_TASK_ITER_PROCS) {
		if (!bpf_send_signal_task(task, SIGKILL, PIDTYPE_TGID, 0))
			signalled++;
	}
	bpf_put_mem_cgroup(memcg);
	return signalled;
}

SEC("syscall")
int oomp_choose_and_kill(struct oomp_run *run)
{
	struct cgroup *cgrp = bpf_cgroup_from_id(run->domain);

	if (!cgrp)
		return 0;
	choose(run, cgrp);
	bpf_cgroup_release(cgrp);
	cgrp = bpf_cgroup_from_id(run->victim);
	if (!cgrp)
		return 0;
	run->visited = kill_all(cgrp);
	bpf_cgroup_release(cgrp);
	return 0;
}
