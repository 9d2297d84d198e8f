// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads an object and pins its only program and its map `targets`: oompolicy-bpf-load OBJECT DIRECTORY ENTRIES
 *
 * A program of its own and not a library of the guard's, because a crash in here must not take the guard along, and so
 * that the guard has no libbpf in its memory for ever. It says on stderr what libbpf and the verifier say; ends with 0,
 * or with 1 when the kernel, or libbpf, has refused.
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

static int pin(struct bpf_object *object, const char *directory)
{
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	char path[256];

	snprintf(path, sizeof(path), "%s/targets", directory);
	if (bpf_map__pin(bpf_object__find_map_by_name(object, "targets"), path))
		return fail("Could not pin", path);
	/* last: who finds it may take everything to be there */
	snprintf(path, sizeof(path), "%s/program", directory);
	if (bpf_program__pin(program, path))
		return fail("Could not pin", path);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_map *targets;

	if (argc != 4) {
		fprintf(stderr, "Usage: %s OBJECT DIRECTORY ENTRIES\n", argv[0]);
		return 2;
	}
	libbpf_set_print(say);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		return fail("Could not open", argv[1]);
	targets = bpf_object__find_map_by_name(object, "targets");
	if (!targets || bpf_map__set_max_entries(targets, strtoul(argv[3], NULL, 10)))
		return fail("Could not size the map of", argv[1]);
	if (bpf_object__load(object))
		return fail("Could not load", argv[1]);
	return pin(object, argv[2]);
}
