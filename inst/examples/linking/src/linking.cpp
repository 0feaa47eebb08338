#include "linking_types.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

// --- a function for thread_map(x, square()) ---

static double square_of(double x) { return x * x; }

// [[Rcpp::export]]
SEXP square() { return mp::kernel<square_of>(); }

// --- loops ---

// In a loop's function no R: the pointers to R's data are taken before it.
// [[Rcpp::export]]
Rcpp::NumericVector running_roots(Rcpp::NumericVector x, int threads = 0) {
  Rcpp::NumericVector roots(x.size());
  const double* in = x.begin();
  double* out = roots.begin();
  mp::parallel_for(0, std::size_t(x.size()), [=](std::size_t i) { out[i] = std::sqrt(in[i]); },
                   {unsigned(threads)});
  return roots;
}

// The same sum to the last bit, whatever the threads.
// [[Rcpp::export]]
double harmonic(double n, int threads = 0) {
  return mp::parallel_reduce(
      1, std::size_t(n) + 1, 0.0, [](std::size_t i) { return 1.0 / double(i); },
      [](double a, double b) { return a + b; }, {unsigned(threads)});
}

// What a thread throws arrives here, on R's thread.
// [[Rcpp::export]]
void fail_at(double n, double where) {
  mp::parallel_for(0, std::size_t(n), [=](std::size_t i) {
    if (i == std::size_t(where)) throw std::out_of_range("element " + std::to_string(i));
  });
}

// Ends with Ctrl-C only.
// [[Rcpp::export]]
void loop_for_ever() {
  std::atomic<std::size_t> last{0};
  mp::parallel_for(0, std::size_t(-1), [&](std::size_t i) { last = i; });
}

// Two threads and a lock that is never released: Ctrl-C ends this as well.
// [[Rcpp::export]]
void wait_in_threads(mp::Lock lock) {
  mp::parallel_for(0, 2, [&](std::size_t) { lock.lock(); });
}

// --- what threads and processes share ---

// An array of counters in shared memory, in R an Array("integer", n): it can be sent to any process.
// [[Rcpp::export]]
mp::Array<Count> new_counts(int n) { return mp::Array<Count>(std::size_t(n)); }

// Without a lock, as the elements are atomic.
// [[Rcpp::export]]
void count(mp::Array<Count> counts, Rcpp::IntegerVector values, int threads = 2) {
  const int* in = values.begin();
  mp::parallel_for(0, std::size_t(values.size()),
                   [&, in](std::size_t i) { ++counts[std::size_t(in[i])]; }, {unsigned(threads)});
}

// [[Rcpp::export]]
Rcpp::IntegerVector read_counts(mp::Array<Count> counts) {
  Rcpp::IntegerVector result(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) result[i] = counts[i];
  return result;
}

// One plain number that many change: that needs a lock. Our own threads, not those of a loop.
// [[Rcpp::export]]
mp::Value<double> new_total() { return mp::Value<double>(); }

// [[Rcpp::export]]
void add_many(mp::Value<double> total, mp::Lock lock, int times, int threads = 2) {
  std::vector<std::thread> team;
  std::atomic<bool> failed{false};
  for (int t = 0; t < threads; ++t)
    team.emplace_back([&] {
      try {
        for (int i = 0; i < times; ++i) {
          std::lock_guard<mp::Lock> hold(lock);
          *total += 1;
        }
      } catch (...) {
        failed = true;
      }
    });
  for (std::thread& t : team) t.join();
  if (failed) Rcpp::stop("a thread could not acquire the lock");
}

// [[Rcpp::export]]
double read_total(mp::Value<double> total) { return *total; }

// [[Rcpp::export]]
double lock_ns(mp::Lock lock, int times) {
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) {
    lock.lock();
    lock.unlock();
  }
  std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return took.count() / times;
}

// Numbers through a Queue() of R's: threads put, R code in any process gets, or the other way.
// [[Rcpp::export]]
void put_numbers(mp::Queue<double> queue, double first, double n) {
  mp::parallel_for(0, std::size_t(n), [&](std::size_t i) { queue.put(first + double(i)); }, {2, 1});
}

// [[Rcpp::export]]
double sum_of_numbers(mp::Queue<double> queue, double n, double timeout = 10) {
  return mp::parallel_reduce(
      0, std::size_t(n), 0.0,
      [&](std::size_t) {
        double value;
        if (!queue.get(value, timeout)) throw std::runtime_error("no number arrived in time");
        return value;
      },
      [](double a, double b) { return a + b; }, {2, 1});
}

// Any struct without pointers can be a message.
struct Point {
  int id;
  double x, y;
};

// [[Rcpp::export]]
bool point_comes_back(int id) {
  mp::Queue<Point> q(1);
  std::thread sender([&, id] { q.put({id, 1.5, 2.5}); });
  Point p;
  bool came = q.get(p, 10);
  sender.join();
  return came && p.id == id && p.x == 1.5 && p.y == 2.5;
}

// [[Rcpp::export]]
mp::Barrier new_barrier(int parties) { return mp::Barrier(unsigned(parties)); }

// False: the others did not come in time, and the barrier is broken.
// [[Rcpp::export]]
bool meet(mp::Barrier barrier, double timeout = 10) { return barrier.wait(timeout); }

// [[Rcpp::export]]
std::string error_kind(SEXP handle) { // opens it by hand, to catch what that throws
  try {
    mp::Lock lock(handle);
    lock.unlock();
  } catch (const mp::Error& e) {
    return e.kind() + ": " + e.what();
  }
  return "";
}
