// Sockets as external pointers, and the frames on them: a length, then so many bytes, as Python's
// multiprocessing.connection has them. What is above (authentication, R values) is in R/socket-*.R.
#include "session/handle.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/error.h"

#include "core/platform/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace mp;
using namespace mp::bind;

namespace {

struct Socket {
  int fd;
  explicit Socket(int descriptor) : fd(descriptor) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd >= 0) platform::socket_close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

SEXP socket_tag() {
  static SEXP tag = nullptr;
  if (!tag) tag = Rf_install("multiprocessing_socket");
  return tag;
}

// A fork has descriptors of its own: to close one there closes no other process's.
void finalize_socket(SEXP pointer) {
  auto* s = static_cast<Socket*>(R_ExternalPtrAddr(pointer));
  R_ClearExternalPtr(pointer);
  delete s;
}

SEXP socket_pointer(Socket& socket) {
  auto owned = std::make_unique<Socket>(-1);
  Protected p(protect([] { return new_pointer(socket_tag(), R_NilValue, finalize_socket, TRUE); }));
  owned->fd = socket.release();
  R_SetExternalPtrAddr(p, owned.release());
  return p;
}

Socket* socket_or_null(SEXP pointer) {
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != socket_tag()) return nullptr;
  return static_cast<Socket*>(R_ExternalPtrAddr(pointer));
}

int open_socket(SEXP pointer) {
  Socket* s = socket_or_null(pointer);
  if (!s)
    throw Error{"ValueError", "this connection is closed, or belongs to another process: a socket cannot be "
                              "sent or saved"};
  return s->fd;
}

[[noreturn]] void fail(const std::string& what, int error) {
  const char* kind = "OSError";
  switch (error) {
  case ECONNREFUSED: kind = "ConnectionRefusedError"; break;
  case ENOENT: kind = "FileNotFoundError"; break;
  case EACCES:
  case EPERM: kind = "PermissionError"; break;
  case ECONNRESET: kind = "ConnectionResetError"; break;
  case EPIPE: kind = "BrokenPipeError"; break;
  case ETIMEDOUT: kind = "TimeoutError"; break;
  default: break;
  }
  throw Error{kind, what + ": " + std::strerror(error)};
}

// Waits until the socket is ready; false at the deadline. A Ctrl-C is seen every 50 ms.
bool await(int fd, bool to_write, const Wait& wait) {
  for (;;) {
    int64_t now = platform::now_ns(), step = now + wait.tick_ns;
    if (platform::socket_ready(fd, to_write, std::min(step, wait.deadline))) return true;
    if (wait.tick(wait.data)) interrupt();
    if (platform::now_ns() >= wait.deadline) return platform::socket_ready(fd, to_write, 0);
  }
}

void send_all(int fd, const uint8_t* from, size_t bytes, const Wait& wait) {
  while (bytes) {
    ssize_t n = platform::socket_send(fd, from, bytes);
    if (n >= 0) {
      from += n;
      bytes -= size_t(n);
      continue;
    }
    int error = errno;
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) fail("the message cannot be sent", error);
    if (!await(fd, true, wait)) throw Error{"TimeoutError", "the peer does not take the message"};
  }
}

void receive_all(int fd, uint8_t* to, size_t bytes, bool begun, const Wait& wait) {
  while (bytes) {
    ssize_t n = platform::socket_receive(fd, to, bytes);
    if (n == 0)
      throw Error{"EOFError", begun ? "the peer closed the connection in the middle of a message"
                                    : "the peer closed the connection: nothing more will come"};
    if (n > 0) {
      to += n;
      bytes -= size_t(n);
      begun = true;
      continue;
    }
    int error = errno;
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) fail("the message cannot be received", error);
    if (!await(fd, false, wait)) throw Error{"TimeoutError", "the peer sent nothing in time"};
  }
}

uint64_t big_endian(const uint8_t* at, int bytes) {
  uint64_t v = 0;
  for (int i = 0; i < bytes; ++i) v = v << 8 | at[i];
  return v;
}

void put_big_endian(uint64_t v, uint8_t* at, int bytes) {
  for (int i = bytes; i-- > 0; v >>= 8) at[i] = uint8_t(v);
}

constexpr uint64_t kShortFrame = 0x7fffffff; // longer ones have a length of 8 bytes behind -1
constexpr int64_t kRetryNs = 10'000'000;
constexpr uint64_t kStep = 16 << 20;         // memory for a frame grows as its bytes come

SEXP new_socket(int fd, const std::string& what) {
  if (fd < 0) fail(what, errno);
  Socket socket(fd);
  return socket_pointer(socket);
}

} // namespace

// A listener at a path (`port` < 0), or at a host's port (0: any that is free).
// [[Rcpp::export(rng = false)]]
SEXP socket_listen(std::string address, int port, int backlog) {
  return entry([&] {
    int fd = port < 0 ? platform::listen_unix(address, backlog)
                      : platform::listen_tcp(address, port, backlog);
    return new_socket(fd, "cannot listen at " + address + (port < 0 ? "" : ":" + std::to_string(port)));
  });
}

// [[Rcpp::export(rng = false)]]
int socket_port(SEXP socket) {
  return entry([&] { return platform::socket_port(open_socket(socket)); });
}

// list(host, port) of the other end; "" for a Unix socket.
// [[Rcpp::export(rng = false)]]
SEXP socket_peer(SEXP socket) {
  return entry([&]() -> SEXP {
    int port;
    std::string host = platform::socket_peer(open_socket(socket), &port);
    return port ? list_of(host, port) : protect([&] { return to_r(host); });
  });
}

// [[Rcpp::export(rng = false)]]
SEXP socket_accept(SEXP listener, SEXP timeout) {
  return entry([&]() -> SEXP {
    Wait wait = wait_for(timeout);
    for (;;) {
      int listening = open_socket(listener);
      int fd = platform::accept_socket(listening);
      if (fd >= 0) return new_socket(fd, "");
      int error = errno;
      // ECONNABORTED: the peer closed before we accepted it; another one may come
      if (error != EAGAIN && error != EWOULDBLOCK && error != EINTR && error != ECONNABORTED)
        fail("no connection can be accepted", error);
      if (!await(listening, false, wait)) throw Error{"TimeoutError", "no peer connected in time"};
    }
  });
}

// [[Rcpp::export(rng = false)]]
SEXP socket_connect(std::string address, int port, SEXP timeout) {
  return entry([&]() -> SEXP {
    std::string what = "cannot connect to " + address + (port < 0 ? "" : ":" + std::to_string(port));
    Wait wait = wait_for(timeout);
    int fd;
    while ((fd = port < 0 ? platform::connect_unix(address) : platform::connect_tcp(address, port)) < 0) {
      // EAGAIN: the listener has as many peers waiting as its backlog allows; the system wakes none of them
      if (errno != EAGAIN) fail(what, errno);
      platform::socket_ready(-1, true, platform::now_ns() + kRetryNs);
      if (wait.tick(wait.data)) interrupt();
      if (platform::now_ns() >= wait.deadline) throw Error{"TimeoutError", what + ": no answer in time"};
    }
    Socket socket(fd);
    if (!await(fd, true, wait)) throw Error{"TimeoutError", what + ": no answer in time"};
    if (int error = platform::connect_result(fd)) fail(what, error);
    return socket_pointer(socket);
  });
}

// [[Rcpp::export(rng = false)]]
void socket_send_frame(SEXP socket, SEXP bytes, SEXP timeout) {
  entry([&] {
    if (TYPEOF(bytes) != RAWSXP) throw Error{"ValueError", "a frame must be a raw vector"};
    Wait wait = wait_for(timeout);
    int fd = open_socket(socket);
    uint64_t n = uint64_t(Rf_xlength(bytes));
    uint8_t header[12];
    size_t used = 4;
    if (n > kShortFrame) {
      put_big_endian(0xffffffff, header, 4);
      put_big_endian(n, header + 4, 8);
      used = 12;
    } else {
      put_big_endian(n, header, 4);
    }
    // A small message goes in one piece, so that no half of it waits for an acknowledgement.
    std::vector<uint8_t> first(header, header + used);
    uint64_t with = std::min<uint64_t>(n, 16384);
    first.insert(first.end(), RAW(bytes), RAW(bytes) + with);
    send_all(fd, first.data(), first.size(), wait);
    send_all(fd, RAW(bytes) + with, n - with, wait);
  });
}

// The next frame, of at most `limit` bytes: a longer one is refused before there is memory for it.
// [[Rcpp::export(rng = false)]]
SEXP socket_receive_frame(SEXP socket, double limit, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(timeout);
    int fd = open_socket(socket);
    uint8_t header[12];
    receive_all(fd, header, 4, false, wait);
    uint64_t n = big_endian(header, 4);
    if (n == 0xffffffff) {
      receive_all(fd, header + 4, 8, true, wait);
      n = big_endian(header + 4, 8);
    } else if (n > kShortFrame) {
      throw Error{"OSError", "the peer does not speak this protocol: a negative length"};
    }
    if (double(n) > limit)
      throw Error{"OSError", "the peer announced a message of " + std::to_string(n) +
                                 " bytes, more than the limit of " + std::to_string(uint64_t(limit))};
    std::vector<uint8_t> frame;
    while (frame.size() < n) {
      size_t have = frame.size(), more = size_t(std::min(n - have, kStep));
      frame.resize(have + more);
      receive_all(fd, frame.data() + have, more, true, wait);
    }
    return protect([&] { return to_r(frame); });
  });
}

// TRUE as soon as something can be received (or accepted), or the peer has closed.
// [[Rcpp::export(rng = false)]]
bool socket_poll(SEXP socket, SEXP timeout) {
  return entry([&] { return await(open_socket(socket), false, wait_for(timeout)); });
}

// [[Rcpp::export(rng = false)]]
void socket_close(SEXP socket) {
  if (socket_or_null(socket)) finalize_socket(socket);
}

// [[Rcpp::export(rng = false)]]
bool socket_is_open(SEXP socket) { return socket_or_null(socket) != nullptr; }

// [[Rcpp::export(rng = false)]]
SEXP random_raw(int bytes) {
  return entry([&] {
    std::vector<uint8_t> key(size_t(std::max(bytes, 0)));
    if (!platform::random_bytes(key.data(), key.size()))
      fail("the system gives no random bytes", errno);
    return protect([&] { return to_r(key); });
  });
}
