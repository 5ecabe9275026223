import type { Command } from 'commander'
import { buildProgram } from '../src/cli/program.ts'
import { page } from './markdown.ts'

const helpOf = (command: Command): string => {
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
    getOutHelpWidth: () => 100,
  })
  command.configureHelp({ showGlobalOptions: false })
  command.outputHelp()
  return text.trimEnd()
}

const part = (command: Command, path: string[]): string[] => {
  const name = [...path, command.name()]
  return [
    `${'#'.repeat(Math.min(name.length + 1, 3))} ${name.join(' ')}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``,
    ...command.commands.flatMap((one) => part(one, name)),
  ]
}

/** What `--help` says, of every command. */
export const cliPage = (): string =>
  page(
    'Command line',
    'What `--help` prints. [The guide](../cli.md) shows how the commands are used together.',
    ...part(buildProgram(), []),
  )
