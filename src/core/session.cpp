#include "session.h"

namespace mp {
namespace {

thread_local Token my_token = 0;
uint32_t forks = 0;
void (*keep_house)() = nullptr; // set when this process joins

} // namespace

Mapped mapped;

Token self() { return my_token; }
void become(Token t) { my_token = t; }

ActAs::ActAs(Token t) : before_(my_token) { my_token = t; }
ActAs::~ActAs() { my_token = before_; }

uint32_t fork_depth() { return forks; }
void count_fork() { ++forks; }

void set_housekeeping(void (*work)()) { keep_house = work; }
void housekeeping() {
  if (keep_house) keep_house();
}

} // namespace mp
