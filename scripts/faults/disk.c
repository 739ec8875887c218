/* Makes the disk operations of a program fail, and logs them.
 *
 *     cc -shared -fPIC -O1 -o disk.so disk.c -ldl
 *     LD_PRELOAD=./disk.so FAULT_DIRECTORY=/store FAULT_LOG=calls \
 *         FAULT_CALL=sync FAULT_AT=3 FAULT_ERROR=EIO program
 *
 * Calls on files in FAULT_DIRECTORY are counted by kind: "write" is pwrite,
 * write and sync_file_range; "sync" is fsync and fdatasync. Call number
 * FAULT_AT of the kind FAULT_CALL fails once with FAULT_ERROR (EIO or ENOSPC;
 * "short" writes half). Each counted call is a line in FAULT_LOG: its name and
 * the file. The file FAULT_IGNORE, such as the program's log, is not counted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { WRITE, SYNC };

static atomic_int counts[2];

static int is_watched(int file, char *path, size_t size) {
    const char *directory = getenv("FAULT_DIRECTORY");
    const char *ignored = getenv("FAULT_IGNORE");
    char link[64];
    if (!directory)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (ignored && strcmp(path, ignored) == 0)
        return 0;
    size_t within = strlen(directory);
    return strncmp(path, directory, within) == 0 && (path[within] == 0 || path[within] == '/');
}

static void note(const char *call, const char *path) {
    static ssize_t (*real)(int, const void *, size_t);
    const char *log = getenv("FAULT_LOG");
    char line[4200];
    if (!log)
        return;
    if (!real)
        real = dlsym(RTLD_NEXT, "write");
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0)
        return;
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    if (real(file, line, (size_t)length) < 0)
        abort();
    close(file);
}

/* Whether this call must fail. errno is the error, or 0 for a short write. */
static int fails(enum kind kind, const char *call, int file) {
    char path[4096];
    int before = errno;
    if (!is_watched(file, path, sizeof path)) {
        errno = before;
        return 0;
    }
    note(call, path);
    const char *which = getenv("FAULT_CALL"), *at = getenv("FAULT_AT"), *error = getenv("FAULT_ERROR");
    int count = atomic_fetch_add(&counts[kind], 1) + 1;
    errno = before;
    if (!which || !at || strcmp(which, kind == WRITE ? "write" : "sync") != 0 || count != atoi(at))
        return 0;
    errno = error && strcmp(error, "ENOSPC") == 0 ? ENOSPC : error && strcmp(error, "short") == 0 ? 0 : EIO;
    return 1;
}

#define REAL(name, type, ...)                                                                                              \
    static type (*real)(__VA_ARGS__);                                                                                      \
    if (!real)                                                                                                             \
        real = dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *bytes, size_t count) {
    REAL(write, ssize_t, int, const void *, size_t);
    if (!fails(WRITE, "write", file))
        return real(file, bytes, count);
    return errno ? -1 : real(file, bytes, count / 2);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    REAL(pwrite64, ssize_t, int, const void *, size_t, off64_t);
    if (!fails(WRITE, "pwrite", file))
        return real(file, bytes, count, at);
    return errno ? -1 : real(file, bytes, count / 2, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return pwrite64(file, bytes, count, at);
}

int sync_file_range(int file, off64_t from, off64_t count, unsigned int flags) {
    REAL(sync_file_range, int, int, off64_t, off64_t, unsigned int);
    if (!fails(WRITE, "sync_file_range", file))
        return real(file, from, count, flags);
    if (errno == 0)
        errno = EIO;
    return -1;
}

int fsync(int file) {
    REAL(fsync, int, int);
    if (!fails(SYNC, "fsync", file))
        return real(file);
    if (errno == 0)
        errno = EIO;
    return -1;
}

int fdatasync(int file) {
    REAL(fdatasync, int, int);
    if (!fails(SYNC, "fdatasync", file))
        return real(file);
    if (errno == 0)
        errno = EIO;
    return -1;
}
