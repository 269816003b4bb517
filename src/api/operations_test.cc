#include "api/operations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <string>
#include <tuple>

#include "api/openapi.h"
#include "api/service.h"
#include "backend/local.h"

/// The rows against the description of the API, which is written by hand.
namespace flint::api {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class OperationsTest : public ::testing::Test {
 protected:
  /// What stands at `node`, or where it points.
  const json::object& resolved(const json::value& node) {
    const json::object& object = node.as_object();
    if (!object.contains("$ref")) return object;
    return document_.at_pointer(std::string(object.at("$ref").as_string()).substr(1)).as_object();
  }
  static std::string_view method_of(const OperationRow& row) {
    return row.method == Method::kGet ? "get" : row.method == Method::kPost ? "post" : "delete";
  }
  const json::object& described(const OperationRow& row) {
    return document_.at("paths").at(row.path).at(method_of(row)).as_object();
  }
  [[nodiscard]] bool is_described(const OperationRow& row) const {
    const json::object& paths = document_.at("paths").as_object();
    const json::value* path = paths.if_contains(row.path);
    return path != nullptr && path->as_object().contains(method_of(row));
  }
  /// What docs/openapi.yaml says at least of an operation: to be copied there for a new one, and completed.
  [[nodiscard]] std::string skeleton(const OperationRow& row) const {
    std::string yaml = "  " + std::string(row.path) + ":\n";
    if (row.takes_key()) yaml += "    parameters:\n      - { $ref: '#/components/parameters/Key' }\n";
    if (row.takes_id()) yaml += "    parameters:\n      - { $ref: '#/components/parameters/ReservationInPath' }\n";
    yaml +=
        "    " + std::string(method_of(row)) + ":\n      operationId: " + std::string(row.name) + "\n      x-roles: [";
    for (const std::string& role : roles(row)) yaml += (yaml.ends_with('[') ? "" : ", ") + role;
    yaml += "]\n      tags: []\n      summary:\n";
    std::string parameters;
    for (const Argument& argument : row.arguments) {
      if (argument.in != Argument::In::kQuery) continue;
      parameters += "        - name: " + std::string(argument.name) + "\n          in: query\n" +
                    (argument.is_required ? "          required: true\n" : "") + "          schema:\n";
    }
    if (!parameters.empty()) yaml += "      parameters:\n" + parameters;
    if (row.takes_body()) {
      yaml +=
          "      requestBody:\n        required: true\n        content:\n          application/json:\n            "
          "schema:\n";
    }
    yaml += "      responses:\n";
    for (const std::string& status : statuses(row)) {
      yaml += "        '" + status + "': { $ref: '" + reference_of(status) + "' }\n";
    }
    return yaml;
  }
  [[nodiscard]] static std::set<std::string> roles(const OperationRow& row) {
    std::set<std::string> names;
    for (const Role role : {Role::kCheck, Role::kMetrics}) {
      if (row.roles.admit(role)) names.emplace(name_of(role));
    }
    return names;
  }
  [[nodiscard]] static std::set<std::string> statuses(const OperationRow& row) {
    // What any request may meet: the framing, the token, the page that it came from, the method, the drain.
    std::set<std::string> all{"200", "400", "401", "403", "408", "413", "414",
                              "415", "417", "421", "431", "501", "503", "505"};
    if (row.takes_body()) all.insert("411");
    if (row.target != Target::kNone) all.insert("404");
    if (row.takes_request_id() || row.changes_limits) all.insert("409");
    if (row.needs != Needs::kMemory) all.insert("500");
    if (row.needs == Needs::kRoom) all.insert("507");
    return all;
  }
  /// `CheckRequest` of a reference to it; empty where there is none.
  static std::string schema_name(const json::object& schema) {
    if (!schema.contains("$ref")) return "";
    const std::string path(schema.at("$ref").as_string());
    return path.substr(path.rfind('/') + 1);
  }

  /// Where the operations that are described find the answer with this status.
  [[nodiscard]] std::string reference_of(std::string_view status) const {
    for (const auto& path : document_.at("paths").as_object()) {
      for (const auto& method : path.value().as_object()) {
        const json::value* responses =
            method.value().is_object() ? method.value().as_object().if_contains("responses") : nullptr;
        const json::value* response = responses == nullptr ? nullptr : responses->as_object().if_contains(status);
        if (response != nullptr && response->as_object().contains("$ref")) {
          return std::string(response->at("$ref").as_string());
        }
      }
    }
    return "";
  }

  json::value document_ = json::parse(openapi_document());
};

using Parameters = std::set<std::tuple<std::string, std::string, bool>>;

TEST_F(OperationsTest, AreTheDescribedOnes) {
  std::set<std::string> described;
  for (const auto& path : document_.at("paths").as_object()) {
    for (const auto& member : path.value().as_object()) {
      if (member.key() == "parameters") continue;
      described.insert(std::string(member.value().at("operationId").as_string()));
    }
  }
  std::set<std::string> rows{"events", "gate", "namedGate", "metrics", "live", "ready"};  // those of the server itself
  for (const OperationRow& row : operations()) {
    EXPECT_TRUE(rows.emplace(row.name).second) << row.name;
    ASSERT_TRUE(is_described(row)) << "docs/openapi.yaml does not describe " << row.name
                                   << ". Copy and complete this, then run src/api/openapi_json.py:\n\n"
                                   << skeleton(row);
    EXPECT_EQ(this->described(row).at("operationId").as_string(), row.name);
  }
  EXPECT_EQ(rows, described);
}

TEST_F(OperationsTest, HaveASkeletonForANewDescription) {
  constexpr OperationRow kPing{.name = "ping",
                               .path = "/v1/ping",
                               .method = Method::kGet,
                               .roles = {.check = true, .metrics = false},
                               .effect = Effect::kReads,
                               .needs = Needs::kMemory,
                               .target = Target::kLimit,
                               .arguments = {},
                               .answer = "Done",
                               .read = nullptr};
  EXPECT_FALSE(is_described(kPing));
  EXPECT_THAT(skeleton(kPing), StartsWith("  /v1/ping:\n    get:\n      operationId: ping\n      x-roles: [check]\n"));
  EXPECT_THAT(skeleton(kPing), HasSubstr("\n        '404': { $ref: '#/components/responses/LimitNotFound' }\n"));
}

TEST_F(OperationsTest, AreForTheDescribedRoles) {
  for (const OperationRow& row : operations()) {
    SCOPED_TRACE(row.name);
    std::set<std::string> described_roles;
    for (const json::value& role : described(row).at("x-roles").as_array()) described_roles.emplace(role.as_string());
    EXPECT_EQ(described_roles, roles(row));
    EXPECT_FALSE(row.roles.metrics && appends(row.effect)) << "who only reads must change nothing";
    EXPECT_FALSE(row.roles.check && row.effect == Effect::kChanges) << "limits are the administrator's";
  }
}

TEST_F(OperationsTest, TakeTheDescribedArguments) {
  for (const OperationRow& row : operations()) {
    SCOPED_TRACE(row.name);
    Parameters given;
    std::set<std::string> fields;
    std::set<std::string> required_fields;
    for (const Argument& argument : row.arguments) {
      if (argument.in == Argument::In::kBody) {
        fields.emplace(argument.name);
        if (argument.is_required) required_fields.emplace(argument.name);
      } else {
        given.emplace(argument.name, argument.in == Argument::In::kPath ? "path" : "query", argument.is_required);
      }
    }
    Parameters parameters;
    const auto take = [&](const json::object& of) {
      if (!of.contains("parameters")) return;
      for (const json::value& parameter : of.at("parameters").as_array()) {
        const json::object& one = resolved(parameter);
        const auto* required = one.if_contains("required");
        parameters.emplace(one.at("name").as_string(), one.at("in").as_string(),
                           required != nullptr && required->as_bool());
      }
    };
    take(document_.at("paths").at(row.path).as_object());
    take(described(row));
    EXPECT_EQ(given, parameters);

    const json::object& operation = described(row);
    if (!row.takes_body()) {
      // An empty object at most.
      EXPECT_EQ(operation.contains("requestBody"), row.method == Method::kPost);
      continue;
    }
    const json::object& body = resolved(operation.at("requestBody"));
    EXPECT_TRUE(body.at("required").as_bool());
    const json::object& schema = resolved(body.at("content").at("application/json").at("schema"));
    std::set<std::string> properties;
    std::set<std::string> required;
    for (const auto& property : schema.at("properties").as_object()) properties.emplace(property.key());
    for (const json::value& name : schema.at("required").as_array()) required.emplace(name.as_string());
    EXPECT_EQ(fields, properties);
    EXPECT_EQ(required_fields, required);
  }
}

TEST_F(OperationsTest, AnswerWithTheDescribedSchema) {
  for (const OperationRow& row : operations()) {
    SCOPED_TRACE(row.name);
    const json::object& response = resolved(described(row).at("responses").at("200"));
    const json::object& schema = response.at("content").at("application/json").at("schema").as_object();
    std::string answer = schema_name(schema);
    if (answer.empty()) answer = schema.at("type").as_string();
    if (answer == "array") answer = schema_name(schema.at("items").as_object()) + "[]";
    EXPECT_EQ(answer, row.answer);
  }
}

TEST_F(OperationsTest, FailWithTheDescribedStatuses) {
  for (const OperationRow& row : operations()) {
    SCOPED_TRACE(row.name);
    std::set<std::string> responses;
    for (const auto& response : described(row).at("responses").as_object()) responses.emplace(response.key());
    EXPECT_EQ(statuses(row), responses);
  }
}

TEST_F(OperationsTest, ReadTheArgumentsOfTheirRowsAndNoOthers) {
  const auto limiter = std::move(*Limiter::open_in_memory());
  backend::LocalBackend backend(*limiter);
  Service service(backend);
  for (const OperationRow& row : operations()) {
    SCOPED_TRACE(row.name);
    const std::string last = row.takes_key() ? "k" : row.takes_id() ? std::string(32, '0') : "";
    const std::string path = std::string(row.fixed_path()) + last;
    const auto answer = [&](const std::string& query, const std::string& body) {
      return service.handle({.method = row.method, .path = path, .query = query, .body = body}).body;
    };
    const std::string body = row.takes_body() ? "{}" : "";
    EXPECT_THAT(answer("colour=red", body), HasSubstr("colour is not an argument of this request"));
    EXPECT_THAT(answer("", R"({"colour":"red"})"), HasSubstr("colour is not a field of this request"));
    for (const Argument& argument : row.arguments) {
      const std::string name(argument.name);
      if (argument.in == Argument::In::kQuery) {
        EXPECT_THAT(answer(name + "=1", body), Not(HasSubstr("is not an argument of this request"))) << name;
      } else if (argument.in == Argument::In::kBody) {
        EXPECT_THAT(answer("", "{\"" + name + "\":null}"), Not(HasSubstr("is not a field of this request"))) << name;
        if (argument.is_required && row.arguments.front().name == name) {
          EXPECT_THAT(answer("", "{}"), HasSubstr(name + " is missing"));
        }
      }
    }
  }
}

}  // namespace
}  // namespace flint::api
