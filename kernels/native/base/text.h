// Requests in, JSON out: the two text formats of the protocol (docs/protocol.md).
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace bnn {

// Fails once and keeps the first reason; every parser and loader reports through it.
struct Error {
  char text[512] = "";
  bool failed() const { return text[0] != 0; }
  bool set(const char* format, ...) __attribute__((format(printf, 2, 3)));  // returns false, for `return error.set()`
};

// `verb key=value key=value`, values percent-encoded. Points into the line, which it changes.
class Request {
 public:
  bool parse(char* line, Error& error);
  const char* verb() const { return verb_; }
  const char* find(const char* key) const;  // null when absent
  // Whole numbers in decimal within [low, high]; `text` values must be there and not empty.
  bool integer(const char* key, int64_t low, int64_t high, int64_t* value, Error& error) const;
  bool integer_or(const char* key, int64_t fallback, int64_t low, int64_t high, int64_t* value, Error& error) const;
  bool text(const char* key, const char** value, Error& error) const;
  bool number(const char* key, double* value, Error& error) const;  // finite
  // Whether every key was asked for; one that nobody knows must not look as if it worked.
  bool all_known(Error& error) const;

 private:
  static constexpr int kMaxPairs = 48;
  const char* verb_ = "";
  int pairs_ = 0;
  struct Pair {
    const char* key;
    const char* value;
    mutable bool known;
  } pair_[kMaxPairs];
};

// Builds one line of JSON. Commas are put by the writer; names and values are escaped.
class Json {
 public:
  ~Json();
  Json& open(char bracket, const char* name = nullptr);
  Json& close(char bracket);
  Json& integer(const char* name, int64_t value);
  Json& number(const char* name, double value);
  Json& boolean(const char* name, bool value);
  Json& text(const char* name, const char* value);
  Json& null(const char* name);
  void print(int file);  // with a newline, in one write; then it is empty again
  void clear() {
    length_ = 0;
    comma_ = false;
  }

 private:
  void name(const char* name);
  void quote(const char* value);
  void put(const char* bytes, size_t count);
  char* bytes_ = nullptr;
  size_t length_ = 0, capacity_ = 0;
  bool comma_ = false;
};

}  // namespace bnn
