// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads an object for somebody else: oompolicy-bpf-load OBJECT ENTRIES
 *
 * A program of its own and not a library of the guard's, because a crash in here must not take the guard along, and so
 * that the guard has no libbpf in its memory for ever. It says on stdout by which descriptors it has the object's maps and
 * programs, one `NAME DESCRIPTOR` a line and `ready` after the last, and keeps them until its stdin is closed: the guard
 * takes them over by pidfd_getfd(2). The map `targets` has room for ENTRIES memcgs. Where the kernel has no OOM hook,
 * everything that is for it is left out.
 *
 * Ends with 1 when the kernel, or libbpf, has refused; both say why on stderr.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int say(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, args);
}

static int fail(const char *what, const char *name)
{
	fprintf(stderr, "%s %s: %s\n", what, name, strerror(errno));
	return EXIT_FAILURE;
}

static bool is_struct_ops(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS;
}

/* Leaves out what only a kernel with the OOM hook can load, or has a use for. */
static void choose_parts(struct bpf_object *object, const struct bpf_map *targets)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	bool has_hook = kernel && btf__find_by_name_kind(kernel, "bpf_oom_ops", BTF_KIND_STRUCT) > 0;
	struct bpf_map *map;

	btf__free(kernel);
	bpf_object__for_each_map(map, object) {
		if (map != targets && !bpf_map__is_internal(map))
			bpf_map__set_autocreate(map, has_hook);
	}
}

/*
 * Hands the functions of a struct_ops map to the kernel, which a link needs. libbpf does that on the way to a link, to
 * which it can't give a cgroup (before 1.8); so this attempt fails, and whoever takes the map over makes the link.
 */
static void fill(struct bpf_map *map)
{
	bpf_link__destroy(bpf_map__attach_struct_ops(map));
}

static void print_descriptors(struct bpf_object *object)
{
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		/* what is left out has a descriptor all the same, of a placeholder */
		if (!bpf_map__autocreate(map) || bpf_map__is_internal(map))
			continue;
		if (is_struct_ops(map))
			fill(map);
		printf("%s %d\n", bpf_map__name(map), bpf_map__fd(map));
	}
	bpf_object__for_each_program(program, object) {
		if (bpf_program__fd(program) >= 0)
			printf("%s %d\n", bpf_program__name(program), bpf_program__fd(program));
	}
	puts("ready");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_map *targets;

	if (argc != 3) {
		fprintf(stderr, "Usage: %s OBJECT ENTRIES\n", argv[0]);
		return 2;
	}
	libbpf_set_print(say);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		return fail("Could not open", argv[1]);
	targets = bpf_object__find_map_by_name(object, "targets");
	if (!targets || bpf_map__set_max_entries(targets, strtoul(argv[2], NULL, 10)))
		return fail("Found no map `targets` of that size in", argv[1]);
	choose_parts(object, targets);
	if (bpf_object__load(object))
		return fail("Could not load", argv[1]);
	print_descriptors(object);
	while (getchar() != EOF)
		;
	return EXIT_SUCCESS;
}
