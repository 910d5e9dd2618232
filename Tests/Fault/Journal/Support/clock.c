/* Clocks that a test can set, for one process and the libraries in it (LD_PRELOAD). CLOCK_FILE holds how many seconds the wall clock
 * is ahead, as text; negative: behind. SLEEP_FILE holds how many seconds the machine was suspended, which only CLOCK_BOOTTIME counts.
 * CLOCK_MONOTONIC is left alone, as the kernel leaves it alone in both cases.
 *
 * Waits until a moment of the wall clock are led back to the kernel's, as if it had been set as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static long seconds(const char *name)
{
    const char *path = getenv(name);
    char text[32] = {0};
    int error = errno;
    if (!path)
        return 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    errno = error;
    return count > 0 ? atol(text) : 0;
}

static long ahead(void)
{
    return seconds("CLOCK_FILE");
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static __typeof__(&clock_gettime) real;
    if (!real)
        real = REAL(clock_gettime);
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead();
    if (result == 0 && clock == CLOCK_BOOTTIME)
        now->tv_sec += seconds("SLEEP_FILE");
    return result;
}

int timespec_get(struct timespec *now, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec time;
    (void) zone;
    clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

/* A moment this late is one of the wall clock: no machine has been up for 30 years. */
static struct timespec moment(const struct timespec *until)
{
    struct timespec result = *until;
    if (result.tv_sec > 1000000000)
        result.tv_sec -= ahead();
    return result;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static __typeof__(&pthread_cond_timedwait) real;
    if (!real)
        real = REAL(pthread_cond_timedwait);
    struct timespec led = moment(until);
    return real(condition, mutex, &led);
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
    static __typeof__(&cnd_timedwait) real;
    if (!real)
        real = REAL(cnd_timedwait);
    struct timespec led = moment(until);
    return real(condition, mutex, &led);
}
