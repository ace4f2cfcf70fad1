#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace bnn {

bool Error::set(const char* format, ...) {
  if (failed()) return false;
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  return false;
}

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode_percent(char* value) {
  char* out = value;
  for (const char* in = value; *in; ++in) {
    if (*in != '%') {
      *out++ = *in;
      continue;
    }
    const int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
    if (low < 0 || high * 16 + low == 0) return false;
    *out++ = (char)(high * 16 + low);
    in += 2;
  }
  *out = 0;
  return true;
}

}  // namespace

bool Request::parse(char* line, Error& error) {
  pairs_ = 0;
  char* rest = nullptr;
  verb_ = strtok_r(line, " ", &rest);
  if (!verb_) {
    verb_ = "";
    return error.set("an empty line is not a request");
  }
  while (char* word = strtok_r(nullptr, " ", &rest)) {
    char* equals = strchr(word, '=');
    if (!equals || equals == word) return error.set("'%.60s' is not key=value", word);
    *equals = 0;
    if (!decode_percent(equals + 1)) return error.set("the value of '%.60s' is not percent-encoded rightly", word);
    if (find(word)) return error.set("the key '%.60s' stands twice", word);
    if (pairs_ == kMaxPairs) return error.set("more than %d keys", kMaxPairs);
    pair_[pairs_++] = {word, equals + 1, false};
  }
  return true;
}

const char* Request::find(const char* key) const {
  for (int i = 0; i < pairs_; ++i) {
    if (strcmp(pair_[i].key, key)) continue;
    pair_[i].known = true;
    return pair_[i].value;
  }
  return nullptr;
}

bool Request::all_known(Error& error) const {
  for (int i = 0; i < pairs_; ++i)
    if (!pair_[i].known) return error.set("the key '%.60s' is unknown to %.60s here", pair_[i].key, verb_);
  return true;
}

bool Request::integer(const char* key, int64_t low, int64_t high, int64_t* value, Error& error) const {
  const char* text = find(key);
  if (!text) return error.set("the key '%s' is missing", key);
  char* end = nullptr;
  errno = 0;
  const long long number = strtoll(text, &end, 10);
  const bool starts_well = *text == '-' || (*text >= '0' && *text <= '9');
  if (!starts_well || *end || errno || number < low || number > high)
    return error.set("%s=%.60s is not a whole number from %lld to %lld", key, text, (long long)low, (long long)high);
  *value = number;
  return true;
}

bool Request::integer_or(const char* key, int64_t fallback, int64_t low, int64_t high, int64_t* value,
                         Error& error) const {
  if (find(key)) return integer(key, low, high, value, error);
  *value = fallback;
  return true;
}

bool Request::number(const char* key, double* value, Error& error) const {
  const char* text;
  if (!this->text(key, &text, error)) return false;
  char* end = nullptr;
  *value = strtod(text, &end);
  if (*end || !isfinite(*value)) return error.set("%s=%.60s is not a number", key, text);
  return true;
}

bool Request::text(const char* key, const char** value, Error& error) const {
  *value = find(key);
  if (!*value || !**value) return error.set("the key '%s' is missing or empty", key);
  return true;
}

Json::~Json() { free(bytes_); }

void Json::put(const char* bytes, size_t count) {
  if (length_ + count > capacity_) {
    capacity_ = (length_ + count) * 2 + 4096;
    bytes_ = (char*)realloc(bytes_, capacity_);
    if (!bytes_) abort();
  }
  memcpy(bytes_ + length_, bytes, count);
  length_ += count;
}

void Json::name(const char* name) {
  if (comma_) put(",", 1);
  comma_ = true;
  if (!name) return;
  quote(name);
  put(":", 1);
}

Json& Json::open(char bracket, const char* label) {
  name(label);
  put(&bracket, 1);
  comma_ = false;
  return *this;
}

Json& Json::close(char bracket) {
  put(&bracket, 1);
  comma_ = true;
  return *this;
}

Json& Json::integer(const char* label, int64_t value) {
  char digits[24];
  name(label);
  put(digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value));
  return *this;
}

Json& Json::number(const char* label, double value) {
  char digits[40];
  name(label);
  if (!isfinite(value)) {
    put("null", 4);
  } else {
    put(digits, (size_t)snprintf(digits, sizeof digits, "%.10g", value));
  }
  return *this;
}

Json& Json::boolean(const char* label, bool value) {
  name(label);
  value ? put("true", 4) : put("false", 5);
  return *this;
}

Json& Json::null(const char* label) {
  name(label);
  put("null", 4);
  return *this;
}

Json& Json::text(const char* label, const char* value) {
  name(label);
  quote(value);
  return *this;
}

void Json::quote(const char* value) {
  put("\"", 1);
  for (; *value; ++value) {
    const unsigned char c = (unsigned char)*value;
    if (c == '"' || c == '\\') {
      const char escaped[2] = {'\\', (char)c};
      put(escaped, 2);
    } else if (c < 0x20 || c >= 0x7f) {
      // Bytes of other alphabets come out as Latin-1 escapes: always valid JSON, whatever the input was.
      char escaped[8];
      put(escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
    } else {
      put(value, 1);
    }
  }
  put("\"", 1);
}

void Json::print(int file) {
  put("\n", 1);
  for (size_t done = 0; done < length_;) {
    const ssize_t count = write(file, bytes_ + done, length_ - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) _exit(1);  // nobody listens any more
    done += (size_t)count;
  }
  clear();
}

}  // namespace bnn
