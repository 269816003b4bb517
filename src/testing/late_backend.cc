#include "testing/late_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace flint::testing {
namespace {

std::string subject(const backend::Operation& operation) {
  return std::visit(
      [](const auto& one) -> std::string {
        using One = std::decay_t<decltype(one)>;
        if constexpr (requires { one.key; }) return std::string(one.key);
        if constexpr (std::is_same_v<One, backend::CheckAll>) return "check_all";
        if constexpr (std::is_same_v<One, backend::CheckBatch>) return "check_batch";
        if constexpr (std::is_same_v<One, backend::List>) return "list";
        if constexpr (std::is_same_v<One, backend::Top>) return "top";
        if constexpr (std::is_same_v<One, backend::Flush>) return "flush";
        if constexpr (std::is_same_v<One, backend::Compact>) return "compact";
        if constexpr (std::is_same_v<One, backend::Examine>) return "examine";
        return "health";
      },
      operation);
}

}  // namespace

/// All of its state is guarded by the backend's mutex: the test answers on its own thread.
class LateBackend::LateQueue final : public backend::Queue {
 public:
  LateQueue(LateBackend& backend, Calls calls) : backend_(backend), calls_(std::move(calls)) {}
  ~LateQueue() override {
    const std::lock_guard lock(backend_.mutex_);
    std::erase_if(backend_.questions_, [this](const Question& question) { return question.queue == this; });
  }

  void submit(const backend::Operation& operation, backend::Asker& asker, std::uint64_t number) override {
    const bool begins = std::exchange(in_batch_, true);
    {
      const std::lock_guard lock(backend_.mutex_);
      backend_.questions_.push_back({subject(operation), this, &asker, number, {}});
    }
    backend_.came_.notify_all();
    if (!begins) calls_.batch_begins();
  }

  void end_batch() override {
    if (!std::exchange(in_batch_, false)) return;
    const std::lock_guard lock(backend_.mutex_);
    ++backend_.batches_;
  }

  void deliver() override {
    std::vector<Ready> ready;
    {
      const std::lock_guard lock(backend_.mutex_);
      ready = std::exchange(ready_, {});
    }
    delivering_ = true;
    for (Ready& one : ready) {
      // Whoever was answered before may have made this one leave.
      if (left_.contains(one.asker)) continue;
      one.asker->answered(one.number, std::move(one.answer));
    }
    delivering_ = false;
    left_.clear();
  }

  void forget(const backend::Asker& asker) override {
    if (delivering_) left_.insert(&asker);
    const std::lock_guard lock(backend_.mutex_);
    std::erase_if(backend_.questions_, [&](const Question& question) { return question.asker == &asker; });
    std::erase_if(ready_, [&](const Ready& one) { return one.asker == &asker; });
  }

  /// With the backend's mutex held.
  void give(const Question& question, backend::Answer answer) {
    ready_.push_back({question.asker, question.number, std::move(answer)});
    if (ready_.size() == 1) calls_.wake();
  }

 private:
  struct Ready {
    backend::Asker* asker;
    std::uint64_t number;
    backend::Answer answer;
  };

  LateBackend& backend_;
  const Calls calls_;
  bool in_batch_ = false;
  std::vector<Ready> ready_;
  bool delivering_ = false;
  /// During deliver(): an asker's address may be another one's later.
  std::set<const backend::Asker*> left_;
};

LateBackend::~LateBackend() = default;

std::unique_ptr<backend::Queue> LateBackend::open_queue(backend::Queue::Calls calls) {
  return std::make_unique<LateQueue>(*this, std::move(calls));
}

void LateBackend::run(const backend::Operation& operation, std::function<void(backend::Answer)> done) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back({subject(operation), nullptr, nullptr, 0, std::move(done)});
  }
  came_.notify_all();
}

std::vector<std::string> LateBackend::await(std::size_t count) {
  constexpr std::chrono::seconds kPatience(60);
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(came_.wait_for(lock, kPatience, [&] { return questions_.size() >= count; }));
  std::vector<std::string> what;
  for (const Question& question : questions_) what.push_back(question.what);
  return what;
}

void LateBackend::answer(const std::string& what, backend::Answer answer) {
  std::unique_lock lock(mutex_);
  const auto found = std::find_if(questions_.begin(), questions_.end(),
                                  [&](const Question& question) { return question.what == what; });
  ASSERT_NE(found, questions_.end()) << what;
  Question question = std::move(*found);
  questions_.erase(found);
  if (question.queue != nullptr) return question.queue->give(question, std::move(answer));
  lock.unlock();
  question.done(std::move(answer));
}

void LateBackend::allow(const std::string& key, Units remaining) {
  Decision decision;
  decision.key = key;
  decision.allowed = true;
  decision.cost = 1;
  decision.remaining = remaining;
  answer(key, decision);
}

std::size_t LateBackend::waiting() const {
  const std::lock_guard lock(mutex_);
  return questions_.size();
}

std::size_t LateBackend::batches() const {
  const std::lock_guard lock(mutex_);
  return batches_;
}

}  // namespace flint::testing
