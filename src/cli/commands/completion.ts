import { Argument, type Command } from 'commander'

/** Completions after some words of a command line. */
interface Place {
  /** Command names so far, without `jetty`. */
  path: string[]
  words: { word: string; meaning: string }[]
}

const isShown = (command: Command): boolean => !(command as Command & { _hidden?: boolean })._hidden

/** All positions in the command tree; global options are offered everywhere. */
const placesOf = (command: Command, path: string[] = [], globals: Place['words'] = []): Place[] => {
  const options = command.options
    .filter((option) => !option.hidden && option.long)
    .map((option) => ({ word: option.long as string, meaning: option.description }))
  const commands = command.commands.filter(isShown)
  const words = [...commands.map((one) => ({ word: one.name(), meaning: one.description() })), ...options, ...globals]
  const inherited = path.length === 0 ? options : globals
  return [{ path, words }, ...commands.flatMap((one) => placesOf(one, [...path, one.name()], inherited))]
}

const pattern = (path: string[]): string => `'${path.join(' ')}'`

/** `case` branches: both shells keep the typed commands in `typed`. */
const cases = (program: Command, add: (place: Place) => string): string =>
  placesOf(program)
    .map((place) => `    ${pattern(place.path)}) ${add(place)} ;;`)
    .join('\n')

const known = (program: Command): string =>
  placesOf(program)
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => pattern(path))
    .join('|')

const bash = (program: Command): string => `# jetty completion for bash
_jetty() {
  local typed='' word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${typed:+$typed }$word" in
    ${known(program)}) typed="\${typed:+$typed }$word" ;;
    esac
  done
  case "$typed" in
${cases(program, ({ words }) => `words='${words.map(({ word }) => word).join(' ')}'`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _jetty jetty
`

const zshText = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(':', '\\:')

const zsh = (program: Command): string => `#compdef jetty
# jetty completion for zsh
_jetty() {
  local typed='' word
  local -a choices
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${typed:+$typed }$word" in
    ${known(program)}) typed="\${typed:+$typed }$word" ;;
    esac
  done
  case "$typed" in
${cases(program, ({ words }) => `choices=(${words.map(({ word, meaning }) => `'${word}:${zshText(meaning)}'`).join(' ')})`)}
  esac
  _describe 'jetty' choices || _files
}
if [ "\${funcstack[1]}" = _jetty ]; then _jetty "$@"; else compdef _jetty jetty; fi
`

const fishText = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")

const fishLine = (path: string[], { word, meaning }: Place['words'][number]): string => {
  const condition = `test (__jetty_typed) = '${path.join(' ')}'`
  const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`
  return `complete -c jetty -n "${condition}" ${what} -d '${fishText(meaning)}'`
}

const fish = (program: Command): string => `# jetty completion for fish
function __jetty_typed
  set -l typed ''
  for word in (commandline -opc)[2..-1]
    set -l longer (string trim "$typed $word")
    switch $longer
      case ${known(program).replaceAll('|', ' ')}
        set typed $longer
    end
  end
  echo "$typed"
end
${placesOf(program)
  .flatMap(({ path, words }) => words.map((word) => fishLine(path, word)))
  .join('\n')}
`

/** Scripts by shell; each is self-contained and calls no server while completing. */
const shells = { bash, zsh, fish }
type Shell = keyof typeof shells

/** `jetty completion`. */
export const registerCompletion = (program: Command): void => {
  program
    .command('completion')
    .description('Print a script that completes commands and options with the tab key')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(shells)))
    .addHelpText(
      'after',
      `
Examples:
  source <(jetty completion bash)                                  for this shell; in ~/.bashrc for all
  jetty completion zsh > "\${fpath[1]}/_jetty"
  jetty completion fish > ~/.config/fish/completions/jetty.fish`,
    )
    .action((shell: Shell) => {
      process.stdout.write(shells[shell](program))
    })
}
