import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Argument, type Command } from 'commander'
import pc from 'picocolors'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject, parsedJson, parsedObject } from '../../lib/json/json-object.ts'
import { version } from '../../lib/version.ts'
import { type CodingAgent, codingAgents } from '../../model/runbooks/runbook-agents.ts'
import { type Session, withSession } from '../session.ts'
import { safe, table } from '../show/output.ts'

/** A skill of this package: a folder with SKILL.md, references and examples. */
interface PackagedSkill {
  name: string
  description: string
  /** Bytes of each file by its path in the folder, with forward slashes. */
  files: ReadonlyMap<string, Buffer>
}

/** Below the package, beside both src and dist. */
const skillsFolder = fileURLToPath(new URL('../../../skills/', import.meta.url))

const filesBelow = (folder: string): Map<string, Buffer> => {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort()
  return new Map(paths.map((path) => [path.slice(folder.length + 1).replaceAll(sep, '/'), readFileSync(path)]))
}

/** The description of the front matter, which all our skills write as a quoted text. */
const descriptionOf = (text: string): string =>
  String(parsedJson(/^---\n[\s\S]*?^description: (".*")$/m.exec(text)?.[1] ?? '') ?? '')

/** Reads the skills that came with this package. */
export const readPackagedSkills = (): PackagedSkill[] =>
  readdirSync(skillsFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const files = filesBelow(join(skillsFolder, name))
      return { name, description: descriptionOf(files.get('SKILL.md')?.toString() ?? ''), files }
    })

/** What becomes of a file. `changed`: somebody else wrote or edited it since the last installation. */
type SkillFileAction = 'added' | 'updated' | 'unchanged' | 'removed' | 'changed'

/** What an installation of a skill does to each file of its folder. */
interface SkillPlan {
  skill: PackagedSkill
  /** The folder with the skills of an agent. */
  parent: string
  /** Paths within the folder of the skill. */
  files: { path: string; action: SkillFileAction }[]
}

/** Record of an installation: the hash of each file as it was written. */
const recordName = '.jetty-skill.json'

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** What stands in the way of a file: a link or anything else where a folder or a regular file belongs. */
const obstacle = (parent: string, path: string): string | undefined => {
  const parts = path.split('/')
  for (let count = 1; count <= parts.length; count += 1) {
    const place = join(parent, ...parts.slice(0, count))
    const found = lstatSync(place, { throwIfNoEntry: false })
    if (!found) return undefined
    if (count < parts.length ? !found.isDirectory() : !found.isFile()) return place
  }
  return undefined
}

/** A link on the way from the current folder to `folder` below it: a repository may have one that leads out of it. */
const linkOnTheWay = (folder: string): string | undefined => {
  const parts = folder.split('/')
  return parts
    .map((_, at) => parts.slice(0, at + 1).join('/'))
    .find((place) => lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink())
}

const bytesAt = (path: string): Buffer | undefined =>
  lstatSync(path, { throwIfNoEntry: false }) ? readFileSync(path) : undefined

const hasDots = (path: string): boolean => path.split(/[/\\]/).some((part) => /^\.{0,2}$/.test(part))

/** Hashes of the last installation by path; none where its record is missing or not ours. */
const recordedHashes = (parent: string, name: string): Map<string, unknown> => {
  const path = `${name}/${recordName}`
  const text = obstacle(parent, path) ? undefined : bytesAt(join(parent, path))?.toString()
  const files = parsedObject(text ?? '')?.files
  return new Map(isObject(files) ? Object.entries(files).filter(([file]) => !hasDots(file)) : [])
}

const actionOf = (there: Buffer | undefined, wanted: Buffer | undefined, written: unknown): SkillFileAction => {
  if (there === undefined) return wanted ? 'added' : 'unchanged'
  if (wanted?.equals(there)) return 'unchanged'
  if (hashOf(there) !== written) return 'changed'
  return wanted ? 'updated' : 'removed'
}

/** Plans the installation of a skill below `parent`, and touches nothing. */
export const planSkill = (skill: PackagedSkill, parent: string): SkillPlan => {
  const written = recordedHashes(parent, skill.name)
  const files = [...new Set([...skill.files.keys(), ...written.keys()])].map((path) => {
    const full = `${skill.name}/${path}`
    const action = obstacle(parent, full)
      ? 'changed'
      : actionOf(bytesAt(join(parent, full)), skill.files.get(path), written.get(path))
    return { path, action }
  })
  return { skill, parent, files: files.filter(({ path, action }) => skill.files.has(path) || action !== 'unchanged') }
}

/** Writes a file beside its place and moves it there, so that no reader sees half of it. */
const replaceFile = (path: string, bytes: Buffer | string, mode = 0o644): void => {
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}.new`
  writeFileSync(draft, bytes, { mode, flag: 'wx' })
  renameSync(draft, path)
}

/** Carries a plan out and records what it wrote. Replaces changed files too: the caller has decided that. */
export const carryOutPlan = ({ skill, parent, files }: SkillPlan): void => {
  for (const { path, action } of files) {
    if (action === 'unchanged') continue
    const full = `${skill.name}/${path}`
    const inTheWay = obstacle(parent, full)
    if (inTheWay) rmSync(inTheWay, { force: true }) // the link itself, never what it leads to
    const bytes = skill.files.get(path)
    if (bytes) replaceFile(join(parent, full), bytes, path.endsWith('.sh') ? 0o755 : 0o644)
    else rmSync(join(parent, full), { force: true })
  }
  const hashes = Object.fromEntries([...skill.files].map(([path, bytes]) => [path, hashOf(bytes)]))
  replaceFile(join(parent, skill.name, recordName), `${JSON.stringify({ version, files: hashes }, null, 2)}\n`)
}

/** Folders in which a coding agent keeps its files and looks for skills. */
interface AgentFolders {
  /** Settings of the user; whoever uses the agent has it. */
  settings: string
  /** Skills of the user, for every project. */
  user: string
  /** Skills of a project, from its root. */
  project: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** Folders of each agent as its documentation names them. An agent's own variable for its folder is respected. */
const skillFolders = (env: Environment = process.env, home = homedir()): Record<CodingAgent, AgentFolders> => {
  const claude = env.CLAUDE_CONFIG_DIR || join(home, '.claude')
  const opencode = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'opencode')
  const gemini = join(home, '.gemini')
  return {
    'claude-code': { settings: claude, user: join(claude, 'skills'), project: '.claude/skills' },
    // Codex keeps its settings in ~/.codex, and reads skills from the folder that several agents share:
    // https://developers.openai.com/codex/skills
    codex: {
      settings: env.CODEX_HOME || join(home, '.codex'),
      user: join(home, '.agents/skills'),
      project: '.agents/skills',
    },
    'gemini-cli': { settings: gemini, user: join(gemini, 'skills'), project: '.gemini/skills' },
    opencode: { settings: opencode, user: join(opencode, 'skills'), project: '.opencode/skills' },
  }
}

/** Agents that have been used on this machine. */
const agentsOfUser = (folders = skillFolders()): CodingAgent[] =>
  codingAgents.filter((agent) => existsSync(folders[agent].settings))

interface InstallOptions {
  project?: boolean
  dir?: string
  dryRun?: boolean
  force?: boolean
}

/** `jetty skills …`. */
export const registerSkills = (program: Command): void => {
  const skills = program
    .command('skills')
    .description('Install skills that teach a coding agent to use Jetty; needs no server')
  skills
    .command('install')
    .description('Put the skills where a coding agent looks for them')
    .addArgument(
      new Argument('[agents...]', 'which agents (default: those used on this machine)').choices(codingAgents),
    )
    .option('--project', 'install for the project in the current folder, not for all projects')
    .option('--dir <path>', 'install into this folder, whatever the agent')
    .option('--dry-run', 'show what would be written, and write nothing')
    .option('--force', 'overwrite files that were changed after they were installed')
    .addHelpText(
      'after',
      `
Run it again after an upgrade. It updates the files that it wrote, and stops before it changes anything if somebody has
edited one of them.

Examples:
  jetty skills install
  jetty skills install claude-code codex --project
  jetty skills install --dir ~/agent/skills --dry-run`,
    )
    .action(withSession<InstallOptions, [CodingAgent[]]>(install))
  skills
    .command('ls')
    .description('List the skills, and the agents that have them')
    .addHelpText('after', '\nExamples:\n  jetty skills ls\n  jetty skills ls --json')
    .action(withSession<object, []>(list))
}

const chosenAgents = (agents: CodingAgent[]): CodingAgent[] => {
  const chosen = agents.length > 0 ? [...new Set(agents)] : agentsOfUser()
  if (chosen.length > 0) return chosen
  throw invalidField(
    ['agents'],
    `No coding agent was used on this machine. Name one of ${codingAgents.join(', ')}, or a folder with --dir`,
  )
}

const refuseLink = (folder: string): void => {
  const link = linkOnTheWay(folder)
  if (link === undefined) return
  throw new AppError('conflict', `Nothing was installed: ${link} is a link`, {
    hint: 'A link of a project can lead anywhere. Name the folder that you mean with --dir.',
  })
}

/** Folders to install into. Agents that share a folder get it once. */
const targetsOf = (agents: CodingAgent[], { project, dir }: InstallOptions): string[] => {
  if (dir !== undefined) return [resolve(dir)]
  const folders = skillFolders()
  const chosen = chosenAgents(agents).map((agent) => folders[agent][project ? 'project' : 'user'])
  if (project) for (const folder of chosen) refuseLink(folder)
  return [...new Set(chosen.map((folder) => resolve(folder)))]
}

const changedFiles = (plans: SkillPlan[]): string[] =>
  plans.flatMap(({ skill, parent, files }) =>
    files.filter(({ action }) => action === 'changed').map(({ path }) => join(parent, skill.name, path)),
  )

const refuseChanged = (plans: SkillPlan[]): void => {
  const changed = changedFiles(plans)
  if (changed.length === 0) return
  throw new AppError('conflict', `Nothing was installed: somebody changed ${changed.join(', ')}`, {
    hint: 'Move your changes elsewhere, or overwrite them with --force.',
  })
}

const actions: readonly SkillFileAction[] = ['added', 'updated', 'removed', 'changed', 'unchanged']

const planData = ({ skill, parent, files }: SkillPlan) => ({
  skill: skill.name,
  folder: join(parent, skill.name),
  ...(Object.fromEntries(
    actions.map((action) => [action, files.filter((file) => file.action === action).map(({ path }) => path)]),
  ) as Record<SkillFileAction, string[]>),
})

const planText = (plan: SkillPlan): string => {
  const { folder, ...files } = planData(plan)
  const counts = actions
    .filter((action) => files[action].length > 0)
    .map((action) => `${files[action].length} ${action}`)
  return `${pc.green('✓')} ${safe(folder)}: ${counts.join(', ')}`
}

const install = async ({ out }: Session, [agents]: [CodingAgent[]], options: InstallOptions): Promise<void> => {
  const skills = readPackagedSkills()
  const plans = targetsOf(agents, options).flatMap((parent) => skills.map((skill) => planSkill(skill, parent)))
  if (!options.dryRun) {
    if (!options.force) refuseChanged(plans)
    for (const plan of plans) carryOutPlan(plan)
  }
  out.answer(plans.map(planData), () => plans.map(planText).join('\n'))
  if (options.dryRun) out.note('Nothing was written (--dry-run)')
}

const stateOf = ({ files }: SkillPlan): 'none' | 'current' | 'outdated' | 'changed' => {
  if (files.every(({ action }) => action === 'added')) return 'none'
  if (files.some(({ action }) => action === 'changed')) return 'changed'
  return files.every(({ action }) => action === 'unchanged') ? 'current' : 'outdated'
}

const list = async ({ out }: Session): Promise<void> => {
  const folders = skillFolders()
  const rows = readPackagedSkills().map((skill) => ({
    name: skill.name,
    description: skill.description,
    agents: Object.fromEntries(
      codingAgents.map((agent) => [agent, stateOf(planSkill(skill, folders[agent].user))]),
    ) as Record<CodingAgent, string>,
  }))
  out.answer(rows, () =>
    table(
      ['SKILL', ...codingAgents.map((agent) => agent.toUpperCase())],
      rows.map(({ name, agents }) => [name, ...codingAgents.map((agent) => agents[agent])]),
    ),
  )
}
