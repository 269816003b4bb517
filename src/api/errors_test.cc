#include "api/errors.h"

#include <gtest/gtest.h>

namespace flint::api {
namespace {

struct Row {
  Code code;
  int http_status;
};

constexpr Row kTable[] = {
    {Code::kOk, 200},
    {Code::kInvalidArgument, 400},
    {Code::kLimitNotFound, 404},
    {Code::kRequestIdConflict, 409},
    {Code::kDataDirLocked, 503},
    {Code::kNotFound, 500},
    {Code::kPermission, 500},
    {Code::kCorruption, 500},
    {Code::kUnsupportedFormat, 500},
    {Code::kDiskFull, 507},
    {Code::kStorageFailed, 503},
    {Code::kIoError, 500},
    {Code::kClosed, 503},
    {Code::kUnavailable, 503},
    {Code::kConflict, 409},
    {Code::kReservationNotFound, 404},
    {Code::kReservationsFull, 503},
};
static_assert(std::size(kTable) == static_cast<std::size_t>(Code::kReservationsFull) + 1, "every code has a row");

TEST(ErrorTable, HasAnHttpStatusForEveryCode) {
  for (std::size_t i = 0; i < std::size(kTable); ++i) {
    ASSERT_EQ(static_cast<std::size_t>(kTable[i].code), i);
    const Response response = failure_response(Status(kTable[i].code, "Say \"why\"."));
    EXPECT_EQ(response.status, kTable[i].http_status) << code_name(kTable[i].code);
    EXPECT_EQ(response.body, R"({"error":"Say \"why\".","code":")" + std::string(code_name(kTable[i].code)) + "\"}");
  }
}

}  // namespace
}  // namespace flint::api
