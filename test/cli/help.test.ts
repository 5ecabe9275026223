import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { buildProgram } from '../../src/cli/program.ts'

interface Named {
  name: string
  command: Command
}

const walk = (command: Command, before: string[] = []): Named[] => {
  const path = [...before, command.name()]
  return [{ name: path.join(' '), command }, ...command.commands.flatMap((one) => walk(one, path))]
}

/** What `<command> --help` prints into a terminal of 120 columns, without colours. */
const helpOf = (command: Command): string => {
  let text = ''
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 120,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return text
}

const commands = walk(buildProgram())
const leaves = commands.filter(({ command }) => command.commands.length === 0)

describe('help', () => {
  it('is as it was looked at', async () => {
    const all = commands.map(({ name, command }) => `$ ${name} --help\n${helpOf(command)}`)
    await expect(all.join(`\n${'-'.repeat(120)}\n`)).toMatchFileSnapshot('help.txt')
  })

  it.each(commands)('$name says what it is for', ({ command }) => {
    expect(command.description()).toMatch(/^[A-Z].{9,}/)
  })

  it.each(leaves)('$name has examples of itself', ({ name, command }) => {
    const [, examples = ''] = helpOf(command).split('Examples:\n')
    expect(examples).toContain(name)
  })

  it.each(commands)('$name shows the options that every command has', ({ command }) => {
    for (const option of ['--json', '--url', '--token-file']) expect(helpOf(command)).toContain(option)
  })

  it.each(commands)('$name needs no more than 120 columns for what it says by itself', ({ command }) => {
    expect(
      helpOf(command)
        .split('\n')
        .filter((line) => line.length > 120),
    ).toEqual([])
  })
})
