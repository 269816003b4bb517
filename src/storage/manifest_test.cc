#include "storage/manifest.h"

#include "storage/files.h"
#include "storage/format.h"
#include "testing/test_store.h"

namespace flint::storage {
namespace {

using testing::bytes_of;

Manifest some_manifest() {
  return {.generation = 2, .durable_seq = 50, .first_segment = 3, .last_segment = 5, .snapshots = {{2, 40}, {1, 20}}};
}

std::string with_checksum(const std::string& body) {
  char line[32];
  std::snprintf(line, sizeof line, "checksum %016llx\n", static_cast<unsigned long long>(checksum(bytes_of(body), 0)));
  return body + line;
}

TEST(Manifest, ComesBack) {
  for (const Manifest& manifest : {Manifest{}, some_manifest()}) {
    const Result<Manifest> parsed = parse_manifest(encode_manifest(manifest));
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, manifest);
  }
}

TEST(Manifest, EveryChangedByteIsDamage) {
  const std::string good = encode_manifest(some_manifest());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_EQ(parse_manifest(bad).code(), Code::kCorruption) << i;
    EXPECT_EQ(parse_manifest(good.substr(0, i)).code(), Code::kCorruption) << i;
  }
  EXPECT_EQ(parse_manifest(good + "\n").code(), Code::kCorruption);
}

TEST(Manifest, ANewerVersionIsRefusedAndNotCalledDamaged) {
  EXPECT_EQ(parse_manifest(with_checksum("flint manifest 3\nwhatever\n")).code(), Code::kUnsupportedFormat);
}

TEST(Manifest, ContradictionsAreDamage) {
  const std::string head = "flint manifest 2\n";
  EXPECT_TRUE(
      parse_manifest(with_checksum(head + "generation 0\ndurable_seq 0\nfirst_segment 1\nlast_segment 1\n")).ok());
  for (const char* body : {
           "",
           "generation 0\ndurable_seq 0\nfirst_segment 0\nlast_segment 1\n",
           "generation 0\ndurable_seq 0\nfirst_segment 2\nlast_segment 1\n",
           "generation 1\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\nsnapshot 2 5\n",
           "generation 2\ndurable_seq 4\nfirst_segment 1\nlast_segment 1\nsnapshot 2 5\n",
           "generation 2\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\nsnapshot 2 5\nsnapshot 3 4\n",
           "generation 2\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\nsnapshot 2 5\nsnapshot 1 6\n",
           "generation 3\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\nsnapshot 3 5\nsnapshot 2 4\nsnapshot 1 3\n",
           "generation 0\ndurable_seq 0\nfirst_segment 1\nlast_segment 1\nsomething 1\n",
           "generation 0\ndurable_seq -1\nfirst_segment 1\nlast_segment 1\n",
           "generation 0\ndurable_seq 99999999999999999999\nfirst_segment 1\nlast_segment 1\n",
           "durable_seq 0\ngeneration 0\nfirst_segment 1\nlast_segment 1\n",
           // The next compaction stopped the process: the generation after it was not above it, or below all others.
           ("generation 18446744073709551614\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\n"
            "snapshot 18446744073709551614 5\n"),
           ("generation 2305843009213693953\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\n"
            "snapshot 2305843009213693953 5\n"),
           "generation 0\ndurable_seq 18446744073709551615\nfirst_segment 1\nlast_segment 1\n",
           "generation 0\ndurable_seq 0\nfirst_segment 1\nlast_segment 18446744073709551615\n",
           "generation 0\ndurable_seq 0\nfirst_segment 18446744073709551615\nlast_segment 18446744073709551615\n",
           "generation 0\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\nsnapshot 0 5\n",
           "generation 3\ndurable_seq 9\nfirst_segment 1\nlast_segment 1\n",
       }) {
    EXPECT_EQ(parse_manifest(with_checksum(head + body)).code(), Code::kCorruption) << body;
  }
}

TEST(Manifest, OnlyENOENTMeansThatThereIsNone) {
  testing::FaultyDisk disk;
  EXPECT_EQ(read_manifest(*disk.directory()).code(), Code::kNotFound);
  disk.put(kManifestName, "");
  EXPECT_EQ(read_manifest(*disk.directory()).code(), Code::kCorruption);
  disk.put(kManifestName, std::string(100'000, 'x'));
  EXPECT_EQ(read_manifest(*disk.directory()).code(), Code::kCorruption);
}

TEST(Manifest, AnUpdateIsDurableAndWhole) {
  const testing::FaultyDisk disk;
  const auto directory = disk.directory();
  ManifestFile file(*directory, {});
  ASSERT_TRUE(file.update([](Manifest& manifest) { manifest = some_manifest(); }).ok());
  EXPECT_EQ(file.current(), some_manifest());
  const testing::FaultyDisk crashed = disk.crash(1, {.survives = testing::Survives::kOnlySynced});
  EXPECT_EQ(*read_manifest(*crashed.directory()), some_manifest());
}

}  // namespace
}  // namespace flint::storage
