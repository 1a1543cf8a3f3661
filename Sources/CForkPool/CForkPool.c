#define _GNU_SOURCE
#include "CForkPool.h"

#include <errno.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

pid_t cforkpool_fork(void) {
    pid_t pid = fork();
    return pid < 0 ? -errno : pid;
}

ssize_t cforkpool_send(int socket, const void *bytes, size_t count, int descriptor) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control;
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

ssize_t cforkpool_receive(int socket, void *bytes, size_t capacity, int *descriptor) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control;
    struct iovec vector = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    *descriptor = -1;
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) {
        return -errno;
    }
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            memcpy(descriptor, CMSG_DATA(header), sizeof(int));
        }
    }
    return received;
}

int cforkpool_signal_descriptor(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t index = 0; index < count; index++) {
        sigaddset(&set, signals[index]);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
        return -errno;
    }
    int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

void cforkpool_drain_signals(int descriptor) {
    struct signalfd_siginfo info[16];
    while (read(descriptor, info, sizeof info) > 0) {
    }
}

void cforkpool_reset_signals(const int *signals, size_t count) {
    for (size_t index = 0; index < count; index++) {
        signal(signals[index], SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void cforkpool_adopt_orphans(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

// The title. /proc/PID/cmdline shows the memory between mm->arg_start and mm->arg_end. PR_SET_MM_MAP (Linux 3.18,
// CONFIG_CHECKPOINT_RESTORE, no privilege needed) points these at a buffer of our own; where it is refused, the
// room that argv had is used, and a longer title is cut. The bytes must end in NUL inside that room: otherwise the
// kernel takes it for setproctitle(3) and shows only the first word.

enum { title_capacity = 512 };

static char title[title_capacity];
static char *argv_room;
static size_t argv_room_size;
static struct prctl_mm_map map;
static int map_known;

void cforkpool_title_prepare(int argc, char **argv) {
    if (argc > 0) {
        argv_room = argv[0];
        argv_room_size = strlen(argv[argc - 1]) + 1 + (size_t)(argv[argc - 1] - argv[0]);
    }
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return;
    }
    char line[2048];
    char *read_line = fgets(line, sizeof line, file);
    fclose(file);
    char *fields = read_line == NULL ? NULL : strrchr(line, ')');
    if (fields == NULL) {
        return;
    }
    // Field 3 (state) follows the last ')'. proc(5) numbers the ones below.
    unsigned long long value[53] = {0};
    int field = 3;
    char *save = NULL;
    for (char *word = strtok_r(fields + 1, " ", &save); word != NULL && field <= 52;
         word = strtok_r(NULL, " ", &save)) {
        value[field++] = strtoull(word, NULL, 10);
    }
    if (field <= 51) {
        return;
    }
    map.start_code = value[26];
    map.end_code = value[27];
    map.start_stack = value[28];
    map.start_data = value[45];
    map.end_data = value[46];
    map.start_brk = value[47];
    map.arg_start = value[48];
    map.arg_end = value[49];
    map.env_start = value[50];
    map.env_end = value[51];
    map.auxv = NULL;
    map.auxv_size = 0;
    map.exe_fd = (unsigned)-1;
    map_known = 1;
}

int cforkpool_title_set(const char *name, const char *words, size_t count) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
    size_t kept = count < title_capacity - 1 ? count : title_capacity - 1;
    memcpy(title, words, kept);
    title[kept] = 0;
    if (map_known) {
        map.arg_start = (unsigned long long)(uintptr_t)title;
        map.arg_end = map.arg_start + kept + 1;
        map.brk = (unsigned long long)(uintptr_t)sbrk(0);
        if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0) {
            return kept == count;
        }
    }
    if (argv_room_size < 2) {
        return 0;
    }
    size_t room = kept < argv_room_size - 1 ? kept : argv_room_size - 1;
    memcpy(argv_room, title, room);
    memset(argv_room + room, 0, argv_room_size - room);
    return room == count;
}

int cforkpool_epoll_create(void) {
    int descriptor = epoll_create1(EPOLL_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int cforkpool_epoll_set(int epoll, int descriptor, uint64_t token, int is_new) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = token};
    int result = epoll_ctl(epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event);
    return result < 0 ? -errno : 0;
}

int cforkpool_epoll_remove(int epoll, int descriptor) {
    struct epoll_event event = {0};
    int result = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event);
    return result < 0 ? -errno : 0;
}

int cforkpool_epoll_wait(int epoll, uint64_t *tokens, int capacity, int timeout_milliseconds) {
    struct epoll_event events[64];
    if (capacity > 64) {
        capacity = 64;
    }
    int count = epoll_wait(epoll, events, capacity, timeout_milliseconds);
    if (count < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    for (int index = 0; index < count; index++) {
        tokens[index] = events[index].data.u64;
    }
    return count;
}
