#include "CLibSSH2.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// Beyond this many bytes waiting to be sent, libssh2 is told to wait.
static const size_t pending_limit = 128 << 10;
// A server that sends packets nobody asked for is cut off here. The window is 256 KiB a channel.
static const size_t allocation_limit = 64 << 20;
// The clear-text part of a handshake is 1 to 4 KiB; a packet has at most 40,000 bytes.
static const size_t record_limit = 64 << 10;
static const size_t banner_limit = 64 << 10;
static const size_t handshake_limit = 256 << 10;
static const size_t first_record_capacity = 4 << 10;
// Reads shorter than this are answers that the server's next packet may be waiting behind.
static const ssize_t quick_acknowledge_limit = 4 << 10;

// SSH_MSG_CHANNEL_REQUEST (RFC 4254, 6.10): byte 98, recipient channel, string "exit-status", boolean, status.
static const unsigned char channel_request = 98;
static const char exit_status_name[] = "\0\0\0\x0b" "exit-status";
enum { exit_status_size = 1 + 4 + 15 + 1 + 4 };

static uint32_t read_u32(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// MARK: Memory

static LIBSSH2_ALLOC_FUNC(hook_alloc) {
    coord_ssh2_transport *transport = *abstract;
    if (transport->allocated + count > allocation_limit) return NULL;
    unsigned char *pointer = malloc(count > 0 ? count : 1);
    if (!pointer) return NULL;
    // 1.10 keeps a signal's name that it could not copy, and later takes its length.
    pointer[0] = 0;
    transport->allocated += malloc_usable_size(pointer);
    return pointer;
}

void *coord_ssh2_alloc(LIBSSH2_SESSION *session, size_t count) {
    return hook_alloc(count, libssh2_session_abstract(session));
}

static LIBSSH2_REALLOC_FUNC(hook_realloc) {
    coord_ssh2_transport *transport = *abstract;
    size_t before = malloc_usable_size(ptr);
    if (transport->allocated - before + count > allocation_limit) return NULL;
    void *pointer = realloc(ptr, count);
    if (pointer) transport->allocated += malloc_usable_size(pointer) - before;
    return pointer;
}

static LIBSSH2_FREE_FUNC(hook_free) {
    if (!ptr) return;
    coord_ssh2_transport *transport = *abstract;
    size_t size = malloc_usable_size(ptr);
    transport->allocated -= size;
    const unsigned char *packet = ptr;
    if (size >= exit_status_size && packet[0] == channel_request
        && memcmp(packet + 5, exit_status_name, sizeof exit_status_name - 1) == 0) {
        uint32_t channel = read_u32(packet + 1);
        coord_ssh2_status *slot = &transport->statuses[channel % COORD_SSH2_STATUS_SLOTS];
        slot->channel = channel;
        slot->status = read_u32(packet + 21);
        slot->seen = true;
    }
    free(ptr);
}

// MARK: Sending

bool coord_ssh2_transport_flush(coord_ssh2_transport *transport) {
    while (transport->pending_count > 0) {
        ssize_t sent = send(
            transport->fd, transport->pending + transport->pending_start, transport->pending_count, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return true;
            transport->send_errno = errno;
            return false;
        }
        transport->pending_start += (size_t)sent;
        transport->pending_count -= (size_t)sent;
    }
    transport->pending_start = 0;
    return true;
}

static bool append_pending(coord_ssh2_transport *transport, const unsigned char *bytes, size_t count) {
    if (transport->pending_start + transport->pending_count + count > transport->pending_capacity) {
        if (transport->pending_start > 0) {
            memmove(transport->pending, transport->pending + transport->pending_start, transport->pending_count);
            transport->pending_start = 0;
        }
        size_t needed = transport->pending_count + count;
        if (needed > transport->pending_capacity) {
            unsigned char *larger = realloc(transport->pending, needed);
            if (!larger) return false;
            transport->pending = larger;
            transport->pending_capacity = needed;
        }
    }
    memcpy(transport->pending + transport->pending_start + transport->pending_count, bytes, count);
    transport->pending_count += count;
    return true;
}

static LIBSSH2_SEND_FUNC(hook_send) {
    (void)socket;
    (void)flags;
    coord_ssh2_transport *transport = *abstract;
    if (transport->closing) return (ssize_t)length;
    if (!coord_ssh2_transport_flush(transport)) return -transport->send_errno;
    if (transport->pending_count >= pending_limit) return -EAGAIN;
    const unsigned char *bytes = buffer;
    size_t sent = 0;
    if (transport->pending_count == 0) {
        ssize_t count;
        do count = send(transport->fd, bytes, length, MSG_NOSIGNAL);
        while (count < 0 && errno == EINTR);
        if (count < 0 && errno != EAGAIN) {
            transport->send_errno = errno;
            return -errno;
        }
        if (count > 0) sent = (size_t)count;
    }
    if (sent < length && !append_pending(transport, bytes + sent, length - sent)) {
        transport->send_errno = ENOMEM;
        return -ENOMEM;
    }
    return (ssize_t)length;
}

// MARK: Reading

static void record(coord_ssh2_transport *transport, const unsigned char *bytes, size_t count) {
    if (count > record_limit - transport->record_count) count = record_limit - transport->record_count;
    size_t needed = transport->record_count + count;
    if (needed > transport->record_capacity) {
        size_t capacity = transport->record_capacity ? transport->record_capacity : first_record_capacity;
        while (capacity < needed) capacity *= 2;
        unsigned char *larger = realloc(transport->record, capacity);
        if (!larger) return;
        transport->record = larger;
        transport->record_capacity = capacity;
    }
    memcpy(transport->record + transport->record_count, bytes, count);
    transport->record_count += count;
}

// sshd leaves Nagle's algorithm on without a terminal: its second small packet waits for the acknowledgement of the
// first, which the kernel here would hold back for 40 ms. The option does not last, so it is set again each time.
static void acknowledge(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

// recv(2) with all the bookkeeping. The end of the stream is told by `ended`; libssh2 only sees EAGAIN, because it
// gives up the packets that it holds as soon as a read fails.
static ssize_t receive(coord_ssh2_transport *transport, void *buffer, size_t length) {
    if (transport->ended || transport->over_budget || transport->turn_budget == 0) return -EAGAIN;
    ssize_t count;
    do count = recv(transport->fd, buffer, length, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN) return -EAGAIN;
    if (count <= 0) {
        transport->ended = true;
        transport->receive_errno = count < 0 ? errno : 0;
        return -EAGAIN;
    }
    if (count < quick_acknowledge_limit) acknowledge(transport->fd);
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    transport->last_received = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    transport->received += (uint64_t)count;
    transport->turn_budget -= (size_t)count < transport->turn_budget ? (size_t)count : transport->turn_budget;
    if (transport->recording) {
        record(transport, buffer, (size_t)count);
        if ((size_t)count > transport->handshake_budget) transport->over_budget = true;
        else transport->handshake_budget -= (size_t)count;
    }
    return count;
}

static LIBSSH2_RECV_FUNC(hook_recv) {
    (void)socket;
    (void)flags;
    coord_ssh2_transport *transport = *abstract;
    if (transport->closing) return -ECONNABORTED;
    if (length == 1) {
        if (transport->banner_budget == 0) {
            transport->over_budget = true;
            return -EAGAIN;
        }
        transport->banner_budget -= 1;
    }
    if (length == 1 && transport->ahead_count == 0) {
        ssize_t count = receive(transport, transport->ahead, sizeof transport->ahead);
        if (count < 0) return count;
        transport->ahead_start = 0;
        transport->ahead_count = (size_t)count;
    }
    if (transport->ahead_count == 0) return receive(transport, buffer, length);
    size_t count = length < transport->ahead_count ? length : transport->ahead_count;
    memcpy(buffer, transport->ahead + transport->ahead_start, count);
    transport->ahead_start += count;
    transport->ahead_count -= count;
    return (ssize_t)count;
}

static LIBSSH2_DISCONNECT_FUNC(hook_disconnect) {
    (void)session;
    (void)language;
    (void)language_len;
    coord_ssh2_transport *transport = *abstract;
    transport->disconnected = true;
    transport->disconnect_reason = (uint32_t)reason;
    size_t count = message && message_len > 0 ? (size_t)message_len : 0;
    if (count > COORD_SSH2_DISCONNECT_TEXT) count = COORD_SSH2_DISCONNECT_TEXT;
    if (count > 0) memcpy(transport->disconnect_text, message, count);
    transport->disconnect_count = count;
}

// MARK: Life

coord_ssh2_transport *coord_ssh2_transport_new(int fd) {
    coord_ssh2_transport *transport = calloc(1, sizeof *transport);
    if (!transport) return NULL;
    transport->fd = fd;
    transport->recording = true;
    transport->banner_budget = banner_limit;
    transport->handshake_budget = handshake_limit;
    return transport;
}

void coord_ssh2_transport_free(coord_ssh2_transport *transport) {
    if (!transport) return;
    free(transport->record);
    free(transport->pending);
    free(transport);
}

LIBSSH2_SESSION *coord_ssh2_session_new(coord_ssh2_transport *transport) {
    LIBSSH2_SESSION *session = libssh2_session_init_ex(hook_alloc, hook_free, hook_realloc, transport);
    if (!session) return NULL;
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_SEND, (libssh2_cb_generic *)hook_send);
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_RECV, (libssh2_cb_generic *)hook_recv);
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_DISCONNECT, (libssh2_cb_generic *)hook_disconnect);
#else
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND, (void *)hook_send);
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV, (void *)hook_recv);
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_DISCONNECT, (void *)hook_disconnect);
#endif
    libssh2_session_set_blocking(session, 0);
    return session;
}

bool coord_ssh2_exit_status(const coord_ssh2_transport *transport, uint32_t channel, uint32_t *status) {
    const coord_ssh2_status *slot = &transport->statuses[channel % COORD_SSH2_STATUS_SLOTS];
    if (!slot->seen || slot->channel != channel) return false;
    *status = slot->status;
    return true;
}

int coord_ssh2_keepalive(LIBSSH2_SESSION *session) {
    // libssh2 sends when `last sent + interval <= now`, by the wall clock: the smallest interval is always past.
    int seconds_to_next = 0;
    libssh2_keepalive_config(session, 1, (unsigned)INT_MIN);
    int code = libssh2_keepalive_send(session, &seconds_to_next);
    libssh2_keepalive_config(session, 1, 0);
    return code;
}
