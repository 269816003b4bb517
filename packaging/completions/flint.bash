# Completion of flint for bash. Commands and options are read from what `flint --help` and `flint COMMAND --help` print,
# so that they are never out of date; only the words that an option takes are listed here.

# The values of an option $1 that takes one of a few words.
_flint_words_of() {
  case $1 in
    --align) echo day week month year ;;
    --algorithm) echo token_bucket sliding_window_log fixed_window_counter sliding_window_counter concurrency ;;
    --carried-limits) echo on off ;;
    --by) echo denied allowed ;;
    --log-format) echo auto text json ;;
    --mode) echo enforce shadow block ;;
    --on-expiry) echo keep return ;;
    --on-full) echo deny allow ;;
    --log-level) echo debug info warning error ;;
    --sync) echo always batch ;;
  esac
}

# Fills `commands` from the help of the program $1 for the words that follow, and, when there are options in it, `options`
# and `valued` (those that take a value): behind half of a command, the options of all commands may stand.
_flint_read_help() {
  local help line section=''
  help=$("$@" --help 2>/dev/null) || return
  commands=()
  if [[ $help == *$'\n'Options* ]]; then options=() valued=(); fi
  while IFS= read -r line; do
    if [[ $line == [A-Z]* ]]; then
      section=$line
    elif [[ $section == Options* && $line =~ ^\ \ (--[a-z-]+)(\ [A-Z]+)?\ \  ]]; then
      options+=("${BASH_REMATCH[1]}")
      if [[ -n ${BASH_REMATCH[2]} ]]; then valued+=("${BASH_REMATCH[1]}"); fi
    elif [[ $section == Commands: && $line =~ ^\ \ ([a-z]+(\ [a-z-]+)?)\ \  ]]; then
      commands+=("${BASH_REMATCH[1]}")
    fi
  done <<<"$help"
}

_flint() {
  local current=$2 option='' candidates='' word i
  local -a options=() valued=() commands=() words=()
  COMPREPLY=()

  # bash takes --name=value apart at the "=".
  if [[ $current == = ]]; then
    option=$3 current=''
  elif [[ $3 == = ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $3 == --* ]]; then
    option=$3
  fi

  _flint_read_help "$1" || return 0
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -- ]]; then
      return 0
    elif [[ $word == -* ]]; then
      # Its value is no word of the command.
      if [[ ${COMP_WORDS[i + 1]-} == = ]]; then
        ((i += 2))
      elif [[ " ${valued[*]} " == *" $word "* ]]; then
        ((i += 1))
      fi
    elif ((${#commands[@]} > 0)); then
      words+=("$word")
      _flint_read_help "$1" "${words[@]}" || return 0
    fi
  done

  if [[ -n $option && " ${valued[*]} " == *" $option "* ]]; then
    case $option in
      --data-dir) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
      --ca | --cert | --key | --token-file | --file | --from | --config | --limits | --log-file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
      *) candidates=$(_flint_words_of "$option") ;;
    esac
    if ((${#COMPREPLY[@]} > 0)); then compopt -o filenames 2>/dev/null; fi
  elif [[ $current == -* ]]; then
    candidates=${options[*]}
  else
    # The next word of each command, each once.
    for word in "${commands[@]}"; do
      if ((${#words[@]} > 0)); then word=${word#* }; fi
      word=${word%% *}
      if [[ " $candidates " != *" $word "* ]]; then candidates+=" $word"; fi
    done
  fi
  if [[ -n $candidates ]]; then mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current"); fi
}

complete -F _flint flint
