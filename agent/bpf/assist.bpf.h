/* SPDX-License-Identifier: GPL-2.0-only */
/* KernelAssist: the guard asks, by BPF_PROG_TEST_RUN, who dies first in a domain. Nobody is touched. */
#ifndef OOMP_ASSIST_BPF_H
#define OOMP_ASSIST_BPF_H

static struct scratch assist_scratch;
static __u32 busy;

SEC("syscall")
int oomp_choose(struct oomp_run *run)
{
	struct mem_cgroup *domain;

	if (__sync_val_compare_and_swap(&busy, 0, 1)) {
		run->error = OOMP_BUSY;
		return 0;
	}
	domain = memcg_of(run->domain);
	if (domain) {
		choose(run, domain, &assist_scratch);
		bpf_put_mem_cgroup(domain);
	} else {
		run->error = OOMP_NO_DOMAIN;
	}
	__sync_lock_test_and_set(&busy, 0);
	return 0;
}

#endif
