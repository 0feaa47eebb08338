// What test-thread-rcpp.R calls.
// [[Rcpp::depends(RcppParallel, multiprocessing)]]
#include <multiprocessing/rcpp.h>

#include <RcppParallel.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace mp = multiprocessing;

// [[Rcpp::export]]
void add(mp::Lock lock, mp::Array<double> total, Rcpp::NumericVector x) {
  for (double v : x) {
    std::lock_guard<mp::Lock> hold(lock);
    total[0] += v;
  }
}

// [[Rcpp::export]]
double sum_of_integers(const mp::Array<int>& x) {
  double sum = 0;
  for (int v : x) sum += v;
  return sum;
}

// [[Rcpp::export]]
void count_up(mp::Value<std::atomic<int>> value, int times) {
  mp::parallel_for(0, std::size_t(times), [&](std::size_t) { ++*value; }, {2});
}

struct Point {
  double x, y;
};

// [[Rcpp::export]]
Rcpp::List new_objects() {
  mp::Queue<double> queue(3);
  queue.put(7);
  mp::Array<double> array(3);
  array[2] = 2.5;
  mp::Value<int> value;
  *value = 3;
  mp::Array<Point> points(2);
  points[1].x = 4;
  return Rcpp::List::create(Rcpp::_["lock"] = mp::Lock(), Rcpp::_["queue"] = queue,
                            Rcpp::_["array"] = array, Rcpp::_["value"] = value,
                            Rcpp::_["barrier"] = mp::Barrier(1), Rcpp::_["points"] = points);
}

// [[Rcpp::export]]
double second_x(mp::Array<Point> points) { return points[1].x; }

// --- workers as RcppParallel's users write them ---

struct Roots : public RcppParallel::Worker {
  const RcppParallel::RVector<double> in;
  RcppParallel::RVector<double> out;
  Roots(const Rcpp::NumericVector& in, Rcpp::NumericVector& out) : in(in), out(out) {}
  void operator()(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) out[i] = std::sqrt(in[i]);
  }
};

// [[Rcpp::export]]
Rcpp::NumericVector roots(Rcpp::NumericVector x, int threads) {
  Rcpp::NumericVector out(x.size());
  Roots worker(x, out);
  mp::parallelFor(0, std::size_t(x.size()), worker, 100, threads);
  return out;
}

struct Sum : public RcppParallel::Worker {
  const RcppParallel::RVector<double> in;
  double value = 0;
  explicit Sum(const Rcpp::NumericVector& in) : in(in) {}
  Sum(const Sum& other, RcppParallel::Split) : in(other.in) {}
  void operator()(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) value += in[i];
  }
  void join(const Sum& right) { value += right.value; }
};

// [[Rcpp::export]]
double total(Rcpp::NumericVector x, int threads) {
  Sum sum(x);
  mp::parallelReduce(0, std::size_t(x.size()), sum, 1, threads);
  return sum.value;
}

static std::atomic<int> live{0}, most{0};

// Keeps the elements in order, throws at one of them, counts how many there are of its kind.
struct Elements : public RcppParallel::Worker {
  std::vector<double> seen;
  double where;
  explicit Elements(double where) : where(where) { count(); }
  Elements(const Elements& other, RcppParallel::Split) : where(other.where) { count(); }
  ~Elements() { --live; }
  void count() {
    int now = ++live, before = most;
    while (now > before && !most.compare_exchange_weak(before, now)) {
    }
  }
  void operator()(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (double(i) == where) throw std::out_of_range("no element " + std::to_string(i));
      seen.push_back(double(i) + 1);
    }
  }
  void join(const Elements& right) {
    seen.insert(seen.end(), right.seen.begin(), right.seen.end());
  }
};

// [[Rcpp::export]]
std::vector<double> in_order(double n, double grain, int threads) {
  Elements elements(-1);
  mp::parallelReduce(0, std::size_t(n), elements, std::size_t(grain), threads);
  return elements.seen;
}

// [[Rcpp::export]]
double most_reducers(double n, int threads) {
  most = 0;
  in_order(n, 1, threads);
  return most;
}

// [[Rcpp::export]]
double live_reducers() { return live; }

// [[Rcpp::export]]
void fail_in_reducer(double n, double where) {
  Elements elements(where);
  mp::parallelReduce(0, std::size_t(n), elements, 1, 2);
}

struct Failing : public RcppParallel::Worker {
  double where = 0;
  void operator()(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      if (double(i) == where) throw std::out_of_range("no element " + std::to_string(i));
  }
};

// [[Rcpp::export]]
void fail_in_worker(double n, double where) {
  Failing worker;
  worker.where = where;
  mp::parallelFor(0, std::size_t(n), worker, 1, 2);
}

struct Endless : public RcppParallel::Worker {
  std::atomic<std::size_t> last{0};
  void operator()(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) last = i;
  }
};

// [[Rcpp::export]]
void loop_until_interrupt(int threads) {
  Endless worker;
  mp::parallelFor(0, std::size_t(-1), worker, 1, threads);
}

// --- failures ---

// [[Rcpp::export]]
void unlock(mp::Lock lock) { lock.unlock(); }

// [[Rcpp::export]]
void unlock_in_threads(mp::Lock lock) {
  mp::parallel_for(0, 100, [&](std::size_t) { lock.unlock(); }, {2});
}

// [[Rcpp::export]]
bool meet(mp::Barrier barrier, double timeout) { return barrier.wait(timeout); }

// [[Rcpp::export]]
double take_number(mp::Queue<double> queue) {
  double x = 0;
  queue.get(x, 20);
  return x;
}

// [[Rcpp::export]]
void open_by_hand(SEXP handle) { mp::Lock lock(handle); }

// [[Rcpp::export]]
std::string caught_kind(mp::Lock lock) {
  try {
    lock.unlock();
  } catch (const mp::Error& e) {
    return e.kind();
  }
  return "";
}

// [[Rcpp::export]]
void fail_with(std::string kind, std::string message) { throw mp::Error(kind, message); }

// [[Rcpp::export]]
void fail_otherwise() { throw std::out_of_range("none of ours"); }

// --- semaphores and events ---

// How many of `threads` threads had a permit at the same time, at most.
// [[Rcpp::export]]
int most_at_once(mp::Semaphore places, int threads) {
  std::atomic<int> inside{0}, most_inside{0};
  mp::parallel_for(
      0, 200,
      [&](std::size_t) {
        places.acquire();
        int now = ++inside, before = most_inside;
        while (now > before && !most_inside.compare_exchange_weak(before, now)) {
        }
        --inside;
        places.release();
      },
      {unsigned(threads), 1});
  return most_inside;
}

// [[Rcpp::export]]
bool take_place(mp::Semaphore places, double timeout) { return places.acquire(timeout); }

// [[Rcpp::export]]
void give_place(mp::Semaphore places) { places.release(); }

// [[Rcpp::export]]
bool await_event(mp::Event event, double timeout) { return event.wait(timeout); }

// [[Rcpp::export]]
Rcpp::List new_signals() {
  mp::Event event;
  event.set();
  event.clear();
  return Rcpp::List::create(Rcpp::_["semaphore"] = mp::Semaphore(2), Rcpp::_["event"] = event);
}

// --- a module ---

class Counter {
public:
  explicit Counter(int start) : count_(start) {
    if (start < 0) throw mp::Error("ValueError", "a counter begins at 0");
  }
  int up(int by) {
    if (by < 0) throw mp::Error("IndexError", "a counter counts up");
    return count_ += by;
  }
  void check() {
    if (count_ > 2) throw mp::Error("TimeoutError", "a counter counts to 2");
  }

private:
  int count_;
};

RCPP_MODULE(counters) {
  Rcpp::class_<Counter>("Counter")
      .constructor<int>()
      .method("up", &Counter::up)
      .method("check", &Counter::check);
  Rcpp::function("module_fail", &fail_with);
  Rcpp::function("module_unlock", &unlock);
}
