-- A token bucket in Redis, of the kind that most services run: state in a hash, time from the server, refill on read,
-- expiry once the bucket would be full again. A denial writes nothing, as in Flint, so that both pay for the same.
-- KEYS[1]: the bucket. ARGV: rate, period in ms, burst, cost. Answers {1 if allowed else 0, whole tokens left}.
local rate, per_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local burst, cost = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + time[2] / 1000

local state = redis.call('HMGET', KEYS[1], 'tokens', 'ts')
local tokens, ts = tonumber(state[1]) or burst, tonumber(state[2]) or now_ms
tokens = math.min(burst, tokens + math.max(0, now_ms - ts) * rate / per_ms)

if tokens < cost then
  return {0, math.floor(tokens)}
end
tokens = tokens - cost
redis.call('HSET', KEYS[1], 'tokens', tokens, 'ts', now_ms)
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) * per_ms / rate) + 1)
return {1, math.floor(tokens)}
