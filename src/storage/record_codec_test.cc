#include "storage/format.h"
#include "testing/test_store.h"

namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::text_of;

constexpr std::uint64_t kId = 0xfeedfacecafebeef;
constexpr std::uint64_t kOffset = 4096;

std::vector<std::byte> encoded(const Record& record, Seq durable) {
  std::vector<std::byte> bytes(record_bytes(record.payload.size()));
  encode_record(bytes.data(), kOffset, kId, record, durable);
  return bytes;
}

TEST(RecordCodec, RecordsOfEverySizeComeBack) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4}, std::size_t{20}, std::size_t{255},
                                 std::size_t{4096}, kMaxPayloadBytes}) {
    const std::string payload(size, 'p');
    const std::vector<std::byte> bytes = encoded({.kind = 9, .seq = 77, .payload = bytes_of(payload)}, 70);
    const std::optional<ParsedRecord> parsed = parse_record(bytes, kOffset, kId);
    ASSERT_TRUE(parsed) << size;
    EXPECT_EQ(parsed->record.kind, 9);
    EXPECT_EQ(parsed->record.seq, 77U);
    EXPECT_EQ(text_of(parsed->record.payload), payload);
    EXPECT_EQ(parsed->durable_seq, 70U);
    EXPECT_EQ(parsed->bytes, bytes.size());
  }
}

TEST(RecordCodec, EveryFlippedBitIsNoticed) {
  const std::vector<std::byte> good = encoded({.kind = 9, .seq = 77, .payload = bytes_of("payload!?")}, 70);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::vector<std::byte> bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(parse_record(bad, kOffset, kId)) << "bit " << bit;
  }
}

TEST(RecordCodec, ARecordOfAnotherPlaceOrSegmentIsNotValid) {
  const std::vector<std::byte> bytes = encoded({.kind = 9, .seq = 77, .payload = bytes_of("payload")}, 70);
  EXPECT_TRUE(parse_record(bytes, kOffset, kId));
  EXPECT_FALSE(parse_record(bytes, kOffset + 8, kId));
  EXPECT_FALSE(parse_record(bytes, kOffset, kId + 1));
}

TEST(RecordCodec, WhatIsCutOffIsNotValid) {
  const std::vector<std::byte> bytes = encoded({.kind = 9, .seq = 77, .payload = bytes_of("payload")}, 70);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_record(std::span(bytes).first(size), kOffset, kId)) << size;
  }
}

TEST(RecordCodec, ZerosAreNoRecord) {
  const std::vector<std::byte> zeros(64);
  EXPECT_FALSE(parse_record(zeros, kOffset, kId));
}

TEST(RecordCodec, ALagThatDoesNotFitSaysLessAndNeverMore) {
  const Seq seq = Seq{1} << 40;
  const std::vector<std::byte> bytes = encoded({.kind = 9, .seq = seq, .payload = {}}, 5);
  EXPECT_EQ(parse_record(bytes, kOffset, kId)->durable_seq, seq - UINT32_MAX);
  const std::vector<std::byte> first = encoded({.kind = 9, .seq = 1, .payload = {}}, 0);
  EXPECT_EQ(parse_record(first, kOffset, kId)->durable_seq, 0U);
}

}  // namespace
}  // namespace flint::storage
