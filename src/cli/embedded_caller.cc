#include "cli/embedded_caller.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "api/service.h"
#include "backend/local.h"
#include "cli/text.h"
#include "flint/limiter.h"

namespace flint::cli {
namespace {

class EmbeddedCaller final : public Caller {
 public:
  EmbeddedCaller(std::unique_ptr<Limiter> limiter, std::string_view data_dir)
      : limiter_(std::move(limiter)),
        backend_(*limiter_),
        service_(backend_),
        name_("the data directory " + quote(data_dir)) {}

  Result<Answer> call(const Call& call) override {
    api::Response response =
        service_.handle({.method = call.method, .path = call.path, .query = call.query, .body = call.body});
    if (Status status = api::Service::complete(response); !status.ok()) return status;
    return Answer{response.status, std::move(response.body)};
  }

  std::string name() const override { return name_; }

  Status finish() override { return limiter_->close(); }

 private:
  std::unique_ptr<Limiter> limiter_;
  backend::LocalBackend backend_;
  api::Service service_;
  std::string name_;
};

/// Opening a directory for writing creates a store there, which a mistyped --data-dir must not do. A directory that
/// lost its manifest still counts as a store, and so does one of the original Flint: opening it reports what to do. A
/// directory that cannot be read counts too, so that the open reports why.
bool is_store(const std::filesystem::path& data_dir) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(data_dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_log = name.starts_with("log-") && name.ends_with(".flog");
    const bool is_snapshot = name.starts_with("snapshot-") && name.ends_with(".fsnap");
    const bool is_the_originals = name == "flint.aof" || name == "flint.snapshot";
    if (name == "manifest" || is_log || is_snapshot || is_the_originals) return true;
  }
  return error && error != std::errc::no_such_file_or_directory;
}

}  // namespace

Result<std::unique_ptr<Caller>> open_embedded(std::string_view data_dir, Access access) {
  if (access == Access::kChange && !is_store(data_dir)) {
    return Status(Code::kNotFound, "There is no Flint data directory at " + quote(data_dir) +
                                       ". Check --data-dir, or create it with \"flint limit add\".");
  }
  Options options;
  options.mode = access == Access::kRead ? OpenMode::kReadOnly : OpenMode::kReadWrite;
  Result<std::unique_ptr<Limiter>> limiter = Limiter::open(data_dir, options);
  if (!limiter.ok()) return limiter.status();
  return std::unique_ptr<Caller>(std::make_unique<EmbeddedCaller>(std::move(*limiter), data_dir));
}

}  // namespace flint::cli
