#include "http/metrics_text.h"

#include <fmt/format.h>

#include <iterator>

namespace flint::http {
namespace {

template <typename... Args>
void append(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

}  // namespace

std::string MetricsText::label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  append(out_, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void MetricsText::sample(std::string_view name, std::string_view labels, std::uint64_t value) {
  append(out_, "{}{{{}}} {}\n", name, labels, value);
}

void MetricsText::counter(std::string_view name, std::string_view help, std::uint64_t value) {
  family(name, "counter", help);
  append(out_, "{} {}\n", name, value);
}

void MetricsText::gauge(std::string_view name, std::string_view help, std::uint64_t value) {
  family(name, "gauge", help);
  append(out_, "{} {}\n", name, value);
}

void MetricsText::gauge(std::string_view name, std::string_view help, double value) {
  family(name, "gauge", help);
  append(out_, "{} {}\n", name, value);
}

void MetricsText::histogram(std::string_view name, std::string_view help, const Histogram& values) {
  histogram(name, help, values, 1);
}

void MetricsText::seconds(std::string_view name, std::string_view help, const Histogram& nanos) {
  histogram(name, help, nanos, 1e9);
}

void MetricsText::histogram(std::string_view name, std::string_view help, const Histogram& values, double unit) {
  family(name, "histogram", help);
  std::uint64_t up_to_here = 0;
  for (const Histogram::Bucket& bucket : values.buckets) {
    up_to_here += bucket.count;
    append(out_, "{}_bucket{{le=\"{}\"}} {}\n", name, static_cast<double>(bucket.at_most) / unit, up_to_here);
  }
  const std::uint64_t count = up_to_here + values.above;
  append(out_, "{}_bucket{{le=\"+Inf\"}} {}\n", name, count);
  append(out_, "{}_sum {}\n{}_count {}\n", name, static_cast<double>(values.sum) / unit, name, count);
}

}  // namespace flint::http
