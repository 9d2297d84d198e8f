// SPDX-License-Identifier: GPL-2.0-only
/* The one object: it chooses when it is asked (KernelAssist), and decides when memory has run out (KernelHook). */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "intf.h"
#include "compat.bpf.h"
#include "select.bpf.h"
#include "assist.bpf.h"
#include "hook.bpf.h"

char LICENSE[] SEC("license") = "GPL";
