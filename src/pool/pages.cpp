#include "pool/pages.h"

#include "session/needs.h"
#include "session/session.h"

namespace mp::bind {
namespace {

using Kind = PageEntry;

// Columns of what changed: names, values, versions, kinds
struct Columns {
  std::vector<const char*> names;
  std::vector<SEXP> values; // held by the journal
  std::vector<double> versions;
  std::vector<int> kinds;
  void add(const char* name, SEXP value, uint64_t version, Kind kind) {
    names.push_back(name);
    values.push_back(value);
    versions.push_back(double(version));
    kinds.push_back(kind);
  }
  SEXP as_list() const {
    if (names.empty()) return R_NilValue;
    Protected n(codec::protect([&] { return Rf_allocVector(STRSXP, R_xlen_t(names.size())); }));
    Protected v(codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(names.size())); }));
    Rf_setAttrib(v, R_NamesSymbol, n); // for the path in an error
    for (size_t i = 0; i < names.size(); ++i) {
      SET_STRING_ELT(n, R_xlen_t(i), codec::protect([&] { return Rf_mkCharCE(names[i], CE_NATIVE); }));
      SET_VECTOR_ELT(v, R_xlen_t(i), values[i]);
    }
    return list_of(SEXP(n), SEXP(v), versions, kinds);
  }
};

Kind kind_of(const Variable& v) {
  switch (v.travels) {
  case Travels::Sent:
    return v.binding.how == Binding::Active ? kActive : kValue;
  case Travels::Pointer:
    return kPointer;
  default:
    return kGone;
  }
}

// Empty if it can.
std::string why_not(SEXP value, const char* name) {
  try {
    codec::encode(value);
    return "";
  } catch (const codec::EncodeError& e) {
    return e.message_about("`" + codec::text_of(e.path, 0, name) + "`");
  } catch (const codec::Unwind&) { // R's serializer refused; its error ends here
    return codec::EncodeError({}, "R's serializer refuses it").message_about("`" + std::string(name) + "`");
  }
}

SEXP variables_since(const Journal& j, uint64_t from, std::unordered_set<SEXP>& classes, bool careful) {
  Columns changed;
  for (size_t i = 0; i < j.versions().size(); ++i) {
    if (j.versions()[i] <= from) continue;
    const Variable& v = j.variables()[i];
    if (v.travels == Travels::Hidden) continue;
    Kind kind = kind_of(v);
    if (kind <= kActive && careful && !why_not(v.binding.value, "").empty()) kind = kGone;
    if (kind <= kActive) classes.insert(v.classes.begin(), v.classes.end());
    changed.add(CHAR(PRINTNAME(v.symbol)), kind <= kActive ? v.binding.value : R_NilValue, j.versions()[i], kind);
  }
  return changed.as_list();
}

SEXP settings_since(const std::map<std::string, Setting>& settings, uint64_t from) {
  Columns changed;
  for (auto& [name, s] : settings)
    if (s.version > from)
      changed.add(name.c_str(), s.value, s.version, SEXP(s.value) == R_NilValue ? kGone : kValue);
  return changed.as_list();
}

SEXP facts_since(const Journal& j, uint64_t from) {
  Columns changed;
  for (const Fact& f : j.facts())
    if (f.version > from) changed.add(f.name, f.value, f.version, kValue);
  return changed.as_list();
}

SEXP content(const Journal& j, uint64_t from, bool careful) {
  std::unordered_set<SEXP> classes;
  Protected variables(variables_since(j, from, classes, careful));
  Protected options(settings_since(j.options(), from));
  Protected environment(settings_since(j.environment(), from));
  Protected facts(facts_since(j, from));
  Protected packages(classes.empty() ? R_NilValue : packages_for(classes));
  bool none = SEXP(options) == R_NilValue && SEXP(environment) == R_NilValue &&
              SEXP(facts) == R_NilValue && Rf_xlength(packages) == 0;
  Protected settings(none ? R_NilValue
                          : list_of(SEXP(facts), SEXP(options), SEXP(environment), SEXP(packages)));
  return list_of(SEXP(settings), SEXP(variables));
}

bool has_pointer(SEXP value, const codec::PointersKept* kept) {
  Survey survey;
  survey.kept = kept;
  survey.look_at(value);
  return survey.pointer;
}

// Large data are compared with what was sent, see Exports. A pointer that the receivers have not, or code with one in it,
// would be dead in another process; an object with one inside may know how to recreate it.
SEXP needs_as_list(const Needs& needs, const codec::PointersKept* kept) {
  struct Named {
    const char* name;
    Travels travels;
    uint64_t version;
  };
  // All are copied before a promise is evaluated: it may use a pool, which changes the journal, or remove a large value.
  std::vector<Named> variables_named;
  const R_xlen_t count = R_xlen_t(needs.named.size());
  Protected values(count ? codec::protect([&] { return Rf_allocVector(VECSXP, count); }) : R_NilValue);
  std::unordered_set<SEXP> classes(needs.classes);
  for (SEXP symbol : needs.named) {
    const Variable* v = journal().find(symbol);
    if (!v) continue;
    classes.insert(v->classes.begin(), v->classes.end());
    SET_VECTOR_ELT(values, R_xlen_t(variables_named.size()), v->binding.value);
    variables_named.push_back({CHAR(PRINTNAME(symbol)), v->travels, journal().version_of(*v)});
  }
  Columns lent;
  for (size_t i = 0; i < variables_named.size(); ++i) {
    const auto& [name, travels, version] = variables_named[i];
    auto keep = [&](SEXP made) {
      SET_VECTOR_ELT(values, R_xlen_t(i), made);
      return made;
    };
    SEXP value = VECTOR_ELT(values, R_xlen_t(i));
    Kind kind = kLarge;
    if (travels == Travels::Delayed) {
      value = keep(call_r("forced_variable", name)); // list(value), or an error
      bool failed = Rf_isObject(value);
      if (!failed) value = keep(VECTOR_ELT(value, 0));
      kind = failed ? kFailing : kValue;
    } else if (travels == Travels::Pointer) {
      std::string text = why_not(value, name);
      if (text.empty() && (TYPEOF(value) == EXTPTRSXP || TYPEOF(value) == CLOSXP) && has_pointer(value, kept))
        text = "`" + std::string(name) + "` cannot be sent to another process: it has a pointer, which " +
               "is good in the process that made it; make it in the function, or in `initializer`";
      kind = text.empty() ? kPointer : kRefused;
      if (!text.empty()) value = keep(codec::protect([&] { return to_r(text); }));
    }
    lent.add(name, value, version, kind);
  }
  Protected variables(lent.as_list());
  Protected packages(classes.empty() ? R_NilValue : packages_for(classes));
  if (SEXP(variables) == R_NilValue && Rf_xlength(packages) == 0) return R_NilValue;
  return list_of(SEXP(variables), SEXP(packages));
}

} // namespace

SEXP packages_for(const std::unordered_set<SEXP>& classes) {
  std::vector<SEXP> all(classes.begin(), classes.end());
  Protected names(protect([&] { return strings_from(all); }));
  return call_r("packages_for", SEXP(names));
}

// Calls use(list(settings, variables)) of what is younger than `from`; if something in it cannot travel, again without
// such variables.
template <class F> static void with_content(const Journal& j, uint64_t from, F&& use) {
  Protected whole(content(j, from, false));
  try {
    return use(whole);
  } catch (const codec::EncodeError&) {
  } catch (const codec::Unwind&) {
  }
  Protected rest(content(j, from, true));
  use(rest);
}

SEXP page_content(const Journal& j, uint64_t from) {
  Preserved page;
  with_content(j, from, [&](SEXP both) {
    codec::encode(both);
    page = Preserved(both);
  });
  return page;
}

void Pages::drop(Page& page) {
  for (uint64_t block : page.blocks)
    if (block) heap().drop(block);
}

void Pages::clear() {
  for (Page& p : pages_) drop(p);
  pages_.clear();
  call_body_.clear();
}

void Pages::update(const Journal& j) {
  uint64_t version = j.version();
  if (version == current_ || j.looking()) return; // what that look finds yet has this version, too: the next page has all of it
  auto count = [&](uint64_t from) {
    size_t n = 0;
    for (uint64_t v : j.versions()) n += v > from;
    for (auto& o : j.options()) n += o.second.version > from;
    for (auto& e : j.environment()) n += e.second.version > from;
    for (const Fact& f : j.facts()) n += f.version > from;
    return n;
  };
  uint64_t from = current_;
  size_t merged = 0, fresh = count(from);
  while (merged < pages_.size()) {
    uint64_t before = pages_[pages_.size() - merged - 1].from;
    size_t together = count(before);
    if (together > 2 * fresh) break;
    from = before;
    fresh = together;
    ++merged;
  }
  NewBlock blocks[2];
  with_content(j, from, [&](SEXP both) {
    for (int part = 0; part < 2; ++part)
      if (VECTOR_ELT(both, part) != R_NilValue) blocks[part] = NewBlock(store_value(VECTOR_ELT(both, part)));
  });
  pages_.reserve(pages_.size() + 1);
  for (; merged > 0; --merged) {
    drop(pages_.back());
    pages_.pop_back();
  }
  pages_.push_back({from, version, {blocks[0].release(), blocks[1].release()}});
  current_ = version;
  call_body_.clear();
}

const std::vector<uint8_t>& Pages::call_body() {
  if (call_body_.empty()) {
    Protected none(list_of()), pages(as_vector());
    // see job_body.h
    Protected body(list_of(SEXP(none), R_NilValue, R_NilValue, true, R_NilValue, SEXP(pages)));
    codec::Encoding e = codec::encode(body);
    call_body_.resize(e.size());
    e.write(call_body_.data());
  }
  return call_body_;
}

SEXP Pages::as_vector() const {
  if (pages_.empty()) return R_NilValue;
  std::vector<double> v;
  for (const Page& p : pages_)
    for (int part = 0; part < 2; ++part) {
      if (!p.blocks[part]) continue;
      v.insert(v.end(), {double(part), double(Heap::page_of(p.blocks[part])),
                         double(heap().serial_of(p.blocks[part])), double(p.to)});
    }
  return codec::protect([&] { return to_r(v); });
}

void Pages::add_references(std::vector<Reference>& refs) const {
  for (const Page& p : pages_)
    for (uint64_t block : p.blocks)
      if (block) refs.push_back({Heap::page_of(block), heap().serial_of(block)});
}

SEXP needs_of_values(SEXP values, bool classes, const codec::PointersKept* kept) {
  Needs needs(journal().withheld() > 0, classes);
  needs.visit(values);
  return needs_as_list(needs, kept);
}

} // namespace mp::bind
