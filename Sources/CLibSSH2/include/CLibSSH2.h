// What Swift cannot express about libssh2: a transport that sits between libssh2 and the socket (its SEND and RECV
// callbacks), the allocation hooks of libssh2_session_init_ex, and the few calls into OpenSSL that warm a process up.
//
// The transport buffers what libssh2 sends, so that libssh2 never has to resume a half-sent packet (1.10 refuses every
// other call until it has); it keeps the end of the stream to itself until the packets already read were taken; and
// it bounds what one call may read and what one session may allocate. The free hook sees each decrypted packet once
// more before it goes: an exit-status request that it saw is the only proof that a status was ever sent.

#ifndef COORD_CLIBSSH2_H
#define COORD_CLIBSSH2_H

#include <libssh2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Bytes of the server's disconnect text that are kept.
#define COORD_SSH2_DISCONNECT_TEXT 256
/// Exit statuses that are remembered: a slot for each of the last channels.
#define COORD_SSH2_STATUS_SLOTS 8
/// Bytes read ahead while libssh2 asks for the banner byte by byte.
#define COORD_SSH2_READ_AHEAD 1024

typedef struct {
    uint32_t channel;
    uint32_t status;
    bool seen;
} coord_ssh2_status;

typedef struct {
    int fd;
    // MARK: Reading
    uint64_t received;            // bytes in all
    uint64_t last_received;       // CLOCK_BOOTTIME in nanoseconds; 0: nothing yet
    size_t turn_budget;           // bytes that the present call may still read
    size_t banner_budget;         // bytes that may still be asked for one at a time
    size_t handshake_budget;      // bytes that may still come while `recording`
    bool over_budget;             // the banner's or the handshake's budget was spent
    bool ended;                   // the server closed the connection, or it broke: see `receive_errno`
    int receive_errno;
    unsigned char ahead[COORD_SSH2_READ_AHEAD];
    size_t ahead_start, ahead_count;
    // MARK: The handshake in clear text
    bool recording;
    unsigned char *record;
    size_t record_count, record_capacity;
    // MARK: Sending
    unsigned char *pending;
    size_t pending_start, pending_count, pending_capacity;
    int send_errno;
    // MARK: What the server said
    bool disconnected;
    uint32_t disconnect_reason;
    size_t disconnect_count;
    char disconnect_text[COORD_SSH2_DISCONNECT_TEXT];
    coord_ssh2_status statuses[COORD_SSH2_STATUS_SLOTS];
    // MARK: Memory
    size_t allocated;             // bytes that libssh2 holds
    bool closing;                 // drop what is sent, fail what is read: freeing must not wait
} coord_ssh2_transport;

/// A session whose callbacks use `transport`, in non-blocking mode; NULL when there is no memory.
LIBSSH2_SESSION *coord_ssh2_session_new(coord_ssh2_transport *transport);

/// A transport for a connected, non-blocking socket; NULL when there is no memory. The caller owns the socket.
coord_ssh2_transport *coord_ssh2_transport_new(int fd);

/// Frees a transport, after its session.
void coord_ssh2_transport_free(coord_ssh2_transport *transport);

/// Sends what is buffered, as far as the socket takes it. False: the connection is broken, see `send_errno`.
bool coord_ssh2_transport_flush(coord_ssh2_transport *transport);

/// The status that the server sent for a channel; false when none was seen.
bool coord_ssh2_exit_status(const coord_ssh2_transport *transport, uint32_t channel, uint32_t *status);

/// Sends a keepalive now, whatever the wall clock says; the server has to answer it.
int coord_ssh2_keepalive(LIBSSH2_SESSION *session);

/// Memory that libssh2 may free, within the session's limit; NULL above it.
void *coord_ssh2_alloc(LIBSSH2_SESSION *session, size_t count);

/// SHA-256 of `count` bytes; false when libcrypto refuses.
bool coord_ssh2_sha256(const void *bytes, size_t count, unsigned char digest[32]);

/// Does a handshake's worth of crypto, so that processes forked from this one start warm; false when a part failed.
bool coord_ssh2_warm_up(void);

#endif
