// SPDX-License-Identifier: GPL-2.0-only
/* KernelAssist: the guard asks, by BPF_PROG_TEST_RUN, who dies first in a domain. Nobody is touched. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "intf.h"
#include "compat.bpf.h"
#include "select.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("syscall")
int oomp_choose(struct oomp_run *run)
{
	struct cgroup *domain;

	if (__sync_val_compare_and_swap(&busy, 0, 1)) {
		run->error = OOMP_BUSY;
		return 0;
	}
	domain = bpf_cgroup_from_id(run->domain);
	if (domain) {
		choose(run, domain);
		bpf_cgroup_release(domain);
	} else {
		run->error = OOMP_NO_DOMAIN;
	}
	__sync_lock_test_and_set(&busy, 0);
	return 0;
}
