#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flint/stats.h"

namespace flint::http {

/// Appends metrics in the text format of Prometheus, version 0.0.4. Names and help texts are constants of Flint and
/// need no escapes.
class MetricsText {
 public:
  explicit MetricsText(std::string& out) : out_(out) {}

  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  void counter(std::string_view name, std::string_view help, std::uint64_t value);
  void gauge(std::string_view name, std::string_view help, std::uint64_t value);
  void gauge(std::string_view name, std::string_view help, double value);
  void histogram(std::string_view name, std::string_view help, const Histogram& values);
  /// `nanos` as seconds.
  void seconds(std::string_view name, std::string_view help, const Histogram& nanos);

  /// As in `name="value"`, with the escapes that the value needs. It is valid UTF-8.
  [[nodiscard]] static std::string label(std::string_view name, std::string_view value);

  /// Begins a metric with labels, whose samples follow. `labels` are written as label() does.
  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(std::string_view name, std::string_view labels, std::uint64_t value);

 private:
  void histogram(std::string_view name, std::string_view help, const Histogram& values, double unit);

  std::string& out_;
};

}  // namespace flint::http
