// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests run as a workload: it holds memory, takes ever more, or reclaims for ever, and says so.
 *
 * `hold --mebibytes N [--touch]`, `grow [--mebibytes-per-second N] [--up-to N]`, and with more file than memory
 * `read --file PATH --mebibytes N` or `map --file PATH --mebibytes N`.
 *
 * In C because it is started some hundred times on emulated machines, where Python takes a third of a second to start.
 */
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MEBIBYTE ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define CHUNK ((size_t)256 << 10)
#define STEPS_PER_SECOND 50
/* Of a workload that grows as fast as it can: so much is asked for at once. */
#define LARGEST_STEP (16 * MEBIBYTE)

struct options {
	size_t mebibytes;
	size_t per_second;
	size_t up_to;
	const char *file;
	bool touch;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void sleep_for(double seconds)
{
	if (seconds > 0)
		usleep(seconds * 1e6);
}

static char *map(size_t size, int protection, int flags, int file)
{
	char *memory = mmap(NULL, size, protection, flags, file, 0);

	if (memory == MAP_FAILED)
		err(EXIT_FAILURE, "mmap of %zu bytes", size);
	return memory;
}

/* Writes one byte of every page. */
static void touch(volatile char *memory, size_t size)
{
	for (size_t offset = 0; offset < size; offset += PAGE)
		memory[offset] = 'x';
}

/* Holds the memory for ever; with `touch` it stays hot. */
static void hold(const struct options *options)
{
	size_t size = options->mebibytes * MEBIBYTE;
	char *memory = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	touch(memory, size);
	printf("holding %zu MiB\n", options->mebibytes);
	for (;;) {
		sleep(1);
		if (options->touch)
			touch(memory, size);
	}
}

/*
 * Takes memory at that rate (0: as fast as it can) until it has `up_to` MiB (0: for ever), then holds it.
 *
 * The kernel is asked for whole steps, which is as fast as it gets.
 */
static void grow(const struct options *options)
{
	size_t step = options->per_second * MEBIBYTE / STEPS_PER_SECOND / PAGE * PAGE, size = 0;
	double start = now(), passed, says_at = 0;

	if (!step)
		step = LARGEST_STEP;
	while (!options->up_to || size < options->up_to * MEBIBYTE) {
		/* Pages of zeros would go to swap without being written, hence the touch. */
		touch(map(step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1), step);
		size += step;
		passed = now() - start;
		if (!options->per_second || passed >= says_at) {
			printf("holding %zu MiB after %.2f s\n", size / MEBIBYTE, passed);
			says_at = passed + 0.1;
		}
		if (options->per_second)
			sleep_for((double)size / MEBIBYTE / options->per_second - passed);
	}
	printf("holding %zu MiB, no more\n", size / MEBIBYTE);
	for (;;)
		pause();
}

/* A descriptor of a file of that size on the disk, written now unless it is there already. */
static int written(const struct options *options)
{
	int file = open(options->file, O_RDWR | O_CREAT, 0600);
	static char chunk[CHUNK];
	struct stat state;

	if (file < 0 || fstat(file, &state) < 0)
		err(EXIT_FAILURE, "%s", options->file);
	for (size_t done = 0; done < CHUNK; done += 256) /* so much it gives in one piece */
		if (getentropy(chunk + done, 256) < 0)
			err(EXIT_FAILURE, "getentropy");
	for (off_t end = state.st_size; end < (off_t)(options->mebibytes * MEBIBYTE); end += CHUNK)
		if (pwrite(file, chunk, CHUNK, end) != (ssize_t)CHUNK)
			err(EXIT_FAILURE, "%s", options->file);
	if (fsync(file) < 0)
		err(EXIT_FAILURE, "%s", options->file);
	return file;
}

/* Reads the file over and over. */
static void read_file(const struct options *options)
{
	int file = written(options);
	static char buffer[CHUNK];

	for (int round = 1;; round++) {
		for (size_t offset = 0; offset < options->mebibytes * MEBIBYTE; offset += CHUNK)
			if (pread(file, buffer, CHUNK, offset) < 0)
				err(EXIT_FAILURE, "%s", options->file);
		printf("round %d\n", round);
	}
}

/* Looks at every page of the mapped file over and over. */
static void map_file(const struct options *options)
{
	size_t size = options->mebibytes * MEBIBYTE;
	volatile char *memory = map(size, PROT_READ, MAP_SHARED, written(options));

	for (int round = 1;; round++) {
		for (size_t offset = 0; offset < size; offset += PAGE)
			memory[offset];
		printf("round %d\n", round);
	}
}

static const struct {
	const char *name;
	void (*run)(const struct options *options);
	bool needs_size;
	bool needs_file;
} commands[] = {
	{ "hold", hold, true, false },
	{ "grow", grow, false, false },
	{ "read", read_file, true, true },
	{ "map", map_file, true, true },
};

static size_t number(const char *text)
{
	char *end;
	size_t value = strtoul(text, &end, 10);

	if (!*text || *end)
		errx(EXIT_FAILURE, "expected a whole number, found %s", text);
	return value;
}

static struct options parsed(int argc, char **argv)
{
	static const struct option names[] = {
		{ "mebibytes", required_argument, NULL, 'm' },
		{ "mebibytes-per-second", required_argument, NULL, 'r' },
		{ "up-to", required_argument, NULL, 'u' },
		{ "file", required_argument, NULL, 'f' },
		{ "touch", no_argument, NULL, 't' },
		{ },
	};
	struct options options = { };

	for (int found; (found = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (found) {
		case 'm': options.mebibytes = number(optarg); break;
		case 'r': options.per_second = number(optarg); break;
		case 'u': options.up_to = number(optarg); break;
		case 'f': options.file = optarg; break;
		case 't': options.touch = true; break;
		default: exit(EXIT_FAILURE);
		}
	}
	return options;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	struct options options = parsed(argc, argv);

	setlinebuf(stdout);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, command))
			continue;
		if (commands[i].needs_size && !options.mebibytes)
			errx(EXIT_FAILURE, "%s needs --mebibytes", command);
		if (commands[i].needs_file && !options.file)
			errx(EXIT_FAILURE, "%s needs --file", command);
		commands[i].run(&options);
	}
	errx(EXIT_FAILURE, "expected hold, grow, read or map, found '%s'", command);
}
