#include "net/descriptors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/connection_table.h"

namespace flint::net {
namespace {

using ::testing::HasSubstr;

TEST(Descriptors, AreEnoughForAllPlacesUnderAUsualLimit) {
  const Result<ConnectionPlaces> places = places_within(4096, 10, 2, 1024);
  ASSERT_TRUE(places.ok());
  EXPECT_EQ(places->places, 1024U);
  EXPECT_EQ(places->spare, ConnectionTable::kSpare);
}

// Below some 2,300 descriptors a crowd of strangers used them up: nobody else got in, neither probes nor the owner.
TEST(Descriptors, SufficeForEveryPlaceAndSpareWhateverTheLimit) {
  for (const unsigned threads : {1U, 2U, 8U}) {
    for (std::uint64_t limit = 64; limit <= 4096; ++limit) {
      const Result<ConnectionPlaces> places = places_within(limit, 5, threads, 1024);
      if (!places.ok()) {
        EXPECT_LT(limit, 64 + 3 * threads);
        continue;
      }
      EXPECT_GE(places->places, 4U);
      EXPECT_GE(places->spare, 2U);
      // Twice the places; and, of each kind of socket, spares for probes and for those on their way out.
      EXPECT_LE(2 * places->places + 4 * places->spare + 32, limit) << threads;
    }
  }
}

TEST(Descriptors, OfTooLowALimitAreRefusedWithWhatToRaise) {
  const Result<ConnectionPlaces> refused = places_within(63, 16, 4, 1024);
  ASSERT_EQ(refused.code(), Code::kIoError);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("limit of open files is 63, and a server with 4 I/O threads needs"));
  EXPECT_THAT(refused.status().message(), HasSubstr("ulimit -n"));
  EXPECT_THAT(refused.status().message(), HasSubstr("--threads"));
}

}  // namespace
}  // namespace flint::net
