#include <array>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/reservation_commands.h"
#include "flint/limit.h"

namespace flint::cli {
namespace {

constexpr std::string_view kUsualExits = "0 done, 2 wrong usage or argument, 3 storage or connection failed.";
constexpr std::string_view kKeyExits = "0 done, 2 wrong usage or the key has no limit, 3 storage or connection failed.";
constexpr std::string_view kCheckExits =
    "0 allowed, 1 denied, 2 wrong usage or a key has no limit, 3 storage or connection failed.";

// More than eight rates with all that can be said of each.
constexpr std::size_t kMaxLimitWords = 100;

constexpr std::array kGlobalOptions = std::to_array<OptionSpec>({
    {"--data-dir", "DIR", "the data directory (default .flint); a server that holds it answers"},
    {"--server", "URL", "ask the server at http://HOST:PORT, https://HOST or unix:PATH instead"},
    {"--token", "T", "the server's token; prefer FLINT_SERVER_TOKEN or --token-file"},
    {"--token-file", "FILE", "a file that holds the token"},
    {"--ca", "FILE", "https: who may have issued the server's certificate, instead of the system's list"},
    {"--cert", "FILE", "https: a certificate of this client, for a server that asks for one"},
    {"--key", "FILE", "its key, if that is not in the same file"},
    {"--timeout", "TIME", "how long to wait for a server, such as 500ms or 30s (default 10s)"},
    {"--lock-timeout", "TIME",
     "how long to wait while another process holds the directory; 0 does not wait (default 10s)"},
    {"--json", "", "print the API's JSON"},
    {"--version", "", "print the version"},
    {"--help", "", "print this help; after a command, the help of that command"},
});

constexpr std::array kAddOptions = std::to_array<OptionSpec>({
    {"--limit", "LIMIT", "the limit, instead of after the key"},
    {"--rate", "N", "units per period, 1 to 1099511627776"},
    {"--per", "TIME", "the period: 250ms, 10s, 1m, 1h, 1d; a bare number means seconds"},
    {"--algorithm", "A",
     "token_bucket (default), sliding_window_log, fixed_window_counter,\n"
     "sliding_window_counter or concurrency"},
    {"--burst", "N", "token_bucket: the most units at once (default: the rate)"},
    {"--align", "UNIT", "instead of --per: day, week, month or year of the calendar"},
    {"--timezone", "ZONE", "with --align: the IANA name of a time zone (default UTC)"},
    {"--override", "", "of a pattern: it holds also where a check carries a limit"},
    {"--mode", "MODE",
     "enforce (default), shadow: allow everything and count what would be\n"
     "denied, or block: deny everything"},
    {"--from", "FILE", "instead of a key: many limits, a JSON object a line; - reads standard input"},
});

constexpr std::array kCheckOptions = std::to_array<OptionSpec>({
    {"--cost", "N", "units to take (default 1)"},
    {"--limit", "LIMIT", "the limit that the check carries, such as 100/m"},
    {"--dry-run", "", "say what a check would be told, and take and count nothing"},
    {"--request-id", "ID", "names the check: a repeat with the same ID takes nothing again"},
});

constexpr std::array kCheckAllOptions = std::to_array<OptionSpec>({
    {"--dry-run", "", "say what a check would be told, and take and count nothing"},
    {"--request-id", "ID", "names the check: a repeat with the same ID takes nothing again"},
});

constexpr std::array kCheckBatchOptions = std::to_array<OptionSpec>({
    {"--limit", "LIMIT", "the limit that each check carries, such as 100/m"},
    {"--dry-run", "", "say what the checks would be told, and take and count nothing"},
    {"--from", "FILE", "instead of items: many checks, a JSON object a line; - reads standard input"},
});

constexpr std::array kPrefixOptions =
    std::to_array<OptionSpec>({{"--prefix", "P", "all limits, patterns and keys that start with this"}});

constexpr std::array kListOptions = std::to_array<OptionSpec>({
    {"--prefix", "P", "only keys that start with this"},
    {"--after", "KEY", "only keys after this one, in byte order"},
    {"--limit", "N", "at most this many"},
    {"--keys", "", "also keys that live by a pattern or by a limit that checks carry"},
});

constexpr std::array kApplyOptions = std::to_array<OptionSpec>({
    {"--file", "FILE", "the limits file (also -f FILE); - reads standard input", "-f", true},
    {"--prune", "", "also delete the limits and patterns that are not in the file"},
    {"--dry-run", "", "show what would change, and change nothing"},
});

constexpr std::array kExportOptions =
    std::to_array<OptionSpec>({{"--prefix", "P", "only keys and patterns that start with this"}});

constexpr std::array kHistoryOptions =
    std::to_array<OptionSpec>({{"--limit", "N", "at most this many events, the newest (default 100)"}});

constexpr std::array kTopOptions = std::to_array<OptionSpec>({
    {"--by", "WHAT", "denied (default) or allowed"},
    {"--limit", "N", "at most this many keys (default 20)"},
});

constexpr std::array kDoctorOptions =
    std::to_array<OptionSpec>({{"--repair", "", "copy the files aside, then drop what is damaged"}});

constexpr std::array kServerOptions = std::to_array<OptionSpec>({
    {"--bind", "ADDRESS", "ADDR:PORT or unix:PATH (default 127.0.0.1:7878); none: only DIR/flint.sock"},
    {"--sync", "MODE", "always (default): answers wait for the disk; batch: they do not"},
    {"--flush-every-ms", "N", "batch: a flush starts at this age of an event (default 100)"},
    {"--flush-every-events", "N", "batch: a flush starts when this many events wait for one (default 100)"},
    {"--max-unsynced-ms", "N", "batch: changes wait while an event that is not durable is older (default 1000)"},
    {"--max-keys", "N", "keys that may live by patterns and carried limits (default 10000000)"},
    {"--on-full", "ANSWER", "what a new key beyond those is told: deny (default) or allow"},
    {"--carried-limits", "WHETHER", "on (default), or off: no limit in a check by a token with the role check"},
    {"--no-map", "", "append to the log with plain writes, never through a memory map"},
    {"--max-blocking", "N", "requests that may wait on storage at once; further ones queue (default 1024)"},
    {"--threads", "N", "threads that serve connections (default 0: one less than processors)"},
    {"--metrics-top-denied", "N", "name so many keys in /metrics, those with the most denials (default 0: none)"},
    {"--config", "FILE", "a file in TOML with any of these options and [[limits]]; arguments win"},
    {"--limits", "FILE", "a limits file, as of \"limit apply\": its limits change there only"},
    {"--log-level", "LEVEL", "debug, info (default), warning or error"},
    {"--log-format", "FORMAT", "text, json, or auto (default): text on a terminal, else json"},
    {"--log-file", "FILE", "append the log to a file, of which two of 1 MiB are kept, not to standard error"},
    {"--exit-when-idle", "TIME", "end after so long without a connection and a request"},
    {"--detach", "", "go to the background; the command ends when clients can connect"},
});

constexpr std::array kCommands = std::to_array<Command>({
    {.words = "limit add",
     .operands = "KEY [LIMIT]",
     .min_operands = 0,
     .max_operands = 1 + kMaxLimitWords,
     .options = kAddOptions,
     .summary = "Set the limit of a key or a pattern",
     .details =
         "A LIMIT is written as 100/m, 100 per minute, 5/15m, 10/s burst 20 or 1000/d fixed_window_counter.\n"
         "Several windows are separated by commas: 10/s burst 20, 1000/h.\n"
         "The options --rate, --per, --algorithm and --burst say the same. A call without --mode sets enforce.\n"
         "Creates the data directory if it is not there. Setting a limit again changes it; what was used\n"
         "stays used. A key is 1 to 512 bytes of UTF-8; one that starts with \"-\" goes after \"--\".\n"
         "A KEY that ends in \"*\" is a pattern: each key that starts with what is before it gets a quota of its\n"
         "own, unless a limit is set for exactly that key. Put it in quotes, as in 'ip:*'.\n"
         "With --from, each line is what POST /v1/limits takes, such as {\"key\":\"a\",\"limit\":\"100/m\"}. They are "
         "set in\n"
         "groups of a thousand, each of which is set as a whole or not at all. The first wrong line ends the command,\n"
         "which says how far it came.\n",
     .example = "  flint limit add api:user-42 100/m burst 150\n",
     .exit_codes = kUsualExits,
     .asks = {"setLimit", Access::kCreate, judge_done, render_limit_set},
     .run = limit_add},
    {.words = "limit check",
     .operands = "KEY",
     .min_operands = 1,
     .max_operands = 1,
     .options = kCheckOptions,
     .summary = "Decide whether a request may pass, and take its cost if so",
     .details =
         "A denied check takes nothing, and says when to try again. A limit that is set for exactly this key holds,\n"
         "then a pattern that overrides, then --limit, then the longest pattern that matches.\n",
     .example = "  flint limit check api:user-42 --cost 5 && ./send-the-request\n",
     .exit_codes = kCheckExits,
     .asks = {"check", Access::kChange, judge_decision, render_decision},
     .run = ask},
    {.words = "limit check-all",
     .operands = "ITEM...",
     .min_operands = 1,
     .max_operands = kMaxCheckAllItems,
     .options = kCheckAllOptions,
     .summary = "One decision over several keys: all pass, or nothing is taken",
     .details = "An ITEM is KEY or KEY=COST: the digits after the last \"=\" are the cost (default 1).\n"
                "A key that itself ends in \"=\" and digits is written with its cost, as in page=3=1.\n"
                "1 to 128 different keys.\n",
     .example = "  flint limit check-all user:42 org:acme=10 route:/v1/chat=1\n",
     .exit_codes = kCheckExits,
     .asks = {"checkAll", Access::kChange, judge_check_all, render_check_all},
     .run = limit_check_all},
    {.words = "limit check-batch",
     .operands = "ITEM...",
     .min_operands = 0,
     .max_operands = kMaxBatchChecks,
     .options = kCheckBatchOptions,
     .summary = "Many checks at once, each decided by itself",
     .details =
         "An ITEM is KEY or KEY=COST, as for \"limit check-all\", but a key may be there more than once.\n"
         "1 to 1000 checks, decided in the order given. One that fails leaves the others as they are.\n"
         "With --from, each line is what POST /v1/check takes, such as {\"key\":\"a\",\"cost\":2}, and each line "
         "of\n"
         "the output is a decision or an error, in the same order. A wrong line ends the command, and its group\n"
         "of a thousand lines is not decided.\n",
     .example = "  flint limit check-batch job:1 job:2=10 --limit 100/m\n",
     .exit_codes =
         "0 all allowed, 1 one or more denied, 2 wrong usage or a check failed, 3 storage or connection failed.",
     .asks = {"checkBatch", Access::kChange, judge_check_batch, render_check_batch},
     .run = limit_check_batch},
    kLimitCharge,
    kLimitReserve,
    kLimitCommit,
    kLimitCancel,
    kLimitRenew,
    kLimitReservation,
    {.words = "limit status",
     .operands = "KEY",
     .min_operands = 1,
     .max_operands = 1,
     .options = {},
     .summary = "Show the status of a key",
     .details = "Changes nothing, however often it is asked.\n",
     .example = "  flint limit status api:user-42\n",
     .exit_codes = kKeyExits,
     .asks = {"getLimit", Access::kRead, judge_status, render_status},
     .run = ask},
    {.words = "limit list",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = kListOptions,
     .summary = "List keys with their limits, in byte order",
     .details = "Patterns are in the list, and with --keys also the keys that live by them.\n",
     .example = "  flint limit list --prefix api: --limit 50\n",
     .exit_codes = kUsualExits,
     .asks = {"listLimits", Access::kRead, judge_page, render_statuses},
     .run = limit_list},
    {.words = "limit reset",
     .operands = "[KEY]",
     .min_operands = 0,
     .max_operands = 1,
     .options = kPrefixOptions,
     .summary = "Give a key its full quota back",
     .details = "Its counters stay. To reset a pattern resets its keys. Give either KEY or --prefix.\n",
     .example = "  flint limit reset api:user-42\n",
     .exit_codes = kKeyExits,
     .asks = {"reset", Access::kChange, judge_done, render_reset},
     .run = limit_reset},
    {.words = "limit delete",
     .operands = "[KEY]",
     .min_operands = 0,
     .max_operands = 1,
     .options = kPrefixOptions,
     .summary = "Delete the limit of a key, a pattern, or a key without a limit of its own",
     .details =
         "What the key had in use is forgotten, which forgives it; a pattern that matches it holds from then on.\n"
         "The keys of a deleted pattern fall to the next pattern that matches, and what they have in use stays in\n"
         "use. Give either KEY or --prefix.\n",
     .example = "  flint limit delete --prefix api:\n",
     .exit_codes = kKeyExits,
     .asks = {"deleteLimit", Access::kChange, judge_done, render_deleted},
     .run = limit_delete},
    {.words = "limit apply",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = kApplyOptions,
     .summary = "Set the limits that a file lists, all of them or none",
     .details =
         "The file is TOML. Each limit is a [[limits]] with a key, which may be a pattern, and a limit: a text such "
         "as\n"
         "\"100/m burst 150\", or rate, per and, if need be, algorithm and burst; override = true as --override of\n"
         "\"limit add\". Shows the difference: + added, ~ changed, - removed. Everything that is wrong in the file is\n"
         "said as FILE:LINE:, and then nothing changes. At most 10000 limits.\n",
     .example = "  flint limit apply -f limits.toml --dry-run\n",
     .exit_codes = kUsualExits,
     .asks = {"applyLimits", Access::kCreate, judge_changes, render_changes},
     .run = limit_apply},
    {.words = "limit export",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = kExportOptions,
     .summary = "Print the limits and patterns as a file for \"limit apply\"",
     .details = "With --json, prints the body that POST /v1/limits/apply takes. Usage is not in it.\n",
     .example = "  flint limit export > limits.toml\n",
     .exit_codes = kUsualExits,
     .asks = {"listLimits", Access::kRead, judge_page, render_statuses},
     .run = limit_export},
    {.words = "limit history",
     .operands = "KEY",
     .min_operands = 1,
     .max_operands = 1,
     .options = kHistoryOptions,
     .summary = "Show a key's recent events, newest last",
     .details = "Shows the events that the log on disk still contains; compaction drops old ones.\n",
     .example = "  flint limit history api:user-42 --limit 20\n",
     .exit_codes = kKeyExits,
     .asks = {"history", Access::kRead, judge_events, render_history},
     .run = ask},
    {.words = "limit top",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = kTopOptions,
     .summary = "Show the keys with the most denials, or grants",
     .details = "",
     .example = "  flint limit top --by denied --limit 10\n",
     .exit_codes = kUsualExits,
     .asks = {"top", Access::kRead, judge_ranking, render_ranking},
     .run = ask},
    {.words = "log flush",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = {},
     .summary = "Make all decisions so far durable",
     .details = "Useful with a server in sync mode batch; in sync mode always, every answer is already durable.\n",
     .example = "  flint --server http://127.0.0.1:7878 log flush\n",
     .exit_codes = kUsualExits,
     .asks = {"flush", Access::kChange, judge_done, render_flush},
     .run = ask},
    {.words = "log compact",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = {},
     .summary = "Write a snapshot now and drop the log before the previous one",
     .details = "Also runs by itself when the log has grown. Checks continue while it runs.\n",
     .example = "  flint log compact\n",
     .exit_codes = kUsualExits,
     .asks = {"compact", Access::kChange, judge_done, render_compact},
     .run = ask},
    {.words = "backup",
     .operands = "DIR",
     .min_operands = 1,
     .max_operands = 1,
     .options = {},
     .summary = "Copy the data directory, also while a server uses it",
     .details =
         "DIR must not exist or be empty. The copy is the state as of a moment, a data directory like any other, on\n"
         "stable storage, and read back before the command says that it is there. Takes no lock. What a crash\n"
         "leaves of a copy does not open.\n",
     .example = "  flint --data-dir /var/lib/flint backup /backup/flint-monday\n",
     .exit_codes = "0 done, 2 wrong usage or DIR is not empty, 3 the data directory or DIR failed.",
     .run = back_up,
     .local = true},
    {.words = "import",
     .operands = "DIR",
     .min_operands = 1,
     .max_operands = 1,
     .options = {},
     .summary = "Bring limits over from the original Flint in Rust",
     .details = "Reads DIR/flint.snapshot and DIR/flint.aof, which stay as they are, and writes limits, what is used\n"
                "of them and their counters into the data directory: a new one, or one without limits. The original\n"
                "must not run. All or nothing: after a crash the data directory does not open before another import\n"
                "is complete.\n",
     .example = "  flint --data-dir /var/lib/flint import /srv/app/.flint\n",
     .exit_codes =
         "0 done, 2 wrong usage, no such files, or the data directory has limits, 3 the files or storage failed.",
     .run = import_original,
     .local = true},
    {.words = "doctor",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = kDoctorOptions,
     .summary = "Examine the data directory",
     .details = "Takes no lock and writes nothing, so it also works while another process uses the directory, and\n"
                "when the directory does not open. --repair is the only thing in Flint that discards data: it first\n"
                "copies the files to DIR/repair-N-NAME, then drops what is damaged and says what that was.\n",
     .example = "  flint --data-dir /var/lib/flint doctor\n",
     .exit_codes = "0 the directory opens, 2 wrong usage, 3 it does not open or storage or connection failed.",
     .asks = {"doctor", Access::kRead, judge_report, render_doctor},
     .run = doctor},
    {.words = "config check",
     .operands = "FILE",
     .min_operands = 1,
     .max_operands = 1,
     .options = {},
     .summary = "Examine a configuration file for \"server start --config\"",
     .details =
         "Says everything that is wrong in it as FILE:LINE:, also in the limits file that it names. A limits file\n"
         "is examined in the same way. Does not look at arguments, the environment or a data directory.\n",
     .example = "  flint config check /etc/flint/flint.toml\n",
     .exit_codes = "0 the file is sound, 2 it is not, or wrong usage, 3 it cannot be read.",
     .run = config_check,
     .local = true},
    {.words = "server start",
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .options = kServerOptions,
     .summary = "Own the data directory and serve it over HTTP",
     .details = "Runs in the foreground until SIGTERM or SIGINT, then finishes what is in flight and flushes. Also\n"
                "listens on DIR/flint.sock for the commands of the directory's owner. An address other than\n"
                "loopback needs a token. One that is given with --token is wiped from the process list at once, but\n"
                "prefer --token-file or FLINT_SERVER_TOKEN. A token file may hold several, one a line: check TOKEN,\n"
                "metrics TOKEN or admin TOKEN; a token alone is admin. SIGHUP reads the token file, the configuration\n"
                "file and the limits file again, and keeps what it has if anything is wrong with them.\n"
                "With --sync batch, a flush starts after --flush-every-ms or --flush-every-events, whichever comes\n"
                "first; a crash of the machine loses what came after the last completed one. Changes wait while the\n"
                "oldest event that is not durable is older than --max-unsynced-ms, so a crash loses at most that plus\n"
                "what one sync takes.\n"
                "With --detach, the server goes on in a session of its own. What it says before it is ready goes to\n"
                "standard error; after that, give a --log-file.\n",
     .example = "  flint --data-dir /var/lib/flint server start --bind 127.0.0.1:7878 --sync batch\n",
     .exit_codes = "0 stopped by a signal, 2 wrong usage or argument, 3 storage failed or the address is taken.",
     .run = server_start,
     .local = true},
});

}  // namespace

const Grammar& flint_grammar() {
  static constexpr Grammar kGrammar{kGlobalOptions, kCommands};
  return kGrammar;
}

}  // namespace flint::cli
