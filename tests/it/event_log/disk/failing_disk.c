/* Preloaded below the log. As long as the file named by FAILING_SYNC exists, every fsync and fdatasync fails with EIO;
 * as long as the one named by FAILING_WRITE exists, every write to a file fails with EIO; with FULL_DISK, it fails with
 * ENOSPC; with NO_SPACE, so does every write that makes a file longer, and fallocate: what was set aside can be used. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
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

/* Whether a write of bytes that end there must fail. */
static int refused(int fd, off_t end)
{
    struct stat status;
    /* What is said can be read whatever the disk does. */
    if (fd <= 2 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    return commanded("FULL_DISK", ENOSPC) || commanded("FAILING_WRITE", EIO)
        || (end > status.st_size && commanded("NO_SPACE", ENOSPC));
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
    off_t at = lseek(fd, 0, SEEK_CUR);
    return refused(fd, at + (off_t)count) ? -1 : REAL(ssize_t (*)(int, const void *, size_t), "write")(fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return refused(fd, at + (off_t)count) ? -1 : REAL(ssize_t (*)(int, const void *, size_t, off_t), "pwrite")(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    return refused(fd, at + (off_t)count) ? -1 : REAL(ssize_t (*)(int, const void *, size_t, off64_t), "pwrite64")(fd, bytes, count, at);
}

int fallocate(int fd, int mode, off_t at, off_t count)
{
    return commanded("NO_SPACE", ENOSPC) ? -1 : REAL(int (*)(int, int, off_t, off_t), "fallocate")(fd, mode, at, count);
}

int fallocate64(int fd, int mode, off64_t at, off64_t count)
{
    return commanded("NO_SPACE", ENOSPC) ? -1 : REAL(int (*)(int, int, off64_t, off64_t), "fallocate64")(fd, mode, at, count);
}
