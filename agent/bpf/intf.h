/* SPDX-License-Identifier: GPL-2.0-only */
/* What the BPF programs and user space tell each other; oompolicy_agent/guard/assist_abi.py has the same in Python. */
#ifndef OOMP_INTF_H
#define OOMP_INTF_H

enum oomp_target_flags {
	OOMP_HAS_PRIORITY = 1 << 0, /* else it inherits the nearest ancestor's */
	OOMP_PROTECTED = 1 << 1, /* never a victim, with all that is in it */
	OOMP_PROTECTED_TO_REQUEST = 1 << 2, /* the same while it uses no more than its request */
	OOMP_UNIT = 1 << 3, /* dies as one; nothing in it is compared */
	OOMP_PARTS = 1 << 4, /* a unit that uses what the targets in it use */
	OOMP_UNKILLABLE = 1 << 5, /* a sandbox: no candidate, and its memory is nobody's fault */
	OOMP_EXCLUDED = 1 << 6, /* no candidate now: it dies already, or would not die */
	OOMP_UNKNOWN = 1 << 7, /* loses to nothing that is known; has no priority */
	OOMP_NOBODYS = 1 << 8, /* of the host, and nobody has asked for anything: an OOM in it is the kernel's own affair */
	OOMP_PROCESS = 1 << 9, /* KernelHook: only its largest process dies, unless memory.oom.group has all die */
};

/* The value of the map `targets`, by cgroup id. A memcg that is not in it is no candidate and has no priority. */
struct oomp_target {
	__s32 priority;
	__u32 flags;
	__u64 request; /* bytes */
	__u64 usage; /* bytes, as of the last run that found somebody in it */
	__u64 run; /* the number of that run */
	__u64 passed_over; /* the number of the run that found nobody to kill in it, and went on to the next */
};

enum oomp_tie_break {
	OOMP_LARGEST_USAGE,
	OOMP_MOST_OVER_REQUEST,
	OOMP_NEWEST,
};

enum oomp_run_error {
	OOMP_OK,
	OOMP_NO_DOMAIN, /* there is no such cgroup, or it is no memcg */
	OOMP_TOO_DEEP, /* a target is below more than OOMP_MOST_LEVELS others */
	OOMP_BUSY, /* another run is under way */
};

/* The context of one run: the question, and below it the answer. */
struct oomp_run {
	__u64 domain; /* cgroup id */
	__u64 number; /* of the run, for oomp_target.run */
	__s32 default_priority;
	__u32 tie_break;
	__u32 swap_page; /* bytes of a page; 0: what is in swap doesn't count */

	__u32 error;
	__u64 victim; /* cgroup id; 0: nothing is eligible */
	__u32 visited; /* memcgs */
	__u32 eligible; /* units */
	__u64 flush_nanoseconds; /* of bringing the kernel's counters up to date */
	__u64 nanoseconds; /* of everything */
};

/* KernelHook: the value of the map `policy`, which has one key, 0. */
struct oomp_policy {
	__s32 default_priority;
	__u32 tie_break;
	__u32 swap_page;
	__u32 mode; /* enum oomp_mode */
	__u64 valid_until; /* CLOCK_BOOTTIME, nanoseconds; from then on the kernel decides */
};

enum oomp_mode {
	OOMP_OFF,
	OOMP_ENFORCE,
	OOMP_AUDIT, /* decide and record, and let the kernel do it */
};

/* What became of an OOM. */
enum oomp_outcome {
	OOMP_KILLED,
	OOMP_WOULD_KILL,
	OOMP_NOTHING_ELIGIBLE,
	OOMP_NOBODY_KILLABLE, /* OOMP_MOST_TURNS victims in a row had nobody whom the kernel lets us kill */
};

#define OOMP_RING_BYTES 131072 /* of the ring buffer `decisions` */
#define OOMP_MOST_NAMES 8
#define OOMP_NAME_SIZE 96
#define OOMP_COMM_SIZE 16

/* One OOM, as the ring buffer `decisions` has it. */
struct oomp_decision {
	__u64 time; /* CLOCK_BOOTTIME, nanoseconds */
	__u64 domain; /* cgroup id */
	__u64 domain_level; /* how many names its path has */
	__u64 victim; /* cgroup id; 0: nobody */
	__u64 number; /* of the run, for oomp_target.run */
	__u64 usage; /* bytes, of the victim */
	__u64 flush_nanoseconds;
	__u64 nanoseconds; /* from being asked until everybody was signalled */
	__u64 process; /* pid of the only one that dies; 0: the whole unit */
	__u64 process_pages; /* in memory and in swap, of that one */
	__u64 process_memcg; /* cgroup id, where it is */
	__u64 is_group; /* whether more dies with it (memory.oom.group) */
	__u32 outcome;
	__u32 visited; /* memcgs */
	__u32 eligible; /* units */
	__u32 killed; /* processes, or groups of them with memory.oom.group */
	__u32 passed_over; /* units before this one that had nobody to kill */
	__u32 depth; /* how many names there are */
	char process_name[OOMP_COMM_SIZE];
	char names[OOMP_MOST_NAMES][OOMP_NAME_SIZE]; /* of the victim's cgroup and those above it, from below */
};

/* The value of the map `counts`, which has one key, 0. */
struct oomp_counts {
	__u64 asked;
	__u64 stepped_aside; /* Off, or no longer valid */
	__u64 constrained; /* of a cpuset or a memory policy, or by sysrq: the kernel's own affair */
	__u64 not_ours; /* in a domain of which we were told nothing: the same */
	__u64 lost; /* decisions for which the ring buffer had no room */
};

#define OOMP_MOST_LEVELS 64
#define OOMP_MOST_TURNS 16
#define OOMP_MOST_PARTS 256 /* memcgs with somebody in them, in one unit; the rest dies in the next OOM */

#endif
