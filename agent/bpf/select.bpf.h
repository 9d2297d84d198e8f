/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who dies first below a memcg, in one pass from the leaves up: the same rule as oompolicy_agent/select.py, which is its
 * specification.
 *
 * The pass visits children before their parents. For each level it keeps what the parent must know of the children
 * that it has seen so far. Whether a memcg's priority is settled may be known further up only, so there are two
 * champions: of those whose priority is settled, and of those that still inherit one.
 */
#ifndef OOMP_SELECT_BPF_H
#define OOMP_SELECT_BPF_H

struct champion {
	__u64 victim; /* cgroup id of the unit; 0: nobody */
	__u64 id; /* of the memcg that stands for it */
	__s64 value; /* by the tie-break; the larger dies first */
	__s32 priority;
	__u32 unknown;
};

/* Of the children of one memcg that have been looked at; or of one memcg, with all below it, before it joins them. */
struct siblings {
	struct champion settled;
	struct champion inheriting;
	__s64 total; /* of the values of the eligible units in them */
	__u64 usage; /* bytes, of the targets in them */
	__u32 count;
	bool holds_killable;
	bool holds_protected;
};

/* Of one run; in .bss, because it doesn't fit on the stack of 512 bytes. */
struct scratch {
	struct siblings levels[OOMP_MOST_LEVELS];
	__u32 found_targets; /* whether we were told anything about the domain, or about what is in it */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct oomp_target);
} targets SEC(".maps");

static __always_inline bool dies_before(const struct champion *one, const struct champion *other)
{
	if (!one->victim || !other->victim)
		return one->victim != 0;
	if (one->unknown != other->unknown)
		return !one->unknown;
	if (one->priority != other->priority)
		return one->priority < other->priority;
	if (one->value != other->value)
		return one->value > other->value;
	return one->id > other->id;
}

static __always_inline void keep_first(struct champion *first, const struct champion *other)
{
	if (dies_before(other, first))
		*first = *other;
}

/* The champion of all siblings, once it is known which priority they inherit. */
static __always_inline struct champion champion_of(const struct siblings *siblings, __s32 priority)
{
	struct champion first = siblings->inheriting;

	first.priority = priority;
	keep_first(&first, &siblings->settled);
	return first;
}

/* What a kill in it would give back, in bytes; usage_bytes() of guard/memcgs.py has the reasons. */
static __always_inline __u64 measured(struct cgroup_subsys_state *css, __u32 swap_page)
{
	struct mem_cgroup *memcg = bpf_get_mem_cgroup(css);
	__s64 usage;

	if (!memcg)
		return 0;
	usage = bpf_mem_cgroup_usage(memcg);
	if (swap_page)
		usage += memcg->swap.usage.counter * swap_page;
	usage -= bpf_mem_cgroup_page_state(memcg, bpf_core_enum_value(enum node_stat_item, NR_FILE_PAGES));
	usage += bpf_mem_cgroup_page_state(memcg, bpf_core_enum_value(enum node_stat_item, NR_SHMEM));
	usage -= bpf_mem_cgroup_page_state(memcg, bpf_core_enum_value(enum node_stat_item, NR_SLAB_RECLAIMABLE_B));
	if (bpf_core_enum_value_exists(enum node_stat_item, NR_SWAPCACHE)) /* without CONFIG_SWAP there is none */
		usage -= bpf_mem_cgroup_page_state(memcg, bpf_core_enum_value(enum node_stat_item, NR_SWAPCACHE));
	bpf_put_mem_cgroup(memcg);
	return usage > 0 ? usage : 0;
}

static __always_inline bool is_protected(const struct oomp_target *target, __u64 usage)
{
	if (target->flags & OOMP_PROTECTED)
		return true;
	return (target->flags & OOMP_PROTECTED_TO_REQUEST) && usage <= target->request;
}

static __always_inline __s64 value_of(const struct oomp_run *run, const struct oomp_target *target, __u64 id)
{
	switch (run->tie_break) {
	case OOMP_NEWEST:
		return id;
	case OOMP_MOST_OVER_REQUEST:
		return target->usage - target->request;
	default:
		return target->usage;
	}
}

/* A leaf or a unit: it stands for itself. */
static __always_inline void weigh_unit(struct oomp_run *run, struct cgroup_subsys_state *css, __u64 id,
				       struct oomp_target *target, const struct siblings *below, bool is_domain,
				       struct siblings *found)
{
	bool killable = !(target->flags & (OOMP_UNKILLABLE | OOMP_EXCLUDED)) && target->passed_over != run->number;
	__u64 usage = below->usage;
	struct champion itself = {
		.victim = id,
		.id = id,
		.priority = target->priority,
		.unknown = !!(target->flags & OOMP_UNKNOWN),
	};

	if (is_populated(css->cgroup)) {
		if (!(target->flags & OOMP_PARTS))
			usage = measured(css, run->swap_page);
		target->usage = usage;
		target->run = run->number;
	} else { /* what a dead container leaves behind is nobody's fault any more; not measuring it spares time */
		killable = false;
		usage = 0;
	}
	if (!(target->flags & OOMP_UNKILLABLE))
		found->usage = usage;
	found->holds_protected = below->holds_protected || (!is_domain && is_protected(target, usage));
	found->holds_killable = killable && (!below->count || below->holds_killable);
	if (!found->holds_killable || found->holds_protected)
		return;
	run->eligible++;
	itself.value = found->total = value_of(run, target, id);
	if (target->flags & OOMP_HAS_PRIORITY)
		found->settled = itself;
	else
		found->inheriting = itself;
}

/* What is compared by what is in it, or by its own priority for all that is in it. */
static __always_inline void weigh_interior(struct oomp_run *run, __u64 id, struct oomp_target *target,
					   const struct siblings *below, bool is_domain, struct siblings *found)
{
	found->usage = below->usage;
	found->holds_killable = below->holds_killable;
	found->holds_protected = below->holds_protected;
	if (target) {
		target->usage = below->usage;
		target->run = run->number;
		if (!is_domain && is_protected(target, below->usage)) {
			found->holds_protected = true;
			return;
		}
	}
	found->total = below->total;
	if (target && target->flags & OOMP_HAS_PRIORITY) {
		found->settled = champion_of(below, target->priority);
		found->settled.id = id;
		found->settled.priority = target->priority;
		found->settled.value = run->tie_break == OOMP_NEWEST ? id : below->total;
		return;
	}
	found->settled = below->settled;
	found->inheriting = below->inheriting;
}

/* Looks at one memcg; returns false when the walk must end. */
static __always_inline bool visit(struct oomp_run *run, struct scratch *scratch, struct cgroup_subsys_state *css)
{
	struct cgroup *cgrp = css->cgroup;
	__u64 id = cgrp->kn->id;
	__u32 level = cgrp->level;
	bool is_domain = id == run->domain;
	struct siblings found = {};
	struct siblings *here, *below;
	struct oomp_target *target;

	if (!(css->flags & CSS_ONLINE)) /* removed, but somebody still refers to it */
		return true;
	run->visited++;
	target = bpf_map_lookup_elem(&targets, &id);
	if (level >= OOMP_MOST_LEVELS - 1) {
		if (target)
			run->error = OOMP_TOO_DEEP;
		return !target;
	}
	here = &scratch->levels[level & (OOMP_MOST_LEVELS - 1)];
	below = &scratch->levels[(level + 1) & (OOMP_MOST_LEVELS - 1)];
	if (!target && !below->count)
		return true;
	if (target && level && (target->flags & OOMP_UNIT || !below->count))
		weigh_unit(run, css, id, target, below, is_domain, &found);
	else
		weigh_interior(run, id, target, below, is_domain, &found);
	__builtin_memset(below, 0, sizeof(*below));
	keep_first(&here->settled, &found.settled);
	keep_first(&here->inheriting, &found.inheriting);
	here->total += found.total;
	here->usage += found.usage;
	here->holds_killable |= found.holds_killable;
	here->holds_protected |= found.holds_protected;
	here->count++;
	return true;
}

/* The priority that the domain hands down: its own, or that of the nearest memcg above it that has one. */
static __always_inline __s32 inherited(struct oomp_run *run, struct mem_cgroup *domain)
{
	struct cgroup_subsys_state *css = &domain->css;
	__s32 priority = run->default_priority;
	struct oomp_target *target;
	__u64 id;
	int i;

	barrier_var(priority); /* else one instruction reads it from the context or from the map, and is refused */
	for (i = 0; i < OOMP_MOST_LEVELS && css; i++) {
		id = BPF_CORE_READ(css, cgroup, kn, id);
		target = bpf_map_lookup_elem(&targets, &id);
		if (target && target->flags & OOMP_HAS_PRIORITY) {
			priority = target->priority;
			break;
		}
		css = BPF_CORE_READ(css, parent);
	}
	return priority;
}

/* The memcg of a cgroup, referenced; NULL: there is none any more. */
static __always_inline struct mem_cgroup *memcg_of(__u64 cgroup_id)
{
	struct cgroup *cgrp = bpf_cgroup_from_id(cgroup_id);
	struct mem_cgroup *memcg;

	if (!cgrp)
		return NULL;
	memcg = bpf_get_mem_cgroup(&cgrp->self);
	bpf_cgroup_release(cgrp);
	return memcg;
}

/* Finds the victim of run->domain, which is `domain`. Sleeps while the kernel brings its counters up to date. */
static __always_inline void choose(struct oomp_run *run, struct mem_cgroup *domain, struct scratch *scratch)
{
	__u32 level = BPF_CORE_READ(domain, css.cgroup, level) & (OOMP_MOST_LEVELS - 1);
	__u64 start = bpf_ktime_get_ns();
	struct cgroup_subsys_state *css;
	struct champion first;
	int i;

	bpf_mem_cgroup_flush_stats(domain);
	run->flush_nanoseconds = bpf_ktime_get_ns() - start;
	for (i = 0; i < OOMP_MOST_LEVELS; i++) {
		__builtin_memset(&scratch->levels[i], 0, sizeof(scratch->levels[i]));
		barrier(); /* else clang makes one memset() of it, and there is none */
	}
	bpf_rcu_read_lock();
	bpf_for_each(css, css, &domain->css, BPF_CGROUP_ITER_DESCENDANTS_POST) {
		if (!visit(run, scratch, css))
			break;
	}
	bpf_rcu_read_unlock();
	first = champion_of(&scratch->levels[level], inherited(run, domain));
	run->victim = run->error ? 0 : first.victim;
	scratch->found_targets = scratch->levels[level].count;
	run->nanoseconds = bpf_ktime_get_ns() - start;
}

#endif
