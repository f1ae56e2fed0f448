/* The device as a process on a pseudo-terminal.
 *
 * usage: native [--seed N]      N is the chip seed, 1 by default
 *
 * Prints the path of the terminal at each boot. The signal USR1 reboots it. */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "hal.h"

/* A serial line does not wait for a host that does not listen; nor does this one for ever. */
static const struct timespec PATIENCE = {10, 0};

static int line;
static sigjmp_buf restart;
static volatile sig_atomic_t restarting;

static uint8_t in[4096], out[4096];
static size_t in_next, in_size, out_size;

static void on_signal(int signal)
{
    (void)signal;
    restarting = 1;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Wait until the line can be written, or else read; false when it cannot in time. NULL is for ever.
 * The signal of a restart is blocked but for this wait, so that none is missed. */
static int wait_for(int writing, const struct timespec *patience)
{
    fd_set lines;
    sigset_t none;

    FD_ZERO(&lines);
    FD_SET(line, &lines);
    sigemptyset(&none);
    int ready = pselect(line + 1, writing ? NULL : &lines, writing ? &lines : NULL, NULL, patience,
                        &none);
    if (restarting)
        siglongjmp(restart, 1);
    if (ready < 0 && errno != EINTR)
        fail("select");
    return ready != 0;
}

uint8_t hal_get(void)
{
    while (in_next == in_size) {
        in_next = in_size = 0;
        wait_for(0, NULL);
        ssize_t got = read(line, in, sizeof in);
        if (got > 0)
            in_size = (size_t)got;
        else if (got < 0 && errno != EAGAIN && errno != EINTR)
            fail("read");
    }
    return in[in_next++];
}

static void flush(void)
{
    size_t sent = 0;

    while (sent < out_size && wait_for(1, &PATIENCE)) {
        ssize_t done = write(line, out + sent, out_size - sent);
        if (done > 0)
            sent += (size_t)done;
        else if (done < 0 && errno != EAGAIN && errno != EINTR)
            fail("write");
    }
    out_size = 0;
}

void hal_put(uint8_t byte)
{
    out[out_size++] = byte;
    if (byte == 0 || out_size == sizeof out)
        flush();
}

/* A raw terminal, open at both ends so that hosts may come and go. */
static const char *open_line(void)
{
    struct termios raw;
    const char *path;
    int host;

    line = posix_openpt(O_RDWR | O_NOCTTY);
    if (line < 0 || grantpt(line) < 0 || unlockpt(line) < 0 || (path = ptsname(line)) == NULL)
        fail("pseudo-terminal");
    host = open(path, O_RDWR | O_NOCTTY);
    if (host < 0 || tcgetattr(host, &raw) < 0)
        fail(path);
    cfmakeraw(&raw);
    if (tcsetattr(host, TCSANOW, &raw) < 0 || fcntl(line, F_SETFL, O_NONBLOCK) < 0)
        fail(path);
    return path;
}

static uint32_t fresh_number(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint32_t)now.tv_sec * 1000003u + (uint32_t)now.tv_nsec) ^ (uint32_t)getpid() << 16;
}

static uint32_t chip_seed(int count, char **arguments)
{
    char *end;

    if (count == 1)
        return 1;
    if (count == 3 && strcmp(arguments[1], "--seed") == 0 && *arguments[2] != '\0') {
        unsigned long long seed = strtoull(arguments[2], &end, 10);
        if (*end == '\0' && *arguments[2] != '-' && seed <= UINT32_MAX)
            return (uint32_t)seed;
    }
    fprintf(stderr, "usage: %s [--seed N], N from 0 to %lu\n", arguments[0],
            (unsigned long)UINT32_MAX);
    exit(2);
}

int main(int count, char **arguments)
{
    uint32_t chip = chip_seed(count, arguments);
    struct sigaction action;
    sigset_t blocked;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, NULL);

    const char *path = open_line();
    static uint32_t boot_id;
    boot_id = fresh_number();
    sigsetjmp(restart, 1);
    restarting = 0;
    in_next = in_size = out_size = 0;
    boot_id++;
    printf("%s\n", path);
    fflush(stdout);
    device_serve(chip, boot_id);
}
