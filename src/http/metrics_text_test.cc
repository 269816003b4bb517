#include "http/metrics_text.h"

#include <gtest/gtest.h>

#include "http/traffic.h"

namespace flint::http {
namespace {

TEST(MetricsText, IsThePrometheusFormatToTheByte) {
  std::string out;
  MetricsText text(out);
  text.counter("a_total", "All of a.", 18446744073709551615U);
  text.gauge("b", "How much b.", std::uint64_t{0});
  text.gauge("c", "How much c.", 1.5);
  text.family("d_total", "counter", "By kind.");
  text.sample("d_total", "kind=\"x\"", 3);
  EXPECT_EQ(out,
            "# HELP a_total All of a.\n# TYPE a_total counter\na_total 18446744073709551615\n"
            "# HELP b How much b.\n# TYPE b gauge\nb 0\n"
            "# HELP c How much c.\n# TYPE c gauge\nc 1.5\n"
            "# HELP d_total By kind.\n# TYPE d_total counter\nd_total{kind=\"x\"} 3\n");
}

TEST(MetricsText, ALabelIsReadBackAsItWas) {
  EXPECT_EQ(MetricsText::label("key", "a\"b\\c\nd é"), R"(key="a\"b\\c\nd é")");
  EXPECT_EQ(MetricsText::label("key", ""), "key=\"\"");
}

TEST(MetricsText, AddsTheBucketsOfAHistogramUp) {
  const Histogram values{.buckets = {{1'000, 2}, {2'500'000'000, 3}}, .above = 1, .sum = 4'500'000'000};
  std::string out;
  MetricsText(out).seconds("t_seconds", "Time.", values);
  EXPECT_EQ(out,
            "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n"
            "t_seconds_bucket{le=\"1e-06\"} 2\nt_seconds_bucket{le=\"2.5\"} 5\nt_seconds_bucket{le=\"+Inf\"} 6\n"
            "t_seconds_sum 4.5\nt_seconds_count 6\n");
  out.clear();
  MetricsText(out).histogram("n", "Number.", {.buckets = {{1, 0}, {4096, 2}}, .above = 0, .sum = 12});
  EXPECT_EQ(out,
            "# HELP n Number.\n# TYPE n histogram\nn_bucket{le=\"1\"} 0\nn_bucket{le=\"4096\"} 2\n"
            "n_bucket{le=\"+Inf\"} 2\nn_sum 12\nn_count 2\n");
}

TEST(Traffic, CountsAnswersByClassAndHowLongDecisionsTook) {
  Traffic traffic;
  for (const int status : {200, 404, 499, 503}) traffic.answered(status);
  EXPECT_EQ(traffic.answers(2), 1U);
  EXPECT_EQ(traffic.answers(3), 0U);
  EXPECT_EQ(traffic.answers(4), 2U);
  EXPECT_EQ(traffic.answers(5), 1U);
  traffic.decided(std::chrono::microseconds(2));
  EXPECT_EQ(traffic.check_nanos().sum, 2'000U);
  EXPECT_EQ(traffic.check_nanos().buckets[1].count, 1U);
}

}  // namespace
}  // namespace flint::http
