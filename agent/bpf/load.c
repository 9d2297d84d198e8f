// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads an object for somebody else: oompolicy-bpf-load OBJECT ENTRIES
 *
 * A program of its own and not a library of the guard's, because a crash in here must not take the guard along, and so
 * that the guard has no libbpf in its memory for ever. It says on stdout by which descriptors it has the object's only
 * program and its map `targets` (with room for so many memcgs), and keeps them until its stdin is closed: the guard takes
 * them over by pidfd_getfd(2). So nothing is pinned, and nothing stays on the node.
 *
 * Ends with 1 when the kernel, or libbpf, has refused; both say why on stderr.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
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

int main(int argc, char **argv)
{
	struct bpf_program *program;
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
	program = bpf_object__next_program(object, NULL);
	targets = bpf_object__find_map_by_name(object, "targets");
	if (!program || !targets || bpf_map__set_max_entries(targets, strtoul(argv[2], NULL, 10)))
		return fail("Found no program, or no map of that size, in", argv[1]);
	if (bpf_object__load(object))
		return fail("Could not load", argv[1]);
	printf("program %d targets %d\n", bpf_program__fd(program), bpf_map__fd(targets));
	fflush(stdout);
	while (getchar() != EOF)
		;
	return EXIT_SUCCESS;
}
