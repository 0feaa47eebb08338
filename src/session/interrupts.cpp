#include "session/interrupts.h"

#include "core/platform/platform.h"
#include "core/programs.h"

#include <Rinternals.h>
#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts
#include <cerrno>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <unistd.h>

namespace mp::bind {

bool (*interrupt_wanted)() = nullptr;

namespace {

void (*r_interrupt)(int) = nullptr; // R's own handler for SIGINT
pthread_t r_thread;

void handle(int signal, void (*handler)(int)) {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART; // R takes an interrupted read for the end of the file
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

bool wanted() { return interrupt_wanted && interrupt_wanted(); }

void on_interrupt(int signal) {
  if (!wanted() || !r_interrupt) return;
  int e = errno;
  r_interrupt(signal);
  handle(SIGINT, on_interrupt); // R's handler has put itself in our place
  errno = e;
}

// The owner has cancelled a job that it saw here. The programs that the element waits for end, too:
// only this thread knows that they are still that element's. While the C library's system() waits
// it ignores SIGINT, therefore R is told directly.
void on_cancel(int signal) {
  if (!pthread_equal(pthread_self(), r_thread)) {
    pthread_kill(r_thread, signal);
    return;
  }
  if (!wanted()) return;
  int e = errno;
  R_interrupts_pending = 1;
  signal_own_programs(SIGINT);
  errno = e;
}

} // namespace

void install_interrupt_handlers() {
  r_thread = pthread_self();
  struct sigaction now;
  sigaction(SIGINT, nullptr, &now);
  if (now.sa_handler != on_interrupt && now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN)
    r_interrupt = now.sa_handler;
  handle(SIGINT, on_interrupt);
  handle(platform::cancel_signal(), on_cancel);
}

} // namespace mp::bind
