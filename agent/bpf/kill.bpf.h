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

static __always_inline __u64 at_least_none(__s64 count)
{
	return count > 0 ? count : 0;
}

/*
 * Pages of a process in memory and in swap, but for what each CPU has not told yet, 32 pages at most. The indices must be
 * literal: only then does CO-RE know how far apart the kernel's counters are.
 */
static __always_inline __u64 pages_of(struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	if (!mm) /* a leader that has exited before its threads */
		return 0;
	return at_least_none(BPF_CORE_READ(mm, rss_stat[MM_FILEPAGES].count)) +
	       at_least_none(BPF_CORE_READ(mm, rss_stat[MM_ANONPAGES].count)) +
	       at_least_none(BPF_CORE_READ(mm, rss_stat[MM_SWAPENTS].count)) +
	       at_least_none(BPF_CORE_READ(mm, rss_stat[MM_SHMEMPAGES].count));
}

static __always_inline bool is_larger(__u64 pages, __u64 pid, __u64 other_pages, __u64 other_pid)
{
	return pages > other_pages || (pages == other_pages && pid > other_pid);
}

/* A process that could not be killed, though it was the largest; pid 0: none yet. */
struct refused {
	__u64 unit;
	__u64 pid;
	__u64 pages;
};

/* Looks in a memcg for a larger process than the one found so far, but smaller than those that could not be killed. */
static __always_inline void find_larger_in(__u64 cgroup_id, const struct refused *refused, struct oomp_decision *found)
{
	struct mem_cgroup *memcg = memcg_of(cgroup_id);
	struct task_struct *task;
	__u64 pages, pid;

	if (!memcg)
		return;
	bpf_for_each(css_task, task, &memcg->css, CSS_TASK_ITER_PROCS) {
		if (BPF_CORE_READ(task, signal, oom_score_adj) == OOM_SCORE_ADJ_MIN || BPF_CORE_READ(task, signal, oom_mm))
			continue;
		pages = pages_of(task);
		pid = BPF_CORE_READ(task, pid);
		if (refused->pid && !is_larger(refused->pages, refused->pid, pages, pid))
			continue;
		if (found->process && !is_larger(pages, pid, found->process_pages, found->process))
			continue;
		found->process_memcg = cgroup_id;
		found->process = pid;
		found->process_pages = pages;
		bpf_probe_read_kernel_str(found->process_name, OOMP_COMM_SIZE, task->comm);
	}
	bpf_put_mem_cgroup(memcg);
}

/* Kills the process that was found, and with it those that share its memory, if it is in this memcg. */
static __always_inline void kill_found_in(struct oom_control *oc, __u64 cgroup_id, struct oomp_decision *found)
{
	struct mem_cgroup *memcg = memcg_of(cgroup_id);
	struct task_struct *task;

	if (!memcg)
		return;
	bpf_for_each(css_task, task, &memcg->css, CSS_TASK_ITER_PROCS) {
		if (BPF_CORE_READ(task, pid) == found->process &&
		    !bpf_oom_kill_process(oc, task, "Out of memory (OOMPolicy)"))
			++found->killed;
	}
	bpf_put_mem_cgroup(memcg);
}

#endif
