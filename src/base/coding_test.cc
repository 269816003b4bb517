#include "base/coding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>
#include <vector>

#include "testing/seed.h"

namespace flint::base {
namespace {

using ::testing::ElementsAreArray;
using testing::test_seed;

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(CodingTest, BytesOnDiskNeverChange) {
  std::array<std::byte, 64> buffer;
  Writer writer(buffer);
  writer.fixed(std::uint32_t{0x01020304});
  writer.fixed(std::int64_t{-2});
  writer.varint(0);
  writer.varint(127);
  writer.varint(128);
  writer.varint(std::numeric_limits<std::uint64_t>::max());
  writer.text("ab");
  ASSERT_TRUE(writer.ok());
  EXPECT_THAT(writer.written(), ElementsAreArray(bytes_of({0x04, 0x03, 0x02, 0x01, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                           0xff, 0xff, 0x00, 0x7f, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff,
                                                           0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x02, 'a',  'b'})));
}

TEST(CodingTest, ZigzagKeepsSmallMagnitudesSmall) {
  static_assert(zigzag(0) == 0 && zigzag(-1) == 1 && zigzag(1) == 2 && zigzag(-2) == 3);
  for (const std::int64_t value : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, std::int64_t{0},
                                   std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(unzigzag(zigzag(value)), value);
  }
}

TEST(CodingTest, VarintsOfEveryLengthComeBack) {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = random() >> (random() % 64);
    std::array<std::byte, kMaxVarintBytes> buffer;
    Writer writer(buffer);
    writer.varint(value);
    ASSERT_TRUE(writer.ok());
    Reader reader(writer.written());
    ASSERT_EQ(reader.varint(), value);
    ASSERT_TRUE(reader.done());
  }
}

TEST(CodingTest, WriterStopsAtTheEndOfItsBuffer) {
  for (std::size_t room = 0; room < 8; ++room) {
    std::array<std::byte, 16> buffer;
    buffer.fill(std::byte{0xee});
    Writer writer(std::span<std::byte>(buffer).first(room));
    writer.fixed(std::uint64_t{0});
    EXPECT_FALSE(writer.ok());
    writer.varint(1);
    EXPECT_FALSE(writer.ok()) << "what fits after what did not would be read as something else";
    for (std::size_t i = room; i < buffer.size(); ++i) EXPECT_EQ(buffer[i], std::byte{0xee});
  }
}

TEST(CodingTest, ReaderRefusesWhatIsNotThere) {
  const std::vector<std::byte> text = bytes_of({3, 'a', 'b', 'c'});
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    Reader reader(std::span<const std::byte>(text).first(cut));
    EXPECT_EQ(reader.text(), "");
    EXPECT_FALSE(reader.ok());
    EXPECT_EQ(reader.fixed<std::uint8_t>(), 0);
    EXPECT_FALSE(reader.done());
  }
  Reader reader(text);
  EXPECT_EQ(reader.text(), "abc");
  EXPECT_TRUE(reader.done());
}

TEST(CodingTest, ReaderRefusesASecondEncodingOfANumber) {
  for (const auto& bytes : {bytes_of({0x80, 0x00}), bytes_of({0x81, 0x80, 0x00}), bytes_of({0x80}),
                            bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}),
                            bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 0x01})}) {
    Reader reader(bytes);
    EXPECT_EQ(reader.varint(), 0U);
    EXPECT_FALSE(reader.ok());
  }
}

TEST(CodingTest, ReaderRefusesALengthBeyondTheEndHoweverLarge) {
  std::array<std::byte, 16> buffer;
  Writer writer(buffer);
  writer.varint(std::numeric_limits<std::uint64_t>::max());
  Reader reader(writer.written());
  EXPECT_EQ(reader.text(), "");
  EXPECT_FALSE(reader.ok());
}

TEST(CodingTest, DoneMeansThatNothingIsLeft) {
  const std::vector<std::byte> bytes = bytes_of({1, 2});
  Reader reader(bytes);
  EXPECT_EQ(reader.fixed<std::uint8_t>(), 1);
  EXPECT_TRUE(reader.ok());
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.left(), 1U);
}

}  // namespace
}  // namespace flint::base
