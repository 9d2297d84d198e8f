/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KernelHook: the OOM killer asks before it chooses, with oom_lock held. What is returned is 1 if somebody was killed, and
 * else 0: then the kernel chooses by size, which is a breach of the policy wherever the policy could have chosen.
 */
#ifndef OOMP_HOOK_BPF_H
#define OOMP_HOOK_BPF_H

#include "kill.bpf.h"

#define OOMP_HOOK_RUNS (1ULL << 63) /* so that no run has the number of one that the guard has asked for */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct oomp_policy);
} policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct oomp_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, OOMP_RING_BYTES);
} decisions SEC(".maps");

/* All under oom_lock, so there is one of each. */
struct oomp_run hook_run __hidden; /* if it were static, clang would take it to pieces that BTF cannot describe */
static struct scratch hook_scratch;
static struct oomp_decision hook_decision;
static __u64 hook_parts[OOMP_MOST_PARTS];
static struct refused hook_refused;
static __u64 hook_runs;

/*
 * A unit with all memcgs in it, also those that a tenant has made, but for a pod's sandbox; returns how many. What is named
 * oomp_ is a global function: the verifier looks at each by itself, and not once for each way to it.
 */
__noinline int oomp_find_parts(__u64 cgroup_id)
{
	struct mem_cgroup *memcg = memcg_of(cgroup_id);
	struct cgroup_subsys_state *css;
	struct oomp_target *target;
	__u32 count = 0;
	__u64 id;

	if (!memcg)
		return 0;
	bpf_rcu_read_lock(); /* in which nobody can be killed, so they are remembered */
	bpf_for_each(css, css, &memcg->css, BPF_CGROUP_ITER_DESCENDANTS_POST) {
		id = css->cgroup->kn->id;
		target = bpf_map_lookup_elem(&targets, &id);
		if (!is_populated(css->cgroup) || (target && target->flags & OOMP_UNKILLABLE) || count >= OOMP_MOST_PARTS)
			continue;
		hook_parts[count & (OOMP_MOST_PARTS - 1)] = id;
		count++;
	}
	bpf_rcu_read_unlock();
	bpf_put_mem_cgroup(memcg);
	return count;
}

static __always_inline void kill_whole(struct oom_control *oc, __u32 count, __u32 *killed)
{
	int i;

	bpf_for(i, 0, OOMP_MOST_PARTS) {
		if (i >= count)
			break;
		kill_all_in(oc, hook_parts[i & (OOMP_MOST_PARTS - 1)], killed);
	}
}

/* Whether the kernel kills more with a process of this memcg: all in it, or in one above it (memory.oom.group). */
__noinline int oomp_dies_as_group(__u64 cgroup_id)
{
	struct mem_cgroup *memcg = memcg_of(cgroup_id), *above = memcg;
	int i, group = 0;

	if (!memcg)
		return 0;
	for (i = 0; i < OOMP_MOST_NAMES && above && !group; i++) {
		group = BPF_CORE_READ(above, oom_group);
		above = (void *)BPF_CORE_READ(above, css.parent); /* css is the first in it */
	}
	bpf_put_mem_cgroup(memcg);
	return group;
}

/*
 * The largest process of a unit, of which `count` parts are to be looked at. One that shares its memory with a child in
 * vfork(2) is refused, for example: then the next one is taken, for another unit is more important than any of these.
 */
__noinline int oomp_find_process(__u64 unit, __u32 count)
{
	int i;

	if (hook_refused.unit != unit)
		hook_refused.pid = hook_refused.pages = 0;
	hook_refused.unit = unit;
	hook_decision.process = hook_decision.process_pages = 0;
	bpf_for(i, 0, OOMP_MOST_PARTS) {
		if (i >= count)
			break;
		find_larger_in(hook_parts[i & (OOMP_MOST_PARTS - 1)], &hook_refused, &hook_decision);
	}
	hook_decision.is_group = hook_decision.process && oomp_dies_as_group(hook_decision.process_memcg);
	return 0;
}

/* Names the victim for whoever reads this when its memcg is gone. */
static __always_inline void name_victim(struct oomp_decision *decision)
{
	struct cgroup *cgrp = bpf_cgroup_from_id(decision->victim);
	struct kernfs_node *node;
	struct cgroup_subsys_state *css;
	int i;

	decision->depth = 0;
	if (!cgrp)
		return;
	css = &cgrp->self;
	for (i = 0; i < OOMP_MOST_NAMES && css; i++) {
		node = BPF_CORE_READ(css, cgroup, kn);
		css = BPF_CORE_READ(css, parent);
		if (!css) /* the root has no name */
			break;
		bpf_probe_read_kernel_str(decision->names[i], OOMP_NAME_SIZE, BPF_CORE_READ(node, name));
		decision->depth++;
	}
	bpf_cgroup_release(cgrp);
}

/* Whether we were told anything about this domain, or about what it is in. */
__noinline int oomp_is_ours(__u64 cgroup_id)
{
	struct cgroup *cgrp = bpf_cgroup_from_id(cgroup_id);
	struct cgroup_subsys_state *css;
	struct oomp_target *target;
	int i, ours = 1; /* it holds whatever we were told of */
	__u64 id;

	if (!cgrp)
		return 0;
	css = &cgrp->self;
	for (i = 0; i < OOMP_MOST_LEVELS && css; i++) {
		id = BPF_CORE_READ(css, cgroup, kn, id);
		target = bpf_map_lookup_elem(&targets, &id);
		if (target) {
			ours = !(target->flags & OOMP_NOBODYS);
			break;
		}
		css = BPF_CORE_READ(css, parent);
	}
	bpf_cgroup_release(cgrp);
	return ours;
}

static __always_inline void publish(struct oomp_counts *count)
{
	if (bpf_ringbuf_output(&decisions, &hook_decision, sizeof(hook_decision), 0) && count)
		count->lost++;
}

/* Chooses until somebody could be killed. */
static __always_inline void decide(struct oom_control *oc, struct mem_cgroup *domain, const struct oomp_policy *told)
{
	struct oomp_decision *decision = &hook_decision;
	struct oomp_target *target;
	__u32 mode = told->mode, parts;
	__u64 id;
	int i;

	bpf_for(i, 0, OOMP_MOST_TURNS) {
		hook_run.error = OOMP_OK;
		hook_run.visited = hook_run.eligible = 0;
		choose(&hook_run, domain, &hook_scratch);
		decision->victim = id = hook_run.victim;
		decision->flush_nanoseconds += hook_run.flush_nanoseconds;
		decision->visited = hook_run.visited;
		decision->eligible = hook_run.eligible;
		decision->outcome = OOMP_NOTHING_ELIGIBLE;
		target = bpf_map_lookup_elem(&targets, &id);
		if (!id || !target)
			return;
		decision->usage = target->usage;
		decision->outcome = OOMP_WOULD_KILL;
		parts = oomp_find_parts(id);
		oomp_find_process(id, target->flags & OOMP_PROCESS ? parts : 0);
		if (mode == OOMP_AUDIT)
			return;
		decision->outcome = OOMP_KILLED;
		if (decision->process)
			kill_found_in(oc, decision->process_memcg, decision);
		else
			kill_whole(oc, parts, &decision->killed);
		if (decision->killed)
			return;
		if (decision->process) {
			hook_refused.pid = decision->process;
			hook_refused.pages = decision->process_pages;
			continue;
		}
		decision->outcome = OOMP_NOBODY_KILLABLE;
		decision->passed_over++;
		target->passed_over = hook_run.number;
	}
}

SEC("struct_ops.s/handle_out_of_memory")
int BPF_PROG(oomp_handle, struct oom_control *oc)
{
	struct oomp_decision *decision = &hook_decision;
	__u64 start = bpf_ktime_get_boot_ns(), zero = 0;
	struct oomp_counts *count = bpf_map_lookup_elem(&counts, &zero);
	struct oomp_policy *told = bpf_map_lookup_elem(&policy, &zero);
	struct mem_cgroup *domain = oc->memcg;

	if (count)
		count->asked++;
	if (!told || told->mode == OOMP_OFF || start >= told->valid_until) {
		if (count)
			count->stepped_aside++;
		return 0;
	}
	if (oc->order < 0 || oc->constraint == bpf_core_enum_value(enum oom_constraint, CONSTRAINT_CPUSET) ||
	    oc->constraint == bpf_core_enum_value(enum oom_constraint, CONSTRAINT_MEMORY_POLICY)) {
		if (count)
			count->constrained++;
		return 0;
	}
	domain = domain ? bpf_get_mem_cgroup(&domain->css) : bpf_get_root_mem_cgroup();
	if (!domain)
		return 0;
	hook_run.domain = BPF_CORE_READ(domain, css.cgroup, kn, id);
	if (!oomp_is_ours(hook_run.domain)) {
		bpf_put_mem_cgroup(domain);
		if (count)
			count->not_ours++;
		return 0;
	}
	__builtin_memset(decision, 0, sizeof(*decision) - sizeof(decision->names));
	decision->time = start;
	hook_refused.unit = 0;
	decision->domain = hook_run.domain;
	decision->domain_level = BPF_CORE_READ(domain, css.cgroup, level);
	hook_run.number = decision->number = OOMP_HOOK_RUNS | ++hook_runs;
	hook_run.default_priority = told->default_priority;
	hook_run.tie_break = told->tie_break;
	hook_run.swap_page = told->swap_page;
	decide(oc, domain, told);
	bpf_put_mem_cgroup(domain);
	if (decision->outcome == OOMP_NOTHING_ELIGIBLE && !hook_scratch.found_targets) {
		if (count)
			count->not_ours++; /* inside a container, where a tenant has set a limit */
		return 0;
	}
	name_victim(decision);
	decision->nanoseconds = bpf_ktime_get_boot_ns() - start;
	publish(count);
	return decision->outcome == OOMP_KILLED;
}

SEC(".struct_ops.link")
struct bpf_oom_ops oomp_hook = {
	.handle_out_of_memory = (void *)oomp_handle,
	.name = "oompolicy",
};

#endif
