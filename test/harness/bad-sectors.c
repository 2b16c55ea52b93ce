/* For LD_PRELOAD: reads of chosen places of chosen files fail with EIO, as on a disk with bad sectors. The file named by
 * PMNODE_BAD_SECTORS (4096 bytes, changed while the process runs) holds a line "<inode> <from> <to>" for each. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static const char *rules;

__attribute__((constructor)) static void start(void) {
	const char *file = getenv("PMNODE_BAD_SECTORS");
	int fd = file ? open(file, O_RDONLY) : -1;
	if (fd < 0) return;
	void *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED) rules = mapped;
	close(fd);
}

static int is_bad(int fd, off_t at, size_t count) {
	if (rules == NULL || rules[0] == 0) return 0;
	struct stat file;
	char text[4096];
	if (fstat(fd, &file) != 0) return 0;
	memcpy(text, rules, sizeof text);
	text[sizeof text - 1] = 0;
	char *rest = text;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		long long inode, from, to;
		if (sscanf(line, "%lld %lld %lld", &inode, &from, &to) != 3) continue;
		if ((long long)file.st_ino == inode && at < to && at + (off_t)count > from) return 1;
	}
	return 0;
}

#define REAL(type, name, ...) \
	static type (*real)(__VA_ARGS__); \
	if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t pread(int fd, void *buffer, size_t count, off_t at) {
	REAL(ssize_t, "pread", int, void *, size_t, off_t);
	if (is_bad(fd, at, count)) return errno = EIO, -1;
	return real(fd, buffer, count, at);
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t at) {
	REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
	if (is_bad(fd, at, count)) return errno = EIO, -1;
	return real(fd, buffer, count, at);
}

ssize_t read(int fd, void *buffer, size_t count) {
	REAL(ssize_t, "read", int, void *, size_t);
	off_t at = rules && rules[0] ? lseek(fd, 0, SEEK_CUR) : -1;
	if (at >= 0 && is_bad(fd, at, count)) return errno = EIO, -1;
	return real(fd, buffer, count);
}
