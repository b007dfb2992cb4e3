/* Preloaded below SQLite. As long as the file named by FAILING_SYNC exists, every fsync and fdatasync fails with EIO;
 * as long as the one named by FULL_DISK exists, every write to a file fails with ENOSPC. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int commanded(const char *name, int error)
{
    const char *command = getenv(name);
    if (!command || access(command, F_OK) != 0)
        return 0;
    errno = error;
    return 1;
}

static int full(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && commanded("FULL_DISK", ENOSPC);
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

int fsync(int fd)
{
    return commanded("FAILING_SYNC", EIO) ? -1 : REAL(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd)
{
    return commanded("FAILING_SYNC", EIO) ? -1 : REAL(int (*)(int), "fdatasync")(fd);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    return full(fd) ? -1 : REAL(ssize_t (*)(int, const void *, size_t), "write")(fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return full(fd) ? -1 : REAL(ssize_t (*)(int, const void *, size_t, off_t), "pwrite")(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    return full(fd) ? -1 : REAL(ssize_t (*)(int, const void *, size_t, off64_t), "pwrite64")(fd, bytes, count, at);
}
