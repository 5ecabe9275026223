import { Command } from 'commander'
import { version } from '../lib/version.ts'
import { registerAgents } from './commands/agents.ts'
import { registerApi } from './commands/api.ts'
import { registerApprovals } from './commands/approvals.ts'
import { registerBacktest } from './commands/backtest.ts'
import { registerBackup, registerRestore } from './commands/backup.ts'
import { registerBatch } from './commands/batch.ts'
import { registerChat } from './commands/chat.ts'
import { registerCollections } from './commands/collections.ts'
import { registerCompletion } from './commands/completion.ts'
import { registerConversations } from './commands/conversations.ts'
import { registerDatasets } from './commands/datasets.ts'
import { registerDiff } from './commands/diff.ts'
import { registerEnv } from './commands/env.ts'
import { registerEstimate } from './commands/estimate.ts'
import { registerEval } from './commands/eval.ts'
import { registerEvents } from './commands/events.ts'
import { registerFiles } from './commands/files.ts'
import { registerHooks } from './commands/hooks.ts'
import { registerImport } from './commands/import.ts'
import { registerKeys } from './commands/keys.ts'
import { registerLabels } from './commands/labels.ts'
import { registerLogin, registerSignIn, registerTrial } from './commands/login.ts'
import { registerMcp } from './commands/mcp.ts'
import { registerReplay, registerRerun } from './commands/rerun.ts'
import { registerRoutines } from './commands/routines.ts'
import { registerRun } from './commands/run.ts'
import { registerRunbook } from './commands/runbook.ts'
import { registerRuns } from './commands/runs.ts'
import { registerDoctor, registerServe, registerStatus, registerStop } from './commands/serve.ts'
import { registerSkills } from './commands/skills.ts'
import { registerStats } from './commands/stats.ts'
import { registerStorage } from './commands/storage.ts'
import { registerTasks } from './commands/tasks.ts'
import { registerTemplates } from './commands/templates.ts'
import { registerTraces } from './commands/traces.ts'
import { registerTypes } from './commands/types.ts'
import { registerWebhooks } from './commands/webhooks.ts'
import { registerWorker, registerWorkers } from './commands/workers.ts'
import { exitCodes, reportError } from './exit.ts'
import { addGlobals } from './session.ts'

const examples = `
Examples:
  jetty                                     start a server on this machine
  jetty run demo/hello -p name=moon --wait  run a task and print its outputs
  jetty runs ls demo/hello                  list its runs
  jetty chat -m scripted/echo "hi"          ask a model through the gateway
  jetty help <command>                      help for one command, with examples

Exit codes: 0 done · 1 the run failed · 2 wrong use · 3 the server failed or does not answer`

/** Commands by what people want to do, in the order of `--help`: the shortest names of a group come first. */
const groups: readonly (readonly [heading: string, registers: readonly ((program: Command) => void)[]])[] = [
  ['Start:', [registerServe, registerStop, registerLogin, registerStatus, registerTrial, registerSignIn]],
  [
    'Run and look:',
    [
      ...[registerRun, registerRuns, registerChat, registerBatch, registerFiles, registerRerun, registerEvents],
      registerApprovals,
    ],
  ],
  [
    'Build:',
    [
      ...[registerApi, registerEnv, registerMcp, registerTasks, registerTypes, registerAgents, registerSkills],
      ...[registerHooks, registerWorker, registerRunbook, registerRoutines, registerTemplates],
    ],
  ],
  [
    'Improve:',
    [
      ...[registerDiff, registerEval, registerLabels, registerReplay, registerStats, registerTraces],
      ...[registerDatasets, registerEstimate, registerConversations, registerBacktest],
    ],
  ],
  [
    'Operate:',
    [
      ...[
        registerKeys,
        registerDoctor,
        registerBackup,
        registerImport,
        registerRestore,
        registerStorage,
        registerWebhooks,
        registerWorkers,
      ],
      ...[registerCompletion, registerCollections],
    ],
  ],
]

const helpCommand = (): Command => new Command('help').argument('[command]').description('Show the help of a command')

/** Builds the command line. With `isJson` commander prints no errors: they are reported as JSON. */
export const buildProgram = (isJson = false): Command => {
  const program = new Command('jetty')
    .description('A self-hosted server for AI work that must finish, and the commands that use it.')
    .version(version)
    .exitOverride()
    .configureOutput(isJson ? { writeErr: () => {} } : {})
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(see the usage with --help)')
  addGlobals(program).addHelpText('after', examples)
  for (const [heading, registers] of groups) {
    program.commandsGroup(heading)
    if (heading === 'Start:') program.addHelpCommand(helpCommand().helpGroup(heading))
    for (const register of registers) register(program)
  }
  // A command inherits the help command of the program, with its group.
  for (const command of program.commands) if (command.commands.length > 0) command.addHelpCommand(helpCommand())
  return program
}

/**
 * The help of a command below another one: `help runs get`. Commander's own `help` takes one word, and shows the help of
 * all for an unknown one; such a word is called instead, which is an error.
 */
const withNestedHelp = (given: string[], program: Command): string[] => {
  if (given[0] !== 'help') return given
  const words = given.slice(1).filter((word) => !word.startsWith('-'))
  let command: Command | undefined = program
  for (const word of words) {
    if (command.commands.length === 0) break
    command = command.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (!command && word !== 'help') return given.slice(1)
    if (!command) return given
  }
  return words.length > 1 ? [...given.slice(1), '--help'] : given
}

/** Runs one command line and returns the exit code. `jetty` alone is `jetty serve`. */
export const runProgram = async (argv: string[]): Promise<number> => {
  const given = argv.slice(2)
  const isJson = given.includes('--json')
  try {
    const program = buildProgram(isJson)
    await program.parseAsync(given.length === 0 ? ['serve'] : withNestedHelp(given, program), { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok
  } catch (error) {
    return reportError(error, isJson)
  }
}
