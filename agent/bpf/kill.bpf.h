/* SPDX-License-Identifier: GPL-2.0-only */
/* Kills what is in a memcg, as the OOM killer does; only for the handler of an OOM. */
#ifndef OOMP_KILL_BPF_H
#define OOMP_KILL_BPF_H

/*
 * Kills everybody in a memcg whom the kernel lets us kill, and counts the calls that did. With memory.oom.group the first
 * call kills all, and the others find that out. The count must be in memory of a map: if it were in a register, the
 * verifier would follow the loop for each of its values.
 */
static __always_inline void kill_all_in(struct oom_control *oc, __u64 cgroup_id, __u32 *killed)
{
	struct mem_cgroup *memcg = memcg_of(cgroup_id);
	struct task_struct *task;

	if (!memcg)
		return;
	bpf_for_each(css_task, task, &memcg->css, CSS_TASK_ITER_PROCS) {
		if (!bpf_oom_kill_process(oc, task, "Out of memory (OOMPolicy)"))
			++*killed;
	}
	bpf_put_mem_cgroup(memcg);
}

#endif
