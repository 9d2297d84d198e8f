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
};

/* The value of the map `targets`, by cgroup id. A memcg that is not in it is no candidate and has no priority. */
struct oomp_target {
	__s32 priority;
	__u32 flags;
	__u64 request; /* bytes */
	__u64 usage; /* bytes, as of the last run that found somebody in it */
	__u64 run; /* the number of that run */
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

#define OOMP_MOST_LEVELS 64

#endif
