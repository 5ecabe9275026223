import { Argument, type Command } from 'commander'
import { type Shell, shells } from '../completion-scripts.ts'

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
