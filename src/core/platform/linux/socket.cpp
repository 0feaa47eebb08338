#include "../socket.h"
#include "../platform.h"

#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace mp::platform {
namespace {

int port_of(const sockaddr_storage& at) {
  if (at.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&at)->sin_port);
  if (at.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&at)->sin6_port);
  return 0;
}

constexpr int kStream = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

int failed(int fd) { // closes it, keeps errno
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return -1;
}

bool unix_address(const std::string& path, sockaddr_un* to) {
  std::memset(to, 0, sizeof *to);
  to->sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof to->sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(to->sun_path, path.data(), path.size());
  return true;
}

// Calls use(fd, address) for each address of the host until one returns true.
template <class Use> int with_addresses(const std::string& host, int port, int flags, Use use) {
  addrinfo hints{}, *all = nullptr;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  if (int rc = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &all); rc != 0) {
    if (rc != EAI_SYSTEM) errno = EADDRNOTAVAIL;
    return -1;
  }
  int fd = -1;
  for (addrinfo* a = all; a && fd < 0; a = a->ai_next) {
    fd = socket(a->ai_family, kStream, 0);
    if (fd >= 0 && !use(fd, a->ai_addr, a->ai_addrlen)) fd = failed(fd);
  }
  int error = errno;
  freeaddrinfo(all);
  errno = error;
  return fd;
}

bool begin_connect(int fd, const sockaddr* to, socklen_t bytes) {
  // EAGAIN: the backlog of a Unix socket is full; there is no waiting for that
  return connect(fd, to, bytes) == 0 || errno == EINPROGRESS;
}

} // namespace

int listen_unix(const std::string& path, int backlog) {
  sockaddr_un address;
  if (!unix_address(path, &address)) return -1;
  int fd = off_standard(socket(AF_UNIX, kStream, 0));
  if (fd < 0) return -1;
  // The mode of the socket's file is decided before it exists, so that no other user can be first.
  if (fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
      bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, backlog) != 0)
    return failed(fd);
  return fd;
}

int listen_tcp(const std::string& host, int port, int backlog) {
  return with_addresses(host, port, AI_PASSIVE, [&](int fd, const sockaddr* at, socklen_t bytes) {
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, at, bytes) == 0 && listen(fd, backlog) == 0;
  });
}

int accept_socket(int listener) {
  int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return -1;
  int on = 1; // small messages go at once; a Unix socket refuses it, which is no harm
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int connect_unix(const std::string& path) {
  sockaddr_un address;
  if (!unix_address(path, &address)) return -1;
  int fd = off_standard(socket(AF_UNIX, kStream, 0));
  if (fd < 0) return -1;
  return begin_connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) ? fd : failed(fd);
}

int connect_tcp(const std::string& host, int port) {
  return with_addresses(host, port, 0, [](int fd, const sockaddr* to, socklen_t bytes) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return begin_connect(fd, to, bytes);
  });
}

int connect_result(int fd) {
  int error = 0;
  socklen_t bytes = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

int socket_port(int fd) {
  sockaddr_storage at;
  socklen_t bytes = sizeof at;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&at), &bytes) == 0 ? port_of(at) : 0;
}

std::string socket_peer(int fd, int* port) {
  sockaddr_storage at;
  socklen_t bytes = sizeof at;
  char host[NI_MAXHOST] = "";
  *port = 0;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&at), &bytes) != 0 || !port_of(at)) return "";
  if (getnameinfo(reinterpret_cast<sockaddr*>(&at), bytes, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) return "";
  *port = port_of(at);
  return host;
}

bool socket_ready(int fd, bool to_write, int64_t deadline_ns) {
  pollfd p{fd, short(to_write ? POLLOUT : POLLIN), 0};
  int64_t left = deadline_ns == kForever ? 1'000'000'000 : deadline_ns - now_ns();
  timespec span{time_t(left > 0 ? left / 1'000'000'000 : 0), long(left > 0 ? left % 1'000'000'000 : 0)};
  return ppoll(&p, 1, &span, nullptr) > 0;
}

ssize_t socket_send(int fd, const void* from, size_t bytes) {
  return send(fd, from, bytes, MSG_NOSIGNAL);
}

ssize_t socket_receive(int fd, void* to, size_t bytes) { return recv(fd, to, bytes, 0); }

void socket_close(int fd) { close(fd); }

bool random_bytes(void* to, size_t bytes) {
  auto* at = static_cast<uint8_t*>(to);
  while (bytes) {
    ssize_t n = getrandom(at, bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= size_t(n);
  }
  return true;
}

} // namespace mp::platform
