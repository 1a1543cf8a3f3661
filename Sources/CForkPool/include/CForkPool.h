// What Swift can't call by itself: fork, messages that carry a descriptor, signalfd, epoll, the process title.

#ifndef CFORKPOOL_H
#define CFORKPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// fork(2). Only to be called in a process that has one thread.
pid_t cforkpool_fork(void);

// sendmsg(2) of one message on a SOCK_SEQPACKET socket, with one descriptor attached when `descriptor` >= 0.
// Answers the bytes sent or -errno; EINTR is tried again.
ssize_t cforkpool_send(int socket, const void *bytes, size_t count, int descriptor);

// recvmsg(2) of one message; *descriptor is the one attached (close-on-exec) or -1.
// Answers the bytes received, 0 at the end of the stream, or -errno; EINTR is tried again.
ssize_t cforkpool_receive(int socket, void *bytes, size_t capacity, int *descriptor);

// Blocks `signals` (a list of numbers) and answers a non-blocking signalfd(2) for them, or -errno.
int cforkpool_signal_descriptor(const int *signals, size_t count);

// Reads and drops what waits on a signalfd.
void cforkpool_drain_signals(int descriptor);

// Sets the signal mask to empty and the given signals' actions to their defaults: what a forked worker starts with.
void cforkpool_reset_signals(const int *signals, size_t count);

// prctl(PR_SET_CHILD_SUBREAPER): workers whose pool was killed become children of the caller, who can then end and
// reap them without hitting a stranger that got the same number.
void cforkpool_adopt_orphans(void);

// The process title: `words` with NUL between them becomes /proc/self/cmdline, `name` (15 bytes) the comm.
// prepare() is called once, early, in a process with one thread; set() may be called after each fork.
// set() answers 1 when the whole title stands, 0 when it had to be cut to the room that argv had.
void cforkpool_title_prepare(int argc, char **argv);
int cforkpool_title_set(const char *name, const char *words, size_t count);

// epoll(7), level-triggered.
int cforkpool_epoll_create(void);
int cforkpool_epoll_set(int epoll, int descriptor, uint64_t token, int is_new);
int cforkpool_epoll_remove(int epoll, int descriptor);
// Fills `tokens` with what is readable or hung up; answers how many, or -errno.
int cforkpool_epoll_wait(int epoll, uint64_t *tokens, int capacity, int timeout_milliseconds);

#endif
