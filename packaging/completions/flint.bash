# Completion of flint for bash. Commands and options are read from what `flint --help` and `flint COMMAND --help` print,
# so that they are never out of date; only the words that an option takes are listed here.

# The values of an option $1 that takes one of a few words.
_flint_words_of() {
  case $1 in
    --algorithm) echo token_bucket sliding_window_log fixed_window_counter ;;
    --by) echo denied allowed ;;
    --log-format) echo auto text json ;;
    --log-level) echo debug info warning error ;;
    --sync) echo always batch ;;
  esac
}

# Each option that the help on standard input tells of, as "--name" or "--name VALUE".
_flint_options() { sed -nE 's/^  (--[a-z-]+( [A-Z]+)?)  .*/\1/p'; }

# The commands that the help on standard input tells of.
_flint_commands() { sed -nE '/^Commands:$/,/^$/ s/^  ([a-z]+( [a-z-]+)?)  .*/\1/p'; }

_flint() {
  local program=$1 current=$2 option='' help options commands word i
  local -a words=()
  COMPREPLY=()

  # bash takes --name=value apart at the "=".
  if [[ $current == = ]]; then
    option=$3 current=''
  elif [[ $3 == = ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $3 == --* ]]; then
    option=$3
  fi

  help=$("$program" --help 2>/dev/null) || return 0
  options=$(_flint_options <<<"$help") commands=$(_flint_commands <<<"$help")
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -- ]]; then
      return 0
    elif [[ $word == -* ]]; then
      # Its value is no word of the command.
      if [[ ${COMP_WORDS[i + 1]-} == = ]]; then
        ((i += 2))
      elif [[ $'\n'$options == *$'\n'"$word "* ]]; then
        ((i += 1))
      fi
    elif [[ -n $commands ]]; then
      words+=("$word")
      help=$("$program" "${words[@]}" --help 2>/dev/null) || return 0
      commands=$(_flint_commands <<<"$help")
      # Behind half of a command, the options of all commands may stand.
      if [[ -z $commands ]]; then options=$(_flint_options <<<"$help"); fi
    fi
  done

  local candidates=''
  if [[ -n $option && $'\n'$options == *$'\n'"$option "* ]]; then
    case $option in
      --data-dir) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
      --token-file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
      *) candidates=$(_flint_words_of "$option") ;;
    esac
    if ((${#COMPREPLY[@]} > 0)); then compopt -o filenames 2>/dev/null; fi
  elif [[ $current == -* ]]; then
    candidates=$(cut -d ' ' -f 1 <<<"$options")
  elif [[ -n $commands ]]; then
    # The next word of each.
    candidates=$(cut -d ' ' -f $((${#words[@]} + 1)) <<<"$commands" | sort -u)
  fi
  if [[ -n $candidates ]]; then mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current"); fi
}

complete -F _flint flint
