// Sockets, as the operating system has them: Unix and TCP streams. Every descriptor is close-on-exec and never blocks
// a call: callers wait by socket_ready(), so that each wait has a deadline and sees Ctrl-C.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace mp::platform {

// All return a descriptor, or -1 with errno.
int listen_unix(const std::string& path, int backlog); // only this user may connect
int listen_tcp(const std::string& host, int port, int backlog);
int accept_socket(int listener);
// A connection that may still be on its way: wait until it can be written, then ask connect_result().
int connect_unix(const std::string& path);
int connect_tcp(const std::string& host, int port);
int connect_result(int fd); // 0 or errno

int socket_port(int fd); // of its own end; 0 for a Unix socket
// The other end's host, as a number, and port; "" and 0 for a Unix socket, or if that end is gone.
std::string socket_peer(int fd, int* port);
// Waits until it can be read (or accepted from), or written; a closed other end counts. False: not by the deadline,
// or a signal came.
bool socket_ready(int fd, bool to_write, int64_t deadline_ns);
// How many bytes were moved; 0 when receiving: the other end is closed; -1 with errno (EAGAIN: none now).
ssize_t socket_send(int fd, const void* from, size_t bytes);
ssize_t socket_receive(int fd, void* to, size_t bytes);
void socket_close(int fd);

// Bytes that cannot be guessed. False with errno.
bool random_bytes(void* to, size_t bytes);

} // namespace mp::platform
