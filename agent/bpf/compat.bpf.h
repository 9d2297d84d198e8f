/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels, and in which of them. */
#ifndef OOMP_COMPAT_BPF_H
#define OOMP_COMPAT_BPF_H

/* v7.0: kfuncs for memcgs; weak, so that loading on an older kernel says what is missing and not that a symbol is */
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym __weak;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym __weak;
extern unsigned long bpf_mem_cgroup_usage(struct mem_cgroup *memcg) __ksym __weak;
extern unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx) __ksym __weak;
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __ksym __weak;

/* v7.0 */
extern struct mem_cgroup *bpf_get_root_mem_cgroup(void) __ksym __weak;

/* agent/kernel/patches, and the posted series "mm: BPF OOM" */
extern int bpf_oom_kill_process(struct oom_control *oc, struct task_struct *task, const char *message__str) __ksym __weak;

/* v6.7: open-coded iterators of csses, and of the tasks in one */
extern int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start, unsigned int flags) __ksym __weak;
extern struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it) __ksym __weak;
extern void bpf_iter_css_destroy(struct bpf_iter_css *it) __ksym __weak;
extern int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css, unsigned int flags) __ksym __weak;
extern struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) __ksym __weak;
extern void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) __ksym __weak;

/* v6.4 */
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym __weak;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym __weak;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym __weak;

/* v6.1, v6.2 */
extern struct cgroup *bpf_cgroup_from_id(__u64 id) __ksym __weak;
extern void bpf_cgroup_release(struct cgroup *cgrp) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

/* v7.2: the counters of what is populated moved from struct cgroup to struct cgroup_subsys_state */
struct cgroup_subsys_state___counting {
	int nr_populated_csets;
	int nr_populated_children;
} __attribute__((preserve_access_index));

struct cgroup___counting {
	int nr_populated_csets;
	int nr_populated_domain_children;
	int nr_populated_threaded_children;
} __attribute__((preserve_access_index));

/* Whether there are tasks in a cgroup or below it, as in cgroup.events. */
static __always_inline bool is_populated(struct cgroup *cgrp)
{
	struct cgroup_subsys_state___counting *css = (void *)&cgrp->self;
	struct cgroup___counting *old = (void *)cgrp;

	if (bpf_core_field_exists(css->nr_populated_csets))
		return BPF_CORE_READ(css, nr_populated_csets) || BPF_CORE_READ(css, nr_populated_children);
	return BPF_CORE_READ(old, nr_populated_csets) || BPF_CORE_READ(old, nr_populated_domain_children) ||
	       BPF_CORE_READ(old, nr_populated_threaded_children);
}

#endif
