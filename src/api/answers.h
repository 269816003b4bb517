#pragma once

#include <string_view>

#include "backend/operation.h"
#include "base/json_writer.h"
#include "flint/decision.h"
#include "flint/doctor.h"
#include "flint/limiter.h"
#include "flint/reservation.h"

/// The JSON of what a backend answers: the names here are the API's promise (docs/http_api.md).
namespace flint::api {

using base::JsonWriter;

void write(JsonWriter& json, const Decision& decision);
void write(JsonWriter& json, const CheckAllResult& result);
void write(JsonWriter& json, const backend::BatchResult& results);
void write(JsonWriter& json, const ReserveResult& result);
void write(JsonWriter& json, const Settlement& settlement);
void write(JsonWriter& json, const ReservationStatus& status);
void write(JsonWriter& json, const LimitStatus& status);
void write(JsonWriter& json, const LimitChanges& changes);
void write(JsonWriter& json, const Event& event);
void write(JsonWriter& json, const DoctorReport& report);
void write(JsonWriter& json, const backend::Health& health);

}  // namespace flint::api
