#include "storage/salvage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flint::storage {
namespace {

/// The page size of the page cache, which reads a page completely or not at all, and the sector size of today's disks.
constexpr std::uint64_t kBlockBytes = 4096;

/// Not zeros: they could pass for a record's own zeros, or for reserved space after the last record.
void mark_as_unreadable(std::span<std::byte> bytes, std::uint64_t from_begin_of_block) {
  for (std::byte& byte : bytes) byte = std::byte(kUnreadableMark[from_begin_of_block++ % kUnreadableMark.size()]);
}

class SalvagingFile final : public io::File {
 public:
  SalvagingFile(std::unique_ptr<io::File> file, std::string name, Salvage& salvage)
      : file_(std::move(file)), name_(std::move(name)), salvage_(salvage) {}

  void show_as(std::string_view name) override { file_->show_as(name); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    Result<std::size_t> got = file_->read_at(offset, out);
    return got.code() == Code::kIoError ? read_blocks(offset, out) : std::move(got);
  }
  Result<std::uint64_t> next_data(std::uint64_t offset) const override {
    Result<std::uint64_t> data = file_->next_data(offset);
    return data.code() == Code::kIoError ? Result<std::uint64_t>(offset) : std::move(data);
  }
  Status write_at(std::uint64_t offset, std::span<const std::byte> data) override {
    return file_->write_at(offset, data);
  }
  Status allocate(std::uint64_t size) override { return file_->allocate(size); }
  Status truncate(std::uint64_t size) override { return file_->truncate(size); }
  Result<std::uint64_t> size() const override {
    Result<std::uint64_t> size = file_->size();
    if (!size.ok() && salvage_.not_opened.ok()) salvage_.not_opened = size.status();
    return size;
  }
  Result<io::FileId> id() const override { return file_->id(); }
  Status sync() override { return file_->sync(); }
  bool can_map() const override { return file_->can_map(); }
  Result<std::span<std::byte>> map(std::uint64_t size) override { return file_->map(size); }

 private:
  Result<std::size_t> read_blocks(std::uint64_t offset, std::span<std::byte> out) const;

  std::unique_ptr<io::File> file_;
  std::string name_;
  Salvage& salvage_;
};

/// A read of many blocks fails as a whole if one of them is bad, so the blocks are read one by one. To the code above,
/// an unreadable block is then ordinary damage: one repair handles both, and the copies show where bytes are missing.
Result<std::size_t> SalvagingFile::read_blocks(std::uint64_t offset, std::span<std::byte> out) const {
  const Result<std::uint64_t> size = file_->size();
  if (!size.ok()) return size.status();
  const std::uint64_t end = std::min<std::uint64_t>(*size, offset + out.size());
  for (std::uint64_t at = offset; at < end;) {
    const std::uint64_t block = at / kBlockBytes * kBlockBytes;
    const std::uint64_t bytes = std::min(end, block + kBlockBytes) - at;
    const std::span<std::byte> part = out.subspan(at - offset, bytes);
    if (const Result<std::size_t> got = file_->read_at(at, part); !got.ok()) {
      if (got.code() != Code::kIoError) return got.status();
      mark_as_unreadable(part, at - block);
      salvage_.unreadable[name_].insert(block);
    }
    at += bytes;
  }
  return static_cast<std::size_t>(std::max(end, offset) - offset);
}

class SalvagingDirectory final : public io::Directory {
 public:
  SalvagingDirectory(io::Directory& directory, Salvage& salvage) : directory_(directory), salvage_(salvage) {}

  const std::string& path() const override { return directory_.path(); }
  Result<std::unique_ptr<io::File>> open(std::string_view name, io::OpenFile how) override {
    Result<std::unique_ptr<io::File>> file = directory_.open(name, how);
    if (!file.ok()) {
      if (file.code() == Code::kIoError && salvage_.not_opened.ok()) salvage_.not_opened = file.status();
      return file;
    }
    return std::unique_ptr<io::File>(std::make_unique<SalvagingFile>(std::move(*file), std::string(name), salvage_));
  }
  Result<std::vector<std::string>> list() const override { return directory_.list(); }
  Result<io::FileId> id_of(std::string_view name) const override { return directory_.id_of(name); }
  Status rename(std::string_view from, std::string_view to) override { return directory_.rename(from, to); }
  Status remove(std::string_view name) override { return directory_.remove(name); }
  Status sync() override { return directory_.sync(); }
  Result<std::unique_ptr<io::DirectoryLock>> lock(std::string_view name) override { return directory_.lock(name); }
  Result<std::unique_ptr<io::DirectoryLock>> lock_shared(std::string_view name) override {
    return directory_.lock_shared(name);
  }
  Result<std::string> read_lock_holder(std::string_view name) const override {
    return directory_.read_lock_holder(name);
  }
  Result<io::FileSystemKind> kind() const override { return directory_.kind(); }

 private:
  io::Directory& directory_;
  Salvage& salvage_;
};

}  // namespace

std::unique_ptr<io::Directory> make_salvaging_directory(io::Directory& directory, Salvage& salvage) {
  return std::make_unique<SalvagingDirectory>(directory, salvage);
}

std::string describe(const Salvage& salvage) {
  std::string text;
  for (const auto& [name, blocks] : salvage.unreadable) {
    for (auto block = blocks.begin(); block != blocks.end();) {
      const std::uint64_t begin = *block;
      std::uint64_t end = begin;
      for (; block != blocks.end() && *block == end; ++block) end += kBlockBytes;
      text += fmt::format("{}{} ({} bytes from offset {} on)", text.empty() ? "" : ", ", name, end - begin, begin);
    }
  }
  return text;
}

}  // namespace flint::storage
