// SPDX-License-Identifier: GPL-2.0-only
/* Only to be measured: the choice of assist.bpf.h, and the kill by the same run. `visited` has how many were signalled. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "intf.h"
#include "compat.bpf.h"
#include "select.bpf.h"

enum pid_type {
	PIDTYPE_TGID = 1,
};

extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type, __u64 value) __ksym;


enum { SIGKILL = 9 };

char LICENSE[] SEC("license") = "GPL";

static struct scratch scratch;

static __always_inline __u32 signal_all_in(__u64 cgroup_id)
{
	struct mem_cgroup *memcg = memcg_of(cgroup_id);
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
int oomp_choose(struct oomp_run *run)
{
	struct mem_cgroup *domain = memcg_of(run->domain);

	if (!domain)
		return 0;
	choose(run, domain, &scratch);
	bpf_put_mem_cgroup(domain);
	run->visited = signal_all_in(run->victim);
	return 0;
}
