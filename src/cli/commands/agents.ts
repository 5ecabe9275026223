import { Argument, type Command } from 'commander'
import pc from 'picocolors'
import { invalidField } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { codingAgents, type RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import { type Session, withSession } from '../session.ts'
import { safe, table } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'

const agentArgument = (): Argument => new Argument('[ids...]', 'which agents').choices(codingAgents)

/** `jetty agents …`. */
export const registerAgents = (program: Command): void => {
  const agents = program
    .command('agents')
    .description('Install, list and remove the coding agents that runbooks use on this machine')
  agents
    .command('install')
    .description('Install coding agents from npm, at the versions this Jetty was tested with; needs no server')
    .addArgument(agentArgument())
    .option('--all', 'install all agents (about 1 GB)')
    .addHelpText(
      'after',
      `
A runbook installs its agent when it first needs it. Installed beforehand, the agent starts at once and offline.
Agents are stored in the folder agents of the data folder, or in JETTY_AGENTS_DIR.

Examples:
  jetty agents install claude-code
  jetty agents install --all`,
    )
    .action(withSession<{ all?: boolean }, [RunbookAgent[]]>(install))
  agents
    .command('ls')
    .description('List the coding agents, and show which are installed on this machine')
    .addHelpText('after', '\nExamples:\n  jetty agents ls\n  jetty agents ls --json')
    .action(withSession<object, []>(list))
  agents
    .command('rm')
    .description('Remove coding agents from this machine; a runbook that needs one installs it again')
    .addArgument(agentArgument())
    .option('--all', 'remove all agents')
    .option('--former', 'remove only versions that are no longer used')
    .addHelpText('after', '\nExamples:\n  jetty agents rm opencode\n  jetty agents rm --all --former')
    .action(withSession<{ all?: boolean; former?: boolean }, [RunbookAgent[]]>(remove))
}

/** Loaded here because no other command needs it. */
const openStore = async () => {
  const [{ loadSettings }, { createLogger }, { openLocalAgentStore }] = await Promise.all([
    import('../../lib/settings/config.ts'),
    import('../../lib/log.ts'),
    import('../../server/local/agent-store.ts'),
  ])
  // progress is printed as it happens
  return openLocalAgentStore(loadSettings(process.env), createLogger({ level: 'fatal' }))
}

const chosen = (ids: readonly RunbookAgent[], all: boolean | undefined): readonly RunbookAgent[] => {
  if (all) return codingAgents
  if (ids.length > 0) return [...new Set(ids)]
  throw invalidField(['ids'], `Name at least one of ${codingAgents.join(', ')}, or use --all`)
}

const install = async (session: Session, [ids]: [RunbookAgent[]], { all }: { all?: boolean }): Promise<void> => {
  const { out, signal } = session
  const wanted = chosen(ids, all)
  const store = await openStore()
  let doing = ''
  const line = makeProgressLine(() => doing)
  const there: { id: RunbookAgent; version: string; folder: string }[] = []
  try {
    for (const id of wanted) {
      const tell = (message: string) => {
        doing = message
        if (!process.stderr.isTTY) out.note(message)
      }
      const agent = await store.ensure(id, signal, tell)
      if (agent) there.push({ id, ...agent })
    }
  } finally {
    line.stop()
  }
  out.answer(there, () =>
    there.map(({ id, version, folder }) => `${pc.green('✓')} ${id} ${version} in ${safe(folder)}`).join('\n'),
  )
}

const list = async ({ out }: Session): Promise<void> => {
  const states = await (await openStore()).list()
  out.answer(states, () =>
    table(
      ['AGENT', 'VERSION', 'HERE', 'SIZE', 'OLD VERSIONS', 'PACKAGE'],
      states.map((state) => [
        state.id,
        state.version,
        state.installed ? 'yes' : 'no',
        state.bytes > 0 ? byteSize(state.bytes) : null,
        state.former_versions.join(', ') || null,
        state.package,
      ]),
    ),
  )
}

const remove = async (
  { out }: Session,
  [ids]: [RunbookAgent[]],
  { all, former }: { all?: boolean; former?: boolean },
): Promise<void> => {
  const wanted = chosen(ids, all)
  const store = await openStore()
  const gone: { id: RunbookAgent; version: string }[] = []
  for (const id of wanted) {
    for (const version of await store.remove(id, former ? 'former' : 'all')) gone.push({ id, version })
  }
  out.answer(gone, () =>
    gone.length === 0
      ? 'There is nothing to remove'
      : gone.map(({ id, version }) => `Removed ${id} ${safe(version)}`).join('\n'),
  )
}
