// The C interface as a program in Node calls it, by koffi.
const koffi = require('koffi');

const library = koffi.load(process.env.FLINT_C);
koffi.opaque('flint_limiter');
const errorType = koffi.struct('flint_error', {
  size: 'size_t', code: 'int32_t', message: koffi.array('char', 1020, 'String'),
});
const decisionType = koffi.struct('flint_decision', {
  size: 'size_t', allowed: 'int32_t', algorithm: 'int32_t', cost: 'uint64_t', limit: 'uint64_t',
  remaining: 'uint64_t', reset_at_ms: 'int64_t', reset_after_ms: 'uint64_t', retry_after_ms: 'int64_t',
  keys_full: 'int32_t', would_deny: 'int32_t',
});
const open = library.func(
  'int32_t flint_open(const char *, void *, _Out_ flint_limiter **, _Inout_ flint_error *)');
const close = library.func('int32_t flint_close(flint_limiter *, void *)');
const limit = library.func('int32_t flint_limit(flint_limiter *, const char *, const char *, _Inout_ flint_error *)');
const check = library.func(
  'int32_t flint_check(flint_limiter *, const char *, uint64_t, _Inout_ flint_decision *, _Inout_ flint_error *)');

function call(run) {
  const error = {size: koffi.sizeof(errorType), code: 0, message: ''};
  if (run(error) !== 0) throw new Error(`${error.code} ${error.message}`);
}

/** All members have to be there for koffi to fill them. */
function decide(key) {
  const decision = {
    size: koffi.sizeof(decisionType), allowed: 0, algorithm: 0, cost: 0, limit: 0, remaining: 0, reset_at_ms: 0,
    reset_after_ms: 0, retry_after_ms: 0, keys_full: 0, would_deny: 0,
  };
  call((error) => check(limiter, key, 1, decision, error));
  return decision.allowed ? `allowed ${decision.remaining}` : 'denied';
}

const opened = [null];
call((error) => open(process.env.FLINT_TEST_DIR, null, opened, error));
const limiter = opened[0];
call((error) => limit(limiter, 'k', '2/h', error));
for (let i = 0; i < 3; ++i) console.log(decide('k'));
try {
  decide('nobody');
} catch (refused) {
  console.log(refused.message);
}
close(limiter, null);
